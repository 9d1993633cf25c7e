//! Pins: ops that the user keeps on one side, named by record, by type, by output tensor or by a regular expression.

use op_graph::{OpGraph, OpId, OpSet};
use regex::bytes::Regex;

use crate::PipelineError;

/// The ops that any of the patterns names.
///
/// A pattern is an operator record, an op type, the name of an output tensor, or `/regex/` searched in the record.
///
/// # Errors
/// When a pattern is no valid regular expression, or names no op: a pin that silently does nothing would mislead.
pub fn pinned(graph: &OpGraph, patterns: &[String]) -> Result<OpSet, PipelineError> {
    let mut pinned = OpSet::new();
    for pattern in patterns {
        let before = pinned.len();
        let matches = matcher(pattern)?;
        let found: Vec<OpId> = graph.ops().filter(|&op| matches(graph, op)).collect();
        pinned.extend(found.iter().copied());
        if found.is_empty() && before == pinned.len() {
            return Err(PipelineError::Pin { pattern: pattern.clone(), reason: "it names no op of this graph".into() });
        }
    }
    Ok(pinned)
}

type Matcher = Box<dyn Fn(&OpGraph, OpId) -> bool>;

fn matcher(pattern: &str) -> Result<Matcher, PipelineError> {
    if let Some(inner) = pattern.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        let regex = Regex::new(inner)
            .map_err(|error| PipelineError::Pin { pattern: pattern.to_owned(), reason: error.to_string() })?;
        return Ok(Box::new(move |graph, op| regex.is_match(&graph.record(op).to_line())));
    }
    let literal = pattern.as_bytes().to_vec();
    Ok(Box::new(move |graph, op| {
        let record = graph.record(op);
        record.op_type.as_bytes() == literal
            || record.to_line() == literal
            || record.outputs.iter().any(|name| name.as_bytes() == literal)
    }))
}
