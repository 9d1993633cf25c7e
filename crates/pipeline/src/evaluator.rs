//! What runs trials, as the pipeline sees it: a placement in, a measurement out.

use std::fmt;

use op_graph::Placement;
use trial_store::{Event, FaultKind, Measurement, StoreError};

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

    /// Can a trial run the most telling samples only, and foretell the score on all?
    fn takes_few(&self) -> bool {
        false
    }

    /// The metric of its scores, where it knows.
    fn metric(&self) -> Option<&str> {
        None
    }

    /// Can it run the model without the NPU? Otherwise all ops forced to the CPU stands for that.
    fn has_cpu_baseline(&self) -> bool;

    /// Runs one trial.
    ///
    /// # Errors
    /// [`NoAnswer`] where the trial says nothing about the placement.
    fn evaluate(&self, trial: &Trial) -> Result<Evaluation, NoAnswer>;

    /// Makes what later trials need of a baseline (its outputs) known again, when a run is resumed behind it.
    ///
    /// # Errors
    /// A [`Fault`] of the device.
    fn recall(&self, baseline: &Job) -> Result<(), Fault> {
        let _ = baseline;
        Ok(())
    }

    /// The names of the boards at hand.
    fn boards(&self) -> Vec<String> {
        Vec::new()
    }

    /// What happened to boards since this was last asked, oldest first.
    fn news(&self) -> Vec<Event> {
        Vec::new()
    }

    /// Jobs whose evaluations turned out wrong after they were given, each told once: what was concluded from them does not hold.
    fn withdrawn(&self) -> Vec<Job> {
        Vec::new()
    }

    /// Waits until no evaluation can be withdrawn any more, except those that [`Evaluator::withdrawn`] tells then.
    ///
    /// # Errors
    /// Nobody can confirm some of them.
    fn settle(&self) -> Result<(), Unsettled> {
        Ok(())
    }
}

/// Evaluations that nobody can confirm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsettled {
    /// Why not.
    pub reason: String,
    /// What was run.
    pub jobs: Vec<Job>,
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
    /// Run so many of the samples, the most telling ones, and foretell the score on all; `None`: all of them.
    pub samples: Option<usize>,
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

/// Why a trial says nothing about its placement.
#[derive(Debug)]
pub enum NoAnswer {
    /// The device is at fault; the trial is tried again.
    Fault(Fault),
    /// The user wanted it to stop.
    Cancelled,
    /// The trial's files cannot be written: trying again does not help before there is space.
    Storage(StoreError),
    /// This program is at fault: the evaluator panicked.
    Panicked,
}

impl From<Fault> for NoAnswer {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
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
