//! What a trial answers: its verdict, what it measured, and where the answer comes from.

use serde::{Deserialize, Serialize};

use crate::float;

/// What a trial says of its placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The score meets the threshold.
    Pass,
    /// It does not.
    Fail,
    /// The placement cannot be judged: it crashes, hangs or is refused.
    Unresolved,
}

/// What a trial measured. Everything but the verdict, which depends on the threshold; this is what the [`crate::Cache`] keeps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The metric's value.
    #[serde(with = "float::optional")]
    pub score: Option<f64>,
    /// Noise power of the outputs relative to the baseline's.
    #[serde(with = "float::optional")]
    pub error_power: Option<f64>,
    /// Samples that were run.
    pub samples_used: u32,
    /// Samples that there are; the question may have named fewer.
    pub samples_total: u32,
    /// Wall time of the trial.
    #[serde(with = "float::optional")]
    pub seconds: Option<f64>,
    /// NPU clusters that took effect.
    pub clusters: Option<u32>,
    /// Why there is no score, where there is none.
    pub unresolved: Option<Unresolved>,
}

/// Why a placement cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unresolved {
    /// The kind of trouble.
    pub cause: Cause,
    /// What was seen, for people.
    pub detail: String,
}

/// Kinds of [`Unresolved`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The stack refused to compile or load the placement.
    Refused,
    /// The program died.
    Crashed,
    /// It did not end in time, on two boards.
    TimedOut,
    /// The runner says that this placement cannot be tested (exit code 125).
    NotTestable,
    /// Its outputs are not comparable: NaN, or another shape.
    BadOutput,
    /// The tool itself crashed twice in a row while the trial ran ([`crate::Trial::lost_in_two_crashes`]).
    TwoCrashes,
    /// A person said so.
    Person,
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The trial was run.
    #[default]
    Measured,
    /// An earlier run measured the same content.
    Cached,
    /// A log that is replayed, or another run whose answers were adopted, says so.
    Replayed,
    /// A person changed the verdict in a log; its score is not known then.
    Edited,
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Against the threshold of this run.
    pub verdict: Verdict,
    /// Where from.
    #[serde(default)]
    pub source: Source,
    /// What was measured.
    #[serde(flatten)]
    pub measurement: Measurement,
}

impl Answer {
    /// An answer from a trial that was run.
    pub fn measured(verdict: Verdict, measurement: Measurement) -> Self {
        Self { verdict, source: Source::Measured, measurement }
    }
}
