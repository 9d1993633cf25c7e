//! `fake_quantize_*` of the old format: the threshold becomes the consumers' input scale, the op goes (spec/models.md, spec/paddle-lite.md D).

use super::{bit_length, steps};
use crate::{
    Attr, ModelError,
    lite::{
        scope::Scope,
        ssa::{OpIx, SsaGraph, VarIx},
    },
};

const OP_TYPES: [&str; 2] = ["fake_quantize_range_abs_max", "fake_quantize_moving_average_abs_max"];

struct Match {
    quant: OpIx,
    x: VarIx,
    in_scale: VarIx,
    out_scale: VarIx,
    out: VarIx,
}

pub(in crate::lite) fn run(graph: &mut SsaGraph, scope: &mut Scope) -> Result<(), ModelError> {
    for op_type in OP_TYPES {
        let ops = graph.ops_of_type(op_type);
        let matches: Vec<Match> = ops.into_iter().filter_map(|op| find(graph, op)).collect();
        for found in matches {
            fuse(graph, scope, &found)?;
        }
    }
    Ok(())
}

fn find(graph: &SsaGraph, quant: OpIx) -> Option<Match> {
    Some(Match {
        quant,
        x: graph.input_var(quant, "X")?,
        in_scale: graph.input_var(quant, "InScale")?,
        out_scale: graph.output_var(quant, "OutScale")?,
        out: graph.output_var(quant, "Out")?,
    })
}

fn fuse(graph: &mut SsaGraph, scope: &Scope, found: &Match) -> Result<(), ModelError> {
    let bits = bit_length(graph, found.quant)?;
    let scale = steps(graph, scope, found.quant, found.out_scale, bits)?;
    let (x, out) = (graph.var(found.x).name.clone(), graph.var(found.out).name.clone());
    for consumer in graph.var(found.out).consumers.clone() {
        let desc = graph.desc_mut(consumer);
        desc.set_input_scale(&out, scale[..1].to_vec());
        desc.attrs.insert("bit_length".to_owned(), Attr::Int(bits));
        desc.rename_input(&out, &x);
        graph.link_input(found.x, consumer);
    }
    graph.remove_op(found.quant);
    for var in [found.in_scale, found.out_scale, found.out] {
        graph.remove_var(var);
    }
    Ok(())
}
