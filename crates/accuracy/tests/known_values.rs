//! Scores worked out by hand, or with NumPy.

#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use accuracy::{Answer, BoxLabel, Detection, IGNORED, Prediction, Rect, Sample, Tensor, Truth, metric};

fn check(name: &str, samples: &[Sample<'_>], expected: f64) {
    let score = metric(name).unwrap().evaluate(samples).unwrap();
    assert!((score - expected).abs() < 1e-9, "{name}: {score}, expected {expected}");
}

#[test]
fn top_k_counts_labels_among_the_best() {
    let scores = [[0.1, 0.6, 0.2, 0.1], [0.4, 0.3, 0.2, 0.1], [0.25, 0.25, 0.3, 0.2], [0.0, 0.0, 0.0, 1.0]];
    let predictions = scores.map(|s| Prediction::from_scores(&s, 4).unwrap());
    // Right; second; third (equal scores: the lower class first, so 2, 0, 1, 3); not labelled.
    let truths = [1, 1, 1, IGNORED].map(|class| Truth::Classes(vec![class]));
    let samples: Vec<Sample> = predictions
        .iter()
        .zip(&truths)
        .map(|(p, t)| Sample { truth: Some(t), ..Sample::new(0, Answer { outputs: vec![], prediction: Some(p) }) })
        .collect();
    check("top1", &samples, 1.0 / 3.0);
    check("top2", &samples, 2.0 / 3.0);
    check("top3", &samples, 1.0);
    check("pixel_accuracy", &samples, 1.0 / 3.0);
    assert!(metric("top5").unwrap().evaluate(&samples).unwrap_err().to_string().contains("ranks 4 class(es) only"));
}

#[test]
fn masks_are_scored_over_all_pixels_of_all_images() {
    // Class 0: 2 of 4 pixels in the union; class 1: 2 of 5; class 2 is predicted once, labelled never: 0 of 1.
    let (a, b) = ([0, 0, 1, 1], [1, 0, 2, 1]);
    let (ta, tb) = ([0, 1, 1, 1], [0, 0, 1, IGNORED]);
    let prediction = |classes: [u32; 4]| Prediction::Classes { depth: 1, ranked: classes.to_vec() };
    let (pa, pb) = (prediction(a), prediction(b));
    let (ta, tb) = (Truth::Classes(ta.to_vec()), Truth::Classes(tb.to_vec()));
    let answer = |p| Answer { outputs: vec![], prediction: Some(p) };
    let samples = [
        Sample { truth: Some(&ta), baseline: Some(answer(&pa)), ..Sample::new(0, answer(&pa)) },
        Sample { truth: Some(&tb), baseline: Some(answer(&pa)), ..Sample::new(1, answer(&pb)) },
    ];
    check("pixel_accuracy", &samples, 4.0 / 7.0);
    check("miou", &samples, (2.0 / 4.0 + 2.0 / 5.0 + 0.0) / 3.0);
    check("agreement", &samples, 6.0 / 8.0);
}

#[test]
fn distances_are_those_of_numpy_of_the_worst_output() {
    let tensor = |values: &[f32]| Tensor::new(vec![values.len()], values.to_vec()).unwrap();
    let trial = [[tensor(&[1.0, 2.0, 3.0]), tensor(&[0.5])], [tensor(&[-1.0, 0.0, 2.0]), tensor(&[2.0])]];
    let base = [[tensor(&[1.0, 2.5, 2.0]), tensor(&[0.5])], [tensor(&[-1.0, 0.5, 2.0]), tensor(&[2.0])]];
    let view =
        |outputs| Answer { outputs: <[Tensor; 2]>::each_ref(outputs).map(Tensor::view).to_vec(), prediction: None };
    let samples: Vec<Sample> = trial
        .iter()
        .zip(&base)
        .enumerate()
        .map(|(i, (t, b))| Sample { baseline: Some(view(b)), ..Sample::new(i, view(t)) })
        .collect();
    // Output 0: squared differences .25 + 1 + .25 = 1.5 over 6 values; signal 1 + 6.25 + 4 + 1 + .25 + 4 = 16.5.
    check("mse", &samples, 0.25);
    check("max_abs", &samples, 1.0);
    check("sqnr", &samples, 10.0 * (16.5f64 / 1.5).log10());
    // The baseline's output 0 ranges from -1 to 2.5.
    check("psnr", &samples, 10.0 * (3.5f64 * 3.5 / 0.25).log10());
    let first = 12.0 / (14.0f64.sqrt() * 11.25f64.sqrt());
    let second = 5.0 / (5.0f64.sqrt() * 5.25f64.sqrt());
    check("cosine", &samples, f64::midpoint(first, second));
}

fn rect(x1: f32, y1: f32, x2: f32, y2: f32) -> Rect {
    Rect { x1, y1, x2, y2 }
}

#[test]
fn overlap_is_intersection_over_union() {
    let square = rect(0.0, 0.0, 10.0, 10.0);
    for (other, expected) in [
        (square, 1.0),
        (rect(0.0, 0.0, 5.0, 10.0), 0.5),
        (rect(5.0, 5.0, 15.0, 15.0), 25.0 / 175.0),
        (rect(10.0, 0.0, 20.0, 10.0), 0.0),
        (rect(3.0, 3.0, 3.0, 3.0), 0.0),
        (rect(9.0, 9.0, 1.0, 1.0), 0.0),
    ] {
        assert!((square.iou(&other) - expected).abs() < 1e-12, "{other:?}");
    }
    let empty = rect(1.0, 1.0, 1.0, 1.0);
    assert_eq!(empty.iou(&empty), 0.0);
}

#[test]
fn average_precision_is_the_area_under_all_points_of_the_curve() {
    let label = |rect, class| BoxLabel { rect, class };
    let found = |rect, class, score| Detection { rect, class, score };
    let (a, b, c) = (rect(0.0, 0.0, 10.0, 10.0), rect(20.0, 20.0, 30.0, 30.0), rect(40.0, 0.0, 50.0, 10.0));
    let truths = [Truth::Boxes(vec![label(a, 0), label(b, 1)]), Truth::Boxes(vec![label(c, 1)])];
    let predictions = [
        Prediction::Boxes(vec![
            found(a, 0, 0.9),
            found(rect(0.0, 0.0, 10.0, 9.0), 0, 0.8), // a second time: false
            found(b, 0, 0.6),                         // another class: true only where classes do not count
        ]),
        // Overlap .6 with `c`.
        Prediction::Boxes(vec![found(rect(40.0, 0.0, 46.0, 10.0), 1, 0.7)]),
    ];
    let answer = |p| Answer { outputs: vec![], prediction: Some(p) };
    let samples: Vec<Sample> = predictions
        .iter()
        .zip(&truths)
        .enumerate()
        .map(|(i, (p, t))| Sample {
            truth: Some(t),
            baseline: Some(answer(&predictions[0])),
            ..Sample::new(i, answer(p))
        })
        .collect();
    // By score: true, false, true, true; precisions at the true ones 1, then 3/4 (the best from there on) twice.
    check("ap50", &samples, (1.0 + 0.75 + 0.75) / 3.0);
    // At .75 the third is false: 1, then 2/4.
    check("ap75", &samples, (1.0 + 0.5) / 3.0);
    // Class 0: true, false, false over one label: 1. Class 1: one true over two labels: .5.
    check("map50", &samples, f64::midpoint(1.0, 0.5));
    // .50, .55, .60 as at .5, .65 to .95 as at .75.
    check("ap50:95", &samples, (3.0 * 2.5 / 3.0 + 7.0 * 1.5 / 3.0) / 10.0);
    // Sample 0 agrees with itself, sample 1 not at all.
    check("box_agreement50", &samples, 0.5);
}
