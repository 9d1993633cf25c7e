//! `dequantize_linear` of a weight, the new format of weights: its thresholds become the consumers' input scale; the weight is
//! int8 already (spec/models.md, spec/paddle-lite.md D).

use super::{bit_length, steps};
use crate::{
    ModelError,
    lite::{
        scope::Scope,
        ssa::{OpIx, SsaGraph, VarIx},
    },
};

struct Match {
    op: OpIx,
    x: VarIx,
    scale: VarIx,
    zero_point: VarIx,
    out: VarIx,
}

pub(in crate::lite) fn run(graph: &mut SsaGraph, scope: &mut Scope) -> Result<(), ModelError> {
    let ops = graph.ops_of_type("dequantize_linear");
    let matches: Vec<Match> = ops.into_iter().filter_map(|op| find(graph, op)).collect();
    for found in matches {
        fuse(graph, scope, &found)?;
    }
    Ok(())
}

fn find(graph: &SsaGraph, op: OpIx) -> Option<Match> {
    Some(Match {
        op,
        x: graph.input_var(op, "X")?,
        scale: graph.input_var(op, "Scale")?,
        zero_point: graph.input_var(op, "ZeroPoint")?,
        out: graph.output_var(op, "Y")?,
    })
}

fn fuse(graph: &mut SsaGraph, scope: &Scope, found: &Match) -> Result<(), ModelError> {
    if !graph.var(found.x).is_weight {
        let problem = "it dequantizes something that is neither a weight nor the output of a `quantize_linear` with the same scale";
        return Err(graph.abort(found.op, problem.to_owned()));
    }
    let scale = steps(graph, scope, found.op, found.scale, bit_length(graph, found.op)?)?;
    let (x, out) = (graph.var(found.x).name.clone(), graph.var(found.out).name.clone());
    for consumer in graph.var(found.out).consumers.clone() {
        let desc = graph.desc_mut(consumer);
        desc.rename_input(&out, &x);
        desc.set_input_scale(&x, scale.clone());
        graph.link_input(found.x, consumer);
    }
    graph.remove_op(found.op);
    for var in [found.scale, found.zero_point, found.out] {
        graph.remove_var(var);
    }
    Ok(())
}
