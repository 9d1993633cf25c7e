//! Score against each cost, where more than one placement passed or the search swept goals.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use trial_store::{Indices, Purpose, Verdict};

use super::{escape::Text, score};
use crate::Run;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 40.0;

/// A placement that was run.
struct Point {
    trial: u32,
    ops: usize,
    score: f64,
    clusters: Option<usize>,
    milliseconds: Option<f64>,
    passed: bool,
}

/// What a chart draws to the right.
struct Cost {
    title: &'static str,
    of: fn(&Point) -> Option<f64>,
}

const COSTS: [Cost; 3] = [
    Cost { title: "ops on the CPU", of: |point| Some(point.ops as f64) },
    Cost { title: "NPU clusters", of: |point| point.clusters.map(|clusters| clusters as f64) },
    Cost { title: "estimated milliseconds", of: |point| point.milliseconds },
];

pub(super) fn write(out: &mut String, run: &Run) -> fmt::Result {
    let points = points(run);
    if points.len() < 2 {
        return Ok(());
    }
    out.push_str("<section id=\"pareto\">\n<h2>Score against cost</h2>\n");
    for cost in &COSTS {
        let priced: Vec<(&Point, f64)> = points.iter().filter_map(|point| Some((point, (cost.of)(point)?))).collect();
        let different = priced.iter().any(|(_, price)| *price != priced[0].1);
        if different {
            chart(out, cost.title, &priced, lower_is_better(run))?;
        }
    }
    out.push_str(
        "<p>Every placement that passed, and those of the sweep over other goals (dashed where they fail this run's goal). \
         Filled: no other placement here is at least as good in both.</p>\n</section>\n",
    );
    Ok(())
}

/// Does a smaller score mean a better placement in this run? The score without the NPU is on the good side of the threshold.
fn lower_is_better(run: &Run) -> bool {
    let result = run.result.as_ref();
    result.and_then(|result| Some(result.score_cpu? < result.threshold?)).unwrap_or(false)
}

fn chart(out: &mut String, title: &str, points: &[(&Point, f64)], lower: bool) -> fmt::Result {
    let fold = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let (low, high) = fold(&mut points.iter().map(|(point, _)| point.score));
    let pad = ((high - low) * 0.08).max(1e-4);
    let (low, high) = (low - pad, high + pad);
    let (cheapest, dearest) = fold(&mut points.iter().map(|(_, price)| *price));
    // From nothing where that does not squeeze the points into a corner.
    let least = if cheapest < dearest / 2.0 { 0.0 } else { cheapest - (dearest - cheapest) * 0.08 };
    let x = |price: f64| LEFT + (price - least) / (dearest - least).max(1e-9) * (WIDTH - LEFT - 20.0);
    let y = |score: f64| 10.0 + (high - score) / (high - low) * (HEIGHT - BOTTOM - 10.0);
    let name = Text(title);
    write!(
        out,
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"score against {name}\">"
    )?;
    for tick in 0..=4 {
        let share = f64::from(tick) / 4.0;
        let value = low + (high - low) * share;
        write!(out, "<path class=\"grid\" d=\"M{LEFT} {:.1}H{WIDTH}\"/>", y(value))?;
        write!(out, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value:.4}</text>", LEFT - 6.0, y(value) + 4.0)?;
        let price = least + (dearest - least) * share;
        let digits = usize::from(dearest - least < 4.0) * 2;
        write!(
            out,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{price:.digits$}</text>",
            x(price),
            HEIGHT - 22.0
        )?;
    }
    write!(out, "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{name}</text>", WIDTH / 2.0, HEIGHT - 4.0)?;
    let better = |a: f64, b: f64| if lower { a < b } else { a > b };
    for (point, price) in points {
        let beaten = points.iter().any(|(other, paid)| {
            !better(point.score, other.score) && *paid <= *price && (other.score != point.score || paid != price)
        });
        let class = match (point.passed, beaten) {
            (true, false) => "dot front",
            (true, true) => "dot",
            (false, false) => "dot failed front",
            (false, true) => "dot failed",
        };
        let (cx, cy) = (x(*price), y(point.score));
        write!(
            out,
            "<circle class=\"{class}\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"6\"><title>{}</title></circle>",
            said(point)
        )?;
    }
    out.push_str("</svg>\n");
    Ok(())
}

fn said(point: &Point) -> String {
    let clusters = point.clusters.map(|clusters| format!(", {clusters} clusters")).unwrap_or_default();
    let time = point.milliseconds.map(|ms| format!(", about {ms:.2} ms")).unwrap_or_default();
    let (trial, ops, score) = (point.trial, point.ops, score(Some(point.score)));
    format!("trial {trial}: {ops} ops on the CPU{clusters}{time}, score {score}")
}

/// The latest trial of each placement that passed, and the placements of the sweep.
fn points(run: &Run) -> Vec<Point> {
    let mut points: BTreeMap<&Indices, Point> = BTreeMap::new();
    for trial in run.history.trials.values().filter(|trial| trial.purpose != Purpose::BaselineCpu) {
        let Some((_, answer)) = &trial.answer else { continue };
        let Some(score) = answer.measurement.score.filter(|score| score.is_finite()) else { continue };
        if answer.verdict == Verdict::Pass {
            let clusters = answer.measurement.clusters.map(|clusters| clusters as usize);
            let (ops, trial_number) = (trial.question.cpu_ops.len(), trial.number);
            let point = Point { trial: trial_number, ops, score, clusters, milliseconds: None, passed: true };
            points.insert(&trial.question.cpu_ops, point);
        }
    }
    let threshold = run.result.as_ref().and_then(|result| result.threshold);
    for tradeoff in run.pareto.iter().filter(|tradeoff| tradeoff.score.is_finite()) {
        let reaches =
            |threshold| if lower_is_better(run) { tradeoff.score <= threshold } else { tradeoff.score >= threshold };
        let point = Point {
            trial: tradeoff.trial,
            ops: tradeoff.ops,
            score: tradeoff.score,
            clusters: Some(tradeoff.clusters),
            milliseconds: tradeoff.estimated_ms,
            passed: threshold.is_none_or(reaches),
        };
        points.insert(&tradeoff.cpu_ops, point);
    }
    points.into_values().collect()
}
