//! The user's prior: how suspect each op is, by record or by output tensor.

use std::{collections::BTreeMap, path::Path};

use op_graph::{OpGraph, OpId};

use crate::{PipelineError, Units};

/// Suspicion by operator record or by output tensor name; any scale, higher is more suspect.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserPrior(BTreeMap<String, f64>);

impl UserPrior {
    /// Reads a JSON object of numbers.
    ///
    /// # Errors
    /// When the file cannot be read or is not a JSON object of numbers.
    pub fn read(path: &Path) -> Result<Self, PipelineError> {
        let broken = |reason: String| PipelineError::Prior { path: path.to_owned(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| broken(error.to_string()))?;
        let entries: BTreeMap<String, f64> = serde_json::from_str(&text)
            .map_err(|error| broken(format!("{error}; expected {{\"<output tensor or record>\": <number>, …}}")))?;
        Ok(Self(entries))
    }

    /// One suspicion a unit: that of its most suspect op; a unit that the prior does not name ranks below all that it names.
    /// Also the keys that name no op.
    pub fn per_unit(&self, graph: &OpGraph, units: &Units) -> (Vec<f64>, Vec<&str>) {
        let mut by_op: Vec<Option<f64>> = vec![None; graph.op_count()];
        let mut unknown = Vec::new();
        for (key, &suspicion) in &self.0 {
            let named: Vec<OpId> = graph.ops().filter(|&op| names(graph, op, key)).collect();
            if named.is_empty() {
                unknown.push(key.as_str());
            }
            for op in named {
                let slot = &mut by_op[op.index()];
                *slot = Some(slot.map_or(suspicion, |old| old.max(suspicion)));
            }
        }
        let unnamed = self.0.values().copied().fold(f64::INFINITY, f64::min).min(0.0) - 1.0;
        let suspicions = units
            .iter()
            .map(|ops| ops.iter().filter_map(|op| by_op[op.index()]).reduce(f64::max).unwrap_or(unnamed))
            .collect();
        (suspicions, unknown)
    }
}

fn names(graph: &OpGraph, op: OpId, key: &str) -> bool {
    let record = graph.record(op);
    record.outputs.iter().any(|name| *name == key) || record.to_line() == key.as_bytes()
}
