//! The shared models: how their images become inputs and what their outputs say (spec/models.md "The models").

use std::path::Path;

use accuracy::Prediction;
use dataset::{Array, Decode, GridLtrb, Values, read_npy};
use int8_sim::{Sample, Tensor};

use crate::Error;

/// What a model's outputs mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// One class an image.
    Classification,
    /// Boxes.
    Detection,
    /// One class a pixel.
    Segmentation,
}

/// A shared model's folder.
#[derive(Clone, Debug)]
pub struct SharedModel {
    /// What its outputs mean.
    pub task: Task,
    images: Array,
}

impl SharedModel {
    /// Reads the images of a folder; the labels beside them tell the task.
    ///
    /// # Errors
    /// When there are no images of the right form.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let task = if dir.join("eval_boxes.npy").is_file() {
            Task::Detection
        } else if dir.join("eval_masks.npy").is_file() {
            Task::Segmentation
        } else {
            Task::Classification
        };
        let path = dir.join("eval_u8_nhwc.npy");
        let images = read_npy(&path)?;
        if images.shape().len() != 4 || images.shape()[3] != 3 || !matches!(images.values(), Values::U8(_)) {
            let text =
                format!("expected u8 images [n, h, w, 3], found {} of {:?}", images.values().dtype(), images.shape());
            return Err(Error::Format { path, text });
        }
        Ok(Self { task, images })
    }

    /// The first samples, preprocessed as the models expect.
    pub fn samples(&self, count: usize) -> Vec<Sample> {
        let (mean, std) = match self.task {
            Task::Segmentation => ([0.5; 3], [0.5; 3]),
            _ => ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        };
        let [n, height, width, _] = [0, 1, 2, 3].map(|axis| self.images.shape()[axis]);
        let Values::U8(bytes) = self.images.values() else { return Vec::new() };
        let image = |bytes: &[u8]| {
            let plane = |channel: usize| {
                let normalize = move |byte: &u8| (f32::from(*byte) / 255.0 - mean[channel]) / std[channel];
                bytes[channel..].iter().step_by(3).map(normalize)
            };
            let data: Vec<f32> = (0..3).flat_map(plane).collect();
            Sample::new(vec![Tensor::from_f32(vec![1, 3, height, width], data)])
        };
        bytes.chunks_exact(height * width * 3).take(count.min(n)).map(image).collect()
    }

    /// The share of the task's answers that two runs of one sample agree in: the class, the pixels, the boxes at IoU ≥ .9.
    ///
    /// # Errors
    /// When the outputs do not decode.
    pub fn agreement(&self, a: &[Vec<f32>], b: &[Vec<f32>]) -> Result<f64, Error> {
        Ok(match self.task {
            Task::Classification => f64::from(u8::from(argmax(a[0].iter()) == argmax(b[0].iter()))),
            Task::Segmentation => {
                let pixels = self.images.shape()[1] * self.images.shape()[2];
                let class = |scores: &[f32], pixel: usize| argmax(scores[pixel..].iter().step_by(pixels));
                (0..pixels).filter(|&pixel| class(&a[0], pixel) == class(&b[0], pixel)).count() as f64 / pixels as f64
            }
            Task::Detection => {
                let (a, b) = (self.boxes(a)?, self.boxes(b)?);
                let mut free: Vec<&accuracy::Detection> = b.iter().collect();
                let mut matched = 0;
                for detection in &a {
                    let best = free.iter().position(|other| detection.rect.iou(&other.rect) >= 0.9);
                    if let Some(best) = best {
                        free.swap_remove(best);
                        matched += 1;
                    }
                }
                if a.is_empty() && b.is_empty() { 1.0 } else { f64::from(matched) / a.len().max(b.len()) as f64 }
            }
        })
    }

    /// The objects of one sample.
    fn boxes(&self, outputs: &[Vec<f32>]) -> Result<Vec<accuracy::Detection>, Error> {
        let decoder = Decode::GridLtrb(GridLtrb {
            scores: 0,
            boxes: 1,
            image: [self.images.shape()[1], self.images.shape()[2]],
            strides: vec![8, 16],
            min_score: 0.05,
            nms_iou: 0.5,
        });
        let tensor = |data: &Vec<f32>, columns: usize| {
            dataset::Tensor::new(vec![1, data.len() / columns, columns], data.clone()).map_err(dataset::Error::from)
        };
        let cells = outputs[1].len() / 4;
        let outputs = [tensor(&outputs[0], outputs[0].len() / cells.max(1))?, tensor(&outputs[1], 4)?];
        Ok(match decoder.decode(&outputs)?.pop() {
            Some(Prediction::Boxes(boxes)) => boxes,
            _ => Vec::new(),
        })
    }
}

fn argmax<'a>(scores: impl Iterator<Item = &'a f32>) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, &score) in scores.enumerate() {
        if score > best.1 {
            best = (index, score);
        }
    }
    best.0
}
