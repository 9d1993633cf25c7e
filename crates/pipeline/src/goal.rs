//! When a placement is good enough.

use accuracy::{Direction, Tolerance};
use partition_search::Threshold;
use trial_store::{Answer, Verdict};

use crate::{PipelineError, evaluator::Evaluation};

/// What the user wants of a score; without a tolerance the evaluator judges by itself.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Absolute, or a drop from the score without the NPU.
    pub tolerance: Option<Tolerance>,
    /// Whether high scores are good.
    pub direction: Direction,
}

impl Wish {
    /// The goal, once the score without the NPU is known.
    ///
    /// # Errors
    /// When a drop is wished and there is no score to drop from.
    pub fn goal(&self, baseline: Option<f64>) -> Result<Goal, PipelineError> {
        let Some(tolerance) = &self.tolerance else { return Ok(Goal::default()) };
        if tolerance.needs_baseline() && baseline.is_none() {
            return Err(PipelineError::NoBaselineScore);
        }
        // An absolute tolerance does not look at the baseline.
        let threshold = tolerance.resolve(self.direction, baseline.unwrap_or_default())?;
        Ok(Goal {
            threshold: Some(match self.direction {
                Direction::HigherIsBetter => Threshold::at_least(threshold.value),
                Direction::LowerIsBetter => Threshold::at_most(threshold.value),
            }),
        })
    }
}

/// When a score passes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Goal {
    /// The worst score that passes; none where the evaluator judges by itself.
    pub threshold: Option<Threshold>,
}

impl Goal {
    /// The verdict on a trial.
    pub fn judge(self, evaluation: &Evaluation) -> Verdict {
        let from = |pass: bool| if pass { Verdict::Pass } else { Verdict::Fail };
        match (evaluation.measurement.score, self.threshold, evaluation.pass) {
            _ if evaluation.measurement.unresolved.is_some() => Verdict::Unresolved,
            (Some(score), Some(threshold), _) => from(threshold.judge(score) == partition_search::Verdict::Pass),
            (_, _, pass) => from(pass.unwrap_or(false)),
        }
    }
}

/// The answer as the search takes it.
pub(crate) fn told(answer: &Answer) -> partition_search::Answer {
    let verdict = match answer.verdict {
        Verdict::Pass => partition_search::Verdict::Pass,
        Verdict::Fail => partition_search::Verdict::Fail,
        Verdict::Unresolved => partition_search::Verdict::Unresolved,
    };
    let measurement = &answer.measurement;
    partition_search::Answer { verdict, score: measurement.score, sigma: None, error_power: measurement.error_power }
}
