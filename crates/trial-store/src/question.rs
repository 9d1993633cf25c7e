//! What is asked of the stack, and why.

use serde::{Deserialize, Serialize};

use crate::{Identity, Indices};

/// What is asked of the stack. Equal questions have one answer within a run, so this is the key for replay.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Question {
    /// The backend's name: `lite`, `timvx`.
    pub backend: String,
    /// The placement: ops forced to the CPU, by position in the log.
    pub cpu_ops: Indices,
    /// How many samples of the data, from the first on.
    pub samples: u32,
    /// 0 for the first measurement; 1, 2, … where noise makes the same question worth asking again.
    #[serde(default)]
    pub repeat: u32,
}

impl Question {
    /// A short name for the question, equal for equal questions.
    pub fn id(&self) -> Identity {
        Identity::builder("npu-bisect question 1")
            .field("backend", self.backend.as_bytes())
            .field("cpu_ops", self.cpu_ops.to_string().as_bytes())
            .field("samples", &self.samples.to_le_bytes())
            .field("repeat", &self.repeat.to_le_bytes())
            .finish()
    }
}

/// Why a trial is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Purpose {
    /// The model on the CPU stack, without the NPU.
    BaselineCpu,
    /// Nothing forced to the CPU.
    BaselineNpu,
    /// Every op forced to the CPU, on the NPU stack.
    BaselineForced,
    /// The strategy wants to know.
    Search,
    /// A fresh trial of the answer.
    Verification,
    /// Is this member of the answer necessary?
    Necessity,
    /// A search for another goal wants to know, to find what else there is between the baselines.
    Sweep,
}
