//! A convolution or product and the dequantization behind it become one op, which takes the dequantization's output name and a new
//! creation number; its weight becomes int8 codes (spec/models.md, spec/paddle-lite.md A4, C3, D).

use super::{CONV_OR_PRODUCT, bit_length, code_range, is_conv, weights};
use crate::{
    Attr, ModelError,
    lite::{
        scope::Scope,
        ssa::{OpIx, SsaGraph, VarIx},
    },
};

/// The two dequantizations of the old format.
#[derive(Clone, Copy)]
enum Dequant {
    PerLayer,
    PerChannel,
}

impl Dequant {
    fn op_type(self) -> &'static str {
        match self {
            Self::PerLayer => "fake_dequantize_max_abs",
            Self::PerChannel => "fake_channel_wise_dequantize_max_abs",
        }
    }
}

struct Match {
    op: OpIx,
    input: VarIx,
    weight: VarIx,
    op_out: VarIx,
    /// The thresholds of the channels; per channel only.
    channel_scale: Option<VarIx>,
    dequant: OpIx,
    out: VarIx,
}

/// Per layer for all op types, then per channel for all: the order in which creation numbers are given.
///
/// Within an op type Paddle Lite goes by the addresses of its nodes, which mostly rise in program order; that order is taken here.
/// Where freed memory was reused they do not: `opt` then lists such ops in another order when merely its environment has another
/// size. It shows only where neither op leads to a common later one.
pub(in crate::lite) fn run(graph: &mut SsaGraph, scope: &mut Scope) -> Result<(), ModelError> {
    for kind in [Dequant::PerLayer, Dequant::PerChannel] {
        for op_type in CONV_OR_PRODUCT {
            let ops = graph.ops_of_type(kind.op_type());
            let matches: Vec<Match> = ops.into_iter().filter_map(|op| find(graph, kind, op_type, op)).collect();
            for found in matches {
                fuse(graph, scope, kind, &found)?;
            }
        }
    }
    Ok(())
}

/// Nothing else may hang on what is to go: neither on the op, its output, the dequantization, nor on its channel thresholds.
fn find(graph: &SsaGraph, kind: Dequant, op_type: &str, dequant: OpIx) -> Option<Match> {
    let op_out = graph.input_var(dequant, "X")?;
    let others: Vec<VarIx> = graph.op(dequant).inputs.iter().copied().filter(|&var| var != op_out).collect();
    let channel_scale = match (kind, &others[..]) {
        (Dequant::PerLayer, []) => None,
        (Dequant::PerChannel, &[scale]) => Some(scale),
        _ => return None,
    };
    let private = |var: VarIx| graph.var(var).consumers == [dequant];
    let [op] = graph.var(op_out).producers[..] else { return None };
    let weight = graph.input_var(op, if is_conv(op_type) { "Filter" } else { "Y" })?;
    let input = match graph.op(op).inputs[..] {
        [first, second] if second == weight => first,
        [first, second] if first == weight => second,
        _ => return None,
    };
    let fits = graph.desc(op).op_type == op_type
        && graph.op(op).outputs == [op_out]
        && graph.op(dequant).outputs.len() == 1
        && private(op_out)
        && channel_scale.is_none_or(|scale| private(scale) && graph.var(scale).producers.is_empty());
    let out = graph.output_var(dequant, "Out")?;
    fits.then_some(Match { op, input, weight, op_out, channel_scale, dequant, out })
}

fn fuse(graph: &mut SsaGraph, scope: &mut Scope, kind: Dequant, found: &Match) -> Result<(), ModelError> {
    let (bits, steps) = match kind {
        Dequant::PerLayer => per_layer(graph, scope, found)?,
        Dequant::PerChannel => per_channel(graph, scope, found)?,
    };
    let name = |var: VarIx| graph.var(var).name.clone();
    let (input, weight, out) = (name(found.input), name(found.weight), name(found.out));
    weights::to_codes(scope, &weight, bits).map_err(|problem| graph.abort(found.op, problem))?;
    let mut desc = graph.desc(found.op).clone();
    let (from, to) = if is_conv(&desc.op_type) { ("Input", "Output") } else { ("X", "Out") };
    desc.inputs.insert(from.to_owned(), vec![input]);
    desc.outputs.insert(to.to_owned(), vec![out]);
    desc.attrs.insert(if bits == 16 { "enable_int16" } else { "enable_int8" }.to_owned(), Attr::Bool(true));
    desc.set_input_scale(&weight, steps);

    let fused = graph.add_op(desc);
    graph.link_input(found.input, fused);
    graph.link_input(found.weight, fused);
    graph.link_output(fused, found.out);
    graph.remove_op(found.op);
    graph.remove_op(found.dequant);
    graph.remove_var(found.op_out);
    if let Some(scale) = found.channel_scale {
        graph.remove_var(scale);
    }
    Ok(())
}

/// The weight's threshold lies only in `max_range` = range² / threshold; its step is repeated for every output channel.
fn per_layer(graph: &SsaGraph, scope: &Scope, found: &Match) -> Result<(i32, Vec<f32>), ModelError> {
    let bits = bit_length(graph, found.op)?;
    let range = code_range(bits);
    let max_range = graph.desc(found.dequant).attrs.get("max_range").and_then(Attr::as_float);
    let max_range =
        max_range.ok_or_else(|| graph.abort(found.dequant, "it has no attribute `max_range`".to_owned()))?;
    let step = range * range / max_range / range;
    let channels = output_channels(graph, scope, found).map_err(|problem| graph.abort(found.op, problem))?;
    Ok((bits, vec![step; channels]))
}

/// The first tensor of `Scales` holds one threshold per channel.
fn per_channel(graph: &SsaGraph, scope: &Scope, found: &Match) -> Result<(i32, Vec<f32>), ModelError> {
    let abort = |problem: &str| graph.abort(found.dequant, problem.to_owned());
    let bits = graph.desc(found.dequant).attrs.get("quant_bits").and_then(Attr::as_ints);
    let bits = bits.and_then(|bits| bits.first().copied()).filter(|bits| [8, 16].contains(bits));
    let bits = bits.ok_or_else(|| abort("its attribute `quant_bits` does not begin with 8 or 16"))? as i32;
    let scale = found.channel_scale.and_then(|scale| scope.floats(&graph.var(scale).name));
    let thresholds = scale.filter(|scale| !scale.is_empty());
    let thresholds = thresholds.ok_or_else(|| abort("its channel scales are no constant of singles"))?;
    Ok((bits, thresholds.iter().map(|threshold| threshold / code_range(bits)).collect()))
}

fn output_channels(graph: &SsaGraph, scope: &Scope, found: &Match) -> Result<usize, String> {
    let desc = graph.desc(found.op);
    let name = &graph.var(found.weight).name;
    let (dims, _) = scope.constant(name).ok_or_else(|| format!("its weight `{name}` is no constant"))?;
    let dim = |axis: usize| dims.get(axis).copied().ok_or_else(|| format!("its weight `{name}` has sizes {dims:?}"));
    let channels = match desc.op_type.as_str() {
        "conv2d" | "depthwise_conv2d" => dim(0)?,
        "conv2d_transpose" => dim(1)?.saturating_mul(desc.attrs.get("groups").and_then(Attr::as_int).unwrap_or(1)),
        _ => dim(1)?,
    };
    // A lying `groups` must not decide how much is allocated.
    let most = dims.iter().product::<i64>().max(1);
    usize::try_from(channels)
        .ok()
        .filter(|_| (1..=most).contains(&channels))
        .ok_or_else(|| format!("its weight `{name}` of sizes {dims:?} has {channels} output channels"))
}
