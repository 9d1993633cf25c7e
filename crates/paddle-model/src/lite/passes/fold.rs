//! What the constant-folding passes share: an op whose inputs are constants is replaced by what it computes, its outputs becoming
//! weights (spec/paddle-lite.md A1). A reader of the log misses such ops, e.g. the `reshape2` of a bias.

use std::collections::HashSet;

use op_graph::Name;

use crate::{
    DType, ModelError, TensorData,
    lite::{
        desc::OpDesc,
        scope::Scope,
        ssa::{OpIx, SsaGraph},
    },
};

/// The sizes and elements of a folded output.
pub(super) type Constant = (Vec<i64>, TensorData);

/// More elements than this are an error in the model, not a constant.
const MAX_ELEMENTS: i64 = 1 << 22;

/// Replaces every op of these types whose `Out` is computed; `None` leaves the op as it is, an error is where Paddle Lite aborts.
pub(super) fn fold(
    graph: &mut SsaGraph,
    scope: &mut Scope,
    op_types: &[&str],
    compute: impl Fn(&OpDesc, &Scope) -> Result<Option<Constant>, String>,
) -> Result<(), ModelError> {
    let order = graph.topological_order();
    let elsewhere = OtherWriters::new(graph, &order, op_types);
    for op in order {
        let desc = graph.desc(op);
        let mut outputs = graph.op(op).outputs.iter();
        if !op_types.contains(&desc.op_type.as_str()) || outputs.any(|&var| elsewhere.write(&graph.var(var).name)) {
            continue;
        }
        let abort = |problem| graph.abort(op, problem);
        let Some((dims, data)) = compute(desc, scope).map_err(abort)? else { continue };
        let out = desc.outputs.get("Out").and_then(|names| names.first()).cloned();
        let out = out.ok_or_else(|| abort("it has no output `Out`".to_owned()))?;
        scope.set_constant(&out, dims, data);
        for var in graph.op(op).outputs.clone() {
            graph.mark_weight(var);
        }
        graph.remove_op(op);
    }
    Ok(())
}

/// The names that ops of other types write: a variable that one of them writes, too, is not folded, be it under its own name or
/// under one that Paddle Lite mangled.
pub(super) struct OtherWriters {
    names: HashSet<Name>,
    mangled: Vec<Name>,
}

impl OtherWriters {
    pub(super) fn new(graph: &SsaGraph, ops: &[OpIx], op_types: &[&str]) -> Self {
        let others = ops.iter().filter(|&&op| !op_types.contains(&graph.desc(op).op_type.as_str()));
        let written = others.flat_map(|&op| graph.op(op).outputs.iter().map(|&var| graph.var(var).name.clone()));
        let names: HashSet<Name> = written.collect();
        let mangled = names.iter().filter(|name| contains(name.as_bytes(), b"__Mangled_")).cloned().collect();
        Self { names, mangled }
    }

    pub(super) fn write(&self, name: &Name) -> bool {
        let mangled = [name.as_bytes(), b"__Mangled_"].concat();
        self.names.contains(name) || self.mangled.iter().any(|other| contains(other.as_bytes(), &mangled))
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Does the op bind any variable to the argument?
pub(super) fn has_input(desc: &OpDesc, argument: &str) -> bool {
    desc.inputs.get(argument).is_some_and(|names| !names.is_empty())
}

/// The value bound to an argument, where it is constant.
pub(super) fn constant_input<'a>(
    desc: &OpDesc,
    scope: &'a Scope,
    argument: &str,
) -> Result<Option<(&'a [i64], &'a TensorData)>, String> {
    let name = desc.inputs.get(argument).and_then(|names| names.first());
    Ok(scope.constant(name.ok_or_else(|| format!("it has no input `{argument}`"))?))
}

/// The number of elements of a shape that a constant may have.
pub(super) fn element_count(shape: &[i64]) -> Result<usize, String> {
    let product = shape.iter().try_fold(1_i64, |product, &dim| product.checked_mul(dim).filter(|_| dim >= 0));
    let count = product.filter(|&count| count <= MAX_ELEMENTS).and_then(|count| usize::try_from(count).ok());
    count.ok_or_else(|| format!("it makes a constant of the impossible sizes {shape:?}"))
}

/// `count` times a value, as an element type that Paddle Lite folds.
pub(super) fn filled(code: i64, count: usize, value: f32) -> Option<TensorData> {
    match DType::from_code(i32::try_from(code).ok()?)? {
        DType::Bool => Some(TensorData::Bool(vec![u8::from(value != 0.0); count])),
        DType::Int32 => Some(TensorData::Int32(vec![value as i32; count])),
        DType::Int64 => Some(TensorData::Int64(vec![value as i64; count])),
        DType::Float32 => Some(TensorData::Float32(vec![value; count])),
        _ => None,
    }
}
