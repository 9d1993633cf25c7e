//! Elements picked by position: slices, repetitions, paddings, gathers.

use std::sync::Arc;

use paddle_model::LiteOp;

use super::{
    OpKind,
    layout::{Reshape, Slice, TargetShape},
    real::{self, Known, OutputType},
};
use crate::{
    Fault, Kernel, Refusal, RefusalClass, Tensor,
    cluster::Converter,
    cpu::CpuOp,
    npu::ZeroPoints,
    operands::{Given, axis_of, gather, integers, kernel, positions},
    program::Attributes,
};

const X: &[&str] = &["X"];
const SLICE: &[&str] = &[
    "Input",
    "StartsTensor",
    "StartsTensorList",
    "EndsTensor",
    "EndsTensorList",
    "StridesTensor",
    "StridesTensorList",
];
const EXPAND: &[&str] =
    &["X", "Shape", "expand_shapes_tensor", "ExpandTimes", "expand_times_tensor", "RepeatTimes", "repeat_times_tensor"];
const GATHER: &[&str] = &["X", "Index", "Axis"];
const LOOKUP: &[&str] = &["W", "Ids"];

/// The op types.
pub(crate) const OPS: &[OpKind] = &[
    OpKind {
        types: &["slice", "strided_slice"],
        inputs: SLICE,
        cpu: |op| {
            let bounds = Bounds::of(op.op());
            Ok(vec![kernel(op, SLICE, move |given| bounds.given(given).cut(given.one("Input")?))])
        },
        npu: Some(convert_slice),
    },
    OpKind {
        types: &["expand_v2"],
        inputs: EXPAND,
        cpu: |op| Ok(repeated(op)),
        npu: Some(|converter| {
            if EXPAND[1..].iter().any(|argument| converter.input_count(argument) > 0) {
                return Err(converter.refuse(RefusalClass::Unsupported, "expand to a computed shape"));
            }
            real::convert(converter, Known::new("EXPAND").hands_scale_on().moving())
        }),
    },
    OpKind { types: &["expand", "tile"], inputs: EXPAND, cpu: |op| Ok(repeated(op)), npu: None },
    OpKind { types: &["flip", "roll"], inputs: X, cpu: turned, npu: None },
    OpKind {
        types: &["gather"],
        inputs: GATHER,
        cpu: |op| {
            let axis = op.op().int("axis").unwrap_or(0);
            Ok(vec![kernel(op, GATHER, move |given| {
                let x = given.one("X")?;
                let axis = given.integers("Axis").and_then(|axis| axis.first().copied()).unwrap_or(axis);
                let axis = axis_of(axis, x.shape().len())?;
                taken(x, axis, &integers(given.one("Index")?), None)
            })])
        },
        npu: Some(|converter| real::convert(converter, Known::new("GATHER").zero_points(ZeroPoints::Middle).moving())),
    },
    OpKind {
        types: &["lookup_table", "lookup_table_v2"],
        inputs: LOOKUP,
        cpu: |op| {
            let old = op.op().op_type == "lookup_table";
            Ok(vec![kernel(op, LOOKUP, move |given| {
                let ids = given.one("Ids")?;
                // The first version of the op wants a last axis of extent 1, which goes.
                let shape = ids.shape().strip_suffix(&[1]).filter(|_| old).unwrap_or(ids.shape());
                taken(given.one("W")?, 0, &integers(ids), Some(shape))
            })])
        },
        npu: Some(|converter| {
            let known = Known::new("GATHER").zero_points(ZeroPoints::Middle).output(OutputType::Float32);
            real::convert(converter, known)
        }),
    },
    OpKind {
        types: &["stack"],
        inputs: X,
        cpu: |op| {
            let axis = op.op().int("axis").unwrap_or(0);
            Ok(vec![kernel(op, X, move |given| stacked(&given.all("X"), axis))])
        },
        npu: Some(|converter| {
            let known = Known::new("STACK").zero_points(ZeroPoints::Middle);
            real::convert(converter, known.hands_scale_on().moving())
        }),
    },
];

/// What a slice cuts out.
#[derive(Clone)]
struct Bounds {
    axes: Vec<i64>,
    starts: Vec<i64>,
    ends: Vec<i64>,
    steps: Vec<i64>,
    /// Axes of extent 1 that go.
    decrease: Vec<i64>,
}

impl Bounds {
    fn of(op: &LiteOp) -> Self {
        let ints = |name: &str| op.ints(name).unwrap_or_default();
        Self {
            axes: ints("axes"),
            starts: ints("starts"),
            ends: ints("ends"),
            steps: ints("strides"),
            decrease: ints("decrease_axis"),
        }
    }

