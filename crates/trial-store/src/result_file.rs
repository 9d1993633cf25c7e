//! `result.json`: what a run has found, for other programs and for the report.

use serde::{Deserialize, Serialize};

use crate::{Certificate, Outcome, StopReason, Verdict, float};

/// What is done with an op that loses accuracy in 8 bits on the NPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lever {
    /// It moves to the CPU: the partition config names it.
    #[default]
    Cpu,
    /// It stays on the NPU and computes in float32: the mixed-precision file names it (spec/paddle-lite.md B4).
    Float,
}

impl Lever {
    /// The file that names the ops; both have the same grammar.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Cpu => "subgraph.txt",
            Self::Float => "mixed_precision.txt",
        }
    }

    /// Where it puts an op, as people say it.
    pub fn place(self) -> &'static str {
        match self {
            Self::Cpu => "on the CPU",
            Self::Float => "in float",
        }
    }
}

/// The content of `result.json`. Operator records are lines `type:inputs:outputs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultFile {
    /// What was found.
    pub outcome: Outcome,
    /// Why the search ended.
    pub stop: StopReason,
    /// What happens to the ops of the answer.
    #[serde(default)]
    pub lever: Lever,
    /// The ops of the answer, in log order: they stay on the CPU, or with [`Lever::Float`] compute in float32 on the NPU.
    pub cpu_ops: Vec<String>,
    /// Score of the answer, by its latest trial on all samples.
    #[serde(with = "float::optional")]
    pub score: Option<f64>,
    /// Score without the NPU; none where that was refused.
    #[serde(with = "float::optional")]
    pub score_cpu: Option<f64>,
    /// Score with nothing forced to the CPU; none where that was refused.
    #[serde(with = "float::optional")]
    pub score_npu: Option<f64>,
    /// Why the stack refused to run with nothing forced to the CPU.
    pub npu_refused: Option<String>,
    /// The metric's name; none where the evaluator gives the score.
    pub metric: Option<String>,
    /// The worst score that passes; none where the evaluator judges by itself.
    #[serde(with = "float::optional")]
    pub threshold: Option<f64>,
    /// Trials used, baselines and verification included.
    pub trials: u32,
    /// How many of them were not run, because an earlier run had measured the same.
    #[serde(default)]
    pub trials_cached: u32,
    /// Samples that the trials ran.
    #[serde(default)]
    pub samples_run: u64,
    /// Samples that were not run because they could not change a verdict any more.
    #[serde(default)]
    pub samples_saved: u64,
    /// NPU clusters that the answer leaves.
    pub clusters: u32,
    /// Their ops, by position in the log.
    pub cluster_ops: Vec<Vec<u32>>,
    /// What is proven of the answer.
    pub certificate: Certificate,
    /// Ops that every passing placement needs on the CPU, if more ops on the CPU never hurt.
    pub lower_bound: u64,
    /// Did a fresh trial of the answer pass?
    pub verified: bool,
    /// Did equal trials disagree?
    pub flaky: bool,
    /// Estimated times, where a chip was named; no measurements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_ms: Option<EstimatedMs>,
    /// Was the device simulated?
    pub simulated: bool,
    /// What ran the trials.
    pub backend: String,
    /// The units of the answer with the evidence for each.
    pub culprits: Vec<CulpritEntry>,
    /// Smaller sets of units that were tried and did not pass.
    pub smaller_tried: Vec<Vec<u32>>,
}

/// Estimated milliseconds of placements on a chip.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EstimatedMs {
    /// Everything on the CPU.
    pub all_cpu: f64,
    /// Everything on the NPU that it takes.
    pub all_npu: f64,
    /// The answer; none where there is none.
    pub answer: Option<f64>,
}

/// A unit of the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CulpritEntry {
    /// The unit's position.
    pub unit: u32,
    /// Its operator records.
    pub ops: Vec<String>,
    /// The verdict on the answer without it, where that was tried.
    pub verdict_without: Option<Verdict>,
    /// Where the stack refuses the answer without it alone: the units that left with it in a trial that ran and failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partners: Vec<u32>,
    /// The score without it, where known.
    #[serde(with = "float::optional")]
    pub score_without: Option<f64>,
}
