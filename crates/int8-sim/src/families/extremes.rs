//! Reductions beside the mean, and positions of the largest and smallest elements.

use std::sync::Arc;

use paddle_model::LiteOp;

use super::{
    OpKind,
    real::{self, Known, OutputType},
    softmax::along_axis,
};
use crate::{
    Data, Fault, Kernel, Refusal, RefusalClass, Tensor,
    cluster::Converter,
    cpu::CpuOp,
    operands::{axis_of, filled, kernel, numbers, strides, typed},
    program::Attributes,
    rules,
};

const X: &[&str] = &["X"];
const TOP: &[&str] = &["X", "K"];

/// The op types.
pub(crate) const OPS: &[OpKind] = &[
    OpKind {
        types: &["reduce_max", "reduce_sum"],
        inputs: X,
        cpu: |op| Ok(vec![reduced(op, axes_of(op.op()))?]),
        npu: Some(convert_reduce),
    },
    OpKind {
        types: &["reduce_min", "reduce_prod", "reduce_all", "reduce_any"],
        inputs: X,
        cpu: |op| Ok(vec![reduced(op, axes_of(op.op()))?]),
        npu: None,
    },
    OpKind { types: &["arg_max", "arg_min"], inputs: X, cpu: |op| Ok(arg(op)), npu: Some(convert_arg) },
    OpKind { types: &["top_k", "top_k_v2"], inputs: TOP, cpu: |op| Ok(top(op)), npu: None },
    OpKind { types: &["argsort"], inputs: X, cpu: |op| Ok(sorted(op)), npu: None },
];

/// The axes of a reduction, negative ones from the end; none for all of them.
fn axes_of(op: &LiteOp) -> Option<Vec<i64>> {
    let all = op.flag("reduce_all").unwrap_or(false);
    op.ints("dim").filter(|axes| !axes.is_empty() && !all)
}

fn reduced(op: &CpuOp<'_>, axes: Option<Vec<i64>>) -> Result<Arc<dyn Kernel>, String> {
    let function: fn(f64, f64) -> f64 = match op.op().op_type.as_str() {
        "reduce_max" | "reduce_any" => f64::max,
        "reduce_min" | "reduce_all" => f64::min,
        "reduce_sum" => |a, b| a + b,
        "reduce_prod" => |a, b| a * b,
        other => return Err(format!("`{other}` is no reduction")),
    };
    let keep = op.op().flag("keep_dim").unwrap_or(false);
    Ok(kernel(op, X, move |given| {
        let x = given.one("X")?;
        let rank = x.shape().len();
        let mut out = vec![false; rank];
        match &axes {
            None => out.fill(true),
            Some(axes) => {
                for &axis in axes {
                    out[axis_of(axis, rank)?] = true;
                }
            }
        }
        let full: Vec<usize> = x.shape().iter().zip(&out).map(|(&extent, &out)| if out { 1 } else { extent }).collect();
        let (from, to) = (strides(x.shape()), strides(&full));
        let mut results: Vec<Option<f64>> = vec![None; full.iter().product()];
        for (flat, value) in numbers(x).into_iter().enumerate() {
            let at: usize =
                (0..rank).filter(|&axis| !out[axis]).map(|axis| flat / from[axis] % x.shape()[axis] * to[axis]).sum();
            results[at] = Some(results[at].map_or(value, |sofar| function(sofar, value)));
        }
        let mut shape: Vec<usize> =
            full.iter().zip(&out).filter(|&(_, &out)| keep || !out).map(|(&extent, _)| extent).collect();
        if shape.is_empty() {
            shape.push(1);
        }
        let values: Option<Vec<f64>> = results.into_iter().collect();
        typed(x, shape, values.ok_or_else(|| Fault::new("a reduction of nothing"))?)
    }))
}

/// As with the mean, the driver maps the axes with the rank of the output.
fn convert_reduce(converter: &mut Converter<'_>) -> Result<(), Refusal> {
    let x = converter.input("X", 0)?;
    let rank = converter.operand(x).shape.len();
    let axes = axes_of(converter.lite()).unwrap_or_else(|| (0..rank as i64).collect());
    let keep = converter.lite().flag("keep_dim").unwrap_or(false);
    let mapped = rules::stack::axes_by_output_rank(&axes, rank, keep);
    let kernel = reduced(&converter.cpu_op(), Some(mapped));
    let kernel = kernel.map_err(|text| converter.refuse(RefusalClass::Unsupported, text))?;
    let name = if converter.lite().op_type == "reduce_max" { "REDUCE_MAX" } else { "REDUCE_SUM" };
    real::emit(converter, Known::new(name), kernel, vec![x]);
    Ok(())
}