    /// With what tensors say instead of attributes.
    fn given(&self, given: &Given<'_>) -> Self {
        let tensors =
            |one: &str, list: &str, own: &[i64]| given.integers(one).or(given.integers(list)).unwrap_or(own.to_vec());
        Self {
            starts: tensors("StartsTensor", "StartsTensorList", &self.starts),
            ends: tensors("EndsTensor", "EndsTensorList", &self.ends),
            steps: tensors("StridesTensor", "StridesTensorList", &self.steps),
            ..self.clone()
        }
    }

    /// The positions along each axis.
    fn sources(&self, shape: &[usize]) -> Result<Vec<Vec<usize>>, Fault> {
        let mut sources: Vec<Vec<usize>> = shape.iter().map(|&extent| (0..extent).collect()).collect();
        for (at, &axis) in self.axes.iter().enumerate() {
            let axis = axis_of(axis, shape.len())?;
            let extent = shape[axis] as i64;
            let step = self.steps.get(at).copied().unwrap_or(1);
            let (Some(&start), Some(&end)) = (self.starts.get(at), self.ends.get(at)) else {
                return Err(Fault::new("a slice needs a start and an end an axis"));
            };
            if step == 0 {
                return Err(Fault::new("a slice cannot have a stride of 0"));
            }
            // A stride downwards may end before the first element.
            let (low, high) = if step > 0 { (0, extent) } else { (-1, extent - 1) };
            let bound = |bound: i64| (if bound < 0 { bound + extent } else { bound }).clamp(low, high);
            let (mut position, end) = (bound(start), bound(end));
            sources[axis].clear();
            while (step > 0 && position < end) || (step < 0 && position > end) {
                sources[axis].push(position as usize);
                position += step;
            }
        }
        Ok(sources)
    }

    fn cut(&self, x: &Tensor) -> Result<Tensor, Fault> {
        let sources = self.sources(x.shape())?;
        let mut shape: Vec<usize> = sources.iter().map(Vec::len).collect();
        let decrease: Vec<usize> =
            self.decrease.iter().map(|&axis| axis_of(axis, shape.len())).collect::<Result<_, _>>()?;
        let mut axis = 0;
        shape.retain(|_| {
            axis += 1;
            !decrease.contains(&(axis - 1))
        });
        if shape.is_empty() {
            shape.push(1);
        }
        gather(x, shape, &positions(&sources, x.shape()))
    }
}

/// A slice, and a squeeze where axes go; the device's slice has no strides (`converter/slice.cc`).
fn convert_slice(converter: &mut Converter<'_>) -> Result<(), Refusal> {
    let bounds = Bounds::of(converter.lite());
    if SLICE[1..].iter().any(|argument| converter.input_count(argument) > 0) {
        return Err(converter.refuse(RefusalClass::Unsupported, "a slice between computed bounds"));
    }
    if bounds.steps.iter().any(|&step| step != 1) {
        return Err(converter.refuse(RefusalClass::Unsupported, "a slice with strides"));
    }
    let x = converter.input("Input", 0)?;
    if converter.operand(x).constant.is_some() {
        return real::convert(converter, Known::new("SLICE").moving());
    }
    let shape = converter.operand(x).shape.clone();
    let sources = bounds.sources(&shape);
    let sources = sources.map_err(|fault| converter.refuse(RefusalClass::Unsupported, fault.to_string()))?;
    if sources.iter().any(Vec::is_empty) {
        return Err(converter.refuse(RefusalClass::Unsupported, "a slice of nothing"));
    }
    let starts = sources.iter().map(|source| source[0]).collect();
    let lengths: Vec<usize> = sources.iter().map(Vec::len).collect();
    let slice = Slice { starts, lengths: lengths.clone() };
    if bounds.decrease.is_empty() {
        converter.emit(slice, vec![x], "Out");
        return Ok(());
    }
    let step = converter.output_step("Out", 0);
    let cut = converter.emit_between(slice, vec![x], lengths, step);
    let target = if bounds.decrease.len() == shape.len() {
        TargetShape::Dims(vec![1])
    } else {
        TargetShape::Squeeze(bounds.decrease)
    };
    converter.emit(Reshape { shape: target }, vec![cut], "Out");
    Ok(())
}

