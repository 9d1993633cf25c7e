//! `reshape` and `reshape2` of a constant are folded that were not when `fold_ssd_boxes` ran, since what they read was no weight yet.

use super::fold::{Constant, constant_input, fold, has_input};
use crate::{
    ModelError,
    lite::{desc::OpDesc, scope::Scope, ssa::SsaGraph},
};

pub(in crate::lite) fn run(graph: &mut SsaGraph, scope: &mut Scope) -> Result<(), ModelError> {
    fold(graph, scope, &["reshape", "reshape2"], compute)
}

fn compute(desc: &OpDesc, scope: &Scope) -> Result<Option<Constant>, String> {
    let Some((dims, data)) = constant_input(desc, scope, "X")? else { return Ok(None) };
    let from_tensor = has_input(desc, "ShapeTensor") || has_input(desc, "Shape");
    let Some(shape) = desc.attrs.get("shape").filter(|_| !from_tensor) else { return Ok(None) };
    let shape = shape.as_ints().ok_or("its attribute `shape` is no list of integers")?;
    let shape = resolve(&shape, dims, data.len())
        .ok_or_else(|| format!("it reshapes a constant of sizes {dims:?} to {shape:?}"))?;
    Ok(Some((shape, data.clone())))
}

/// 0 copies the input's size at the same place, one −1 takes what is left.
pub(super) fn resolve(shape: &[i64], dims: &[i64], len: usize) -> Option<Vec<i64>> {
    let len = i64::try_from(len).ok()?;
    let mut resolved: Vec<i64> = Vec::with_capacity(shape.len());
    for (i, &size) in shape.iter().enumerate() {
        resolved.push(if size == 0 { *dims.get(i)? } else { size });
    }
    let mut unknown = shape.iter().enumerate().filter(|(_, size)| **size == -1).map(|(i, _)| i);
    let known = resolved
        .iter()
        .filter(|size| **size != -1)
        .try_fold(1_i64, |product, &size| product.checked_mul(size).filter(|_| size >= 0))?;
    match (unknown.next(), unknown.next()) {
        (None, _) => (known == len).then_some(resolved),
        (Some(i), None) => {
            resolved[i] = len.checked_div(known)?;
            (resolved[i] * known == len).then_some(resolved)
        }
        _ => None,
    }
}
