//! What a score can still become while samples are missing.

use serde::{Deserialize, Serialize};

/// The lowest and the highest value that a final score can still take; an end may be infinite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// No final score is lower.
    pub low: f64,
    /// No final score is higher.
    pub high: f64,
}

impl Bounds {
    /// From `low` to `high`.
    pub const fn new(low: f64, high: f64) -> Self {
        Self { low, high }
    }

    /// A score that is settled.
    pub const fn exactly(score: f64) -> Self {
        Self::new(score, score)
    }

    /// Whether a score lies between the ends.
    pub fn contains(&self, score: f64) -> bool {
        self.low <= score && score <= self.high
    }
}
