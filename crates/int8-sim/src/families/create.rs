//! Tensors made from attributes, shapes and other element types: `fill_*`, `shape`, `range`, `cast`, `assign`, `meshgrid`.

use std::sync::Arc;

use paddle_model::LiteOp;

use super::{
    OpKind,
    real::{self, Known, OutputType, bind_constant},
};
use crate::{
    Data, Fault, Kernel, RefusalClass, Tensor,
    cpu::CpuOp,
    npu::ZeroPoints,
    operands::{filled, gather, integers, kernel, numbers, positions},
    program::Attributes,
};

const X: &[&str] = &["X"];
const INPUT: &[&str] = &["Input"];
const FILL: &[&str] = &["ShapeTensor", "ShapeTensorList", "ValueTensor"];
const RANGE: &[&str] = &["Start", "End", "Step"];

/// The op types.
pub(crate) const OPS: &[OpKind] = &[
    OpKind {
        types: &["shape"],
        inputs: INPUT,
        cpu: |op| {
            Ok(vec![kernel(op, INPUT, |given| {
                let dims = given.one("Input")?.shape();
                filled(vec![dims.len()], Data::I32(dims.iter().map(|&extent| extent as i32).collect()))
            })])
        },
        // With a static shape the result is known and no operation is left.
        npu: Some(|converter| {
            let x = converter.input("Input", 0)?;
            let dims: Vec<i32> = converter.operand(x).shape.iter().map(|&extent| extent as i32).collect();
            let value = Tensor::new(vec![dims.len()], Data::I32(dims));
            bind_constant(converter, "Out", 0, &value);
            Ok(())
        }),
    },
    OpKind {
        types: &["fill_constant"],
        inputs: FILL,
        cpu: |op| {
            let lite = op.op();
            let (value, dtype) = (fill_value(lite), lite.int("dtype"));
            let own = lite.ints("shape").unwrap_or_default();
            Ok(vec![kernel(op, FILL, move |given| {
                let dims = given.integers("ShapeTensor").or(given.integers("ShapeTensorList"));
                let value = given.numbers("ValueTensor").and_then(|values| values.first().copied()).unwrap_or(value);
                constant(&dims.unwrap_or_else(|| own.clone()), value, dtype)
            })])
        },
        npu: Some(|converter| {
            if FILL.iter().any(|argument| converter.input_count(argument) > 0) {
                return Err(converter.refuse(RefusalClass::Unsupported, "fill_constant of a computed shape or value"));
            }
            real::convert(converter, Known::new("FILL"))
        }),
    },
    OpKind {
        types: &["fill_any_like", "fill_zeros_like"],
        inputs: X,
        cpu: |op| {
            let (value, dtype) = (fill_value(op.op()), op.op().int("dtype"));
            Ok(vec![kernel(op, X, move |given| {
                let x = given.one("X")?;
                let dims: Vec<i64> = x.shape().iter().map(|&extent| extent as i64).collect();
                let same = match x.data() {
                    Data::I32(_) => 2,
                    Data::I64(_) => 3,
                    _ => 5,
                };
                constant(&dims, value, Some(dtype.filter(|&dtype| dtype >= 0).unwrap_or(same)))
            })])
        },
        // The driver writes it as a product with 0 and a sum (`convert_fill_like_into_mul_add.cc`).
        npu: Some(|converter| real::convert(converter, Known::new("FILL_LIKE"))),
    },
    OpKind {
        types: &["fill_constant_batch_size_like"],
        inputs: INPUT,
        cpu: |op| {
            let lite = op.op();
            let (value, dtype) = (fill_value(lite), lite.int("dtype"));
            let own = lite.ints("shape").unwrap_or_default();
            let index = |name: &str| lite.int(name).and_then(|index| usize::try_from(index).ok()).unwrap_or(0);
            let (from, to) = (index("input_dim_idx"), index("output_dim_idx"));
            Ok(vec![kernel(op, INPUT, move |given| {
                let extent = given.one("Input")?.shape().get(from).copied();
                let mut dims = own.clone();
                match (dims.get_mut(to), extent) {
                    (Some(dim), Some(extent)) => *dim = extent as i64,
                    _ => return Err(Fault(format!("no axis {from} of the input or axis {to} of {own:?}"))),
                }
                constant(&dims, value, dtype)
            })])
        },
        npu: Some(|converter| real::convert(converter, Known::new("ADD").zero_points(ZeroPoints::Middle))),
    },
    OpKind {
        types: &["assign_value"],
        inputs: &[],
        cpu: |op| {
            let lite = op.op();
            let dims = lite.sizes("shape").ok_or("assign_value needs `shape`")?;
            let data = assigned(lite).ok_or("assign_value needs values")?;
            Ok(vec![kernel(op, &[], move |_| filled(dims.clone(), data.clone()))])
        },
        npu: None,
    },
    OpKind {
        types: &["range"],
        inputs: RANGE,
        cpu: |op| {
            Ok(vec![kernel(op, RANGE, |given| {
                let first = given.one("Start")?;
                let number = |name: &str| {
                    let value = given.numbers(name).and_then(|values| values.first().copied());
                    value.ok_or_else(|| Fault(format!("`{name}` of a range is missing")))
                };
                let (start, end, step) = (number("Start")?, number("End")?, number("Step")?);
                let count = ((end - start) / step).ceil();
                if !(0.0..1e8).contains(&count) {
                    return Err(Fault(format!("no range from {start} to {end} by {step}")));
                }
                let values: Vec<f64> = (0..count as usize).map(|at| start + at as f64 * step).collect();
                crate::operands::typed(first, vec![values.len()], values)
            })])
        },
        npu: None,
    },
    OpKind {
        types: &["cast"],
        inputs: X,
        cpu: |op| {
            let to = op.op().int("out_dtype").ok_or("a cast needs `out_dtype`")?;
            Ok(vec![kernel(op, X, move |given| {
                let x = given.one("X")?;
                filled(x.shape().to_vec(), of_dtype(&numbers(x), Some(to))?)
            })])
        },
        npu: Some(|converter| {
            let output = match converter.lite().int("out_dtype") {
                Some(3) => OutputType::Int64,
                Some(0 | 2) => OutputType::Int32,
                _ if converter.output_step("Out", 0).is_some() => OutputType::Same,
                _ => OutputType::Float32,
            };
            real::convert(converter, Known::new("CAST").output(output))
        }),
    },
    OpKind {
        types: &["assign", "calib", "share_data"],
        inputs: &["X", "Input"],
        cpu: |op| {
            Ok(vec![kernel(op, &["X", "Input"], |given| {
                Ok(given.maybe("X").map_or_else(|| given.one("Input"), Ok)?.clone())
            })])
        },
        npu: Some(|converter| {
            let known = match converter.lite().op_type.as_str() {
                "assign" => Known::new("ASSIGN"),
                _ => Known::new("QUANTIZE").zero_points(ZeroPoints::Untouched),
            };
            real::convert(converter, known.moving())
        }),
    },
    OpKind {
        types: &["meshgrid"],
        inputs: X,
        cpu: |op| {
            let parts = op.op().outputs.get("Out").map_or(0, Vec::len);
            let part = |part: usize| {
                kernel(op, X, move |given| {
                    let tensors = given.all("X");
                    let shape: Vec<usize> = tensors.iter().map(|x| x.len()).collect();
                    let x = *tensors.get(part).ok_or_else(|| Fault::new("a grid has more results than inputs"))?;
                    let mut sources: Vec<Vec<usize>> = shape.iter().map(|&extent| vec![0; extent]).collect();
                    sources[part] = (0..x.len()).collect();
                    let own: Vec<usize> = (0..shape.len()).map(|axis| if axis == part { x.len() } else { 1 }).collect();
                    gather(x, shape, &positions(&sources, &own))
                })
            };
            Ok((0..parts).map(part).collect())
        },
        npu: Some(|converter| {
            real::convert(converter, Known::new("MESHGRID").zero_points(ZeroPoints::Middle).moving())
        }),
    },
    OpKind {
        types: &["increment"],
        inputs: X,
        cpu: |op| {
            let step = f64::from(op.op().float("step").unwrap_or(1.0));
            Ok(vec![kernel(op, X, move |given| {
                let x = given.one("X")?;
                crate::operands::typed(x, x.shape().to_vec(), numbers(x).iter().map(|value| value + step).collect())
            })])
        },
        npu: None,
    },
    OpKind { types: &["cumsum"], inputs: X, cpu: |op| Ok(cumulated(op)), npu: None },
    OpKind { types: &["one_hot", "one_hot_v2"], inputs: X, cpu: one_hot, npu: None },
];

