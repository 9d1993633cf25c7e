//! What a model's answer means once decoded, and the label it is compared with.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{BoxLabel, Detection, Error};

/// The class of a position that no metric counts ("void" in segmentation labels).
pub const IGNORED: u32 = u32::MAX;

/// The decoded answer for one sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Prediction {
    /// Classes, best first, per position: one position in classification, one per pixel in segmentation.
    Classes {
        /// How many classes are ranked per position.
        depth: usize,
        /// `depth` classes for the first position, then for the second, …
        ranked: Vec<u32>,
    },
    /// Detected objects, in any order.
    Boxes(Vec<Detection>),
}

/// The label of one sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Truth {
    /// The class of each position; [`IGNORED`] where none is known.
    Classes(Vec<u32>),
    /// The objects.
    Boxes(Vec<BoxLabel>),
}

/// The kind of a prediction or a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Classes per position.
    Classes,
    /// Boxes.
    Boxes,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classes => "classes",
            Self::Boxes => "boxes",
        })
    }
}

impl Prediction {
    /// Ranks the class scores of a single position, all classes; of equal scores the lower class comes first, as
    /// `argmax` has it.
    ///
    /// # Errors
    /// When a score is NaN, or there are not exactly `classes` of them.
    pub fn from_scores(scores: &[f32], classes: usize) -> Result<Self, Error> {
        if classes == 0 || scores.len() != classes {
            return Err(Error::Classes { values: scores.len(), classes });
        }
        check_nan(scores)?;
        let mut ranked: Vec<u32> = (0..classes as u32).collect();
        ranked.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]).then(a.cmp(&b)));
        Ok(Self::Classes { depth: classes, ranked })
    }

    /// The best class of each position of a score map `[classes, positions]`.
    ///
    /// # Errors
    /// When a score is NaN, or the values do not divide into `classes` planes.
    pub fn from_score_map(scores: &[f32], classes: usize) -> Result<Self, Error> {
        if classes == 0 || scores.is_empty() || !scores.len().is_multiple_of(classes) {
            return Err(Error::Classes { values: scores.len(), classes });
        }
        check_nan(scores)?;
        let positions = scores.len() / classes;
        let mut best = scores[..positions].to_vec();
        let mut ranked = vec![0u32; positions];
        for (class, plane) in scores.chunks_exact(positions).enumerate().skip(1) {
            for ((score, best), winner) in plane.iter().zip(&mut best).zip(&mut ranked) {
                if score > best {
                    *best = *score;
                    *winner = class as u32;
                }
            }
        }
        Ok(Self::Classes { depth: 1, ranked })
    }

    /// Which kind this is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Classes { .. } => Kind::Classes,
            Self::Boxes(_) => Kind::Boxes,
        }
    }
}

impl Truth {
    /// Which kind this is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Classes(_) => Kind::Classes,
            Self::Boxes(_) => Kind::Boxes,
        }
    }
}

fn check_nan(scores: &[f32]) -> Result<(), Error> {
    match scores.iter().position(|s| s.is_nan()) {
        Some(index) => Err(Error::NotFinite { what: "the class scores".into(), index, value: f64::NAN }),
        None => Ok(()),
    }
}
