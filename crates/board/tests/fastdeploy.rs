//! What FastDeploy's demos print, in the words of its `Str()` methods.
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use board::fastdeploy::{Classification, Detection, KeyPoints, OcrLine, Printed, Segmentation, parse_results};
use proptest::prelude::*;

fn one(text: &str) -> Printed {
    // Among the lines that a demo prints around it.
    let stdout = format!(
        "[I 11/23  2:22: 1.395 x.cc:1 f] hello\nsubgraph operators: \nrelu:a:b\n\n{text}\nVisualized result saved in ./vis_result.jpg\n"
    );
    let mut results = parse_results(&stdout).unwrap();
    assert_eq!(results.len(), 1, "{text}");
    results.remove(0)
}

#[test]
fn classifications_are_read_with_and_without_a_feature_vector() {
    let plain = "ClassifyResult(\nlabel_ids: 153, 8, \nscores: 0.686229, -0.000000, \n)";
    let expected = Classification { label_ids: vec![153, 8], scores: vec![0.686_229, -0.0], feature: vec![] };
    assert_eq!(one(plain), Printed::Classify(expected));
    let rows = format!("{}\n", "0.500000, ".repeat(10)).repeat(10);
    let feature = format!(
        "ClassifyResult(\nlabel_ids: \nscores: \nfeature: size (512), only show first 100 values.\n{}\n......\n)",
        rows.trim_end_matches('\n')
    );
    let Printed::Classify(read) = one(&feature) else { panic!() };
    assert_eq!((read.feature.len(), read.label_ids.len()), (100, 0));
}

#[test]
fn detections_are_read_with_masks_and_rotated_boxes() {
    let text = "DetectionResult: [xmin, ymin, xmax, ymax, score, label_id]\n415.047180,89.311569, 506.009613, 283.863098, 0.950423, 0\n-1.000000,nan, 2.000000, inf, 0.5, 16\n";
    let Printed::Detection(objects) = one(text) else { panic!() };
    let expected = Detection {
        corners: vec![415.047_18, 89.311_57, 506.009_6, 283.863_1],
        score: 0.950_423,
        label_id: 0,
        mask_shape: vec![],
    };
    assert_eq!(objects[0], expected);
    assert!(objects[1].corners[1].is_nan() && objects[1].corners[3].is_infinite() && objects[1].label_id == 16);

    let masks = "DetectionResult: [xmin, ymin, xmax, ymax, score, label_id, mask_shape]\n1.0,2.0, 3.0, 4.0, 0.9, 2, Mask(28,14)\n";
    let Printed::Detection(objects) = one(masks) else { panic!() };
    assert_eq!(objects[0].mask_shape, [28, 14]);

    let rotated = "DetectionResult: [x1, y1, x2, y2, x3, y3, x4, y4, score, label_id]\n1.0,2.0, 3.0, 4.0, 5.0,6.0, 7.0, 8.0, 0.9, 2\n";
    let Printed::Detection(objects) = one(rotated) else { panic!() };
    assert_eq!(objects[0].corners.len(), 8);

    let nothing = "DetectionResult: [xmin, ymin, xmax, ymax, score, label_id]\n";
    assert_eq!(one(nothing), Printed::Detection(vec![]));
}

fn segmentation(score_map: bool) -> String {
    let map = |heading: &str, value: &str| {
        let rows = format!("[{}.....]\n", format!("{value}, ").repeat(10)).repeat(10);
        format!("SegmentationResult {heading} 10 rows x 10 cols: \n{rows}...........\n")
    };
    let scores = if score_map { map("Score map", "0.250000") } else { String::new() };
    format!("{}{scores}result shape is: [1024 2048]", map("Image masks", "3"))
}

#[test]
fn segmentations_are_read_with_and_without_scores() {
    let expected = Segmentation { labels: vec![3; 100], scores: vec![], shape: [1024, 2048] };
    assert_eq!(one(&segmentation(false)), Printed::Segmentation(expected.clone()));
    let scored = Segmentation { scores: vec![0.25; 100], ..expected };
    assert_eq!(one(&segmentation(true)), Printed::Segmentation(scored));
}

#[test]
fn key_points_and_texts_are_read() {
    let text = "KeyPointDetectionResult: [x, y, conf]\n186.234375,113.156250, 0.850000\n1.000000,2.000000, 0.500000\nnum_joints:2\n";
    let expected = KeyPoints { points: vec![[186.234_38, 113.156_25, 0.85], [1.0, 2.0, 0.5]], joints_per_person: 2 };
    assert_eq!(one(text), Printed::KeyPoints(expected));

    let text = "det boxes: [[42,413],[483,391],[484,428],[43,450]]rec text: 上海 rec score:斯 rec score:0.980085 cls label: 0 cls score: 1.000000\ndet boxes: [[1,2],[3,4],[5,6],[7,8]]";
    let Printed::Ocr(lines) = one(text) else { panic!() };
    let expected = OcrLine {
        corners: Some([[42, 413], [483, 391], [484, 428], [43, 450]]),
        text: Some(("上海 rec score:斯".into(), 0.980_085)),
        class: Some((0, 1.0)),
    };
    assert_eq!(lines[0], expected);
    assert_eq!((lines.len(), lines[1].text.is_none()), (2, true));
    let Printed::Ocr(lines) = one("rec text: a rec score:0.5 ") else { panic!() };
    assert_eq!(lines[0].text, Some(("a".into(), 0.5)));
}

#[test]
fn several_results_come_in_their_order_and_none_is_no_error() {
    let stdout = format!("{}\nClassifyResult(\nlabel_ids: 1, \nscores: 0.5, \n)\n", segmentation(false));
    let results = parse_results(&stdout).unwrap();
    assert!(matches!(results[..], [Printed::Segmentation(_), Printed::Classify(_)]));
    assert_eq!(parse_results("Failed to predict.\n"), Ok(vec![]));
}

#[test]
fn a_result_that_is_cut_off_or_wrong_is_an_error_that_names_its_line() {
    for text in [
        "ClassifyResult(\nlabel_ids: 153, ",
        "ClassifyResult(\nlabel_ids: 153, \nscores: 0.6, 0.7, \n)",
        "ClassifyResult(\nlabel_ids: x, \nscores: 0.6, \n)",
        "DetectionResult: [xmin]\n1.0,2.0, 3.0, 0.9, 1\n",
        "DetectionResult: [xmin]\n1.0,2.0, 3.0, 4.0, 0.9, 1, Mask(3",
        "KeyPointDetectionResult: [x, y, conf]\n1.0,2.0, 0.5\n",
        "det boxes: [[1,2],[3,4],[5,6]]",
        "rec text: abc",
        "cls label: 0 cls",
    ] {
        let error = parse_results(&format!("noise\n{text}")).unwrap_err();
        assert_eq!(error.line, 2, "{error}");
    }
    let whole = segmentation(true);
    for end in 0..whole.len() - "[1024 2048]".len() {
        let results = parse_results(&whole[..end]);
        assert!(results.is_err() || results == Ok(vec![]), "{end}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(ClassifyResult\\(|DetectionResult: \\[|SegmentationResult Image masks|KeyPointDetectionResult: \\[|det boxes: \\[|rec text: |\\PC|\n|\\[|\\]|,|1){0,60}") {
        let _ = parse_results(&text);
    }
}
