//! What a reader noticed, and on which line: nothing is silently skipped.

use std::fmt;

use serde::Serialize;

/// How much a [`Diagnostic`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; the result is not in doubt.
    Note,
    /// Probably not what was meant, or repaired by a guess.
    Warning,
    /// The text does not do what it seems to do, or part of it could not be read.
    Error,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The line, counted from 1.
    pub line: usize,
    /// How much it matters.
    pub severity: Severity,
    /// What was found and what to do.
    pub message: String,
}

impl Diagnostic {
    pub(crate) fn note(line: usize, message: impl Into<String>) -> Self {
        Self { line, severity: Severity::Note, message: message.into() }
    }

    pub(crate) fn warning(line: usize, message: impl Into<String>) -> Self {
        Self { line, severity: Severity::Warning, message: message.into() }
    }

    pub(crate) fn error(line: usize, message: impl Into<String>) -> Self {
        Self { line, severity: Severity::Error, message: message.into() }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "line {}: {severity}: {}", self.line, self.message)
    }
}

/// A line as it may stand in a message: decoded lossily and cut where it is long.
pub(crate) fn excerpt(line: &[u8]) -> String {
    const LONGEST: usize = 120;
    let text = String::from_utf8_lossy(&line[..line.len().min(4 * LONGEST)]);
    let text: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if line.len() > LONGEST { text.chars().take(LONGEST).chain(['…']).collect() } else { text }
}