/// The value of a fill: as text where one is given.
fn fill_value(op: &LiteOp) -> f64 {
    let text = op.text("str_value").filter(|text| !text.is_empty());
    text.and_then(|text| text.parse().ok()).unwrap_or_else(|| op.float("value").map_or(0.0, f64::from))
}

/// Numbers as the element type of a data type's number; truth values are 0 and 1 of 32 bit.
fn of_dtype(values: &[f64], dtype: Option<i64>) -> Result<Data, Fault> {
    Ok(match dtype {
        Some(0) => Data::I32(values.iter().map(|&value| i32::from(value != 0.0)).collect()),
        Some(1 | 2 | 20 | 21) => Data::I32(values.iter().map(|&value| value as i32).collect()),
        Some(3) => Data::I64(values.iter().map(|&value| value as i64).collect()),
        None | Some(4..=6) => Data::F32(values.iter().map(|&value| value as f32).collect()),
        Some(other) => return Err(Fault(format!("no tensor has data type {other}"))),
    })
}

fn constant(dims: &[i64], value: f64, dtype: Option<i64>) -> Result<Tensor, Fault> {
    let shape: Option<Vec<usize>> = dims.iter().map(|&dim| usize::try_from(dim).ok()).collect();
    let size = shape.as_ref().and_then(|shape| shape.iter().try_fold(1usize, |size, &extent| size.checked_mul(extent)));
    match (shape, size) {
        (Some(shape), Some(size)) if size < 1 << 28 => filled(shape, of_dtype(&vec![value; size], dtype)?),
        _ => Err(Fault(format!("cannot fill {dims:?}"))),
    }
}

