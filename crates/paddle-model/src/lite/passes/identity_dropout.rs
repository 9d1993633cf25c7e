//! A `dropout` that does nothing in inference goes; the op before it takes its output name (`op_fusion_minimal_set_pass`,
//! spec/paddle-lite.md A4).

use std::collections::BTreeSet;

use crate::{
    Attr,
    lite::ssa::{OpIx, SsaGraph, VarIx},
};

struct Match {
    previous: OpIx,
    x: VarIx,
    dropout: OpIx,
    out: VarIx,
    mask: VarIx,
}

pub(in crate::lite) fn run(graph: &mut SsaGraph) {
    let ops = graph.ops_of_type("dropout");
    let matches: Vec<Match> = ops.into_iter().filter_map(|op| find(graph, op)).collect();
    // A match that takes away what an earlier one touches is dropped: of two in a row only the first goes.
    let (mut ops, mut vars) = (BTreeSet::new(), BTreeSet::new());
    for found in matches {
        if ops.contains(&found.dropout) || vars.contains(&found.x) || vars.contains(&found.mask) {
            continue;
        }
        ops.extend([found.previous, found.dropout]);
        vars.extend([found.x, found.out, found.mask]);
        fuse(graph, &found);
    }
}

fn fuse(graph: &mut SsaGraph, &Match { previous, x, dropout, out, mask }: &Match) {
    let (from, to) = (graph.var(x).name.clone(), graph.var(out).name.clone());
    graph.desc_mut(previous).rename_output(&from, &to);
    graph.remove_op(dropout);
    graph.remove_var(x);
    graph.remove_var(mask);
    graph.link_output(previous, out);
}

fn find(graph: &SsaGraph, dropout: OpIx) -> Option<Match> {
    let attrs = &graph.desc(dropout).attrs;
    let is_test = matches!(attrs.get("is_test"), Some(Attr::Bool(true) | Attr::Int(1)));
    let implementation = attrs.get("dropout_implementation").and_then(Attr::as_str);
    let x = graph.input_var(dropout, "X")?;
    let (out, mask) = (graph.output_var(dropout, "Out")?, graph.output_var(dropout, "Mask")?);
    let [previous] = graph.var(x).producers[..] else { return None };
    let node = graph.op(dropout);
    let fits = is_test
        && implementation == Some("upscale_in_train")
        && graph.desc(previous).op_type != "conditional_block"
        && graph.var(x).consumers == [dropout]
        && node.inputs == [x]
        && node.outputs.len() == 2
        && out != mask
        && graph.var(mask).consumers.is_empty();
    fits.then_some(Match { previous, x, dropout, out, mask })
}
