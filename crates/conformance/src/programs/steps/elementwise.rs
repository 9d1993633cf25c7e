//! Ops that join two tensors of one shape.

use paddle_model::{Attr, DType, Param, TensorData};

use super::activation::unary;
use crate::programs::builder::{Draft, ProgramBuilder, Value};

pub(super) fn binary(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dtype == DType::Float32) else { return false };
    let Some(y) = b.choose(|v| v.dims == x.dims && v.name != x.name && v.dtype == x.dtype) else { return false };
    let op_type = b.pick(&BINARY);
    let (x, y) = if b.rng.bool() { (x, y) } else { (y, x) };
    let out = elementwise(b, op_type, &x, &y);
    let out = if b.chance(30) { unary(b, &out, "relu") } else { out };
    b.offer(out);
    true
}

pub(super) fn binary_with_parameter(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose_map() else { return false };
    let name = b.parameter_name("constant");
    let y = Value { name: name.clone(), dims: vec![1], dtype: DType::Float32 };
    b.parameter(name, Param::new(vec![1], TensorData::Float32(vec![0.5])));
    let read = b.read(&x);
    let op_type = b.pick(&BINARY);
    let out = b.fresh(op_type, &x.dims);
    b.push(
        Draft::new(op_type).input("X", &read).input("Y", &y.name).output("Out", &out.name).attr("axis", Attr::Int(-1)),
    );
    b.offer(out);
    true
}

/// An op that reads one tensor twice: one link in the log (spec/paddle-lite.md A4).
pub(super) fn itself_twice(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dtype == DType::Float32) else { return false };
    let op_type = b.pick(&BINARY);
    let out = elementwise(b, op_type, &x, &x);
    b.offer(out);
    true
}

/// An op without inputs.
pub(super) fn constant(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose_map() else { return false };
    let constant = b.fresh("fill_constant", &x.dims);
    b.push(
        Draft::new("fill_constant")
            .output("Out", &constant.name)
            .attr("shape", Attr::Longs(x.dims.iter().map(|&size| size as i64).collect()))
            .attr("value", Attr::Float(0.5))
            .attr("str_value", Attr::String("0.5".into()))
            .attr("force_cpu", Attr::Bool(false))
            .attr("dtype", Attr::Int(DType::Float32.code())),
    );
    let out = elementwise(b, "elementwise_add", &x, &constant);
    b.offer(out);
    true
}

pub(super) fn elementwise(b: &mut ProgramBuilder, op_type: &str, x: &Value, y: &Value) -> Value {
    let (read_x, read_y) = (b.read(x), b.read(y));
    let out = b.fresh(op_type, &x.dims);
    b.push(
        Draft::new(op_type)
            .input("X", &read_x)
            .input("Y", &read_y)
            .output("Out", &out.name)
            .attr("axis", Attr::Int(-1)),
    );
    out
}

const BINARY: [&str; 8] = [
    "elementwise_add",
    "elementwise_add",
    "elementwise_add",
    "elementwise_sub",
    "elementwise_mul",
    "elementwise_div",
    "elementwise_max",
    "elementwise_min",
];