/// The values of `assign_value`, under whichever attribute they are.
fn assigned(op: &LiteOp) -> Option<Data> {
    let of = |name: &str| op.ints(name).filter(|values| !values.is_empty());
    if let Some(values) = op.floats("fp32_values").filter(|values| !values.is_empty()) {
        return Some(Data::F32(values));
    }
    if let Some(values) = of("int64_values") {
        return Some(Data::I64(values));
    }
    let values = of("int32_values").or_else(|| of("bool_values"))?;
    Some(Data::I32(values.into_iter().map(|value| value as i32).collect()))
}

/// Sums of all elements up to each along an axis.
fn cumulated(op: &CpuOp<'_>) -> Vec<Arc<dyn Kernel>> {
    let lite = op.op();
    let axis = lite.int("axis").unwrap_or(-1);
    let flag = |name: &str| lite.flag(name).unwrap_or(false);
    let (exclusive, reverse, flatten) = (flag("exclusive"), flag("reverse"), flag("flatten"));
    vec![kernel(op, X, move |given| {
        let x = given.one("X")?;
        let shape = if flatten { vec![x.len()] } else { x.shape().to_vec() };
        let mut values = numbers(x);
        super::softmax::along_axis(&mut values, &shape, axis, |line| {
            if reverse {
                line.reverse();
            }
            let mut sum = 0.0;
            for value in line.iter_mut() {
                let before = sum;
                sum += *value;
                *value = if exclusive { before } else { sum };
            }
            if reverse {
                line.reverse();
            }
        })?;
        crate::operands::typed(x, shape, values)
    })]
}

fn one_hot(op: &CpuOp<'_>) -> Result<Vec<Arc<dyn Kernel>>, String> {
    let depth = op.op().int("depth").and_then(|depth| usize::try_from(depth).ok()).filter(|&depth| depth > 0);
    let depth = depth.ok_or("one_hot needs `depth`")?;
    let old = op.op().op_type == "one_hot";
    Ok(vec![kernel(op, X, move |given| {
        let x = given.one("X")?;
        let mut shape = x.shape().strip_suffix(&[1]).filter(|_| old).unwrap_or(x.shape()).to_vec();
        shape.push(depth);
        let rows = integers(x);
        let row = |index: &i64| (0..depth).map(|at| if at as i64 == *index { 1.0 } else { 0.0 }).collect::<Vec<f32>>();
        filled(shape, Data::F32(rows.iter().flat_map(row).collect()))
    })])
}
