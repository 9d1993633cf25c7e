//! Functions of two tensors beside sum, difference, product and quotient: powers, comparisons, logic, and those with an
//! activation fused in.

use std::sync::Arc;

use super::{
    OpKind,
    real::{self, Known, OutputType},
    unary::fused,
};
use crate::{
    Data, Fault, Kernel, Tensor,
    cpu::CpuOp,
    math::broadcast,
    npu::ZeroPoints,
    operands::{filled, kernel, numbers, typed},
    program::Attributes,
};

const XY: &[&str] = &["X", "Y"];
const X: &[&str] = &["X"];
const WHERE: &[&str] = &["X", "Y", "Condition"];

type Function = fn(f64, f64) -> f64;

/// The op types.
pub(crate) const OPS: &[OpKind] = &[
    OpKind {
        types: &[
            "elementwise_pow",
            "elementwise_floordiv",
            "fusion_elementwise_add_activation",
            "fusion_elementwise_sub_activation",
            "fusion_elementwise_mul_activation",
            "fusion_elementwise_div_activation",
            "fusion_elementwise_max_activation",
            "fusion_elementwise_min_activation",
            "fusion_elementwise_pow_activation",
            "fusion_elementwise_floordiv_activation",
        ],
        inputs: XY,
        cpu: arithmetic,
        npu: Some(|converter| {
            let name = match stem(&converter.lite().op_type) {
                "add" => "ADD",
                "sub" => "SUB",
                "mul" => "MUL",
                "div" => "DIV",
                "max" => "MAX",
                "min" => "MIN",
                "pow" => "POW",
                _ => "FLOOR_DIV",
            };
            real::convert(converter, Known::new(name).zero_points(ZeroPoints::Middle))
        }),
    },
    OpKind { types: &["elementwise_mod"], inputs: XY, cpu: arithmetic, npu: None },
    OpKind {
        types: &["equal", "not_equal", "less_than", "less_equal", "greater_than", "greater_equal"],
        inputs: XY,
        cpu: truth,
        npu: Some(|converter| {
            let name = match converter.lite().op_type.as_str() {
                "equal" => "EQUAL",
                "not_equal" => "NOT_EQUAL",
                "less_than" => "LESS",
                "less_equal" => "LESS_EQUAL",
                "greater_than" => "GREATER",
                _ => "GREATER_EQUAL",
            };
            real::convert(converter, Known::new(name).zero_points(ZeroPoints::Middle).output(OutputType::Int32))
        }),
    },
    OpKind {
        types: &["logical_and"],
        inputs: XY,
        cpu: truth,
        npu: Some(|converter| {
            real::convert(converter, Known::new("AND").zero_points(ZeroPoints::Middle).output(OutputType::Int32))
        }),
    },
    OpKind { types: &["logical_or", "logical_xor"], inputs: XY, cpu: truth, npu: None },
    OpKind {
        types: &["logical_not"],
        inputs: X,
        cpu: |op| {
            Ok(vec![kernel(op, X, |given| {
                let x = given.one("X")?;
                filled(x.shape().to_vec(), Data::I32(numbers(x).iter().map(|&value| i32::from(value == 0.0)).collect()))
            })])
        },
        npu: Some(|converter| real::convert(converter, Known::new("NOT").output(OutputType::Int32))),
    },
    OpKind {
        types: &["sum"],
        inputs: X,
        cpu: |op| {
            Ok(vec![kernel(op, X, |given| {
                let first = given.one("X")?;
                let mut sums = vec![0.0; first.len()];
                for x in given.all("X") {
                    if x.shape() != first.shape() {
                        return Err(Fault(format!("cannot add {:?} to {:?}", x.shape(), first.shape())));
                    }
                    sums.iter_mut().zip(numbers(x)).for_each(|(sum, value)| *sum += value);
                }
                typed(first, first.shape().to_vec(), sums)
            })])
        },
        npu: Some(|converter| real::convert(converter, Known::new("SUM").zero_points(ZeroPoints::Middle))),
    },
    OpKind {
        types: &["where"],
        inputs: WHERE,
        cpu: |op| {
            Ok(vec![kernel(op, WHERE, |given| {
                let (x, y, condition) = (given.one("X")?, given.one("Y")?, given.one("Condition")?);
                let fits = x.shape() == y.shape() && x.shape() == condition.shape();
                if !fits {
                    let shapes = [x.shape(), y.shape(), condition.shape()];
                    return Err(Fault(format!("cannot choose between tensors of {shapes:?}")));
                }
                let chosen = |(at, &which): (usize, &f64)| if which == 0.0 { x.len() + at } else { at };
                let order: Vec<usize> = numbers(condition).iter().enumerate().map(chosen).collect();
                crate::operands::gather(&joined(x, y)?, x.shape().to_vec(), &order)
            })])
        },
        npu: Some(|converter| real::convert(converter, Known::new("WHERE").zero_points(ZeroPoints::Middle).moving())),
    },
];