/// `expand_v2` to a shape, `expand` and `tile` a number of times.
fn repeated(op: &CpuOp<'_>) -> Vec<Arc<dyn Kernel>> {
    let lite = op.op();
    let (to_shape, names) = match lite.op_type.as_str() {
        "expand_v2" => (true, ["shape", "Shape", "expand_shapes_tensor"]),
        "expand" => (false, ["expand_times", "ExpandTimes", "expand_times_tensor"]),
        _ => (false, ["repeat_times", "RepeatTimes", "repeat_times_tensor"]),
    };
    let own = lite.ints(names[0]).unwrap_or_default();
    vec![kernel(op, EXPAND, move |given| {
        let x = given.one("X")?;
        let targets = given.integers(names[1]).or(given.integers(names[2])).unwrap_or(own.clone());
        let rank = targets.len().max(x.shape().len());
        let mut shape = vec![1; rank - x.shape().len()];
        shape.extend_from_slice(x.shape());
        let lead = rank - targets.len();
        let mut sources = Vec::with_capacity(rank);
        for (axis, &extent) in shape.iter().enumerate() {
            let target = axis.checked_sub(lead).map(|at| targets[at]);
            let fault = || Fault(format!("cannot expand {:?} by {targets:?}", x.shape()));
            let times = match target {
                None => 1,
                Some(-1) if to_shape => 1,
                Some(target) if to_shape => {
                    let target = usize::try_from(target).map_err(|_| fault())?;
                    if target != extent && extent != 1 {
                        return Err(fault());
                    }
                    if extent == 1 { target } else { 1 }
                }
                Some(times) => usize::try_from(times).map_err(|_| fault())?,
            };
            sources.push((0..extent * times).map(|at| at % extent).collect());
        }
        let new_shape = sources.iter().map(Vec::len).collect();
        gather(x, new_shape, &positions(&sources, &shape))
    })]
}

/// `flip` turns axes around, `roll` turns them by a number of positions.
fn turned(op: &CpuOp<'_>) -> Result<Vec<Arc<dyn Kernel>>, String> {
    let lite = op.op();
    let axes = lite.ints("axis").unwrap_or_default();
    let shifts = (lite.op_type == "roll").then(|| lite.ints("shifts").unwrap_or_default());
    if shifts.as_ref().is_some_and(|shifts| axes.len() != shifts.len()) {
        return Err("a roll of the flattened tensor has no kernel".into());
    }
    Ok(vec![kernel(op, X, move |given| {
        let x = given.one("X")?;
        let mut sources: Vec<Vec<usize>> = x.shape().iter().map(|&extent| (0..extent).collect()).collect();
        for (at, &axis) in axes.iter().enumerate() {
            let source = &mut sources[axis_of(axis, x.shape().len())?];
            match &shifts {
                None => source.reverse(),
                Some(shifts) if !source.is_empty() => {
                    let turns = shifts[at].rem_euclid(source.len() as i64) as usize;
                    source.rotate_right(turns);
                }
                Some(_) => {}
            }
        }
        gather(x, x.shape().to_vec(), &positions(&sources, x.shape()))
    })])
}

/// The slices of `x` along an axis at `indices`, which have a shape of their own where one is given.
fn taken(x: &Tensor, axis: usize, indices: &[i64], shape: Option<&[usize]>) -> Result<Tensor, Fault> {
    let source = indices.iter().map(|&index| usize::try_from(index).ok().filter(|&index| index < x.shape()[axis]));
    let source: Option<Vec<usize>> = source.collect();
    let source = source.ok_or_else(|| Fault(format!("an index lies outside of axis {axis} of {:?}", x.shape())))?;
    let mut sources: Vec<Vec<usize>> = x.shape().iter().map(|&extent| (0..extent).collect()).collect();
    sources[axis] = source;
    let own = [indices.len()];
    let new_shape = [&x.shape()[..axis], shape.unwrap_or(&own), &x.shape()[axis + 1..]].concat();
    gather(x, new_shape, &positions(&sources, x.shape()))
}

/// Tensors of one shape along a new axis.
fn stacked(tensors: &[&Tensor], axis: i64) -> Result<Tensor, Fault> {
    let first = *tensors.first().ok_or_else(|| Fault::new("a stack of nothing"))?;
    if tensors.iter().any(|x| x.shape() != first.shape()) {
        return Err(Fault::new("the tensors of a stack differ in shape"));
    }
    let axis = axis_of(axis, first.shape().len() + 1)?;
    let mut all = first.clone();
    for x in &tensors[1..] {
        all = super::binary::joined(&all, x)?;
    }
    let inner: usize = first.shape()[axis..].iter().product();
    let outer: usize = first.shape()[..axis].iter().product();
    let mut order = Vec::with_capacity(all.len());
    for block in 0..outer {
        for part in 0..tensors.len() {
            let start = part * first.len() + block * inner;
            order.extend(start..start + inner);
        }
    }
    let mut shape = first.shape().to_vec();
    shape.insert(axis, tensors.len());
    gather(&all, shape, &order)
}
