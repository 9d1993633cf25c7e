//! Models that end in a suppression of their own, and programs that print boxes: the output holds the objects.

use accuracy::{Detection, Prediction, Rect, Tensor};
use serde::{Deserialize, Serialize};

use super::pick_sample;
use crate::Error;

/// Rows of class, score, x1, y1, x2, y2 per sample: `[samples, rows, 6]`, as the exports of `PaddleDetection` have them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Boxes {
    /// Which output.
    pub output: usize,
    /// Rows with this score or less are no objects.
    pub min_score: f32,
}

impl Boxes {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.min_score.is_nan() { Err(("decode.min_score", "expected a number".into())) } else { Ok(()) }
    }

    pub(super) fn decode(&self, outputs: &[Tensor], sample: usize) -> Result<Prediction, Error> {
        let rows = pick_sample(outputs, self.output, sample)?;
        let wrong = || Error::Output {
            output: self.output,
            found: rows.shape.to_vec(),
            expected: "rows of class, score, x1, y1, x2, y2, all of them numbers".into(),
        };
        if rows.data.len() % 6 != 0 || rows.data.iter().any(|value| value.is_nan()) {
            return Err(wrong());
        }
        let (rows, _) = rows.data.as_chunks::<6>();
        let object = |&[class, score, x1, y1, x2, y2]: &[f32; 6]| {
            let class = (class >= 0.0).then_some(class as u32).ok_or_else(wrong)?;
            Ok(Detection { rect: Rect { x1, y1, x2, y2 }, class, score })
        };
        let found = rows.iter().filter(|row| row[1] > self.min_score).map(object);
        found.collect::<Result<_, _>>().map(Prediction::Boxes)
    }
}
