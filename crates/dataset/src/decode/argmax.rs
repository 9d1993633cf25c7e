//! The best class along an axis of class scores; in classification all classes, ranked.

use accuracy::{Prediction, Tensor};
use serde::{Deserialize, Serialize};

use super::{pick, pick_sample};
use crate::Error;

/// Class scores along one axis; every other axis but the first is a position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Argmax {
    /// Which output.
    pub output: usize,
    /// The axis of the classes; axis 0 counts samples.
    pub axis: usize,
}

impl Default for Argmax {
    fn default() -> Self {
        Self { output: 0, axis: 1 }
    }
}

impl Argmax {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.axis == 0 {
            Err(("decode.axis", "axis 0 counts samples; classes start at axis 1".into()))
        } else {
            Ok(())
        }
    }

    pub(super) fn positions(&self, shape: &[usize]) -> Option<(Vec<usize>, Option<usize>)> {
        let classes = *shape.get(self.axis)?;
        // Axes of length 1 position nothing: global pooling leaves [samples, classes, 1, 1].
        let others = shape.iter().enumerate().skip(1).filter(|&(axis, _)| axis != self.axis).map(|(_, &length)| length);
        let positions: Vec<usize> = others.collect();
        let single = positions.iter().all(|&length| length == 1);
        Some((if single { vec![] } else { positions }, Some(classes)))
    }

    pub(super) fn decode(&self, outputs: &[Tensor], sample: usize) -> Result<Prediction, Error> {
        let wrong = || -> Result<Prediction, Error> {
            Err(Error::Output {
                output: self.output,
                found: pick(outputs, self.output)?.shape().to_vec(),
                expected: format!("class scores along axis {}", self.axis),
            })
        };
        let scores = pick_sample(outputs, self.output, sample)?;
        let Some(axis) = self.axis.checked_sub(1).filter(|&axis| axis < scores.shape.len()) else { return wrong() };
        let classes = scores.shape[axis];
        let inner: usize = scores.shape[axis + 1..].iter().product();
        if scores.data.is_empty() {
            return wrong();
        }
        if scores.data.len() == classes {
            return Ok(Prediction::from_scores(scores.data, classes)?);
        }
        if scores.data.len() == classes * inner {
            return Ok(Prediction::from_score_map(scores.data, classes)?);
        }
        let planes: Vec<f32> = (0..classes)
            .flat_map(|class| {
                let blocks = scores.data.chunks_exact(classes * inner);
                blocks.flat_map(move |block| &block[class * inner..(class + 1) * inner]).copied()
            })
            .collect();
        Ok(Prediction::from_score_map(&planes, classes)?)
    }
}
