//! Score against cost: the placements that no other one beats in everything.

use op_graph::{OpId, Placement};
use trial_store::{History, Purpose, Tradeoff};

use crate::{Estimate, Subject};

/// Every measured placement that no other one equals or beats in score, ops on the CPU, clusters and estimated time, the cheapest first.
pub fn pareto(
    history: &History,
    subject: &Subject,
    estimate: Option<&Estimate>,
    better: accuracy::Direction,
) -> Vec<Tradeoff> {
    let measured = history.trials.values().filter(|trial| trial.purpose != Purpose::BaselineCpu);
    let mut all: Vec<Tradeoff> = measured
        .filter_map(|trial| {
            let score = trial.answer.as_ref()?.1.measurement.score?;
            let cpu_ops = trial.question.cpu_ops.clone();
            let placement: Placement = cpu_ops.iter().map(|op| OpId::new(op as usize)).collect();
            let clustering = subject.clustering(&placement);
            let estimated_ms = estimate.map(|estimate| estimate(&clustering));
            let (ops, clusters) = (placement.len(), clustering.len());
            Some(Tradeoff { trial: trial.number, score, ops, clusters, estimated_ms, cpu_ops })
        })
        .collect();
    // Of what is equal in everything the first stays.
    all.sort_by(|a, b| a.ops.cmp(&b.ops).then(a.trial.cmp(&b.trial)));
    let mut front: Vec<Tradeoff> = Vec::new();
    for tradeoff in &all {
        let equal = |other: &Tradeoff| losses(other, better) == losses(tradeoff, better);
        if !all.iter().any(|other| dominates(other, tradeoff, better)) && !front.iter().any(equal) {
            front.push(tradeoff.clone());
        }
    }
    front
}

/// What is to be small.
fn losses(tradeoff: &Tradeoff, better: accuracy::Direction) -> [f64; 4] {
    let loss = match better {
        accuracy::Direction::HigherIsBetter => -tradeoff.score,
        accuracy::Direction::LowerIsBetter => tradeoff.score,
    };
    [loss, tradeoff.ops as f64, tradeoff.clusters as f64, tradeoff.estimated_ms.unwrap_or(0.0)]
}

fn dominates(a: &Tradeoff, b: &Tradeoff, better: accuracy::Direction) -> bool {
    let (a, b) = (losses(a, better), losses(b, better));
    a.iter().zip(&b).all(|(a, b)| a <= b) && a != b
}

/// Goals for a sweep: scores that split the way from the goal to the score on the NPU, and from the goal to the score without it.
pub(crate) fn sweep(goal: f64, cpu: f64, npu: f64) -> Vec<f64> {
    let (allowed, lost) = (cpu - goal, cpu - npu);
    if !(allowed.abs() > 0.0 && lost / allowed > 1.0) {
        return Vec::new();
    }
    let ratio = lost / allowed;
    let looser = [0.25, 0.5, 0.75].map(|share| cpu - allowed * ratio.powf(share));
    let stricter = [0.5, 0.25].map(|share| cpu - allowed * share);
    looser.into_iter().chain(stricter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_stays_between_the_baselines_on_both_sides_of_the_goal() {
        let goals = sweep(0.99, 1.0, 0.96);
        assert_eq!(goals.len(), 5);
        assert!(goals.iter().all(|&goal| goal > 0.96 && goal < 1.0), "{goals:?}");
        assert_eq!(sweep(0.99, 1.0, 0.995), Vec::<f64>::new(), "the NPU meets the goal");
        let errors = sweep(0.02, 0.01, 0.05);
        assert!(errors.iter().all(|&goal| goal > 0.01 && goal < 0.05), "lower is better: {errors:?}");
    }
}
