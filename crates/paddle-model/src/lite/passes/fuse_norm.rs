//! x / max(‖x‖₂, ε), written as four ops, becomes one `norm` with a new creation number (`p_norm_fill_constant_max_div_fuse_pass`).

use std::collections::BTreeMap;

use crate::{
    Attr,
    lite::{
        desc::OpDesc,
        ssa::{OpIx, SsaGraph, VarIx},
    },
};

struct Match {
    x: VarIx,
    /// `p_norm`, `fill_constant`, `elementwise_max`, `elementwise_div`.
    ops: [OpIx; 4],
    /// The outputs of the first three.
    vars: [VarIx; 3],
    out: VarIx,
}

pub(in crate::lite) fn run(graph: &mut SsaGraph) {
    let ops = graph.ops_of_type("elementwise_div");
    let matches: Vec<Match> = ops.into_iter().filter_map(|op| find(graph, op)).collect();
    for found in matches {
        fuse(graph, &found);
    }
}

fn fuse(graph: &mut SsaGraph, found: &Match) {
    let attr = |op: OpIx, name: &str| graph.desc(op).attrs.get(name).cloned();
    let attrs = [("axis", attr(found.ops[0], "axis")), ("epsilon", attr(found.ops[1], "value"))];
    let name = |var| vec![graph.var(var).name.clone()];
    let norm = graph.add_op(OpDesc {
        op_type: "norm".to_owned(),
        inputs: BTreeMap::from([("X".to_owned(), name(found.x))]),
        outputs: BTreeMap::from([("Out".to_owned(), name(found.out))]),
        attrs: attrs.into_iter().filter_map(|(name, attr)| Some((name.to_owned(), attr?))).collect(),
    });
    graph.link_input(found.x, norm);
    graph.link_output(norm, found.out);
    found.ops.iter().for_each(|&op| graph.remove_op(op));
    found.vars.iter().for_each(|&var| graph.remove_var(var));
}

/// Nothing else may hang on what is to go.
fn find(graph: &SsaGraph, div: OpIx) -> Option<Match> {
    let is_max = |&var: &VarIx| producer(graph, var, "elementwise_max").is_some();
    let [a, b] = graph.op(div).inputs[..] else { return None };
    let (x, max_out) = if is_max(&b) { (a, b) } else { (b, a) };
    let max = producer(graph, max_out, "elementwise_max")?;
    let [a, b] = graph.op(max).inputs[..] else { return None };
    let (norm_out, fill_out) = if producer(graph, a, "p_norm").is_some() { (a, b) } else { (b, a) };
    let (norm, fill) = (producer(graph, norm_out, "p_norm")?, producer(graph, fill_out, "fill_constant")?);
    let [out] = graph.op(div).outputs[..] else { return None };
    let only = |var: VarIx, producer: OpIx, consumer: OpIx| {
        graph.var(var).consumers == [consumer] && graph.op(producer).outputs == [var]
    };
    let attr = |op: OpIx, name: &str| graph.desc(op).attrs.get(name);
    let int = |op: OpIx, name: &str| attr(op, name).and_then(Attr::as_int);
    let spans = |op: OpIx| matches!(int(op, "axis"), Some(-1 | 0));
    let is_l2 = attr(norm, "porder").and_then(Attr::as_float).is_some_and(|order| (order - 2.0).abs() < 1e-5)
        && int(norm, "keepdim") == Some(1)
        && int(norm, "asvector") == Some(0);
    let fits = is_l2
        && graph.op(norm).inputs == [x]
        && graph.op(fill).inputs.is_empty()
        && spans(max)
        && spans(div)
        && only(norm_out, norm, max)
        && only(fill_out, fill, max)
        && only(max_out, max, div);
    fits.then_some(Match { x, ops: [norm, fill, max, div], vars: [norm_out, fill_out, max_out], out })
}

fn producer(graph: &SsaGraph, var: VarIx, op_type: &str) -> Option<OpIx> {
    graph.var(var).producers.iter().copied().find(|&op| graph.desc(op).op_type == op_type)
}
