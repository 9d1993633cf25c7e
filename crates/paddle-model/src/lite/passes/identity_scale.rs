//! A `scale` by 1 and 0 goes; the op before it takes its output name (`op_fusion_minimal_set_pass`, spec/paddle-lite.md A4).
//!
//! The op before must not itself be a `scale`: of two in a row, as exporters append them, the second stays (spec/models.md).

use crate::{
    Attr, ModelError,
    lite::ssa::{OpIx, SsaGraph, VarIx},
};

struct Match {
    previous: OpIx,
    x: VarIx,
    scale: OpIx,
    out: VarIx,
}

pub(in crate::lite) fn run(graph: &mut SsaGraph) -> Result<(), ModelError> {
    let mut matches = Vec::new();
    for scale in graph.ops_of_type("scale") {
        if is_identity(graph, scale)? {
            matches.extend(find(graph, scale));
        }
    }
    for Match { previous, x, scale, out } in matches {
        let (from, to) = (graph.var(x).name.clone(), graph.var(out).name.clone());
        graph.desc_mut(previous).rename_output(&from, &to);
        graph.remove_op(scale);
        graph.remove_var(x);
        graph.link_output(previous, out);
    }
    Ok(())
}

fn find(graph: &SsaGraph, scale: OpIx) -> Option<Match> {
    let x = graph.input_var(scale, "X")?;
    let out = graph.output_var(scale, "Out")?;
    let [previous] = graph.var(x).producers[..] else { return None };
    let barred = ["conditional_block", "while", "scale"].contains(&graph.desc(previous).op_type.as_str());
    let fits = !barred && graph.var(x).consumers == [scale];
    fits.then_some(Match { previous, x, scale, out })
}

fn is_identity(graph: &SsaGraph, op: OpIx) -> Result<bool, ModelError> {
    let attrs = &graph.desc(op).attrs;
    let number = |name: &str| {
        let value = attrs.get(name).and_then(Attr::as_float);
        value.ok_or_else(|| graph.abort(op, format!("it has no attribute `{name}`")))
    };
    let activated = attrs.get("with_act").and_then(Attr::as_bool) == Some(true) || attrs.contains_key("fuse_relu");
    Ok((number("scale")? - 1.0).abs() <= 1e-5 && number("bias")?.abs() <= 1e-5 && !activated)
}
