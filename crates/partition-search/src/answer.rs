//! What passes between the search and whoever runs the trials: questions out, answers in.

use serde::{Deserialize, Serialize};

use crate::UnitSet;

/// What a trial says of a placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The placement is good enough.
    Pass,
    /// The placement ran and is not good enough.
    Fail,
    /// The placement did not run: crash, hang, refused by the device. Trouble with the board is never a verdict.
    Unresolved,
}

/// The result of one trial.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The caller's verdict on this one trial. Where the problem has a threshold and the answer a finite score, the search judges by the
    /// score instead, because a score near the threshold of a noisy oracle needs more than one trial.
    pub verdict: Verdict,
    /// The task score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The standard error of `score`, where the caller knows it: `Some(0.0)` says that a repeat would give the same score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma: Option<f64>,
    /// The noise power of the outputs against the outputs of the all-CPU trial (any fixed unit, linear, not dB).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_power: Option<f64>,
}

impl Answer {
    /// An answer that is only a verdict.
    pub fn verdict(verdict: Verdict) -> Self {
        Self { verdict, score: None, sigma: None, error_power: None }
    }

    /// It passed; nothing else is known.
    pub fn pass() -> Self {
        Self::verdict(Verdict::Pass)
    }

    /// It failed; nothing else is known.
    pub fn fail() -> Self {
        Self::verdict(Verdict::Fail)
    }

    /// It did not run.
    pub fn unresolved() -> Self {
        Self::verdict(Verdict::Unresolved)
    }

    /// A score with the verdict that `threshold` gives it.
    pub fn scored(score: f64, threshold: Threshold) -> Self {
        Self { score: Some(score), ..Self::verdict(threshold.judge(score)) }
    }
}

/// Whether a good score is high or low.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// As for accuracies.
    #[default]
    HigherIsBetter,
    /// As for errors.
    LowerIsBetter,
}

/// The score a placement must reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The worst score that still passes.
    pub value: f64,
    /// Which side of it is good.
    pub direction: Direction,
}

impl Threshold {
    /// A score passes at or above `value`.
    pub fn at_least(value: f64) -> Self {
        Self { value, direction: Direction::HigherIsBetter }
    }

    /// A score passes at or below `value`.
    pub fn at_most(value: f64) -> Self {
        Self { value, direction: Direction::LowerIsBetter }
    }

    /// The verdict on a noise-free score; NaN fails.
    pub fn judge(self, score: f64) -> Verdict {
        if self.margin(score) >= 0.0 { Verdict::Pass } else { Verdict::Fail }
    }

    /// How far a score is on the good side, in score units; negative if it fails.
    pub(crate) fn margin(self, score: f64) -> f64 {
        match self.direction {
            Direction::HigherIsBetter => score - self.value,
            Direction::LowerIsBetter => self.value - score,
        }
    }
}

/// Names one question of one search; given to [`crate::Search::tell`] with the answer. Questions are numbered from 0 as they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QuestionId(pub u64);

/// Why a placement is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// All-CPU or all-NPU, because the caller gave no answer for it.
    Baseline,
    /// Looking for a first placement that runs and passes.
    Start,
    /// Narrowing down.
    Search,
    /// Trying whether one member can go back to the NPU.
    Necessity,
    /// Measuring the noise, or settling a score close to the threshold.
    Repeat,
    /// Trying a final answer once more.
    Confirm,
    /// Keeping an idle board busy with a placement that is likely to be wanted.
    Speculation,
}

/// A trial the search wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// To answer it by.
    pub id: QuestionId,
    /// The units on the CPU.
    pub set: UnitSet,
    /// Why it is asked.
    pub purpose: Purpose,
    /// How often this placement was asked before. A repeat must be measured again, not taken from a cache of earlier outcomes.
    pub repeat: u32,
}
