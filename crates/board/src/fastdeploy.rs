//! Reads what stock FastDeploy demos print, so that a user's own demo can be the trial program.
//!
//! A demo prints `result.Str()` to standard output among other lines, and exits with 0 even when it could not predict
//! (spec/boards.md "Recommendation"): no result in its output means that the candidate failed. The formats are those of
//! FastDeploy's `fastdeploy/vision/common/result.cc`, where every number is printed with six digits after the point.

use std::{iter::Peekable, str::Lines};

/// What a demo printed.
#[derive(Clone, Debug, PartialEq)]
pub enum Printed {
    /// `ClassifyResult(`
    Classify(Classification),
    /// `DetectionResult:`
    Detection(Vec<Detection>),
    /// `SegmentationResult`
    Segmentation(Segmentation),
    /// `KeyPointDetectionResult:`
    KeyPoints(KeyPoints),
    /// `det boxes:`, `rec text:` or `cls label:`, one line a text; the class has no heading.
    Ocr(Vec<OcrLine>),
}

/// The best classes of one image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Classification {
    /// The labels, best first.
    pub label_ids: Vec<i32>,
    /// Their scores.
    pub scores: Vec<f32>,
    /// The first hundred values of the feature vector, where the model gives one.
    pub feature: Vec<f32>,
}

/// One object.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// xmin, ymin, xmax, ymax in pixels; the four corners x1, y1 … x4, y4 of a rotated box.
    pub corners: Vec<f32>,
    /// The confidence.
    pub score: f32,
    /// The label.
    pub label_id: i32,
    /// The extents of its mask, where there is one. The mask itself is not printed.
    pub mask_shape: Vec<i64>,
}

/// The class of each pixel, as far as it is printed: no more than the first hundred in row-major order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segmentation {
    /// The classes of the first hundred pixels.
    pub labels: Vec<u8>,
    /// Their scores, where the model gives them.
    pub scores: Vec<f32>,
    /// Height and width of the whole.
    pub shape: [i64; 2],
}

/// The joints of all persons, one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyPoints {
    /// x, y in pixels, and the confidence.
    pub points: Vec<[f32; 3]>,
    /// How many joints each person has.
    pub joints_per_person: i32,
}

/// One text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OcrLine {
    /// The four corners, in pixels.
    pub corners: Option<[[i32; 2]; 4]>,
    /// What it says, and how sure that is.
    pub text: Option<(String, f32)>,
    /// Which way up it is, and how sure that is.
    pub class: Option<(i32, f32)>,
}

/// A result that starts and cannot be read to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read the {kind} in line {line}: {reason}")]
pub struct Unreadable {
    /// Which result.
    pub kind: &'static str,
    /// Where it starts, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

/// Every result in a demo's standard output, in its order. Other lines are passed over.
///
/// # Errors
/// A result starts and does not end as it should: the output was cut off, or comes from another FastDeploy.
///
/// ```
/// use board::fastdeploy::{Printed, parse_results};
///
/// let stdout = "[I] loading\nClassifyResult(\nlabel_ids: 153, 8, \nscores: 0.686229, 0.100000, \n)\n";
/// let [Printed::Classify(best)] = &parse_results(stdout)?[..] else { panic!() };
/// assert_eq!(best.label_ids, [153, 8]);
/// # Ok::<(), board::fastdeploy::Unreadable>(())
/// ```
pub fn parse_results(stdout: &str) -> Result<Vec<Printed>, Unreadable> {
    let mut reader = Reader { lines: stdout.lines().peekable(), line: 0 };
    let mut results = Vec::new();
    while let Some(line) = reader.next() {
        let started = reader.line;
        let unreadable = |kind| move |reason| Unreadable { kind, line: started, reason };
        if line == "ClassifyResult(" {
            results.push(reader.classification().map(Printed::Classify).map_err(unreadable("ClassifyResult"))?);
        } else if line.starts_with("DetectionResult: [") {
            results.push(reader.detections().map(Printed::Detection).map_err(unreadable("DetectionResult"))?);
        } else if line.starts_with("SegmentationResult Image masks") {
            results.push(reader.segmentation().map(Printed::Segmentation).map_err(unreadable("SegmentationResult"))?);
        } else if line.starts_with("KeyPointDetectionResult: [") {
            results.push(reader.key_points().map(Printed::KeyPoints).map_err(unreadable("KeyPointDetectionResult"))?);
        } else if is_ocr(line) {
            let mut texts = vec![ocr_line(line).map_err(unreadable("OCRResult"))?];
            while let Some(line) = reader.next_if(is_ocr) {
                let line_number = reader.line;
                let wrong = |reason| Unreadable { kind: "OCRResult", line: line_number, reason };
                texts.push(ocr_line(line).map_err(wrong)?);
            }
            results.push(Printed::Ocr(texts));
        }
    }
    Ok(results)
}

struct Reader<'a> {
    lines: Peekable<Lines<'a>>,
    line: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<&'a str> {
        self.next_if(|_| true)
    }

    fn next_if(&mut self, wanted: impl Fn(&str) -> bool) -> Option<&'a str> {
        let line = self.lines.next_if(|line| wanted(line))?;
        self.line += 1;
        Some(line)
    }

    fn expect(&mut self, start: &str) -> Result<&'a str, String> {
        let line = self.next().ok_or_else(|| format!("the output ends where {start:?} should come"))?;
        line.strip_prefix(start).ok_or_else(|| format!("{line:?} comes where {start:?} should"))
    }

    fn classification(&mut self) -> Result<Classification, String> {
        let label_ids = list(self.expect("label_ids:")?)?;
        let scores = list(self.expect("scores:")?)?;
        let mut feature = Vec::new();
        if self.next_if(|line| line.starts_with("feature: size (")).is_some() {
            while let Some(line) = self.next_if(|line| !line.starts_with([')', '.'])) {
                feature.extend(list::<f32>(line)?);
            }
            self.next_if(|line| line == "......");
        }
        self.expect(")")?;
        if label_ids.len() == scores.len() {
            Ok(Classification { label_ids, scores, feature })
        } else {
            Err(format!("{} labels have {} scores", label_ids.len(), scores.len()))
        }
    }

    fn detections(&mut self) -> Result<Vec<Detection>, String> {
        let mut objects = Vec::new();
        while let Some(line) = self.next_if(starts_with_number) {
            objects.push(detection(line)?);
        }
        Ok(objects)
    }

    fn segmentation(&mut self) -> Result<Segmentation, String> {
        let labels = self.rows()?;
        let scored = self.next_if(|line| line.starts_with("SegmentationResult Score map")).is_some();
        let scores = if scored { self.rows()? } else { Vec::new() };
        let shape = self.expect("result shape is: [")?;
        let extents: Vec<&str> = shape.trim_end().trim_end_matches(']').split_whitespace().collect();
        let [height, width] = extents[..] else { return Err(format!("{shape:?} is no shape")) };
        Ok(Segmentation { labels, scores, shape: [number(height)?, number(width)?] })
    }

    /// Ten rows of ten.
    fn rows<T: std::str::FromStr>(&mut self) -> Result<Vec<T>, String> {
        let mut values = Vec::new();
        for _ in 0..10 {
            let row = self.expect("[")?;
            let row = row.strip_suffix(".....]").ok_or_else(|| format!("the row {row:?} is cut off"))?;
            values.extend(list::<T>(row)?);
        }
        self.expect("...........")?;
        if values.len() == 100 { Ok(values) } else { Err(format!("it has {} values", values.len())) }
    }

    fn key_points(&mut self) -> Result<KeyPoints, String> {
        let mut points = Vec::new();
        while let Some(line) = self.next_if(starts_with_number) {
            let point: Vec<f32> = list(line)?;
            points.push(<[f32; 3]>::try_from(point).map_err(|_| format!("{line:?} is no point"))?);
        }
        Ok(KeyPoints { points, joints_per_person: number(self.expect("num_joints:")?)? })
    }
}

