//! Tensors without dimensions get one of size 1, since most of Paddle Lite cannot handle them; the develop branch only.

use crate::{
    Attr,
    lite::{scope::Scope, ssa::SsaGraph},
};

/// Ops whose attribute `shape` says what they make.
const SHAPED: [&str; 6] =
    ["fill_constant", "uniform_random", "expand_v2", "assign_value", "gaussian_random", "set_value"];

pub(in crate::lite) fn run(graph: &mut SsaGraph, scope: &mut Scope) {
    for op in graph.topological_order() {
        if SHAPED.contains(&graph.desc(op).op_type.as_str()) {
            match graph.desc_mut(op).attrs.get_mut("shape") {
                Some(Attr::Ints(shape)) if shape.is_empty() => shape.push(1),
                Some(Attr::Longs(shape)) if shape.is_empty() => shape.push(1),
                _ => {}
            }
        }
        for &var in &graph.op(op).outputs {
            scope.give_a_dimension(&graph.var(var).name);
        }
    }
}
