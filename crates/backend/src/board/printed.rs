//! What FastDeploy's demos print, as tensors of a fixed shape, so that it is scored as the outputs of any other program.
//!
//! | result | tensor of a sample |
//! |---|---|
//! | `ClassifyResult` | `[1000]`: the score of each printed class, 0 for the others |
//! | `SegmentationResult` | `[256, 1, 100]`: 1 for the class of each pixel; only the first hundred pixels are printed |
//! | `DetectionResult` | `[300, 6]`: class, score, x1, y1, x2, y2; score 0 where there is no further box |
//! | `KeyPointDetectionResult` | `[512, 3]`: x, y, confidence |
//! | `OCRResult` | `[64, 128]`: the characters of each text, 0 behind its end |

use std::{fs, path::Path};

use accuracy::Tensor;
use board::fastdeploy::{Printed, parse_results};

use super::demo::MARK;

const CLASSES: usize = 1000;
const LABELS: usize = 256;
const PIXELS: usize = 100;
const BOXES: usize = 300;
const POINTS: usize = 512;
const TEXTS: usize = 64;
const CHARACTERS: usize = 128;

/// Why there are no outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unprinted {
    /// The program gave no result: demos end well even when they could not predict.
    Nothing(String),
    /// Its output cannot be read.
    Damaged(String),
}

/// The results of so many samples in a program's output.
pub(super) fn read(stdout: &Path, samples: usize) -> Result<Vec<Tensor>, Unprinted> {
    let results = results(stdout).map_err(Unprinted::Damaged)?;
    if let Some((sample, _)) = results.iter().find(|(_, printed)| printed.is_none()) {
        return Err(Unprinted::Nothing(format!("it printed no result for sample {sample}")));
    }
    let parts: Vec<(Vec<usize>, Vec<f32>)> =
        results.iter().filter_map(|(_, printed)| printed.as_ref()).map(tensor).collect::<Result<_, _>>()?;
    let Some((shape, _)) = parts.first().filter(|_| parts.len() == samples) else {
        return Err(Unprinted::Damaged(format!("it printed {} results and not {samples}", parts.len())));
    };
    if parts.iter().any(|(other, _)| other != shape) {
        return Err(Unprinted::Damaged("it printed results of several kinds".to_owned()));
    }
    let shape = [&[samples], shape.as_slice()].concat();
    let values = parts.into_iter().flat_map(|(_, values)| values).collect();
    Tensor::new(shape, values).map(|output| vec![output]).map_err(|error| Unprinted::Damaged(error.to_string()))
}

/// What two runs that computed the same have in common; their logs differ in times.
pub(super) fn gist(stdout: &Path) -> String {
    format!("{:?}", results(stdout))
}

/// The first result of each sample.
fn results(stdout: &Path) -> Result<Vec<(String, Option<Printed>)>, String> {
    let text = fs::read(stdout).map_err(|error| format!("its output cannot be read: {error}"))?;
    let text = String::from_utf8_lossy(&text);
    let sections = text.split(MARK).skip(1);
    let read = |section: &str| {
        let (sample, said) = section.split_once('\n').unwrap_or((section, ""));
        let results = parse_results(said).map_err(|error| format!("sample {sample}: failed to {error}"))?;
        Ok((sample.to_owned(), results.into_iter().next()))
    };
    sections.map(read).collect()
}

