//! The first screen: three scores, what is proven, what stays on the CPU, and the file to copy.

use std::fmt::{self, Write};

use trial_store::{CulpritEntry, Indices, Lever, Outcome, ResultFile, Verdict};

use super::{count, duration, escape::Text, score};
use crate::{Run, table};

pub(super) fn write(out: &mut String, run: &Run) -> fmt::Result {
    out.push_str("<section id=\"verdict\">\n");
    match &run.result {
        Some(result) => finished(out, run, result)?,
        None => unfinished(out, run)?,
    }
    if let Some(answer) = &run.answer {
        write!(out, "<div class=\"copybox\"><div class=\"bar\"><h2>{}</h2>", run.lever().file_name())?;
        out.push_str("<button type=\"button\" id=\"copy\">Copy</button></div>");
        // A browser drops the first newline of a pre: this one, not the answer's.
        writeln!(out, "<pre id=\"answer\" tabindex=\"0\">\n{}</pre></div>", Text(answer))?;
    }
    out.push_str("</section>\n");
    Ok(())
}

fn finished(out: &mut String, run: &Run, result: &ResultFile) -> fmt::Result {
    writeln!(out, "<h1>{}</h1>", Text(headline(result)))?;
    let metric = result.metric.as_deref().unwrap_or("score");
    out.push_str("<div class=\"scores\">\n");
    let mut tile = |what: &str, value: &str, note: &str, kind: &str| {
        writeln!(
            out,
            "<div class=\"tile {kind}\"><span>{}</span><b>{}</b><span>{}</span></div>",
            Text(what),
            Text(value),
            Text(note)
        )
    };
    let threshold = result.threshold.map(|threshold| format!("needed: {threshold:.4}")).unwrap_or_default();
    tile("without the NPU", &score(result.score_cpu), metric, "")?;
    let device = if result.simulated { "all on the simulated NPU" } else { "all on the NPU" };
    match &result.npu_refused {
        Some(why) => tile(device, "refused", why, "fail")?,
        None => tile(device, &score(result.score_npu), &threshold, kind(result.outcome == Outcome::NothingToMove))?,
    }
    if !result.cpu_ops.is_empty() {
        tile("with the answer", &score(result.score), &threshold, kind(result.verified))?;
    }
    out.push_str("</div>\n");
    writeln!(out, "<p>{}</p>", Text(spent(run, result)))?;
    writeln!(out, "<p><b>Proven:</b> {}.</p>", Text(table::proven(result)))?;
    if result.outcome == Outcome::ModelAtFault {
        writeln!(out, "<p>{}</p>", Text(table::MODEL_AT_FAULT))?;
    }
    if result.simulated {
        out.push_str(
            "<p class=\"note\">The device was simulated: run the answer on the board before you rely on it.</p>\n",
        );
    }
    if result.flaky {
        out.push_str("<p class=\"note\">Equal trials disagreed: this device or metric is noisy.</p>\n");
    }
    culprits(out, result)?;
    alternatives(out, run, result)
}

/// Other placements of the answer's size that passed: as good a choice where they suit better.
fn alternatives(out: &mut String, run: &Run, result: &ResultFile) -> fmt::Result {
    const SHOWN: usize = 5;
    let Some(answer) = run.history.finished.as_ref().map(|finished| &finished.cpu_ops) else { return Ok(()) };
    let mut others: Vec<(&Indices, Option<f64>)> = Vec::new();
    for trial in run.history.trials.values() {
        let Some((_, answered)) = &trial.answer else { continue };
        let ops = &trial.question.cpu_ops;
        let equal = ops.len() == answer.len() && ops != answer && answered.verdict == Verdict::Pass;
        if equal && result.outcome == Outcome::Found && !others.iter().any(|(seen, _)| *seen == ops) {
            others.push((ops, answered.measurement.score));
        }
    }
    if others.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h2>As few operators, and passed as well</h2>\n<ul class=\"alternatives\">")?;
    for (ops, measured) in others.iter().take(SHOWN) {
        let instead = |a: &Indices, b: &Indices| -> String {
            let only = a.iter().filter(|&op| !b.contains(op)).filter_map(|op| run.graph.ops.get(op as usize));
            only.map(|op| format!("<code>{}</code>", Text(&op.record))).collect::<Vec<_>>().join(", ")
        };
        writeln!(
            out,
            "<li>{} instead of {}: score {}</li>",
            instead(ops, answer),
            instead(answer, ops),
            score(*measured)
        )?;
    }
    out.push_str("</ul>\n");
    Ok(())
}

