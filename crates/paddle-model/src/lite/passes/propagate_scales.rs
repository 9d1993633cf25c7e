//! Completes the ops' scales from their neighbours and their own thresholds (`quantization_parameters_propagation_pass`,
//! spec/paddle-lite.md D): rules (a), (c), (d) always, (e) from level 2, (f) at level 3.

use crate::lite::ssa::{OpIx, SsaGraph};

/// Thresholds are codes of 8 bits here, whatever `bit_length` says.
const RANGE: f32 = 127.0;

/// Op types whose `X` and `Out` have the same scale.
const SAME_SCALE: [&str; 20] = [
    "transpose",
    "transpose2",
    "squeeze",
    "squeeze2",
    "unsqueeze",
    "unsqueeze2",
    "reshape",
    "reshape2",
    "flatten",
    "flatten2",
    "flatten_contiguous_range",
    "expand",
    "expand_v2",
    "bilinear_interp",
    "bilinear_interp_v2",
    "nearest_interp",
    "nearest_interp_v2",
    "pool2d",
    "leaky_relu",
    "relu",
];

pub(in crate::lite) fn run(graph: &mut SsaGraph, level: u8) {
    let order = graph.topological_order();
    output_from_consumer(graph, &order, level);
    output_from_threshold(graph, &order);
    input_from_producer(graph, &order);
    if level >= 2 {
        through_same_scale(graph, &order, level);
    }
    if level >= 3 {
        output_from_formula(graph, &order);
        input_from_producer(graph, &order);
        through_same_scale(graph, &order, level);
    }
}

/// (a) An output has the scale that a consumer reads it with, the last consumer winning, if the producer is quantized in any way.
fn output_from_consumer(graph: &mut SsaGraph, order: &[OpIx], level: u8) {
    for &op in order {
        for var in graph.op(op).inputs.clone() {
            let name = graph.var(var).name.clone();
            let Some(scale) = graph.desc(op).input_scale(&name).map(<[f32]>::to_vec) else { continue };
            for producer in graph.var(var).producers.clone() {
                let desc = graph.desc(producer);
                let any_input =
                    graph.op(producer).inputs.iter().any(|&v| desc.input_scale(&graph.var(v).name).is_some());
                if desc.output_threshold(&name).is_some() || any_input || level >= 1 {
                    graph.desc_mut(producer).set_output_scale(&name, scale.clone());
                }
            }
        }
    }
}

/// (c) An output without a scale has its threshold's.
fn output_from_threshold(graph: &mut SsaGraph, order: &[OpIx]) {
    for &op in order {
        for var in graph.op(op).outputs.clone() {
            let name = graph.var(var).name.clone();
            let desc = graph.desc_mut(op);
            if let (None, Some(threshold)) = (desc.output_scale(&name), desc.output_threshold(&name)) {
                desc.set_output_scale(&name, vec![threshold / RANGE]);
            }
        }
    }
}

/// (d) An input without a scale has its producer's.
fn input_from_producer(graph: &mut SsaGraph, order: &[OpIx]) {
    for &op in order {
        for var in graph.op(op).inputs.clone() {
            let node = graph.var(var);
            let name = node.name.clone();
            if graph.desc(op).input_scale(&name).is_some() {
                continue;
            }
            let scale = node.producers.iter().find_map(|&producer| graph.desc(producer).output_scale(&name));
            if let Some(scale) = scale.map(<[f32]>::to_vec) {
                graph.desc_mut(op).set_input_scale(&name, scale);
            }
        }
    }
}

/// (e) Scales pass through ops that keep them, forwards until nothing changes, then backwards.
fn through_same_scale(graph: &mut SsaGraph, order: &[OpIx], level: u8) {
    loop {
        let found = output_from_input(graph, order);
        input_from_producer(graph, order);
        if !found {
            break;
        }
    }
    loop {
        let found = input_from_output(graph, order);
        output_from_consumer(graph, order, level);
        if !found {
            break;
        }
    }
}

fn output_from_input(graph: &mut SsaGraph, order: &[OpIx]) -> bool {
    let mut found = false;
    for &op in order {
        let Some((x, out)) = same_scale_ends(graph, op) else { continue };
        let desc = graph.desc_mut(op);
        if let (Some(scale), None) = (desc.input_scale(&x), desc.output_scale(&out)) {
            let scale = scale.to_vec();
            desc.set_output_scale(&out, scale);
            found = true;
        }
    }
    found
}

fn input_from_output(graph: &mut SsaGraph, order: &[OpIx]) -> bool {
    let mut found = false;
    for &op in order {
        let Some((x, out)) = same_scale_ends(graph, op) else { continue };
        let desc = graph.desc_mut(op);
        if let (None, Some(scale)) = (desc.input_scale(&x), desc.output_scale(&out)) {
            let scale = scale.to_vec();
            desc.set_input_scale(&x, scale);
            found = true;
        }
    }
    found
}

fn same_scale_ends(graph: &SsaGraph, op: OpIx) -> Option<(op_graph::Name, op_graph::Name)> {
    let keeps = SAME_SCALE.contains(&graph.desc(op).op_type.as_str());
    let ends = keeps.then(|| Some((graph.input_var(op, "X")?, graph.output_var(op, "Out")?)))??;
    Some((graph.var(ends.0).name.clone(), graph.var(ends.1).name.clone()))
}

/// (f) Some outputs are bounded by what the op computes.
fn output_from_formula(graph: &mut SsaGraph, order: &[OpIx]) {
    for &op in order {
        let threshold = match graph.desc(op).op_type.as_str() {
            "relu6" => 6.0,
            "softmax" => 1.0,
            _ => continue,
        };
        let Some(out) = graph.output_var(op, "Out") else { continue };
        let name = graph.var(out).name.clone();
        let desc = graph.desc_mut(op);
        if desc.output_scale(&name).is_none() {
            desc.set_output_scale(&name, vec![threshold / RANGE]);
        }
    }
}
