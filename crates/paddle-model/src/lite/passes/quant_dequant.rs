//! `fake_quantize_dequantize_*`: the threshold becomes the consumers' input scale, the op goes; a weight behind it is rounded to
//! codes (spec/models.md, spec/paddle-lite.md D).

use super::{bit_length, code_range, is_conv, is_product, steps, weights};
use crate::{
    Attr, ModelError,
    lite::{
        scope::Scope,
        ssa::{OpIx, SsaGraph, VarIx},
    },
};

const ABS_MAX: &str = "fake_quantize_dequantize_abs_max";
const MOVING_AVERAGE: &str = "fake_quantize_dequantize_moving_average_abs_max";
const PER_CHANNEL: &str = "fake_channel_wise_quantize_dequantize_abs_max";

struct Match {
    op: OpIx,
    x: VarIx,
    out_scale: VarIx,
    out: VarIx,
}

pub(in crate::lite) fn run(graph: &mut SsaGraph, scope: &mut Scope) -> Result<(), ModelError> {
    for op_type in [ABS_MAX, MOVING_AVERAGE, PER_CHANNEL] {
        let ops = graph.ops_of_type(op_type);
        let matches: Vec<Match> = ops.into_iter().filter_map(|op| find(graph, op_type, op)).collect();
        for found in matches {
            fuse(graph, scope, op_type, &found)?;
        }
    }
    Ok(())
}

fn find(graph: &SsaGraph, op_type: &str, op: OpIx) -> Option<Match> {
    if op_type == MOVING_AVERAGE {
        graph.input_var(op, "InScale")?;
    }
    Some(Match {
        op,
        x: graph.input_var(op, "X")?,
        out_scale: graph.output_var(op, "OutScale")?,
        out: graph.output_var(op, "Out")?,
    })
}

fn fuse(graph: &mut SsaGraph, scope: &mut Scope, op_type: &str, found: &Match) -> Result<(), ModelError> {
    let bits = bit_length(graph, found.op)?;
    let is_weight = graph.var(found.x).is_weight;
    if is_weight == (op_type == MOVING_AVERAGE) {
        let what = if is_weight { "a weight" } else { "an activation" };
        return Err(graph.abort(found.op, format!("its input is {what}, which this kind of op cannot quantize")));
    }
    let (x, out) = (graph.var(found.x).name.clone(), graph.var(found.out).name.clone());
    let mut scale = match op_type {
        ABS_MAX => vec![abs_max(scope.floats(&x).unwrap_or_default()) / code_range(bits)],
        _ => steps(graph, scope, found.op, found.out_scale, bits)?,
    };
    if !is_weight {
        scale.truncate(1);
    }
    for consumer in graph.var(found.out).consumers.clone() {
        let desc = graph.desc_mut(consumer);
        desc.rename_input(&out, &x);
        desc.attrs.insert("bit_length".to_owned(), Attr::Int(bits));
        let computes_in_int8 = is_product(&desc.op_type) || (is_weight && is_conv(&desc.op_type));
        if computes_in_int8 {
            desc.attrs.insert("enable_int8".to_owned(), Attr::Bool(true));
        }
        let axis = usize::from(!matches!(desc.op_type.as_str(), "conv2d" | "depthwise_conv2d"));
        let channels = match scope.constant(&x) {
            Some((dims, data)) if op_type == ABS_MAX => dims.get(axis).map_or(1, |&dim| data.len().min(dim as usize)),
            _ => 1,
        };
        desc.set_input_scale(&x, if channels > 1 { vec![scale[0]; channels] } else { scale.clone() });
        if is_weight && computes_in_int8 {
            weights::quantize(scope, &x, &scale, axis).map_err(|problem| graph.abort(consumer, problem))?;
        }
        graph.link_input(found.x, consumer);
    }
    graph.remove_op(found.op);
    graph.remove_var(found.out_scale);
    graph.remove_var(found.out);
    Ok(())
}

fn abs_max(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |max, value| value.abs().max(max))
}
