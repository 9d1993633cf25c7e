//! What a comparison yields, in a form for people and programs.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::OpReport;

/// The comparison with every recording of a folder.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The share of trials whose acceptance or refusal was foreseen.
    pub refusals_accuracy: f64,
    /// Of the trials foreseen as refused, the share that was; 1 where there are none.
    pub refusals_precision: f64,
    /// Of the refused trials, the share foreseen; 1 where there are none.
    pub refusals_recall: f64,
    /// The mean agreement in the task's answers, over trials that ran and were foreseen to.
    pub task_agreement: f64,
    /// The share of those trials whose outputs all agree to 30 dB or better.
    pub share_ge_30db: f64,
    /// The lowest measurable rank correlation of unit sensitivities; none where none is measurable.
    pub spearman_min: Option<f64>,
    /// The kernels beside recorded single ops, by op; empty where none were compared.
    pub ops: BTreeMap<String, OpReport>,
    /// The same per recording.
    pub models: BTreeMap<String, ModelReport>,
}

/// The comparison with one recording.
#[derive(Clone, Debug, Serialize)]
pub struct ModelReport {
    /// The figures over all trials.
    #[serde(flatten)]
    pub totals: Totals,
    /// The rank correlations of unit sensitivities.
    pub rankings: Vec<Ranking>,
    /// By op type: the mean output SQNR in decibels of the trials that move only ops of that type.
    pub by_op_type: BTreeMap<String, f64>,
    /// Every trial.
    pub trials: Vec<TrialReport>,
}

/// Figures over trials; those that the graph check of a CPU fusion pass stopped do not count.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Totals {
    /// The trials counted.
    pub trials: usize,
    /// Stopped by the graph check, not counted.
    pub graph_check: usize,
    /// Foreseen as they went.
    pub foreseen: usize,
    /// Refused.
    pub refused: usize,
    /// Foreseen as refused.
    pub foreseen_refused: usize,
    /// Refused and foreseen so.
    pub both_refused: usize,
    /// Ran and were foreseen to.
    pub compared: usize,
    /// The sum of their task agreements.
    agreement: f64,
    /// Of the compared, those at 30 dB or better.
    pub ge_30db: usize,
    /// The share foreseen.
    pub refusals_accuracy: f64,
    /// The mean agreement.
    pub task_agreement: f64,
    /// The share at 30 dB or better.
    pub share_ge_30db: f64,
    /// The lowest measurable rank correlation.
    pub spearman_min: Option<f64>,
}

/// How well the simulator ranks units by the error they cause.
#[derive(Clone, Debug, Serialize)]
pub struct Ranking {
    /// `npu-only-unit` or `cpu-unit`.
    pub kind: String,
    /// The units both sides ran.
    pub units: usize,
    /// The spread of the recorded sensitivities in decibels.
    pub spread_db: f64,
    /// Spearman's rank correlation; none where fewer than 8 units or less than 3 dB of spread make it unmeasurable.
    pub spearman: Option<f64>,
}

/// One trial.
#[derive(Clone, Debug, Serialize)]
pub struct TrialReport {
    /// What was tried.
    pub tag: String,
    /// What the real stack did: `ran`, or the place where it refused.
    pub recorded: String,
    /// What the simulator did: `ran`, or the class of its refusal.
    pub simulated: String,
    /// The agreement of the outputs in decibels, where both ran.
    pub sqnr_db: Option<Vec<f64>>,
    /// The agreement in the task's answers, where both ran.
    pub agreement: Option<f64>,
}

impl Totals {
    /// Counts a trial.
    pub(crate) fn add(&mut self, trial: &TrialReport) {
        let (refused, foreseen_refused) = (trial.recorded != "ran", trial.simulated != "ran");
        self.trials += 1;
        self.refused += usize::from(refused);
        self.foreseen_refused += usize::from(foreseen_refused);
        self.both_refused += usize::from(refused && foreseen_refused);
        self.foreseen += usize::from(refused == foreseen_refused);
        if let (Some(sqnr), Some(agreement)) = (&trial.sqnr_db, trial.agreement) {
            self.compared += 1;
            self.agreement += agreement;
            self.ge_30db += usize::from(sqnr.iter().all(|&db| db >= 30.0));
        }
        self.finish();
    }

    /// Adds the counts of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.trials += other.trials;
        self.graph_check += other.graph_check;
        self.foreseen += other.foreseen;
        self.refused += other.refused;
        self.foreseen_refused += other.foreseen_refused;
        self.both_refused += other.both_refused;
        self.compared += other.compared;
        self.agreement += other.agreement;
        self.ge_30db += other.ge_30db;
        self.spearman_min = match (self.spearman_min, other.spearman_min) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.finish();
    }

    fn finish(&mut self) {
        self.refusals_accuracy = share(self.foreseen, self.trials);
        self.task_agreement = if self.compared == 0 { 1.0 } else { self.agreement / self.compared as f64 };
        self.share_ge_30db = share(self.ge_30db, self.compared);
    }
}

/// A share; of nothing, all.
pub(crate) fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}
