//! `unsqueeze` and `unsqueeze2` of a constant are folded.

use super::fold::{Constant, constant_input, fold};
use crate::{
    Attr, ModelError,
    lite::{desc::OpDesc, scope::Scope, ssa::SsaGraph},
};

pub(in crate::lite) fn run(graph: &mut SsaGraph, scope: &mut Scope) -> Result<(), ModelError> {
    fold(graph, scope, &["unsqueeze", "unsqueeze2"], compute)
}

fn compute(desc: &OpDesc, scope: &Scope) -> Result<Option<Constant>, String> {
    let Some((dims, data)) = constant_input(desc, scope, "X")? else { return Ok(None) };
    let axes = desc.attrs.get("axes").and_then(Attr::as_ints).ok_or("it has no attribute `axes`")?;
    let mut shape = dims.to_vec();
    for axis in axes {
        let rank = shape.len();
        let place = if axis < 0 { axis + rank as i64 + 1 } else { axis };
        let place = usize::try_from(place).ok().filter(|&place| place <= rank);
        shape.insert(place.ok_or_else(|| format!("it inserts axis {axis} into the sizes {shape:?}"))?, 1);
    }
    Ok(Some((shape, data.clone())))
}
