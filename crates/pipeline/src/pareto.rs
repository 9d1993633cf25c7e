//! Score against cost: the placements that no other one beats in both.

use op_graph::Placement;
use serde::Serialize;
use trial_store::{History, Indices, Purpose};

use crate::Subject;

/// A placement that was run, with its score and what it costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tradeoff {
    /// The trial that measured it.
    pub trial: u32,
    /// Its score.
    pub score: f64,
    /// Ops on the CPU.
    pub ops: usize,
    /// NPU clusters.
    pub clusters: usize,
    /// The ops, by position in the log.
    pub cpu_ops: Indices,
}

/// Every measured placement that no other one beats in score and in ops on the CPU, the cheapest first.
pub fn pareto(history: &History, subject: &Subject, better: accuracy::Direction) -> Vec<Tradeoff> {
    let measured = history.trials.values().filter(|trial| trial.purpose != Purpose::BaselineCpu);
    let mut all: Vec<Tradeoff> = measured
        .filter_map(|trial| {
            let score = trial.answer.as_ref()?.1.measurement.score?;
            let cpu_ops = trial.question.cpu_ops.clone();
            let placement: Placement = cpu_ops.iter().map(|op| op_graph::OpId::new(op as usize)).collect();
            let clusters = subject.clustering(&placement).len();
            Some(Tradeoff { trial: trial.number, score, ops: placement.len(), clusters, cpu_ops })
        })
        .collect();
    // The cheapest first; of equally cheap ones the best.
    let worth = |tradeoff: &Tradeoff| match better {
        accuracy::Direction::HigherIsBetter => tradeoff.score,
        accuracy::Direction::LowerIsBetter => -tradeoff.score,
    };
    all.sort_by(|a, b| a.ops.cmp(&b.ops).then(worth(b).total_cmp(&worth(a))).then(a.trial.cmp(&b.trial)));
    let mut best = f64::NEG_INFINITY;
    all.retain(|tradeoff| {
        let improves = worth(tradeoff) > best;
        best = best.max(worth(tradeoff));
        improves
    });
    all
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
