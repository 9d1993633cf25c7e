//! The anchors of SSD detectors are folded: `prior_box`, and any reshape, flatten or concat of weights alone
//! (`ssd_boxes_calc_offline_pass`). The `reshape2` of a bias, too, goes here (spec/models.md).
//!
//! The weights such a reshape, flatten or concat reads lose all their links: another op that reads them is logged without them.

use super::{
    fold::{Constant, OtherWriters},
    fold_reshape::resolve,
    prior_box,
};
use crate::{
    Attr, ModelError, TensorData,
    lite::{
        desc::OpDesc,
        scope::Scope,
        ssa::{OpIx, SsaGraph},
    },
};

const PRIORS: [&str; 2] = ["prior_box", "density_prior_box"];

pub(in crate::lite) fn run(graph: &mut SsaGraph, scope: &mut Scope) -> Result<(), ModelError> {
    fold_priors(graph, scope)?;
    fold_weights(graph, scope, &["reshape", "reshape2"], |desc, inputs| Ok(reshaped(desc, inputs)))?;
    fold_weights(graph, scope, &["flatten", "flatten2"], |desc, inputs| Ok(flattened(desc, inputs)))?;
    fold_weights(graph, scope, &["concat"], |_, inputs| concatenated(inputs))
}

fn fold_priors(graph: &mut SsaGraph, scope: &mut Scope) -> Result<(), ModelError> {
    let order = graph.topological_order();
    let elsewhere = OtherWriters::new(graph, &order, &PRIORS);
    for op in order {
        let desc = graph.desc(op);
        let mut outputs = graph.op(op).outputs.iter();
        if !PRIORS.contains(&desc.op_type.as_str()) || outputs.any(|&var| elsewhere.write(&graph.var(var).name)) {
            continue;
        }
        let abort = |problem| graph.abort(op, problem);
        let Some((dims, boxes, variances)) = prior_box::compute(desc, scope).map_err(abort)? else { continue };
        for (argument, data) in [("Boxes", boxes), ("Variances", variances)] {
            let out = desc.outputs.get(argument).and_then(|names| names.first());
            let out = out.ok_or_else(|| abort(format!("it has no output `{argument}`")))?;
            scope.set_constant(out, dims.clone(), TensorData::Float32(data));
        }
        become_weights(graph, op);
    }
    Ok(())
}

/// Folds ops of these types that read nothing but weights.
fn fold_weights(
    graph: &mut SsaGraph,
    scope: &mut Scope,
    op_types: &[&str],
    compute: impl Fn(&OpDesc, &[(&[i64], &TensorData)]) -> Result<Constant, String>,
) -> Result<(), ModelError> {
    for op in graph.topological_order() {
        let node = graph.op(op);
        let reads_weights = node.inputs.iter().all(|&var| graph.var(var).is_weight);
        if !op_types.contains(&node.desc.op_type.as_str()) || !reads_weights {
            continue;
        }
        let abort = |problem: String| graph.abort(op, problem);
        let names = node.desc.inputs.get("X").into_iter().flatten();
        let inputs: Option<Vec<_>> = names.map(|name| scope.constant(name)).collect();
        let inputs = inputs.filter(|inputs| !inputs.is_empty());
        let inputs = inputs.ok_or_else(|| abort("an input `X` is neither fed nor a constant".to_owned()))?;
        let (dims, data) = compute(&node.desc, &inputs).map_err(abort)?;
        let out = node.desc.outputs.get("Out").and_then(|names| names.first()).cloned();
        scope.set_constant(&out.ok_or_else(|| abort("it has no output `Out`".to_owned()))?, dims, data);
        for var in node.inputs.clone() {
            graph.remove_var(var);
        }
        become_weights(graph, op);
    }
    Ok(())
}

fn become_weights(graph: &mut SsaGraph, op: OpIx) {
    for var in graph.op(op).outputs.clone() {
        graph.mark_weight(var);
    }
    graph.remove_op(op);
}

/// Paddle Lite takes the sizes from the program's description of the output, which are the same where the exporter checked them.
fn reshaped(desc: &OpDesc, inputs: &[(&[i64], &TensorData)]) -> Constant {
    let (dims, data) = inputs[0];
    let shape = desc.attrs.get("shape").and_then(Attr::as_ints).unwrap_or_default();
    (resolve(&shape, dims, data.len()).unwrap_or_else(|| dims.to_vec()), data.clone())
}

fn flattened(desc: &OpDesc, inputs: &[(&[i64], &TensorData)]) -> Constant {
    let (dims, data) = inputs[0];
    let axis = desc.attrs.get("axis").and_then(Attr::as_int).unwrap_or(1);
    let (outer, inner) = dims.split_at(usize::try_from(axis).unwrap_or(0).min(dims.len()));
    (vec![outer.iter().product(), inner.iter().product()], data.clone())
}

/// End to end, which is right for axis 0 alone; Paddle Lite warns of any other and goes on.
fn concatenated(inputs: &[(&[i64], &TensorData)]) -> Result<Constant, String> {
    let mut data = Vec::new();
    for (_, input) in inputs {
        data.extend_from_slice(input.as_f32().ok_or("it concatenates constants that are not singles")?);
    }
    let mut dims = inputs[0].0.to_vec();
    let rest = dims.iter().skip(1).product::<i64>().max(1);
    match dims.first_mut() {
        Some(first) if data.len() as i64 % rest == 0 => *first = data.len() as i64 / rest,
        _ => dims = vec![data.len() as i64],
    }
    Ok((dims, TensorData::Float32(data)))
}