/// The elements of two tensors of one type, one after the other.
pub(super) fn joined(x: &Tensor, y: &Tensor) -> Result<Tensor, Fault> {
    let data = match (x.data(), y.data()) {
        (Data::F32(x), Data::F32(y)) => Data::F32([&x[..], y].concat()),
        (Data::I8(x), Data::I8(y)) => Data::I8([&x[..], y].concat()),
        (Data::I32(x), Data::I32(y)) => Data::I32([&x[..], y].concat()),
        (Data::I64(x), Data::I64(y)) => Data::I64([&x[..], y].concat()),
        _ => return Err(Fault::new("the tensors are of different types")),
    };
    filled(vec![x.len() + y.len()], data)
}

/// What an op type computes, without what is put around it.
fn stem(op_type: &str) -> &str {
    let stem = op_type.trim_start_matches("fusion_").trim_start_matches("elementwise_");
    stem.trim_end_matches("_activation")
}

/// The values of a function over two broadcast tensors.
pub(super) fn broadcast(
    x: &Tensor,
    y: &Tensor,
    axis: Option<usize>,
    function: impl Fn(f64, f64) -> f64,
) -> Result<(Vec<usize>, Vec<f64>), Fault> {
    let rank = x.shape().len().max(y.shape().len());
    let (a, b) = (broadcast::aligned(x.shape(), rank, axis), broadcast::aligned(y.shape(), rank, axis));
    let shape = broadcast::common(&a, &b).ok_or_else(|| Fault(format!("shapes {a:?} and {b:?} do not broadcast")))?;
    let (x, y) = (numbers(x), numbers(y));
    Ok((shape, broadcast::zip((&x, &a), (&y, &b), &function)))
}

fn axis(op: &CpuOp<'_>) -> Option<usize> {
    op.op().int("axis").and_then(|axis| usize::try_from(axis).ok())
}

fn arithmetic(op: &CpuOp<'_>) -> Result<Vec<Arc<dyn Kernel>>, String> {
    let function: Function = match stem(&op.op().op_type) {
        "add" => |a, b| a + b,
        "sub" => |a, b| a - b,
        "mul" => |a, b| a * b,
        "div" => |a, b| a / b,
        "max" => f64::max,
        "min" => f64::min,
        "pow" => f64::powf,
        "floordiv" => |a, b| (a / b).floor(),
        // The result has the sign of the divisor.
        "mod" => |a, b| a - (a / b).floor() * b,
        other => return Err(format!("`{other}` is no function of two elements")),
    };
    let (axis, activation) = (axis(op), fused(op.op().text("act_type").unwrap_or_default())?);
    Ok(vec![kernel(op, XY, move |given| {
        let (x, y) = (given.one("X")?, given.one("Y")?);
        let (shape, values) = broadcast(x, y, axis, |a, b| activation(function(a, b)))?;
        typed(x, shape, values)
    })])
}

fn truth(op: &CpuOp<'_>) -> Result<Vec<Arc<dyn Kernel>>, String> {
    let function: Function = match op.op().op_type.as_str() {
        "equal" => |a, b| f64::from(a == b),
        "not_equal" => |a, b| f64::from(a != b),
        "less_than" => |a, b| f64::from(a < b),
        "less_equal" => |a, b| f64::from(a <= b),
        "greater_than" => |a, b| f64::from(a > b),
        "greater_equal" => |a, b| f64::from(a >= b),
        "logical_and" => |a, b| f64::from(a != 0.0 && b != 0.0),
        "logical_or" => |a, b| f64::from(a != 0.0 || b != 0.0),
        "logical_xor" => |a, b| f64::from((a != 0.0) != (b != 0.0)),
        other => return Err(format!("`{other}` is no comparison")),
    };
    let axis = axis(op);
    Ok(vec![kernel(op, XY, move |given| {
        let (shape, values) = broadcast(given.one("X")?, given.one("Y")?, axis, function)?;
        filled(shape, Data::I32(values.into_iter().map(|value| value as i32).collect()))
    })])
}
