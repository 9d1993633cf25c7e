//! `layers.json`: what the simulator and the cost model say of each op, so that a report needs neither.

use serde::{Deserialize, Serialize};

use crate::{Indices, float};

/// The content of `layers.json`, written after the search where a model is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayersFile {
    /// Samples that the errors were computed on.
    pub samples: u32,
    /// The ops on the CPU while the accumulated errors were computed: none, or the answer's where the NPU refuses to run everything.
    pub accumulated_with: Indices,
    /// The chip that the times are estimated for, where one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chip: Option<String>,
    /// One an op, in log order.
    pub ops: Vec<LayerNotes>,
}

/// What is known of one op.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerNotes {
    /// The error of its result with everything before it on the NPU as well; none where it has no result of its own there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accumulated: Option<LayerNoise>,
    /// The error of its result with only its unit on the NPU; none where the stack refuses that, and where the search may not move it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alone: Option<LayerNoise>,
    /// How long it takes, estimated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<OpCost>,
}

/// How far a result is from what it is without the NPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerNoise {
    /// Signal-to-noise ratio in decibels; `"inf"` where nothing differs.
    #[serde(with = "float::optional")]
    pub sqnr_db: Option<f64>,
    /// Cosine of the angle between the two results.
    pub cosine: f64,
}

/// Estimated milliseconds of an op by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OpCost {
    /// On the CPU, one thread.
    pub cpu_ms: f64,
    /// On the NPU, without what it costs to get there.
    pub npu_ms: f64,
}
