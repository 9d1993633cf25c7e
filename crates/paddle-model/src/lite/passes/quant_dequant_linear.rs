//! `quantize_linear` and the `dequantize_linear` behind it, the new format of activations: the threshold becomes the consumers'
//! input scale, and what the consumers' own outputs are quantized with becomes their output scale (spec/models.md, spec/paddle-lite.md D).

use op_graph::Name;

use super::{CONV_OR_PRODUCT, bit_length, steps};
use crate::{
    Attr, ModelError,
    lite::{
        scope::Scope,
        ssa::{OpIx, SsaGraph, VarIx},
    },
};

struct Match {
    x: VarIx,
    scale: VarIx,
    quant: OpIx,
    quant_out: VarIx,
    dequant: OpIx,
    out: VarIx,
}

/// Pairs that share a zero point first, then pairs with one each.
pub(in crate::lite) fn run(graph: &mut SsaGraph, scope: &mut Scope) -> Result<(), ModelError> {
    for shared_zero_point in [true, false] {
        let ops = graph.ops_of_type("dequantize_linear");
        let matches: Vec<Match> = ops.into_iter().filter_map(|op| find(graph, shared_zero_point, op)).collect();
        for found in matches {
            fuse(graph, scope, &found)?;
        }
    }
    Ok(())
}

fn find(graph: &SsaGraph, shared_zero_point: bool, dequant: OpIx) -> Option<Match> {
    let quant_out = graph.input_var(dequant, "X")?;
    let [quant] = graph.var(quant_out).producers[..] else { return None };
    let scale = graph.input_var(quant, "Scale")?;
    let zero_points = (graph.input_var(quant, "ZeroPoint")?, graph.input_var(dequant, "ZeroPoint")?);
    let fits = graph.desc(quant).op_type == "quantize_linear"
        && graph.input_var(dequant, "Scale")? == scale
        && shared_zero_point == (zero_points.0 == zero_points.1);
    let (x, out) = (graph.input_var(quant, "X")?, graph.output_var(dequant, "Y")?);
    fits.then_some(Match { x, scale, quant, quant_out, dequant, out })
}

fn fuse(graph: &mut SsaGraph, scope: &Scope, found: &Match) -> Result<(), ModelError> {
    if graph.var(found.x).is_weight {
        return Err(graph.abort(found.quant, "it quantizes a weight that is stored as values".to_owned()));
    }
    let bits = bit_length(graph, found.quant)?;
    let scale = steps(graph, scope, found.quant, found.scale, bits)?;
    let (x, out) = (graph.var(found.x).name.clone(), graph.var(found.out).name.clone());
    for consumer in graph.var(found.out).consumers.clone() {
        let int8 = computes_in_int8(graph, consumer);
        let desc = graph.desc_mut(consumer);
        desc.rename_input(&out, &x);
        desc.attrs.insert("bit_length".to_owned(), Attr::Int(bits));
        if int8 {
            desc.attrs.insert("enable_int8".to_owned(), Attr::Bool(true));
        }
        desc.set_input_scale(&x, scale.clone());
        for (name, scale) in output_scales(graph, scope, consumer, scale.len())? {
            graph.desc_mut(consumer).set_output_scale(&name, scale);
        }
        graph.link_input(found.x, consumer);
    }
    graph.remove_op(found.quant);
    graph.remove_op(found.dequant);
    graph.remove_var(found.quant_out);
    graph.remove_var(found.out);
    Ok(())
}

/// A convolution or product does, unless it reads a weight that is not behind a `dequantize_linear`.
fn computes_in_int8(graph: &SsaGraph, op: OpIx) -> bool {
    let plain_weight = |&var: &VarIx| graph.var(var).is_weight && graph.var(var).producers.is_empty();
    let op_type = graph.desc(op).op_type.as_str();
    let may = CONV_OR_PRODUCT.contains(&op_type) || op_type == "depthwise_conv2d_transpose";
    may && !graph.op(op).inputs.iter().any(plain_weight)
}

/// What the first consumer that says so reads each output of the op with.
fn output_scales(
    graph: &SsaGraph,
    scope: &Scope,
    op: OpIx,
    at_most: usize,
) -> Result<Vec<(Name, Vec<f32>)>, ModelError> {
    let mut scales = Vec::new();
    for &var in &graph.op(op).outputs {
        let node = graph.var(var);
        for &next in &node.consumers {
            let scale = if graph.desc(next).op_type == "quantize_linear" {
                let Some(stored) = graph.input_var(next, "Scale") else { continue };
                let mut scale = steps(graph, scope, next, stored, bit_length(graph, next)?)?;
                scale.truncate(at_most);
                scale
            } else {
                let Some(scale) = graph.desc(next).input_scale(&node.name) else { continue };
                scale.to_vec()
            };
            scales.push((node.name.clone(), scale));
            break;
        }
    }
    Ok(scales)
}
