//! `assign_value` is folded: its values lie in its attributes.

use super::fold::{Constant, element_count, fold};
use crate::{
    Attr, DType, ModelError, TensorData,
    lite::{desc::OpDesc, scope::Scope, ssa::SsaGraph},
};

pub(in crate::lite) fn run(graph: &mut SsaGraph, scope: &mut Scope) -> Result<(), ModelError> {
    fold(graph, scope, &["assign_value"], |desc, _| compute(desc).map(Some))
}

fn compute(desc: &OpDesc) -> Result<Constant, String> {
    let shape = desc.attrs.get("shape").and_then(Attr::as_ints).ok_or("it has no attribute `shape`")?;
    let dtype = desc.attrs.get("dtype").and_then(Attr::as_int).ok_or("it has no attribute `dtype`")?;
    let data = match DType::from_code(i32::try_from(dtype).unwrap_or(-1)) {
        Some(DType::Int32) => TensorData::Int32(ints(desc, "int32_values")?.iter().map(|&v| v as i32).collect()),
        Some(DType::Int64) => TensorData::Int64(ints(desc, "int64_values")?),
        Some(DType::Bool) => TensorData::Bool(ints(desc, "bool_values")?.iter().map(|&v| u8::from(v != 0)).collect()),
        Some(DType::Float32) => {
            let values = desc.attrs.get("fp32_values").and_then(Attr::as_floats);
            TensorData::Float32(values.ok_or("it has no attribute `fp32_values`")?.to_vec())
        }
        _ => return Err(format!("it assigns values of the unsupported element type code {dtype}")),
    };
    if data.len() == element_count(&shape)? {
        Ok((shape, data))
    } else {
        Err(format!("it assigns {} values to the sizes {shape:?}", data.len()))
    }
}

fn ints(desc: &OpDesc, name: &str) -> Result<Vec<i64>, String> {
    desc.attrs.get(name).and_then(Attr::as_ints).ok_or_else(|| format!("it has no attribute `{name}`"))
}
