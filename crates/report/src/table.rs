//! The short table at the end of a search: baselines, culprits, score after, clusters, trials, and what is proven.

use std::fmt::Write;

use trial_store::{Certificate, CulpritEntry, Lever, Outcome, ResultFile, StopReason};

/// What is wrong, and what to try, where the model fails without the NPU.
pub(crate) const MODEL_AT_FAULT: &str = "the quantized model is at fault, not the NPU: it fails without the NPU already.
  Try more or other calibration data, another calibration method, per-channel weights, or leave the most sensitive layers unquantized.";

/// From so many columns on, a culprit's row holds the name of its output.
const WIDE: usize = 90;

/// The end of a run as text, ready to print; `subgraph` is where the answer was written. On a terminal of few columns, names get lines of
/// their own.
pub fn summary(result: &ResultFile, subgraph: &str, columns: Option<usize>) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_summary(&mut text, result, subgraph, columns.is_none_or(|columns| columns >= WIDE));
    text
}

fn write_summary(out: &mut String, result: &ResultFile, subgraph: &str, wide: bool) -> std::fmt::Result {
    let device = if result.simulated { "simulated NPU" } else { "NPU" };
    let metric = result.metric.as_deref().unwrap_or("score");
    writeln!(out)?;
    writeln!(out, "  {metric}{}", result.threshold.map(|t| format!(", threshold {t:.4}")).unwrap_or_default())?;
    let mut row = |what: &str, value: String| writeln!(out, "    {what:<26}{value}");
    row("without the NPU", score(result.score_cpu))?;
    let refused = result.npu_refused.as_deref().map(|why| format!("refused: {why}"));
    row(&format!("all on the {device}"), refused.unwrap_or_else(|| score(result.score_npu)))?;
    if !result.cpu_ops.is_empty() {
        row("with the answer", score(result.score))?;
        write_culprits(out, result, wide)?;
    }
    writeln!(out)?;
    let cached = match result.trials_cached {
        0 => String::new(),
        cached => format!(", {cached} of them measured by earlier runs"),
    };
    writeln!(out, "  {} NPU cluster(s), {} trial(s){cached}; {}", result.clusters, result.trials, proven(result))?;
    if result.samples_saved > 0 {
        let (run, saved) = (result.samples_run, result.samples_saved);
        writeln!(out, "  {run} samples run; {saved} more were not needed")?;
    }
    writeln!(out, "  {}", verdict(result, subgraph))
}

fn write_culprits(out: &mut String, result: &ResultFile, wide: bool) -> std::fmt::Result {
    writeln!(out)?;
    let fate = match result.lever {
        Lever::Cpu => "stay on the CPU",
        Lever::Float => "compute in float on the NPU",
    };
    writeln!(out, "  {} op(s) in {} unit(s) {fate}:", result.cpu_ops.len(), result.culprits.len())?;
    writeln!(
        out,
        "    {:<34}  {:>4}  {:>12}{}",
        "types",
        "ops",
        "without it",
        if wide { "  first output" } else { "" }
    )?;
    for culprit in &result.culprits {
        let types: Vec<&str> = culprit.ops.iter().map(|op| op.split(':').next().unwrap_or_default()).collect();
        let types = short(&types.join(" + "), 34);
        let output = culprit.ops.last().and_then(|op| op.rsplit(':').next()).unwrap_or_default();
        writeln!(
            out,
            "    {types:<34}  {:>4}  {:>12}{}{output}",
            culprit.ops.len(),
            without(culprit),
            if wide { "  " } else { "\n      " }
        )?;
    }
    Ok(())
}

fn without(culprit: &CulpritEntry) -> String {
    match (culprit.score_without, culprit.verdict_without) {
        (Some(score), _) => format!("{score:.4}"),
        (None, Some(trial_store::Verdict::Unresolved)) => "refused".to_owned(),
        (None, Some(_)) => "fails".to_owned(),
        (None, None) => "not tried".to_owned(),
    }
}

pub(crate) fn proven(result: &ResultFile) -> &'static str {
    if result.outcome != Outcome::Found {
        return "nothing to prove";
    }
    match result.certificate {
        Certificate::OneMinimal if result.culprits.iter().any(|culprit| !culprit.partners.is_empty()) => {
            "each unit was returned to the NPU, tied ones together, and each time it failed"
        }
        Certificate::OneMinimal => "each unit was returned to the NPU by itself, and each time it failed",
        Certificate::OneMinimalIfMonotone => "no unit can go back, if more ops on the CPU never hurt",
        Certificate::MinimumIfMonotone => "no smaller answer exists, if more ops on the CPU never hurt",
        Certificate::NoSmallerFound => "no smaller answer was found",
        Certificate::BestSoFar => "nothing is proven of its size",
    }
}

fn verdict(result: &ResultFile, subgraph: &str) -> String {
    let fresh = if result.verified { "a fresh trial of it passes" } else { "NOT confirmed by a fresh trial" };
    match (result.outcome, result.stop) {
        (Outcome::NothingToMove, _) => {
            format!(
                "nothing to move: everything may run on the NPU. {subgraph} holds a single newline (an empty file crashes Paddle Lite)"
            )
        }
        (Outcome::ModelAtFault, _) => MODEL_AT_FAULT.to_owned(),
        (Outcome::Found, StopReason::Converged) => format!("wrote {subgraph}; {fresh}"),
        (Outcome::Found, _) => format!("stopped early; the best so far is in {subgraph}, and its trial passed"),
        (_, StopReason::Interrupted) => {
            "stopped before any placement had passed; no subgraph.txt was written".to_owned()
        }
        _ => "no placement that runs and passes was found; no subgraph.txt was written".to_owned(),
    }
}

fn score(score: Option<f64>) -> String {
    score.map_or_else(|| "–".to_owned(), |score| format!("{score:.4}"))
}

fn short(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}
