//! `fill_constant` is folded, unless its value or shape comes from a tensor.

use super::fold::{Constant, element_count, filled, fold, has_input};
use crate::{
    Attr, ModelError,
    lite::{desc::OpDesc, scope::Scope, ssa::SsaGraph},
};

pub(in crate::lite) fn run(graph: &mut SsaGraph, scope: &mut Scope) -> Result<(), ModelError> {
    fold(graph, scope, &["fill_constant"], |desc, _| compute(desc))
}

fn compute(desc: &OpDesc) -> Result<Option<Constant>, String> {
    if ["ValueTensor", "ShapeTensor", "ShapeTensorList"].iter().any(|argument| has_input(desc, argument)) {
        return Ok(None);
    }
    let (Some(value), Some(shape)) = (desc.attrs.get("value"), desc.attrs.get("shape")) else { return Ok(None) };
    let dtype = desc.attrs.get("dtype").and_then(Attr::as_int).ok_or("it has no attribute `dtype`")?;
    let shape = shape.as_ints().ok_or("its attribute `shape` is no list of integers")?;
    let value = match desc.attrs.get("str_value").and_then(Attr::as_str).unwrap_or("") {
        "" => value.as_float().ok_or("its attribute `value` is no number")?,
        // What Paddle Lite takes all three for.
        "inf" | "-inf" | "nan" => f32::NAN,
        text => text.trim().parse().map_err(|_| format!("its attribute `str_value` is `{text}`, no number"))?,
    };
    Ok(filled(dtype, element_count(&shape)?, value).map(|data| (shape, data)))
}
