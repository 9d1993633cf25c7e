//! Why a comparison has no score.

use crate::prediction::Kind;

/// What keeps a metric or a tolerance from giving a number. Every text fits after "failed to".
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two things that are compared value by value differ in shape.
    #[error("compare {what} of shape {found:?} with {reference} of shape {expected:?}")]
    Shape {
        /// What was measured, e.g. `output 0 of sample 3`.
        what: String,
        /// Its shape.
        found: Vec<usize>,
        /// What it is compared with.
        reference: &'static str,
        /// The shape that it has.
        expected: Vec<usize>,
    },
    /// A tensor's values do not fill its shape.
    #[error("shape {values} values as {shape:?}")]
    Fill {
        /// The shape.
        shape: Vec<usize>,
        /// How many values there are.
        values: usize,
    },
    /// A value is NaN or infinite.
    #[error("use {what}: the value at index {index} is {value}")]
    NotFinite {
        /// Where the value stands, e.g. `output 0 of sample 3`.
        what: String,
        /// Its position in the flat, row-major values.
        index: usize,
        /// NaN or an infinity.
        value: f64,
    },
    /// A metric was not given what it measures.
    #[error("measure `{metric}` on sample {sample}: it needs {need}, which the data does not have")]
    Missing {
        /// The metric.
        metric: String,
        /// The sample.
        sample: usize,
        /// What is missing.
        need: &'static str,
    },
    /// The decoded answer or the label is of another kind than the metric takes.
    #[error("measure `{metric}` on sample {sample}: it needs {expected}, the {what} holds {found}")]
    Kind {
        /// The metric.
        metric: String,
        /// The sample.
        sample: usize,
        /// `prediction`, `baseline` or `label`.
        what: &'static str,
        /// The kind that it takes.
        expected: Kind,
        /// The kind that there is.
        found: Kind,
    },
    /// More ranks are asked for than there are classes.
    #[error("measure `{metric}` on sample {sample}: the prediction ranks {depth} class(es) only")]
    Depth {
        /// The metric.
        metric: String,
        /// The sample.
        sample: usize,
        /// How many classes are ranked.
        depth: usize,
    },
    /// There is nothing to measure.
    #[error("score `{metric}`: there are no samples, or none has a label")]
    Empty {
        /// The metric.
        metric: String,
    },
    /// No metric has this name.
    #[error("find a metric named `{name}`; known are {known}")]
    UnknownMetric {
        /// What was asked for.
        name: String,
        /// What there is, comma-separated.
        known: String,
    },
    /// Class scores do not divide into the given number of classes.
    #[error("rank {values} class scores as {classes} classes: expected a positive multiple")]
    Classes {
        /// How many values there are.
        values: usize,
        /// How many classes there should be.
        classes: usize,
    },
    /// A text is not a tolerance.
    #[error("read `{text}` as a {what}: expected a number such as {example}")]
    Tolerance {
        /// What was written.
        text: String,
        /// `threshold` or `drop`.
        what: &'static str,
        /// What would be right.
        example: &'static str,
    },
    /// A relative drop has no meaning on a scale without a zero.
    #[error("take a drop from the baseline: its score is {baseline}, which is not finite")]
    Baseline {
        /// The baseline's score.
        baseline: f64,
    },
}
