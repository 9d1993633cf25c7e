//! What the stack answers where it does not run a placement.

use std::fmt;

use op_graph::OpId;

/// When the stack refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// While Paddle Lite optimizes the program.
    Load,
    /// While a cluster is converted and compiled, at the first run.
    Build,
    /// While it computes.
    Run,
}

/// Why, by the check that fired (spec/measured.md "What placements do").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalClass {
    /// A pass renamed what a cluster hands out (`subgraph_op.cc:76 AttachImpl`).
    RenamedOutput,
    /// A fusion on the CPU broke the graph's links (`ssa_graph.cc CheckBidirectionalConnection`).
    BrokenLinks,
    /// A cluster's input or output has no tensor on the device (`engine.cc:150 Build`).
    UnmappedOperand,
    /// The device has no kernel for these data types ("Inputs/Outputs data type not support").
    DataType,
    /// The device has no tensor of a type ("`Can't add a tim::vx::Tensor with precision=…`").
    TensorType,
    /// A float constant carries a scale (`utility.cc:503`, `quant_scale_count`).
    ScaledFloat,
    /// A scale that the converter needs is missing.
    MissingScale,
    /// A scale differs from that of the tensor's producer.
    ScaleMismatch,
    /// An operation or attribute that the driver does not take.
    Unsupported,
    /// The simulator has no kernel for the op; the real stack may well run it.
    NoKernel,
    /// The program is not what it should be.
    Malformed,
}

impl fmt::Display for RefusalClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::RenamedOutput => "renamed cluster output",
            Self::BrokenLinks => "broken graph links",
            Self::UnmappedOperand => "unmapped operand",
            Self::DataType => "data type not supported",
            Self::TensorType => "tensor type not supported",
            Self::ScaledFloat => "float constant with a scale",
            Self::MissingScale => "missing scale",
            Self::ScaleMismatch => "scale mismatch",
            Self::Unsupported => "unsupported operation",
            Self::NoKernel => "no kernel in the simulator",
            Self::Malformed => "malformed program",
        })
    }
}

/// The stack does not run a placement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[error("{class}: {message}")]
pub struct Refusal {
    /// When it refused.
    pub stage: Stage,
    /// Why.
    pub class: RefusalClass,
    /// The op it concerns, where one can be named.
    pub op: Option<OpId>,
    /// What the stack would say.
    pub message: String,
}

impl Refusal {
    /// A refusal at load.
    pub(crate) fn load(class: RefusalClass, op: Option<OpId>, message: impl Into<String>) -> Self {
        Self { stage: Stage::Load, class, op, message: message.into() }
    }

    /// A refusal at the first run.
    pub(crate) fn build(class: RefusalClass, op: Option<OpId>, message: impl Into<String>) -> Self {
        Self { stage: Stage::Build, class, op, message: message.into() }
    }

    /// A refusal while computing.
    pub(crate) fn run(class: RefusalClass, op: Option<OpId>, message: impl Into<String>) -> Self {
        Self { stage: Stage::Run, class, op, message: message.into() }
    }
}
