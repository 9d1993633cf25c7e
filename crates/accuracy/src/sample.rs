//! One sample as a metric sees it: the trial's answer and what it is compared with.

use crate::{Error, Prediction, TensorRef, Truth, prediction::Kind};

/// What a run of the model answered for one sample.
#[derive(Clone, Debug, Default)]
pub struct Answer<'a> {
    /// Each output of the model, without a sample axis.
    pub outputs: Vec<TensorRef<'a>>,
    /// The outputs' meaning, where the task has one.
    pub prediction: Option<&'a Prediction>,
}

/// One sample: the trial's answer, the baseline's, and the label.
#[derive(Clone, Debug)]
pub struct Sample<'a> {
    /// Its position in the data, for messages.
    pub index: usize,
    /// What the trial answered.
    pub trial: Answer<'a>,
    /// What the baseline answered.
    pub baseline: Option<Answer<'a>>,
    /// What is right.
    pub truth: Option<&'a Truth>,
}

impl<'a> Sample<'a> {
    /// A sample with nothing yet to compare with.
    pub fn new(index: usize, trial: Answer<'a>) -> Self {
        Self { index, trial, baseline: None, truth: None }
    }

    /// The trial's and the baseline's outputs, side by side, of equal shapes and finite.
    ///
    /// # Errors
    /// When there is no baseline, shapes differ, or a value is NaN or infinite.
    pub fn output_pairs(&self, metric: &str) -> Result<Vec<(TensorRef<'a>, TensorRef<'a>)>, Error> {
        let baseline = self.baseline.as_ref().ok_or_else(|| self.missing(metric, "the baseline's outputs"))?;
        let (trial, base) = (&self.trial.outputs, &baseline.outputs);
        if trial.len() != base.len() {
            return Err(Error::Shape {
                what: format!("the list of outputs of sample {}", self.index),
                found: vec![trial.len()],
                reference: "the baseline's",
                expected: vec![base.len()],
            });
        }
        for (i, (t, b)) in trial.iter().zip(base).enumerate() {
            if t.shape != b.shape || t.data.len() != b.data.len() {
                return Err(Error::Shape {
                    what: format!("output {i} of sample {}", self.index),
                    found: t.shape.to_vec(),
                    reference: "the baseline's",
                    expected: b.shape.to_vec(),
                });
            }
            check_finite(t.data, || format!("output {i} of sample {}", self.index))?;
            check_finite(b.data, || format!("the baseline's output {i} of sample {}", self.index))?;
        }
        Ok(trial.iter().copied().zip(base.iter().copied()).collect())
    }

    /// The best class of each position of the trial, and the label's.
    pub(crate) fn classes_and_truth(&self, metric: &str) -> Result<(Ranked<'a>, &'a [u32]), Error> {
        let trial = self.ranked(&self.trial, metric, "prediction")?;
        let truth = match self.truth.ok_or_else(|| self.missing(metric, "labels"))? {
            Truth::Classes(classes) => classes,
            other @ Truth::Boxes(_) => return Err(self.kind(metric, "label", Kind::Classes, other.kind())),
        };
        self.same_positions(trial.positions(), "the label", truth.len())?;
        Ok((trial, truth))
    }

    /// The classes of each position of the trial, and the baseline's.
    pub(crate) fn classes_and_baseline(&self, metric: &str) -> Result<(Ranked<'a>, Ranked<'a>), Error> {
        let trial = self.ranked(&self.trial, metric, "prediction")?;
        let baseline = self.baseline.as_ref().ok_or_else(|| self.missing(metric, "the baseline's outputs"))?;
        let baseline = self.ranked(baseline, metric, "baseline")?;
        self.same_positions(trial.positions(), "the baseline", baseline.positions())?;
        Ok((trial, baseline))
    }

    /// The boxes of an answer of this sample.
    pub(crate) fn boxes(&self, answer: &Answer<'a>, metric: &str) -> Result<&'a [crate::Detection], Error> {
        match answer.prediction.ok_or_else(|| self.missing(metric, "decoded boxes"))? {
            Prediction::Boxes(boxes) => Ok(boxes),
            other @ Prediction::Classes { .. } => Err(self.kind(metric, "prediction", Kind::Boxes, other.kind())),
        }
    }

    /// The label's boxes.
    pub(crate) fn true_boxes(&self, metric: &str) -> Result<&'a [crate::BoxLabel], Error> {
        match self.truth.ok_or_else(|| self.missing(metric, "labels"))? {
            Truth::Boxes(boxes) => Ok(boxes),
            other @ Truth::Classes(_) => Err(self.kind(metric, "label", Kind::Boxes, other.kind())),
        }
    }

    pub(crate) fn missing(&self, metric: &str, need: &'static str) -> Error {
        Error::Missing { metric: metric.into(), sample: self.index, need }
    }

    fn kind(&self, metric: &str, what: &'static str, expected: Kind, found: Kind) -> Error {
        Error::Kind { metric: metric.into(), sample: self.index, what, expected, found }
    }

    fn ranked(&self, answer: &Answer<'a>, metric: &str, what: &'static str) -> Result<Ranked<'a>, Error> {
        match answer.prediction.ok_or_else(|| self.missing(metric, "decoded classes"))? {
            Prediction::Classes { depth, ranked } if *depth > 0 => Ok(Ranked { depth: *depth, ranked }),
            Prediction::Classes { depth, .. } => {
                Err(Error::Depth { metric: metric.into(), sample: self.index, depth: *depth })
            }
            other @ Prediction::Boxes(_) => Err(self.kind(metric, what, Kind::Classes, other.kind())),
        }
    }

    fn same_positions(&self, found: usize, reference: &'static str, expected: usize) -> Result<(), Error> {
        if found == expected {
            return Ok(());
        }
        let what = format!("the classes of sample {}", self.index);
        Err(Error::Shape { what, found: vec![found], reference, expected: vec![expected] })
    }
}

/// Ranked classes per position; `depth` is at least 1.
#[derive(Clone, Copy)]
pub(crate) struct Ranked<'a> {
    pub(crate) depth: usize,
    ranked: &'a [u32],
}

impl<'a> Ranked<'a> {
    pub(crate) fn positions(&self) -> usize {
        self.ranked.len() / self.depth
    }

    /// The ranks of each position.
    pub(crate) fn ranks(&self) -> impl Iterator<Item = &'a [u32]> + use<'a> {
        self.ranked.chunks_exact(self.depth)
    }

    /// The best class of each position.
    pub(crate) fn best(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.ranks().map(|ranks| ranks[0])
    }
}

fn check_finite(values: &[f32], what: impl FnOnce() -> String) -> Result<(), Error> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(Error::NotFinite { what: what(), index, value: values[index].into() }),
        None => Ok(()),
    }
}
