//! Boxes and how well two of them, or two sets of them, overlap.

use serde::{Deserialize, Serialize};

/// An axis-aligned rectangle in pixels of the model's input: `x1 <= x2`, `y1 <= y2`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rect {
    /// Left edge.
    pub x1: f32,
    /// Top edge.
    pub y1: f32,
    /// Right edge.
    pub x2: f32,
    /// Bottom edge.
    pub y2: f32,
}

/// A detected object.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Where it is.
    pub rect: Rect,
    /// What it is.
    pub class: u32,
    /// How sure the model is, 0 to 1.
    pub score: f32,
}

/// A labelled object.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoxLabel {
    /// Where it is.
    pub rect: Rect,
    /// What it is.
    pub class: u32,
}

impl Rect {
    /// Width times height; 0 where an edge is on the wrong side.
    pub fn area(&self) -> f64 {
        f64::from(self.x2 - self.x1).max(0.0) * f64::from(self.y2 - self.y1).max(0.0)
    }

    /// Intersection over union, 0 to 1; 0 where both are empty.
    pub fn iou(&self, other: &Self) -> f64 {
        let shared = Self {
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
            x2: self.x2.min(other.x2),
            y2: self.y2.min(other.y2),
        }
        .area();
        let union = self.area() + other.area() - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }
}

/// Detections best first; equal scores keep their order, so that the same input gives the same matches.
pub(crate) fn by_score(detections: &[Detection]) -> Vec<&Detection> {
    let mut sorted: Vec<&Detection> = detections.iter().collect();
    sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
    sorted
}

/// For each detection, best score first, whether its best still unmatched truth has at least the wanted overlap
/// (spec/models.md): its score and the answer.
pub(crate) fn match_greedily(
    detections: &[&Detection],
    truths: &[BoxLabel],
    min_iou: f64,
    same_class: bool,
) -> Vec<(f32, bool)> {
    let mut taken = vec![false; truths.len()];
    let matched = |detection: &&Detection| {
        let best = truths
            .iter()
            .enumerate()
            .filter(|&(i, truth)| !taken[i] && (!same_class || truth.class == detection.class))
            .map(|(i, truth)| (i, detection.rect.iou(&truth.rect)))
            .fold(None, |best: Option<(usize, f64)>, this| match best {
                Some(b) if b.1 >= this.1 => Some(b),
                _ => Some(this),
            })
            .filter(|&(_, iou)| iou >= min_iou);
        if let Some((i, _)) = best {
            taken[i] = true;
        }
        (detection.score, best.is_some())
    };
    detections.iter().map(matched).collect()
}
