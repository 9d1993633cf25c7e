//! Score against cost, where more than one placement passed.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use trial_store::{Purpose, Verdict};

use super::score;
use crate::Run;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 40.0;

/// A placement that passed.
struct Point {
    ops: usize,
    score: f64,
    clusters: Option<u32>,
    trial: u32,
}

pub(super) fn write(out: &mut String, run: &Run) -> fmt::Result {
    let points = points(run);
    if points.len() < 2 {
        return Ok(());
    }
    let (low, high) = points
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), point| (low.min(point.score), high.max(point.score)));
    let pad = ((high - low) * 0.08).max(1e-4);
    let (low, high) = (low - pad, high + pad);
    let most = points.iter().map(|point| point.ops).max().unwrap_or(1).max(1) as f64;
    let x = |ops: f64| LEFT + ops / most * (WIDTH - LEFT - 20.0);
    let y = |score: f64| 10.0 + (high - score) / (high - low) * (HEIGHT - BOTTOM - 10.0);
    out.push_str("<section id=\"pareto\">\n<h2>Placements that passed: score against cost</h2>\n");
    write!(
        out,
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"score against ops on the CPU\">"
    )?;
    for tick in 0..=4 {
        let value = low + (high - low) * f64::from(tick) / 4.0;
        write!(out, "<path class=\"grid\" d=\"M{LEFT} {:.1}H{WIDTH}\"/>", y(value))?;
        write!(out, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value:.4}</text>", LEFT - 6.0, y(value) + 4.0)?;
        let ops = most * f64::from(tick) / 4.0;
        write!(out, "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{ops:.0}</text>", x(ops), HEIGHT - 22.0)?;
    }
    write!(out, "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">ops on the CPU</text>", WIDTH / 2.0, HEIGHT - 4.0)?;
    for point in &points {
        let best = points.iter().any(|other| {
            (other.ops < point.ops && other.score >= point.score)
                || (other.ops <= point.ops && other.score > point.score)
        });
        let class = if best { "dot" } else { "dot front" };
        let clusters = point.clusters.map(|clusters| format!(", {clusters} clusters")).unwrap_or_default();
        write!(
            out,
            "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"6\"><title>trial {}: {} ops on the CPU{clusters}, score \
             {}</title></circle>",
            x(point.ops as f64),
            y(point.score),
            point.trial,
            point.ops,
            score(Some(point.score))
        )?;
    }
    out.push_str("</svg>\n<p>Filled: no other placement that passed is at least as good in both.</p>\n</section>\n");
    Ok(())
}

/// The latest trial of each placement that passed.
fn points(run: &Run) -> Vec<Point> {
    let mut points = BTreeMap::new();
    for trial in run.history.trials.values().filter(|trial| trial.purpose != Purpose::BaselineCpu) {
        let Some((_, answer)) = &trial.answer else { continue };
        let Some(score) = answer.measurement.score.filter(|score| score.is_finite()) else { continue };
        if answer.verdict == Verdict::Pass {
            let clusters = answer.measurement.clusters;
            let ops = trial.question.cpu_ops.len();
            points.insert(&trial.question.cpu_ops, Point { ops, score, clusters, trial: trial.number });
        }
    }
    points.into_values().collect()
}
