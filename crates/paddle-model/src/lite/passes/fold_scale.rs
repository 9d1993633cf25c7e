//! `scale` of a constant is folded.

use super::fold::{Constant, constant_input, fold};
use crate::{
    Attr, ModelError, TensorData,
    lite::{desc::OpDesc, scope::Scope, ssa::SsaGraph},
};

pub(in crate::lite) fn run(graph: &mut SsaGraph, scope: &mut Scope) -> Result<(), ModelError> {
    fold(graph, scope, &["scale"], compute)
}

/// In single precision, whatever the element type.
fn compute(desc: &OpDesc, scope: &Scope) -> Result<Option<Constant>, String> {
    let Some((dims, data)) = constant_input(desc, scope, "X")? else { return Ok(None) };
    let number = |name: &str| {
        desc.attrs.get(name).and_then(Attr::as_float).ok_or_else(|| format!("it has no attribute `{name}`"))
    };
    let (scale, mut bias) = (number("scale")?, number("bias")?);
    let after = desc.attrs.get("bias_after_scale").and_then(Attr::as_bool);
    if !after.ok_or("it has no attribute `bias_after_scale`")? {
        bias *= scale;
    }
    let scaled = |value: f32| value * scale + bias;
    let data = match data {
        TensorData::Float32(values) => TensorData::Float32(values.iter().map(|&v| scaled(v)).collect()),
        TensorData::Int32(values) => TensorData::Int32(values.iter().map(|&v| scaled(v as f32) as i32).collect()),
        TensorData::Int64(values) => TensorData::Int64(values.iter().map(|&v| scaled(v as f32) as i64).collect()),
        _ => return Err(format!("it scales a constant of the unsupported element type {}", data.dtype())),
    };
    Ok(Some((dims.to_vec(), data)))
}
