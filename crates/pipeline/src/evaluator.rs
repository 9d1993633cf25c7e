//! What runs trials, as the pipeline sees it: a placement in, a measurement out.

use std::fmt;

use op_graph::Placement;
use trial_store::{FaultKind, Measurement};

/// Runs trials: a backend whose outputs are scored on a data set, or the user's own program.
pub trait Evaluator: Sync {
    /// The name of the backend under test, as it stands in the journal: `timvx`, `exec`.
    fn name(&self) -> &str;

    /// Is the device simulated? Whoever reads a score must be told.
    fn simulated(&self) -> bool;

    /// How many trials may run at the same time.
    fn width(&self) -> usize;

    /// Samples that a trial runs; 0 where the evaluator does not say.
    fn samples(&self) -> usize;

    /// The metric of its scores, where it knows.
    fn metric(&self) -> Option<&str> {
        None
    }

    /// Can it run the model without the NPU? Otherwise all ops forced to the CPU stands for that.
    fn has_cpu_baseline(&self) -> bool;

    /// Runs one trial.
    ///
    /// # Errors
    /// A [`Fault`] where the trial says nothing about the placement.
    fn evaluate(&self, trial: &Trial) -> Result<Evaluation, Fault>;

    /// Makes what later trials need of the baseline without the NPU (its outputs) known again, when a run is resumed behind it.
    ///
    /// # Errors
    /// A [`Fault`] of the device.
    fn recall_baseline(&self) -> Result<(), Fault> {
        Ok(())
    }
}

/// A trial to run.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Its number in the run, from 1; baselines count.
    pub number: u32,
    /// 1, and one more after each fault.
    pub attempt: u32,
    /// What to run.
    pub job: Job,
    /// Only the verdict is wanted: the trial may stop as soon as no further sample can change it.
    pub verdict_only: bool,
}

/// What a trial runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// The model without the NPU.
    WithoutNpu,
    /// The model with these ops forced to the CPU and the rest on the NPU.
    Placed(Placement),
}

/// What a trial gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Score, time, clusters, or why there is none.
    pub measurement: Measurement,
    /// The evaluator's own verdict, where it gives one instead of a score.
    pub pass: Option<bool>,
}

/// Trouble with the device or the way to it, which says nothing about the placement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The device.
    pub board: String,
    /// The kind of trouble.
    pub kind: FaultKind,
    /// What was seen.
    pub detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.board, self.detail)
    }
}
