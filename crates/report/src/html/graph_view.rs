//! The graph as data for the page's script: ops, tensors and laid-out blocks. Drawing, zooming and folding happen in the browser.

use std::fmt::{self, Write};

use serde::Serialize;
use trial_store::Lever;

use super::{
    blocks::{Block, blocks},
    count,
    escape::script_json,
    ops::{cost, is_culprit, noise},
};
use crate::Run;

#[derive(Serialize)]
struct View<'a> {
    ops: Vec<Op<'a>>,
    tensors: Vec<Tensor<'a>>,
    blocks: Vec<Block>,
}

#[derive(Serialize)]
struct Op<'a> {
    r#type: &'a str,
    inputs: &'a [u32],
    outputs: &'a [u32],
    cluster: Option<u32>,
    culprit: bool,
    risks: Vec<&'a str>,
    /// Its simulated error and estimated time, in words.
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Tensor<'a> {
    name: &'a str,
    producer: Option<u32>,
    consumers: &'a [u32],
    dims: &'a [i64],
    scale: Option<f32>,
    weight: bool,
    /// Does it cross between clusters or to the CPU?
    boundary: bool,
}

pub(super) fn write(out: &mut String, run: &Run) -> fmt::Result {
    if run.graph.ops.is_empty() {
        return Ok(());
    }
    let view = view(run);
    let boundaries = view.tensors.iter().filter(|tensor| tensor.boundary).count();
    out.push_str("<section id=\"graph\">\n<h2>The graph</h2>\n<p>");
    let clusters = run.result.as_ref().map_or(0, |result| result.cluster_ops.len());
    write!(out, "{}, {}, ", count(view.ops.len(), "op"), count(clusters, "NPU cluster"))?;
    write!(out, "{} that cross between NPU and CPU. ", count(boundaries, "tensor"))?;
    let culprit = match run.lever() {
        Lever::Cpu => "stays on the CPU",
        Lever::Float => "computes in float",
    };
    write!(out, "<span class=\"key culprit\">✕ {culprit}</span> ")?;
    out.push_str(
        "<span class=\"key cpu0\">CPU anyway</span> \
         <span class=\"key c0\">NPU, a colour a cluster</span> <span class=\"key cross\">crosses</span></p>\n\
         <div class=\"tools\"><label>Find <input id=\"find\" type=\"search\" placeholder=\"type or tensor name\" \
         autocomplete=\"off\"></label><span id=\"found\" role=\"status\"></span>\
         <button type=\"button\" id=\"zoomin\" aria-label=\"zoom in\">+</button>\
         <button type=\"button\" id=\"zoomout\" aria-label=\"zoom out\">−</button>\
         <button type=\"button\" id=\"fit\">Fit</button>\
         <button type=\"button\" id=\"fold\">Fold all</button><button type=\"button\" id=\"unfold\">Unfold all</button></div>\n\
         <svg id=\"canvas\" tabindex=\"0\" role=\"application\" aria-label=\"graph of the model; arrows move, plus and minus zoom, \
         0 fits, n and p go to the next and previous op, Enter folds\"></svg>\n\
         <div id=\"detail\" role=\"status\" aria-live=\"polite\">Click an op, or press n in the graph, to see its tensors.</div>\n\
         <noscript><p>The graph needs JavaScript; all else on this page does not.</p></noscript>\n",
    );
    let json = script_json(&view).map_err(|_| fmt::Error)?;
    writeln!(out, "<script type=\"application/json\" id=\"graphdata\">{json}</script>\n</section>")
}

fn view(run: &Run) -> View<'_> {
    let count = run.graph.ops.len();
    let mut cluster_of = vec![None; count];
    if let Some(result) = &run.result {
        for (cluster, ops) in result.cluster_ops.iter().enumerate() {
            for &op in ops {
                if let Some(slot) = cluster_of.get_mut(op as usize) {
                    *slot = Some(cluster as u32);
                }
            }
        }
    }
    let known = |op: &u32| (*op as usize) < count;
    let edges: Vec<(u32, u32)> = (run.graph.tensors.iter())
        .flat_map(|tensor| {
            let producer = tensor.producer.filter(known);
            tensor.consumers.iter().filter(|op| known(op)).filter_map(move |&to| Some((producer?, to)))
        })
        // The list is in topological order; what a damaged file says otherwise is not drawn.
        .filter(|(from, to)| from < to)
        .collect();
    let tensors = run.graph.tensors.iter().map(|tensor| {
        let place = |op: u32| cluster_of.get(op as usize).copied().flatten();
        let from = tensor.producer.filter(known).map(place);
        Tensor {
            name: &tensor.name,
            producer: tensor.producer,
            consumers: &tensor.consumers,
            dims: &tensor.dims,
            scale: tensor.scale,
            weight: tensor.weight,
            boundary: !tensor.weight && from.is_some_and(|from| tensor.consumers.iter().any(|&to| place(to) != from)),
        }
    });
    let ops = run.graph.ops.iter().enumerate().map(|(index, op)| Op {
        r#type: &op.op_type,
        inputs: &op.inputs,
        outputs: &op.outputs,
        cluster: cluster_of[index],
        culprit: is_culprit(run, index as u32),
        risks: op.risks.iter().map(|risk| risk.text.as_str()).collect(),
        notes: if op.candidate { notes(run, index) } else { Vec::new() },
    });
    let part = |op: u32| cluster_of[op as usize];
    View { ops: ops.collect(), tensors: tensors.collect(), blocks: blocks(count, &edges, part) }
}

fn notes(run: &Run, op: usize) -> Vec<String> {
    let Some(layer) = run.layers.ops.get(op) else { return Vec::new() };
    let mut notes = Vec::new();
    if layer.alone.is_some() {
        notes.push(format!("simulated error alone: {}", noise(layer.alone.as_ref())));
    }
    if layer.accumulated.is_some() {
        notes.push(format!("simulated error with all before it: {}", noise(layer.accumulated.as_ref())));
    }
    notes.extend(cost(layer).map(|cost| format!("estimated time, CPU / NPU: {cost}")));
    notes
}
