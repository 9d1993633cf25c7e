//! What a run has found.

use op_graph::{Clustering, OpId, Placement};
use partition_search::{Certificate, Verdict};
use trial_store::{CulpritEntry, EstimatedMs, Outcome, ResultFile, StopReason};

use crate::Plan;

/// A unit of the answer, with the evidence for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Culprit {
    /// The unit.
    pub unit: usize,
    /// Its ops.
    pub ops: Vec<OpId>,
    /// The verdict on the answer without it, where that was tried.
    pub verdict_without: Option<Verdict>,
    /// Where it cannot leave alone: the units that left with it in a trial that ran and failed.
    pub partners: Vec<usize>,
    /// The score without it, where known.
    pub score_without: Option<f64>,
}

/// What a run has found.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What was found.
    pub outcome: Outcome,
    /// Why the search ended.
    pub stop: StopReason,
    /// The ops forced to the CPU.
    pub placement: Placement,
    /// The clusters that are left to the NPU.
    pub clustering: Clustering,
    /// The units of the placement in log order.
    pub culprits: Vec<Culprit>,
    /// The score of the placement, by its latest trial.
    pub score: Option<f64>,
    /// The score without the NPU.
    pub score_cpu: Option<f64>,
    /// The score with nothing forced; none where the stack refused it.
    pub score_npu: Option<f64>,
    /// Why the stack refused it.
    pub npu_refused: Option<String>,
    /// The worst score that passes.
    pub threshold: Option<f64>,
    /// What is proven.
    pub certificate: Certificate,
    /// Ops that every passing placement needs, if more ops on the CPU never hurt.
    pub lower_bound: u64,
    /// Smaller sets of units that were tried and did not pass.
    pub smaller_tried: Vec<Vec<usize>>,
    /// Did a fresh trial of the placement pass?
    pub verified: bool,
    /// Did equal trials disagree?
    pub flaky: bool,
    /// Trials used, baselines and verification included.
    pub trials: usize,
    /// How many of them earlier runs had measured.
    pub cached: usize,
    /// Samples that the trials ran, and that early decisions saved.
    pub samples: (u64, u64),
    /// How long placements take, by the estimate as timed trials moved it.
    pub estimated: Option<EstimatedMs>,
    /// The partition config, where there is an answer.
    pub config: Option<Vec<u8>>,
}

impl Report {
    /// Is there a placement to write?
    pub fn has_answer(&self) -> bool {
        matches!(self.outcome, Outcome::Found | Outcome::NothingToMove)
    }

    /// The report as `result.json` holds it.
    pub fn result_file(&self, plan: &Plan<'_>) -> ResultFile {
        let line = |op: OpId| plan.subject.graph.record(op).to_string();
        let indices = |ops: &[OpId]| ops.iter().map(|op| op.index() as u32).collect();
        ResultFile {
            outcome: self.outcome,
            stop: self.stop,
            lever: plan.subject.lever,
            cpu_ops: self.placement.iter().map(line).collect(),
            score: self.score,
            score_cpu: self.score_cpu,
            score_npu: self.score_npu,
            npu_refused: self.npu_refused.clone(),
            metric: plan.evaluator.metric().map(str::to_owned),
            threshold: self.threshold,
            trials: self.trials as u32,
            trials_cached: self.cached as u32,
            samples_run: self.samples.0,
            samples_saved: self.samples.1,
            clusters: self.clustering.len() as u32,
            cluster_ops: self.clustering.clusters().iter().map(|cluster| indices(cluster)).collect(),
            certificate: stored(self.certificate),
            lower_bound: self.lower_bound,
            verified: self.verified,
            flaky: self.flaky,
            estimated_ms: self.estimated,
            simulated: plan.evaluator.simulated(),
            backend: plan.evaluator.name().to_owned(),
            culprits: self.culprits.iter().map(|culprit| entry(culprit, line)).collect(),
            smaller_tried: self.smaller_tried.iter().map(|set| set.iter().map(|&unit| unit as u32).collect()).collect(),
        }
    }
}

fn entry(culprit: &Culprit, line: impl Fn(OpId) -> String) -> CulpritEntry {
    CulpritEntry {
        unit: culprit.unit as u32,
        ops: culprit.ops.iter().copied().map(line).collect(),
        verdict_without: culprit.verdict_without.map(|verdict| match verdict {
            Verdict::Pass => trial_store::Verdict::Pass,
            Verdict::Fail => trial_store::Verdict::Fail,
            Verdict::Unresolved => trial_store::Verdict::Unresolved,
        }),
        partners: culprit.partners.iter().map(|&unit| unit as u32).collect(),
        score_without: culprit.score_without,
    }
}

/// The certificate in the run directory's words.
pub(crate) fn stored(certificate: Certificate) -> trial_store::Certificate {
    match certificate {
        Certificate::OneMinimal => trial_store::Certificate::OneMinimal,
        Certificate::OneMinimalIfMonotone => trial_store::Certificate::OneMinimalIfMonotone,
        Certificate::MinimumIfMonotone => trial_store::Certificate::MinimumIfMonotone,
        Certificate::NoSmallerFound => trial_store::Certificate::NoSmallerFound,
        Certificate::BestSoFar => trial_store::Certificate::BestSoFar,
    }
}
