//! What the user's program says of a trial.

use serde::Deserialize;
use trial_store::{Cause, Measurement, Unresolved};

use crate::evaluator::Evaluation;

/// A JSON answer; every field may be missing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(super) struct Reply {
    #[serde(default)]
    pub(super) trial: Option<u32>,
    #[serde(default)]
    pub(super) score: Option<f64>,
    #[serde(default)]
    pub(super) pass: Option<bool>,
    #[serde(default)]
    pub(super) error_power: Option<f64>,
    #[serde(default)]
    pub(super) unresolved: Option<String>,
    #[serde(default)]
    pub(super) error: Option<String>,
}

impl Reply {
    /// What the reply amounts to; an error text where it is trouble with the device, or no answer at all.
    pub(super) fn evaluation(self, scored: bool, seconds: f64) -> Result<Evaluation, String> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let unresolved = self.unresolved.map(|detail| Unresolved { cause: Cause::NotTestable, detail });
        let answered = unresolved.is_some() || self.score.is_some() || (self.pass.is_some() && !scored);
        if !answered {
            let wanted = if scored { "`score`" } else { "`score` or `pass`" };
            return Err(format!("the answer has neither {wanted} nor `unresolved` nor `error`"));
        }
        if let Some(score) = self.score.filter(|score| !score.is_finite()) {
            return Ok(unresolved_because(Cause::BadOutput, format!("the score is {score}"), seconds));
        }
        let measurement = Measurement {
            score: self.score,
            error_power: self.error_power.filter(|power| power.is_finite() && *power >= 0.0),
            unresolved,
            seconds: Some(seconds),
            ..Measurement::default()
        };
        // A score without a threshold is for the record only; the verdict is the program's.
        Ok(Evaluation { measurement, pass: self.pass.or((!scored).then_some(true)) })
    }
}

pub(super) fn unresolved_because(cause: Cause, detail: String, seconds: f64) -> Evaluation {
    let measurement = Measurement {
        unresolved: Some(Unresolved { cause, detail }),
        seconds: Some(seconds),
        ..Measurement::default()
    };
    Evaluation { measurement, pass: None }
}