fn kind(passes: bool) -> &'static str {
    if passes { "pass" } else { "fail" }
}

fn headline(result: &ResultFile) -> String {
    match result.outcome {
        Outcome::Found => {
            let ops = count(result.cpu_ops.len(), "operator");
            let one = result.cpu_ops.len() == 1;
            let clusters = count(result.clusters as usize, "NPU cluster");
            match result.lever {
                Lever::Cpu => {
                    format!("{ops} {} on the CPU, the rest runs in {clusters}", if one { "stays" } else { "stay" })
                }
                Lever::Float => {
                    format!("{ops} {} in float on the NPU, in {clusters}", if one { "computes" } else { "compute" })
                }
            }
        }
        Outcome::NothingToMove => "Nothing to move: everything may run on the NPU".to_owned(),
        Outcome::ModelAtFault => "The quantized model is at fault, not the NPU".to_owned(),
        _ => "No placement that runs and passes was found".to_owned(),
    }
}

fn spent(run: &Run, result: &ResultFile) -> String {
    let answers = || run.history.trials.values().filter_map(|trial| trial.answer.as_ref().map(|(_, answer)| answer));
    let seconds: f64 = answers().filter_map(|answer| answer.measurement.seconds).sum();
    let mut text = count(result.trials as usize, "trial");
    if seconds > 0.0 {
        text = format!("{text}, {} in trials", duration(seconds));
    }
    let (run, saved) = (result.samples_run, result.samples_saved);
    if saved > 0 {
        text = format!("{text}; {saved} of {} sample runs saved", run + saved);
    }
    text + "."
}

fn unfinished(out: &mut String, run: &Run) -> fmt::Result {
    out.push_str("<h1>This run has no result yet</h1>\n");
    let answered = run.history.trials.values().filter(|trial| trial.answer.is_some()).count();
    writeln!(out, "<p>{} answered so far.</p>", count(answered, "trial"))?;
    if let Some(best) = &run.history.best {
        let ops = count(best.cpu_ops.len(), "op");
        writeln!(
            out,
            "<p>Best so far: {ops} {}, score {}, trial {}.</p>",
            run.lever().place(),
            score(best.score),
            best.trial
        )?;
    }
    Ok(())
}

fn culprits(out: &mut String, result: &ResultFile) -> fmt::Result {
    if result.culprits.is_empty() {
        return Ok(());
    }
    let (what, when) = match result.lever {
        Lever::Cpu => ("stays on the CPU", "goes back to the NPU"),
        Lever::Float => ("computes in float", "goes back to 8 bits"),
    };
    writeln!(out, "<h2>What {what}, and why</h2>\n<div class=\"scroll\"><table>")?;
    writeln!(out, "<thead><tr><th>operators</th><th>when it {when}</th></tr></thead>\n<tbody>")?;
    for culprit in &result.culprits {
        out.push_str("<tr><td>");
        for record in &culprit.ops {
            write!(out, "<code>{}</code><br>", Text(record))?;
        }
        writeln!(out, "</td><td>{}</td></tr>", Text(evidence(culprit)))?;
    }
    out.push_str("</tbody></table></div>\n");
    Ok(())
}

fn evidence(culprit: &CulpritEntry) -> String {
    match (culprit.verdict_without, culprit.score_without) {
        (Some(Verdict::Unresolved), _) if !culprit.partners.is_empty() => {
            "the stack refuses it alone; together with what it is tied to: fail".to_owned()
        }
        (Some(Verdict::Unresolved), _) => "the stack refuses to run it".to_owned(),
        (Some(verdict), Some(score)) => format!("{}: score {score:.4}", super::trials::word(verdict)),
        (Some(verdict), None) => super::trials::word(verdict).to_owned(),
        (None, Some(score)) => format!("score {score:.4}"),
        (None, None) => "not tried".to_owned(),
    }
}
