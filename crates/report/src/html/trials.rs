//! The search as a picture: each trial is a row, each op a column, so that one sees the halving.

use std::fmt::{self, Write};

use trial_store::{Answer, Purpose, Trial, Verdict};

use super::{duration, escape::Text, places, score};
use crate::Run;

pub(super) fn write(out: &mut String, run: &Run) -> fmt::Result {
    if run.history.trials.is_empty() {
        return Ok(());
    }
    out.push_str("<section id=\"trials\">\n<h2>The search</h2>\n<p>One row a trial, one column an op in log order: ");
    let (moved, left) = places(run.lever());
    write!(out, "<span class=\"key cpu\">{moved}</span> <span class=\"key npu\">{left}</span> ")?;
    out.push_str("<span class=\"key none\">never on the NPU</span>. A faint row was refused or has no answer.</p>\n");
    out.push_str("<div class=\"scroll tall\" tabindex=\"0\" role=\"region\" aria-label=\"trials\">");
    out.push_str(
        "<table class=\"trials\"><thead><tr><th>#</th><th>why</th><th class=\"wide\">ops</th><th>verdict</th>",
    );
    out.push_str("<th>score</th><th>CPU ops</th><th>time</th></tr></thead>\n<tbody>\n");
    for trial in run.history.trials.values() {
        row(out, run, trial)?;
    }
    out.push_str("</tbody></table></div>\n</section>\n");
    Ok(())
}

fn row(out: &mut String, run: &Run, trial: &Trial) -> fmt::Result {
    let answer = trial.answer.as_ref().map(|(_, answer)| answer);
    let verdict = answer.map(|answer| answer.verdict);
    let shown = shown(answer);
    let class = verdict.map_or("none", class);
    let seconds = answer.and_then(|answer| answer.measurement.seconds).map(duration).unwrap_or_default();
    write!(out, "<tr class=\"{class}\"><td>{}</td><td>{}</td><td>", trial.number, why(trial.purpose))?;
    strip(out, run, trial)?;
    let ops = if trial.purpose == Purpose::BaselineCpu { run.graph.ops.len() } else { trial.question.cpu_ops.len() };
    writeln!(
        out,
        "</td><td>{}</td><td title=\"{shown}\">{shown}</td><td>{ops}</td><td>{seconds}</td></tr>",
        verdict.map_or("no answer", word),
        shown = Text(shown),
    )
}

/// Runs of equal ops as rectangles; one path a colour, so that 500 rows of 1,000 ops stay small.
fn strip(out: &mut String, run: &Run, trial: &Trial) -> fmt::Result {
    let highest = trial.question.cpu_ops.iter().last().map_or(0, |last| last as usize + 1);
    let ops = run.graph.ops.len().max(highest);
    let without_npu = trial.purpose == Purpose::BaselineCpu;
    let mut paths = [const { String::new() }; 3];
    let mut begin = 0;
    let kind = |op: usize| match run.graph.ops.get(op) {
        _ if without_npu || trial.question.cpu_ops.contains(op as u32) => 0,
        Some(op) if !op.candidate => 2,
        _ => 1,
    };
    for end in 1..=ops {
        if end == ops || kind(end) != kind(begin) {
            write!(paths[kind(begin)], "M{begin} 0h{}v1H{begin}z", end - begin)?;
            begin = end;
        }
    }
    write!(
        out,
        "<svg class=\"strip\" viewBox=\"0 0 {} 1\" preserveAspectRatio=\"none\" aria-hidden=\"true\">",
        ops.max(1)
    )?;
    for (class, path) in ["cpu", "npu", "none"].iter().zip(&paths) {
        if !path.is_empty() {
            write!(out, "<path class=\"{class}\" d=\"{path}\"/>")?;
        }
    }
    out.push_str("</svg>");
    Ok(())
}

fn shown(answer: Option<&Answer>) -> String {
    let Some(answer) = answer else { return String::new() };
    match (&answer.measurement.unresolved, answer.measurement.score) {
        (Some(unresolved), _) => unresolved.detail.lines().next().unwrap_or_default().chars().take(200).collect(),
        (None, measured) => score(measured),
    }
}

pub(super) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Unresolved => "refused",
    }
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Unresolved => "refused",
    }
}

fn why(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::BaselineCpu => "no NPU",
        Purpose::BaselineNpu => "all on the NPU",
        Purpose::BaselineForced => "all forced",
        Purpose::Verification => "verification",
        Purpose::Necessity => "needed?",
        Purpose::Sweep => "other goal",
        _ => "search",
    }
}