fn detection(line: &str) -> Result<Detection, String> {
    let (numbers, mask) = line.split_once("Mask(").map_or((line, None), |(numbers, mask)| (numbers, Some(mask)));
    let mut fields: Vec<&str> = numbers.split(',').map(str::trim).filter(|field| !field.is_empty()).collect();
    let label_id = number(fields.pop().unwrap_or(""))?;
    let score = number(fields.pop().unwrap_or(""))?;
    let corners = fields.into_iter().map(number).collect::<Result<Vec<f32>, String>>()?;
    if !matches!(corners.len(), 4 | 8) {
        return Err(format!("{line:?} has {} coordinates", corners.len()));
    }
    let mask_shape = match mask {
        Some(mask) => list(mask.strip_suffix(')').ok_or_else(|| format!("{line:?} is cut off"))?)?,
        None => Vec::new(),
    };
    Ok(Detection { corners, score, label_id, mask_shape })
}

fn is_ocr(line: &str) -> bool {
    ["det boxes: [", "rec text: ", "cls label: "].iter().any(|start| line.starts_with(start))
}

/// `det boxes: [[1,2],[3,4],[5,6],[7,8]]rec text: 上海 rec score:0.98 cls label: 0 cls score: 1.0`, each part optional. The
/// text can hold anything, so its end is looked for from the right.
fn ocr_line(line: &str) -> Result<OcrLine, String> {
    let mut parsed = OcrLine::default();
    let mut rest = line;
    if let Some(after) = rest.strip_prefix("det boxes: ") {
        let end = after.find("]]").ok_or_else(|| format!("the box of {line:?} is cut off"))? + 2;
        let coordinates: Vec<i32> = list(&after[..end].replace(['[', ']'], ""))?;
        let [x1, y1, x2, y2, x3, y3, x4, y4] = coordinates[..] else {
            return Err(format!("{line:?} has no four corners"));
        };
        parsed.corners = Some([[x1, y1], [x2, y2], [x3, y3], [x4, y4]]);
        rest = &after[end..];
    }
    if let Some((before, class)) = rest.rsplit_once("cls label: ") {
        let (label, score) = class.split_once(" cls score: ").ok_or_else(|| format!("{line:?} is cut off"))?;
        parsed.class = Some((number(label)?, number(score)?));
        rest = before;
    }
    if let Some(text) = rest.strip_prefix("rec text: ") {
        let (text, score) = text.rsplit_once(" rec score:").ok_or_else(|| format!("{line:?} is cut off"))?;
        parsed.text = Some((text.to_owned(), number(score)?));
        rest = "";
    }
    if rest.trim().is_empty() { Ok(parsed) } else { Err(format!("{rest:?} is not understood")) }
}

fn starts_with_number(line: &str) -> bool {
    line.split(',').next().is_some_and(|first| first.trim().parse::<f32>().is_ok())
}

fn list<T: std::str::FromStr>(text: &str) -> Result<Vec<T>, String> {
    text.split(',').map(str::trim).filter(|field| !field.is_empty()).map(number).collect()
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("{text:?} is no number of its kind"))
}
