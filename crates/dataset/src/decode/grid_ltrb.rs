//! Anchor-free detection heads (PicoDet, FCOS): per grid cell, class scores and distances to the four sides.

use accuracy::{Detection, Prediction, Rect, Tensor};
use serde::{Deserialize, Serialize};

use super::pick_sample;
use crate::Error;

/// The head of spec/models.md: rows are cells, grid after grid, row-major; a cell's centre is (column + .5, row + .5) ·
/// stride; the box outputs are left, top, right and bottom distances from it, in strides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GridLtrb {
    /// The output of class probabilities, `[samples, cells, classes]`.
    #[serde(default)]
    pub scores: usize,
    /// The output of distances, `[samples, cells, 4]`.
    #[serde(default = "one")]
    pub boxes: usize,
    /// Height and width of the model's input, in pixels.
    pub image: [usize; 2],
    /// The stride of each grid, in pixels, in the order of the rows.
    pub strides: Vec<usize>,
    /// A cell counts when its best class scores more.
    #[serde(default = "default_min_score")]
    pub min_score: f32,
    /// Greedy suppression over all classes: a box falls when a better one overlaps it by more.
    #[serde(default = "default_nms_iou")]
    pub nms_iou: f64,
}

fn one() -> usize {
    1
}

fn default_min_score() -> f32 {
    0.05
}

fn default_nms_iou() -> f64 {
    0.5
}

impl GridLtrb {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.strides.is_empty() || self.strides.contains(&0) {
            return Err(("decode.strides", "expected at least one stride, each at least 1 pixel".into()));
        }
        if self.image.iter().any(|&side| side == 0 || side > 1 << 16) {
            return Err(("decode.image", "expected [height, width] in pixels, each from 1 to 65536".into()));
        }
        if !(0.0..=1.0).contains(&self.nms_iou) {
            return Err(("decode.nms_iou", format!("{} is not an overlap from 0 to 1", self.nms_iou)));
        }
        if self.min_score.is_nan() {
            return Err(("decode.min_score", "expected a number".into()));
        }
        Ok(())
    }

    /// Rows and columns of the grid of a stride.
    fn grid(&self, stride: usize) -> (usize, usize) {
        (self.image[0].div_ceil(stride), self.image[1].div_ceil(stride))
    }

    /// How many cells all grids have.
    fn cell_count(&self) -> usize {
        self.strides.iter().map(|&stride| self.grid(stride)).map(|(rows, columns)| rows * columns).sum()
    }

    /// Each cell's centre and stride, in the order of the rows.
    fn cells(&self) -> impl Iterator<Item = (f32, f32, f32)> {
        self.strides.iter().flat_map(|&stride| {
            let (rows, columns) = self.grid(stride);
            let s = stride as f32;
            (0..rows).flat_map(move |y| (0..columns).map(move |x| ((x as f32 + 0.5) * s, (y as f32 + 0.5) * s, s)))
        })
    }

    pub(super) fn decode(&self, outputs: &[Tensor], sample: usize) -> Result<Prediction, Error> {
        let (scores, boxes) = (pick_sample(outputs, self.scores, sample)?, pick_sample(outputs, self.boxes, sample)?);
        let cells = self.cell_count();
        let wrong = |output: usize, found: &[usize], last: &str| Error::Output {
            output,
            found: found.to_vec(),
            expected: format!("[{cells}, {last}] a sample ({cells} cells of strides {:?})", self.strides),
        };
        let classes = match *scores.shape {
            [rows, classes] if rows == cells && classes > 0 => classes,
            _ => return Err(wrong(self.scores, scores.shape, "classes")),
        };
        if *boxes.shape != [cells, 4] {
            return Err(wrong(self.boxes, boxes.shape, "4"));
        }
        for (what, values) in [("class scores", scores.data), ("box distances", boxes.data)] {
            if let Some(index) = values.iter().position(|v| v.is_nan()) {
                let what = format!("the {what} of sample {sample}");
                return Err(accuracy::Error::NotFinite { what, index, value: f64::NAN }.into());
            }
        }
        let rows = scores.data.chunks_exact(classes).zip(boxes.data.chunks_exact(4));
        let detections = self
            .cells()
            .zip(rows)
            .filter_map(|((x, y, s), (scores, sides))| {
                let (class, &score) = scores.iter().enumerate().reduce(|a, b| if b.1 > a.1 { b } else { a })?;
                let rect =
                    Rect { x1: x - sides[0] * s, y1: y - sides[1] * s, x2: x + sides[2] * s, y2: y + sides[3] * s };
                (score > self.min_score).then_some(Detection { rect, class: class as u32, score })
            })
            .collect();
        Ok(Prediction::Boxes(suppress(detections, self.nms_iou)))
    }
}

/// Greedy non-maximum suppression, best first; equal scores keep their order.
fn suppress(mut detections: Vec<Detection>, max_iou: f64) -> Vec<Detection> {
    detections.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Detection> = Vec::new();
    for detection in detections {
        if kept.iter().all(|better| better.rect.iou(&detection.rect) <= max_iou) {
            kept.push(detection);
        }
    }
    kept
}
