//! `pareto.json`: the placements that no other one beats.

use serde::{Deserialize, Serialize};

use crate::Indices;

/// A placement that was run, with its score and what it costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tradeoff {
    /// The trial that measured it.
    pub trial: u32,
    /// Its score.
    pub score: f64,
    /// Ops on the CPU.
    pub ops: usize,
    /// NPU clusters.
    pub clusters: usize,
    /// Estimated milliseconds, where a chip was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_ms: Option<f64>,
    /// The ops, by position in the log.
    pub cpu_ops: Indices,
}
