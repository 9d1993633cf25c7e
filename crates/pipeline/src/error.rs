//! What can end a run before it has an answer.

use std::path::PathBuf;

use partition_search::ProblemError;
use subgraph_log::WriteError;
use thiserror::Error;
use trial_store::{StopReason, StoreError};

use crate::{evaluator::Job, subject::Disagreement};

/// Why a run could not start or go on.
#[derive(Debug, Error)]
pub enum PipelineError {
    /// A `--pin-cpu` or `--pin-npu` pattern is wrong.
    #[error("pin `{pattern}`: {reason}")]
    Pin {
        /// As given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The prior cannot be read.
    #[error("read the prior {}: {reason}", path.display())]
    Prior {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A model and a log show different ops.
    #[error("match the model with the log: {0}; give the log of this very model, or the log alone")]
    Disagreement(Box<Disagreement>),
    /// The search cannot be set up.
    #[error("set up the search: {0}")]
    Problem(#[from] ProblemError),
    /// The estimated time is to be small, and there is no estimate.
    #[error("make the time small without an estimate of it")]
    NoEstimate,
    /// No ops can run on the NPU.
    #[error("find an op to move: none of the {ops} ops can run on the NPU ({hint})")]
    NoCandidates {
        /// How many ops there are.
        ops: usize,
        /// What to try.
        hint: &'static str,
    },
    /// The run directory cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The answer cannot be written as a partition config.
    #[error("write the partition config: {0}")]
    Config(#[from] WriteError),
    /// A tolerance that is a drop from the baseline, and a baseline without a score.
    #[error("resolve the tolerance: the baseline gave no score to drop from; give an absolute threshold")]
    NoBaselineScore,
    /// A tolerance that cannot be resolved.
    #[error("resolve the tolerance: {0}")]
    Tolerance(#[from] accuracy::Error),
    /// The result cannot be written as JSON.
    #[error("write result.json: {0}")]
    Result(serde_json::Error),
    /// The evaluator does not work.
    #[error("run a trial: {reason}")]
    Device {
        /// What it said last.
        reason: String,
    },
    /// Boards that had given answers proved unsound, again and again.
    #[error("trust the boards: answers on {} placement(s) were wrong, and this was not the first time", jobs.len())]
    Withdrawn {
        /// What was asked.
        jobs: Vec<Job>,
    },
    /// The user stopped it before there was an answer to report.
    #[error("find an answer: interrupted")]
    Interrupted,
    /// The evaluator panicked.
    #[error("run trial {trial}: a fault in this program; every finished trial is kept, and the run can be resumed")]
    Panicked {
        /// Which trial it ran.
        trial: u32,
    },
    /// A resumed run would not be the same.
    #[error("resume {}: {}; start a new run, or repeat the settings it was started with", path.display(), differences.join("; "))]
    Differs {
        /// The run directory.
        path: PathBuf,
        /// What differs.
        differences: Vec<String>,
    },
}

impl PipelineError {
    /// Why the journal says that the run stopped.
    pub(crate) fn stop_reason(&self) -> StopReason {
        match self {
            Self::Interrupted => StopReason::Interrupted,
            Self::Device { .. } | Self::Withdrawn { .. } => StopReason::NoDevice,
            Self::Store(_) => StopReason::Storage,
            _ => StopReason::Internal,
        }
    }
}
