//! The heads of detectors: boxes decoded, suppressed, and grids sampled; all of them on the CPU.

use std::sync::Arc;

use super::OpKind;
use crate::{
    Data, Fault, Kernel,
    cpu::CpuOp,
    operands::{Given, filled, kernel, numbers},
    program::Attributes,
};

const CODER: &[&str] = &["PriorBox", "PriorBoxVar", "TargetBox"];
const YOLO: &[&str] = &["X", "ImgSize"];
const NMS: &[&str] = &["BBoxes", "Scores"];
const GRID: &[&str] = &["X", "Grid"];

/// The op types.
pub(crate) const OPS: &[OpKind] = &[
    OpKind { types: &["box_coder"], inputs: CODER, cpu: decode, npu: None },
    OpKind { types: &["yolo_box"], inputs: YOLO, cpu: yolo, npu: None },
    OpKind { types: &["multiclass_nms3"], inputs: NMS, cpu: |op| Ok(suppress(op)), npu: None },
    OpKind { types: &["grid_sampler"], inputs: GRID, cpu: sample, npu: None },
];

/// `decode_center_size`: offsets [n, m, 4] around prior boxes to corners.
fn decode(op: &CpuOp<'_>) -> Result<Vec<Arc<dyn Kernel>>, String> {
    let lite = op.op();
    if lite.text("code_type") != Some("decode_center_size") {
        return Err("box_coder has a kernel for `decode_center_size` only".into());
    }
    // A box counted in whole pixels has its right edge inside.
    let edge = if lite.flag("box_normalized").unwrap_or(true) { 0.0 } else { 1.0 };
    let axis = lite.int("axis").unwrap_or(0);
    let own: Vec<f64> = lite.floats("variance").unwrap_or_default().into_iter().map(f64::from).collect();
    Ok(vec![kernel(op, CODER, move |given| {
        let (priors, target) = (numbers(given.one("PriorBox")?), given.one("TargetBox")?);
        let &[rows, columns, 4] = target.shape() else {
            return Err(Fault(format!("offsets of {:?} are no boxes", target.shape())));
        };
        let variances = given.numbers("PriorBoxVar");
        let count = if axis == 0 { columns } else { rows };
        if priors.len() != count * 4 || variances.as_ref().is_some_and(|all| all.len() != count * 4) {
            return Err(Fault(format!("{} numbers do not describe {count} prior boxes", priors.len())));
        }
        let offsets = numbers(target);
        let mut out = Vec::with_capacity(offsets.len());
        for (at, offset) in offsets.chunks_exact(4).enumerate() {
            let prior = if axis == 0 { at % columns } else { at / columns } * 4;
            let variance = |axis: usize| match &variances {
                Some(all) => all[prior + axis],
                None => own.get(axis).copied().unwrap_or(1.0),
            };
            let size = [0, 1].map(|axis| priors[prior + 2 + axis] - priors[prior + axis] + edge);
            let center = [0, 1].map(|axis| priors[prior + axis] + size[axis] / 2.0);
            let middle = [0, 1].map(|axis| variance(axis) * offset[axis] * size[axis] + center[axis]);
            let extent = [0, 1].map(|axis| (variance(2 + axis) * offset[2 + axis]).exp() * size[axis]);
            out.extend([0, 1].map(|axis| (middle[axis] - extent[axis] / 2.0) as f32));
            out.extend([0, 1].map(|axis| (middle[axis] + extent[axis] / 2.0 - edge) as f32));
        }
        filled(target.shape().to_vec(), Data::F32(out))
    })])
}

