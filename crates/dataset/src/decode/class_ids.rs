//! Models that end in an argmax of their own: the output holds the classes.

use accuracy::{Prediction, Tensor};
use serde::{Deserialize, Serialize};

use super::pick_sample;
use crate::Error;

/// One class per position, as a number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassIds {
    /// Which output.
    pub output: usize,
}

impl ClassIds {
    pub(super) fn decode(&self, outputs: &[Tensor], sample: usize) -> Result<Prediction, Error> {
        let ids = pick_sample(outputs, self.output, sample)?;
        // Integers up to 2^24 are exact in float32; no model has more classes.
        let class = |&id: &f32| (id >= 0.0 && id.fract() == 0.0 && id < 16_777_216.0).then_some(id as u32);
        let ranked: Option<Vec<u32>> = ids.data.iter().map(class).collect();
        match ranked {
            Some(ranked) => Ok(Prediction::Classes { depth: 1, ranked }),
            None => Err(Error::Output {
                output: self.output,
                found: ids.shape.to_vec(),
                expected: "classes, that is whole numbers from 0 (use `argmax` for scores)".into(),
            }),
        }
    }
}