/// The position of the first of the largest or smallest elements along an axis.
fn arg(op: &CpuOp<'_>) -> Vec<Arc<dyn Kernel>> {
    let lite = op.op();
    let largest = lite.op_type == "arg_max";
    let axis = lite.int("axis").unwrap_or(-1);
    let flag = |name: &str| lite.flag(name).unwrap_or(false);
    let (keep, flatten) = (flag("keepdims"), flag("flatten"));
    let narrow = lite.int("dtype") == Some(2);
    vec![kernel(op, X, move |given| {
        let x = given.one("X")?;
        let mut shape = if flatten { vec![x.len()] } else { x.shape().to_vec() };
        let axis = axis_of(axis, shape.len())?;
        let mut values = numbers(x);
        along_axis(&mut values, &shape, axis as i64, |line| {
            let mut best = 0;
            for (at, value) in line.iter().enumerate() {
                let better = if largest { *value > line[best] } else { *value < line[best] };
                best = if better { at } else { best };
            }
            line[0] = best as f64;
        })?;
        let inner: usize = shape[axis + 1..].iter().product();
        let block = shape[axis] * inner;
        let found: Vec<i64> =
            values.chunks_exact(block.max(1)).flat_map(|block| &block[..inner]).map(|&at| at as i64).collect();
        if keep {
            shape[axis] = 1;
        } else {
            shape.remove(axis);
        }
        if shape.is_empty() {
            shape.push(1);
        }
        let narrowed = || Data::I32(found.iter().map(|&at| at as i32).collect());
        filled(shape, if narrow { narrowed() } else { Data::I64(found.clone()) })
    })]
}

/// With `keepdims` the driver reshapes to the shape of the input, which does not fit (`converter/arg_min_max.cc`).
fn convert_arg(converter: &mut Converter<'_>) -> Result<(), Refusal> {
    if converter.lite().flag("keepdims").unwrap_or(false) {
        return Err(converter.refuse(RefusalClass::Unsupported, "arg_max and arg_min with keepdims"));
    }
    let name = if converter.lite().op_type == "arg_max" { "ARG_MAX" } else { "ARG_MIN" };
    let output = if converter.lite().int("dtype") == Some(2) { OutputType::Int32 } else { OutputType::Int64 };
    real::convert(converter, Known::new(name).output(output))
}

/// The positions of a line in order of value, equal ones in order of position.
fn order(line: &[f64], largest: bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..line.len()).collect();
    order.sort_by(|&a, &b| {
        let by_value = line[a].total_cmp(&line[b]);
        if largest { by_value.reverse() } else { by_value }
    });
    order
}

/// The values and the positions of the first `count` of each line in order.
fn ordered(x: &Tensor, axis: i64, count: usize, largest: bool) -> Result<(Tensor, Tensor), Fault> {
    let at = axis_of(axis, x.shape().len())?;
    let extent = x.shape()[at];
    if count > extent {
        return Err(Fault(format!("the first {count} of {extent} along axis {axis}")));
    }
    let (mut values, mut positions) = (numbers(x), numbers(x));
    along_axis(&mut values, x.shape(), axis, |line| {
        let sorted: Vec<f64> = order(line, largest).into_iter().map(|at| line[at]).collect();
        line.copy_from_slice(&sorted);
    })?;
    along_axis(&mut positions, x.shape(), axis, |line| {
        let order = order(line, largest);
        line.iter_mut().zip(order).for_each(|(to, at)| *to = at as f64);
    })?;
    let mut shape = x.shape().to_vec();
    shape[at] = count;
    let inner: usize = shape[at + 1..].iter().product();
    let first = |all: Vec<f64>| -> Vec<f64> {
        all.chunks_exact((extent * inner).max(1)).flat_map(|block| block[..count * inner].to_vec()).collect()
    };
    let positions = first(positions).into_iter().map(|at| at as i64).collect();
    Ok((typed(x, shape.clone(), first(values))?, filled(shape, Data::I64(positions))?))
}

fn top(op: &CpuOp<'_>) -> Vec<Arc<dyn Kernel>> {
    let lite = op.op();
    let (count, axis) = (lite.int("k").unwrap_or(1), lite.int("axis").unwrap_or(-1));
    let largest = lite.flag("largest").unwrap_or(true);
    let result = |result: usize| {
        kernel(op, TOP, move |given| {
            let count = given.integers("K").and_then(|k| k.first().copied()).unwrap_or(count);
            let count = usize::try_from(count).map_err(|_| Fault(format!("the first {count} elements")))?;
            let (values, positions) = ordered(given.one("X")?, axis, count, largest)?;
            Ok(if result == 0 { values } else { positions })
        })
    };
    vec![result(0), result(1)]
}

fn sorted(op: &CpuOp<'_>) -> Vec<Arc<dyn Kernel>> {
    let axis = op.op().int("axis").unwrap_or(-1);
    let largest = op.op().flag("descending").unwrap_or(false);
    let result = |result: usize| {
        kernel(op, X, move |given| {
            let x = given.one("X")?;
            let extent = x.shape()[axis_of(axis, x.shape().len())?];
            let (values, positions) = ordered(x, axis, extent, largest)?;
            Ok(if result == 0 { values } else { positions })
        })
    };
    vec![result(0), result(1)]
}
