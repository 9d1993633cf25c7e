//! A prior from an earlier run on this model or a sibling of it.

use std::path::Path;

use op_graph::OpGraph;
use trial_store::ResultFile;

use crate::{PipelineError, Units};

/// Suspicion of an op that was a culprit then.
const CULPRIT: f64 = 2.0;
/// Suspicion of another op of a culprit's type.
const SAME_TYPE: f64 = 1.0;

/// How suspect the culprits of an earlier run make each unit: by output tensor, else by type.
///
/// # Errors
/// When the run directory has no readable `result.json`.
pub fn earlier_run(run: &Path, graph: &OpGraph, units: &Units) -> Result<Vec<f64>, PipelineError> {
    let path = run.join("result.json");
    let broken = |reason: String| PipelineError::Prior { path: path.clone(), reason };
    let text = std::fs::read(&path).map_err(|error| broken(error.to_string()))?;
    let result: ResultFile = serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
    let culprits: Vec<(&str, &str)> =
        result.cpu_ops.iter().filter_map(|line| Some((line.split(':').next()?, line.rsplit(':').next()?))).collect();
    let suspicion = |op: &op_graph::OpId| {
        let record = graph.record(*op);
        let same_output =
            |outputs: &str| record.outputs.iter().any(|name| outputs.split(',').any(|output| *name == output));
        if culprits.iter().any(|(op_type, outputs)| record.op_type == *op_type && same_output(outputs)) {
            CULPRIT
        } else if culprits.iter().any(|(op_type, _)| record.op_type == *op_type) {
            SAME_TYPE
        } else {
            0.0
        }
    };
    Ok(units.iter().map(|ops| ops.iter().map(suspicion).fold(0.0, f64::max)).collect())
}