/// Boxes [n, h·w·anchors, 4] and scores [n, h·w·anchors, classes] of one scale.
fn yolo(op: &CpuOp<'_>) -> Result<Vec<Arc<dyn Kernel>>, String> {
    let lite = op.op();
    let anchors = lite.ints("anchors").ok_or("yolo_box needs `anchors`")?;
    let classes = lite.int("class_num").and_then(|count| usize::try_from(count).ok()).ok_or("no `class_num`")?;
    let threshold = lite.float("conf_thresh").map_or(0.0, f64::from);
    let downsample = lite.int("downsample_ratio").unwrap_or(32) as f64;
    let clip = lite.flag("clip_bbox").unwrap_or(true);
    let scale = lite.float("scale_x_y").map_or(1.0, f64::from);
    if lite.flag("iou_aware").unwrap_or(false) {
        return Err("yolo_box with `iou_aware` has no kernel".into());
    }
    let result = |boxes: bool| {
        let anchors = anchors.clone();
        kernel(op, YOLO, move |given| {
            let (x, sizes) = (given.one("X")?, numbers(given.one("ImgSize")?));
            let count = anchors.len() / 2;
            let &[batch, channels, height, width] = x.shape() else { return Err(Fault::new("no four axes")) };
            if channels != count * (5 + classes) || sizes.len() != batch * 2 {
                return Err(Fault(format!("{:?} is no output of {count} anchors", x.shape())));
            }
            let values = numbers(x);
            let sigmoid = |value: f64| 1.0 / (1.0 + (-value).exp());
            let plane = height * width;
            let mut out = Vec::new();
            for at in 0..batch * count * plane {
                let (cell, anchor, sample) = (at % plane, at / plane % count, at / (plane * count));
                let entry = |index: usize| values[(sample * channels + anchor * (5 + classes) + index) * plane + cell];
                let confidence = sigmoid(entry(4));
                let kept = confidence >= threshold;
                if !boxes {
                    out.extend(
                        (0..classes).map(
                            |class| {
                                if kept { (confidence * sigmoid(entry(5 + class))) as f32 } else { 0.0 }
                            },
                        ),
                    );
                    continue;
                }
                let image = [sizes[sample * 2 + 1], sizes[sample * 2]];
                let grid = [width as f64, height as f64];
                let position = [(cell % width) as f64, (cell / width) as f64];
                let shift = -0.5 * (scale - 1.0);
                let edges = [0, 1].map(|axis| {
                    let center = (position[axis] + sigmoid(entry(axis)) * scale + shift) * image[axis] / grid[axis];
                    let anchor = anchors[anchor * 2 + axis] as f64;
                    let size = entry(2 + axis).exp() * anchor * image[axis] / (downsample * grid[axis]);
                    let (low, high) = (center - size / 2.0, center + size / 2.0);
                    if clip { [low.max(0.0), high.min(image[axis] - 1.0)] } else { [low, high] }
                });
                let corners = [edges[0][0], edges[1][0], edges[0][1], edges[1][1]];
                out.extend(corners.map(|corner| if kept { corner as f32 } else { 0.0 }));
            }
            let last = if boxes { 4 } else { classes };
            filled(vec![batch, count * plane, last], Data::F32(out))
        })
    };
    Ok(vec![result(true), result(false)])
}

/// How boxes suppress each other.
struct Suppression {
    background: i64,
    score_threshold: f64,
    before: usize,
    threshold: f64,
    eta: f64,
    after: usize,
    edge: f64,
}

/// What is kept: rows of class, score and corners; positions among all boxes; and the number a sample.
struct Kept {
    rows: Vec<f32>,
    index: Vec<i32>,
    counts: Vec<i32>,
}

fn suppress(op: &CpuOp<'_>) -> Vec<Arc<dyn Kernel>> {
    let lite = op.op();
    let limit = |name: &str| lite.int(name).and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
    let float = |name: &str, default: f64| lite.float(name).map_or(default, f64::from);
    let result = |result: usize| {
        let rule = Suppression {
            background: lite.int("background_label").unwrap_or(-1),
            score_threshold: float("score_threshold", 0.0),
            before: limit("nms_top_k"),
            threshold: float("nms_threshold", 0.3),
            eta: float("nms_eta", 1.0),
            after: limit("keep_top_k"),
            edge: if lite.flag("normalized").unwrap_or(true) { 0.0 } else { 1.0 },
        };
        kernel(op, NMS, move |given| {
            let kept = rule.run(given)?;
            match result {
                0 => filled(vec![kept.rows.len() / 6, 6], Data::F32(kept.rows)),
                1 => filled(vec![kept.index.len(), 1], Data::I32(kept.index)),
                _ => filled(vec![kept.counts.len()], Data::I32(kept.counts)),
            }
        })
    };
    vec![result(0), result(1), result(2)]
}

impl Suppression {
    /// Boxes [n, m, 4] and scores [n, classes, m].
    fn run(&self, given: &Given<'_>) -> Result<Kept, Fault> {
        let (boxes, scores) = (given.one("BBoxes")?, given.one("Scores")?);
        let (&[batch, count, 4], &[score_batch, classes, score_count]) = (boxes.shape(), scores.shape()) else {
            return Err(Fault(format!("no boxes of {:?} with scores of {:?}", boxes.shape(), scores.shape())));
        };
        if batch != score_batch || count != score_count {
            return Err(Fault(format!("no boxes of {:?} with scores of {:?}", boxes.shape(), scores.shape())));
        }
        let (boxes, scores) = (numbers(boxes), numbers(scores));
        let mut kept = Kept { rows: Vec::new(), index: Vec::new(), counts: Vec::new() };
        for sample in 0..batch {
            let boxes: Vec<&[f64]> = boxes[sample * count * 4..][..count * 4].chunks_exact(4).collect();
            let mut found: Vec<(usize, usize, f64)> = Vec::new();
            for class in (0..classes).filter(|&class| class as i64 != self.background) {
                let scores = &scores[(sample * classes + class) * count..][..count];
                found.extend(self.of_class(&boxes, scores).into_iter().map(|at| (class, at, scores[at])));
            }
            if found.len() > self.after {
                found.sort_by(|a, b| b.2.total_cmp(&a.2));
                found.truncate(self.after);
                // The survivors go back to the order of their classes.
                found.sort_by_key(|&(class, ..)| class);
            }
            for &(class, at, score) in &found {
                kept.rows.extend([class as f32, score as f32]);
                kept.rows.extend(boxes[at].iter().map(|&corner| corner as f32));
                kept.index.push((sample * count + at) as i32);
            }
            kept.counts.push(found.len() as i32);
        }
        Ok(kept)
    }

