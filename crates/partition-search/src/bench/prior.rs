//! Priors of a given quality.

use serde::{Deserialize, Serialize};

use crate::judge::normal_scores;
use crate::rng::Rng;

/// How well the prior ranks the ops.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prior {
    /// There is none.
    None,
    /// Its normal scores have this correlation with those of the truth.
    Correlated(f64),
    /// The truth upside down.
    Adversarial,
}

impl Prior {
    pub(super) fn draw(self, importance: &[f64], rng: &mut Rng) -> Option<Vec<f64>> {
        let truth = normal_scores(importance);
        match self {
            Self::None => None,
            Self::Adversarial => Some(truth.iter().map(|z| -z).collect()),
            Self::Correlated(rho) => {
                Some(truth.iter().map(|z| rho * z + (1.0 - rho * rho).sqrt() * rng.normal()).collect())
            }
        }
    }
}
