//! `graph.json`: what a run searches, so that a report needs nothing but the run directory.

use serde::{Deserialize, Serialize};

/// The content of `graph.json`, written before the first trial. Names that are not UTF-8 stand in it lossily: it is for reading, never for
/// matching.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GraphFile {
    /// The ops, in log order.
    pub ops: Vec<GraphOp>,
    /// The tensors; ops name them by position.
    pub tensors: Vec<GraphTensor>,
}

/// An op.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GraphOp {
    /// The operator record, `type:inputs:outputs`.
    pub record: String,
    /// The op type.
    pub op_type: String,
    /// Positions of the tensors that it reads.
    pub inputs: Vec<u32>,
    /// Positions of the tensors that it writes.
    pub outputs: Vec<u32>,
    /// The unit that it moves with; none where the search may not move it.
    pub unit: Option<u32>,
    /// May it run on the NPU?
    pub candidate: bool,
    /// What is known to be inexact about it on the NPU, before any trial.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub risks: Vec<Risk>,
}

/// A tensor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GraphTensor {
    /// Its name.
    pub name: String,
    /// The op that writes it; none for an input of the model and for a weight.
    pub producer: Option<u32>,
    /// The ops that read it.
    pub consumers: Vec<u32>,
    /// The shape, −1 where a dimension is not known before run time; empty where nothing is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dims: Vec<i64>,
    /// The int8 step (threshold / 127), where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f32>,
    /// Is it a weight?
    #[serde(default)]
    pub weight: bool,
}

/// A known deviation of the NPU that an op is exposed to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Risk {
    /// How sure we are: `measured`, `read` in the source, or `inferred`.
    pub certainty: String,
    /// What the NPU does, and how that differs.
    pub text: String,
    /// What would avoid it in the model; empty where nothing is known.
    #[serde(default)]
    pub cure: String,
    /// Where the fact is from.
    pub source: String,
}