    /// The boxes of one class that stay, best first.
    fn of_class(&self, boxes: &[&[f64]], scores: &[f64]) -> Vec<usize> {
        let mut candidates: Vec<usize> = (0..boxes.len()).filter(|&at| scores[at] > self.score_threshold).collect();
        candidates.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        candidates.truncate(self.before);
        let mut threshold = self.threshold;
        let mut kept: Vec<usize> = Vec::new();
        for at in candidates {
            if kept.iter().all(|&other| self.overlap(boxes[at], boxes[other]) <= threshold) {
                kept.push(at);
                if self.eta < 1.0 && threshold > 0.5 {
                    threshold *= self.eta;
                }
            }
        }
        kept
    }

    /// The shared area over the joint area.
    fn overlap(&self, a: &[f64], b: &[f64]) -> f64 {
        let area = |corners: &[f64]| {
            let [width, height] = [0, 1].map(|axis| corners[2 + axis] - corners[axis]);
            if width < 0.0 || height < 0.0 { 0.0 } else { (width + self.edge) * (height + self.edge) }
        };
        if (0..2).any(|axis| b[axis] > a[2 + axis] || b[2 + axis] < a[axis]) {
            return 0.0;
        }
        let [width, height] = [0, 1].map(|axis| a[2 + axis].min(b[2 + axis]) - a[axis].max(b[axis]) + self.edge);
        let shared = width * height;
        shared / (area(a) + area(b) - shared)
    }
}

/// Bilinear or nearest samples of a [n, c, h, w] at positions [n, out h, out w, 2] from -1 to 1.
fn sample(op: &CpuOp<'_>) -> Result<Vec<Arc<dyn Kernel>>, String> {
    let lite = op.op();
    let nearest = lite.text("mode") == Some("nearest");
    let corners = lite.flag("align_corners").unwrap_or(true);
    let border = match lite.text("padding_mode").unwrap_or("zeros") {
        "zeros" => false,
        "border" => true,
        other => return Err(format!("a grid sample with padding `{other}` has no kernel")),
    };
    Ok(vec![kernel(op, GRID, move |given| {
        let (x, grid) = (given.one("X")?, given.one("Grid")?);
        let (&[batch, channels, height, width], &[grid_batch, out_h, out_w, 2]) = (x.shape(), grid.shape()) else {
            return Err(Fault(format!("cannot sample {:?} at {:?}", x.shape(), grid.shape())));
        };
        if batch != grid_batch {
            return Err(Fault(format!("cannot sample {:?} at {:?}", x.shape(), grid.shape())));
        }
        let (values, places) = (numbers(x), numbers(grid));
        let place = |at: f64, extent: usize| {
            let extent = extent as f64;
            let at = if corners { (at + 1.0) * (extent - 1.0) / 2.0 } else { ((at + 1.0) * extent - 1.0) / 2.0 };
            if border { at.clamp(0.0, extent - 1.0) } else { at }
        };
        let mut out = Vec::with_capacity(batch * channels * out_h * out_w);
        for (sample, channel) in (0..batch).flat_map(|sample| (0..channels).map(move |channel| (sample, channel))) {
            let plane = &values[(sample * channels + channel) * height * width..][..height * width];
            let at = |y: f64, x: f64| {
                let inside = y >= 0.0 && x >= 0.0 && y < height as f64 && x < width as f64;
                if inside { plane[y as usize * width + x as usize] } else { 0.0 }
            };
            for pair in places[sample * out_h * out_w * 2..][..out_h * out_w * 2].chunks_exact(2) {
                let (x, y) = (place(pair[0], width), place(pair[1], height));
                if nearest {
                    out.push(at(y.round_ties_even(), x.round_ties_even()) as f32);
                    continue;
                }
                let (left, top) = (x.floor(), y.floor());
                let (dx, dy) = (x - left, y - top);
                let upper = at(top, left) * (1.0 - dx) + at(top, left + 1.0) * dx;
                let lower = at(top + 1.0, left) * (1.0 - dx) + at(top + 1.0, left + 1.0) * dx;
                out.push((upper * (1.0 - dy) + lower * dy) as f32);
            }
        }
        filled(vec![batch, channels, out_h, out_w], Data::F32(out))
    })])
}
