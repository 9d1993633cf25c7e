//! From a model's outputs to classes or boxes. A new decoder is a file beside this one, a variant and its lines in the
//! matches below.

mod argmax;
mod boxes;
mod class_ids;
mod grid_ltrb;

pub use argmax::Argmax;
pub use boxes::Boxes;
pub use class_ids::ClassIds;
pub use grid_ltrb::GridLtrb;

use accuracy::{Prediction, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Error, Task};

/// How outputs become predictions: the table `decode` of a data description.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Decode {
    /// The best class along an axis of class scores.
    Argmax(Argmax),
    /// The output holds classes already.
    ClassIds(ClassIds),
    /// Anchor-free detection heads: class scores and distances to the four sides, per cell of one or more grids.
    GridLtrb(GridLtrb),
    /// The output holds boxes already.
    Boxes(Boxes),
}

impl Decode {
    /// The decoder of a task whose description names none.
    pub(crate) fn default_for(task: Task) -> Option<Self> {
        match task {
            Task::Classification | Task::Segmentation => Some(Self::Argmax(Argmax::default())),
            Task::Detection | Task::Raw => None,
        }
    }

    /// Whether it gives what the task needs.
    pub(crate) fn suits(&self, task: Task) -> bool {
        match self {
            Self::Argmax(_) | Self::ClassIds(_) => matches!(task, Task::Classification | Task::Segmentation),
            Self::GridLtrb(_) | Self::Boxes(_) => task == Task::Detection,
        }
    }

    /// What is wrong with the parameters: the key and why.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        match self {
            Self::Argmax(d) => d.check(),
            Self::ClassIds(_) => Ok(()),
            Self::GridLtrb(d) => d.check(),
            Self::Boxes(d) => d.check(),
        }
    }

    /// The output whose positions or classes the labels belong to.
    pub(crate) fn output(&self) -> usize {
        match self {
            Self::Argmax(d) => d.output,
            Self::ClassIds(d) => d.output,
            Self::GridLtrb(d) => d.scores,
            Self::Boxes(d) => d.output,
        }
    }

    /// Of an output's shape, samples first: the shape of one sample's classes, and how many classes there are, where
    /// the shape tells.
    pub(crate) fn positions(&self, shape: &[usize]) -> Option<(Vec<usize>, Option<usize>)> {
        match self {
            Self::Argmax(d) => d.positions(shape),
            Self::ClassIds(_) => Some((shape.get(1..)?.to_vec(), None)),
            Self::GridLtrb(_) | Self::Boxes(_) => None,
        }
    }

    /// Decodes every sample of a trial's outputs, each `[samples, …]`.
    ///
    /// # Errors
    /// When an output is missing, has another shape than the decoder takes, or holds NaN.
    pub fn decode(&self, outputs: &[Tensor]) -> Result<Vec<Prediction>, Error> {
        let samples = pick(outputs, self.output())?.samples();
        match self {
            Self::Argmax(d) => each(samples, |i| d.decode(outputs, i)),
            Self::ClassIds(d) => each(samples, |i| d.decode(outputs, i)),
            Self::GridLtrb(d) => each(samples, |i| d.decode(outputs, i)),
            Self::Boxes(d) => each(samples, |i| d.decode(outputs, i)),
        }
    }
}

fn each(
    samples: usize,
    decode: impl Fn(usize) -> Result<Prediction, Error> + Sync + Send,
) -> Result<Vec<Prediction>, Error> {
    (0..samples).into_par_iter().map(decode).collect()
}

/// One of the outputs.
fn pick(outputs: &[Tensor], output: usize) -> Result<&Tensor, Error> {
    outputs.get(output).ok_or(Error::NoOutput { output, count: outputs.len() })
}

/// One sample of one of the outputs.
fn pick_sample(outputs: &[Tensor], output: usize, sample: usize) -> Result<accuracy::TensorRef<'_>, Error> {
    let tensor = pick(outputs, output)?;
    tensor.sample(sample).ok_or_else(|| Error::Output {
        output,
        found: tensor.shape().to_vec(),
        expected: format!("at least {} samples along the first axis", sample + 1),
    })
}
