//! The table of ops: the trials with and without each, and what is known against its type on this NPU.

use std::fmt::{self, Write};

use trial_store::{GraphOp, LayerNoise, LayerNotes, Purpose, Verdict};

use super::escape::Text;
use crate::Run;

/// How the trials with an op on one side ended.
#[derive(Clone, Copy, Default)]
struct Tally {
    pass: usize,
    fail: usize,
    refused: usize,
}

impl Tally {
    fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Pass => self.pass += 1,
            Verdict::Fail => self.fail += 1,
            Verdict::Unresolved => self.refused += 1,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {} / {}", self.pass, self.fail, self.refused)
    }
}

pub(super) fn write(out: &mut String, run: &Run) -> fmt::Result {
    if run.graph.ops.is_empty() {
        return Ok(());
    }
    let tallies = tallies(run);
    out.push_str(
        "<section id=\"ops\">\n<h2>Operators</h2>\n<p><label>Show only <input id=\"opfilter\" type=\"search\" ",
    );
    out.push_str("placeholder=\"type, tensor or culprit\"></label></p>\n");
    out.push_str("<div class=\"scroll tall\" tabindex=\"0\" role=\"region\" aria-label=\"operators\"><table>");
    let (moved, left) = super::places(run.lever());
    write!(out, "<thead><tr><th>#</th><th>type</th><th>writes</th><th>where</th><th>trials, {moved}</th>")?;
    write!(out, "<th>trials, {left}</th>")?;
    for title in titles(run) {
        write!(out, "<th>{}</th>", Text(title))?;
    }
    out.push_str("<th>known on TIM-VX</th></tr></thead>\n<tbody id=\"oprows\">\n");
    for (index, op) in run.graph.ops.iter().enumerate() {
        row(out, run, index, op, tallies[index])?;
    }
    out.push_str(
        "</tbody></table></div>\n<p class=\"note\">Trials with the op on that side: passed / failed / refused.</p>\n",
    );
    if !run.layers.ops.is_empty() {
        out.push_str("<p class=\"note\">");
        writeln!(out, "{}</p>", Text(explained(run)))?;
    }
    out.push_str("</section>\n");
    Ok(())
}

/// The columns that depend on what is known.
fn titles(run: &Run) -> Vec<&'static str> {
    let mut titles = Vec::new();
    if !run.layers.ops.is_empty() {
        titles.extend(["simulated error, alone", "with all before it"]);
    }
    if run.layers.chip.is_some() {
        titles.push("time, CPU / NPU");
    }
    titles
}

fn explained(run: &Run) -> String {
    let layers = &run.layers;
    let mut text = format!(
        "Simulated error: signal-to-noise ratio and cosine of the op's result against the run without the NPU, on {}; computed, \
         not measured. Alone: only its unit on the NPU. ",
        super::count(layers.samples as usize, "sample")
    );
    text += if layers.accumulated_with.is_empty() {
        "With all before it: nothing forced to the CPU."
    } else {
        "With all before it: the answer on the CPU, because the NPU refuses to run everything."
    };
    if let Some(chip) = &layers.chip {
        let _ = write!(text, " Times are estimates for {chip}."); // writing to a string cannot fail
    }
    text
}

/// An error as shown everywhere in the page.
pub(super) fn noise(noise: Option<&LayerNoise>) -> String {
    match noise.map(|noise| (noise.sqnr_db.filter(|db| db.is_finite()), noise.cosine)) {
        None => "–".to_owned(),
        Some((None, _)) => "exact".to_owned(),
        Some((Some(db), cosine)) => format!("{db:.1} dB, cos {cosine:.5}"),
    }
}

/// A time by itself on either side; none where the op is computed within another.
pub(super) fn cost(notes: &LayerNotes) -> Option<String> {
    let cost = notes.cost.filter(|cost| cost.cpu_ms > 0.0 || cost.npu_ms > 0.0)?;
    Some(format!("{:.3} / {:.3} ms", cost.cpu_ms, cost.npu_ms))
}

fn row(out: &mut String, run: &Run, index: usize, op: &GraphOp, [cpu, npu]: [Tally; 2]) -> fmt::Result {
    let culprit = is_culprit(run, index as u32);
    let place = match (culprit, op.candidate) {
        (true, _) => "CPU, culprit",
        (false, true) => "NPU",
        (false, false) => "CPU",
    };
    let written = op.outputs.first().and_then(|&tensor| run.graph.tensors.get(tensor as usize));
    let name = written.map_or("", |tensor| tensor.name.as_str());
    let class = if culprit { " class=\"culprit\"" } else { "" };
    write!(out, "<tr{class}><td>{index}</td><td>{}</td><td><code>{}</code></td>", Text(&op.op_type), Text(name))?;
    if op.candidate {
        write!(out, "<td>{place}</td><td>{cpu}</td><td>{npu}</td>")?;
    } else {
        write!(out, "<td>{place}</td><td></td><td></td>")?;
    }
    if !run.layers.ops.is_empty() {
        let notes = run.layers.ops.get(index).cloned().unwrap_or_default();
        let shown = |error: Option<&LayerNoise>| if op.candidate { noise(error) } else { String::new() };
        write!(out, "<td>{}</td><td>{}</td>", shown(notes.alone.as_ref()), shown(notes.accumulated.as_ref()))?;
        if run.layers.chip.is_some() {
            write!(out, "<td>{}</td>", cost(&notes).unwrap_or_default())?;
        }
    }
    out.push_str("<td>");
    for risk in &op.risks {
        write!(out, "<div>{}", Text(&risk.text))?;
        if !risk.cure.is_empty() {
            write!(out, " <i>Cure: {}</i>", Text(&risk.cure))?;
        }
        write!(out, " <small>({}, {})</small></div>", Text(&risk.certainty), Text(&risk.source))?;
    }
    out.push_str("</td></tr>\n");
    Ok(())
}

pub(super) fn is_culprit(run: &Run, op: u32) -> bool {
    let finished = run.history.finished.as_ref().map(|finished| &finished.cpu_ops);
    finished.or(run.history.best.as_ref().map(|best| &best.cpu_ops)).is_some_and(|ops| ops.contains(op))
}

/// Per op: the trials with it on the CPU, and with it on the NPU. The run without the NPU says nothing of placements.
fn tallies(run: &Run) -> Vec<[Tally; 2]> {
    let mut tallies = vec![[Tally::default(); 2]; run.graph.ops.len()];
    for trial in run.history.trials.values().filter(|trial| trial.purpose != Purpose::BaselineCpu) {
        let Some((_, answer)) = &trial.answer else { continue };
        for (op, sides) in tallies.iter_mut().enumerate() {
            let side = usize::from(!trial.question.cpu_ops.contains(op as u32));
            sides[side].add(answer.verdict);
        }
    }
    tallies
}
