//! What the constant-folding passes share: an op whose inputs are constants is replaced by what it computes, its outputs becoming
//! weights (spec/paddle-lite.md A1). A reader of the log misses such ops, e.g. the `reshape2` of a bias.

use op_graph::Name;

use crate::{
    DType, ModelError, TensorData,
    lite::{desc::OpDesc, scope::Scope, ssa::SsaGraph},
};

/// The sizes and elements of a folded output.
pub(super) type Constant = (Vec<i64>, TensorData);

/// More elements than this are an error in the model, not a constant.
const MAX_ELEMENTS: i64 = 1 << 26;

/// Replaces every op of these types whose `Out` is computed; `None` leaves the op as it is, an error is where Paddle Lite aborts.
pub(super) fn fold(
    graph: &mut SsaGraph,
    scope: &mut Scope,
    op_types: &[&str],
    compute: impl Fn(&OpDesc, &Scope) -> Result<Option<Constant>, String>,
) -> Result<(), ModelError> {
    for op in graph.topological_order() {
        let desc = graph.desc(op);
        if !op_types.contains(&desc.op_type.as_str()) || has_extra_producers(graph, op_types, &graph.op(op).outputs) {
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

/// Does an op of another type write one of the variables, too, under its own or a mangled name?
fn has_extra_producers(graph: &SsaGraph, op_types: &[&str], outputs: &[crate::lite::ssa::VarIx]) -> bool {
    outputs.iter().any(|&output| {
        let name = &graph.var(output).name;
        let mangled = [name.as_bytes(), b"__Mangled_"].concat();
        let same = |other: &Name| other == name || contains(other.as_bytes(), &mangled);
        graph.vars().any(|var| {
            let written_elsewhere = |&op| !op_types.contains(&graph.desc(op).op_type.as_str());
            same(&var.name) && var.producers.iter().any(written_elsewhere)
        })
    })
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.len() >= needle.len() && haystack.windows(needle.len()).any(|window| window == needle)
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