fn tensor(printed: &Printed) -> Result<(Vec<usize>, Vec<f32>), Unprinted> {
    let too_many = |what: &str, most: usize| Unprinted::Damaged(format!("it printed {what} beyond {most}"));
    let filled = |rows: Vec<Vec<f32>>, shape: Vec<usize>, what: &str| {
        let (most, width) = (shape[0], shape[1]);
        if rows.len() > most || rows.iter().any(|row| row.len() > width) {
            return Err(too_many(what, most.max(width)));
        }
        let mut values = vec![0.0; most * width];
        for (row, place) in rows.iter().zip(values.chunks_mut(width)) {
            place[..row.len()].copy_from_slice(row);
        }
        Ok((shape, values))
    };
    match printed {
        Printed::Classify(best) => {
            let mut values = vec![0.0; CLASSES];
            for (&label, &score) in best.label_ids.iter().zip(&best.scores) {
                let place = usize::try_from(label).ok().and_then(|label| values.get_mut(label));
                *place.ok_or_else(|| too_many("a class", CLASSES))? = score;
            }
            Ok((vec![CLASSES], values))
        }
        Printed::Segmentation(first) => {
            let mut values = vec![0.0; LABELS * PIXELS];
            for (pixel, &label) in first.labels.iter().take(PIXELS).enumerate() {
                values[usize::from(label) * PIXELS + pixel] = 1.0;
            }
            Ok((vec![LABELS, 1, PIXELS], values))
        }
        Printed::Detection(objects) => {
            let row = |object: &board::fastdeploy::Detection| {
                // Of a rotated box the rectangle around it.
                let along = |axis: usize| object.corners.iter().skip(axis).step_by(2).copied();
                let (least, most) = (f32::INFINITY, f32::NEG_INFINITY);
                let low = |axis| along(axis).fold(least, f32::min);
                let high = |axis| along(axis).fold(most, f32::max);
                vec![object.label_id as f32, object.score, low(0), low(1), high(0), high(1)]
            };
            filled(objects.iter().map(row).collect(), vec![BOXES, 6], "boxes")
        }
        Printed::KeyPoints(joints) => {
            filled(joints.points.iter().map(|point| point.to_vec()).collect(), vec![POINTS, 3], "joints")
        }
        Printed::Ocr(texts) => {
            let row = |line: &board::fastdeploy::OcrLine| {
                let text = line.text.as_ref().map_or("", |(text, _)| text);
                text.chars().map(|character| u32::from(character) as f32).collect()
            };
            filled(texts.iter().map(row).collect(), vec![TEXTS, CHARACTERS], "texts")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str, samples: usize) -> Result<Vec<Tensor>, Unprinted> {
        let folder = tempfile::tempdir().unwrap();
        let stdout = folder.path().join("stdout");
        fs::write(&stdout, text).unwrap();
        read(&stdout, samples)
    }

    fn classified(sample: usize, label: i32) -> String {
        format!("{MARK}{sample}\n[I] loading\nClassifyResult(\nlabel_ids: {label}, \nscores: 0.750000, \n)\n")
    }

    #[test]
    fn results_become_tensors_of_one_shape_in_the_order_of_the_samples() {
        let outputs = read_text(&(classified(4, 7) + &classified(2, 0)), 2).unwrap();
        assert_eq!(outputs[0].shape(), [2, CLASSES]);
        assert_eq!((outputs[0].data()[7], outputs[0].data()[CLASSES]), (0.75, 0.75));
        for (text, shape) in [
            (
                "DetectionResult: [xmin, ymin, xmax, ymax, score, label_id]\n1.0,2.0,3.0,4.0, 0.9, 5\n",
                vec![1, BOXES, 6],
            ),
            ("KeyPointDetectionResult: [x, y, conf]\n1.0,2.0,0.5\nnum_joints:1\n", vec![1, POINTS, 3]),
            ("rec text: ab rec score:0.98 \n", vec![1, TEXTS, CHARACTERS]),
        ] {
            let outputs = read_text(&format!("{MARK}0\n{text}"), 1).unwrap();
            assert_eq!(outputs[0].shape(), shape, "{text}");
        }
    }

    #[test]
    fn a_demo_that_could_not_predict_is_told_from_an_output_that_was_cut() {
        assert!(matches!(read_text(&format!("{MARK}0\nFailed to predict.\n"), 1), Err(Unprinted::Nothing(_))));
        assert!(matches!(read_text(&classified(0, 1)[..60], 1), Err(Unprinted::Damaged(_))));
        assert!(matches!(read_text(&classified(0, 1), 2), Err(Unprinted::Damaged(_))));
        assert!(matches!(read_text(&classified(0, 4000), 1), Err(Unprinted::Damaged(_))));
    }
}
