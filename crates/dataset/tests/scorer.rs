//! Scoring: defaults, drops, subsets, early decisions, and the distance from the baseline.

#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use std::{fs, path::Path};

use accuracy::{Drop, SQNR_CAP, Tolerance};
use dataset::{Array, Dataset, Error, Scorer, Tensor, Values, write_npy};
use proptest::prelude::*;

const CLASSES: usize = 3;

/// A dataset of one-pixel images, with the given description beyond its input.
fn dataset(dir: &Path, task: &str, labels: Option<&[i64]>, samples: usize, more: &str) -> Dataset {
    let pixels = Array::new(vec![samples, 1, 1, 1], Values::U8(vec![0; samples])).unwrap();
    write_npy(&dir.join("x.npy"), &pixels).unwrap();
    let mut text = format!("task = \"{task}\"\n[[inputs]]\nfile = \"x.npy\"\n");
    if let Some(labels) = labels {
        write_npy(&dir.join("y.npy"), &Array::new(vec![samples], Values::I64(labels.to_vec())).unwrap()).unwrap();
        text.push_str("[labels]\nfile = \"y.npy\"\n");
    }
    fs::write(dir.join("data.toml"), text + more).unwrap();
    Dataset::load(dir).unwrap()
}

/// Scores that are 1 for the given class and 0 for the others.
fn one_hot(classes: &[usize]) -> Tensor {
    let row = |&class: &usize| (0..CLASSES).map(move |c| f32::from(u8::from(c == class)));
    Tensor::new(vec![classes.len(), CLASSES], classes.iter().flat_map(row).collect()).unwrap()
}

#[test]
fn every_task_has_a_default_metric_and_tolerance() {
    let dir = tempfile::tempdir().unwrap();
    let drop = Tolerance::MaxDrop(Drop::Absolute(0.01));
    let head = "[decode]\nmethod = \"grid_ltrb\"\nimage = [8, 8]\nstrides = [8]\n";
    for (task, labels, more, metric, tolerance) in [
        ("classification", Some(&[0, 1][..]), "", "top1", drop),
        ("classification", None, "", "agreement", Tolerance::Threshold(0.99)),
        ("segmentation", None, "", "agreement", Tolerance::Threshold(0.99)),
        ("detection", None, head, "box_agreement50", Tolerance::Threshold(0.9)),
        ("raw", None, "", "cosine", Tolerance::Threshold(0.99)),
    ] {
        let scorer = Scorer::new(dataset(dir.path(), task, labels, 2, more), None, None).unwrap();
        assert_eq!((scorer.metric().name.as_str(), scorer.tolerance()), (metric, tolerance), "{task}");
    }
}

#[test]
fn a_tolerance_of_the_description_holds_for_its_metric_alone() {
    let dir = tempfile::tempdir().unwrap();
    let accept = "[accept]\nmetric = \"top1\"\nmax_drop = \"2%\"\n";
    let data = dataset(dir.path(), "classification", Some(&[0, 1]), 2, accept);
    let tolerance = |metric, given| Scorer::new(data.clone(), metric, given).unwrap().tolerance();
    assert_eq!(tolerance(None, None), Tolerance::MaxDrop(Drop::Relative(0.02)));
    assert_eq!(tolerance(Some("top1"), None), Tolerance::MaxDrop(Drop::Relative(0.02)));
    assert_eq!(tolerance(Some("sqnr"), None), Tolerance::Threshold(20.0));
    assert_eq!(tolerance(None, Some(Tolerance::Threshold(0.5))), Tolerance::Threshold(0.5));
}

#[test]
fn a_metric_that_the_data_cannot_serve_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(dir.path(), "classification", None, 2, "");
    for (metric, text) in [
        ("top1", "use the metric `top1`: it needs labels; name their file in `[labels]` of the data description"),
        (
            "box_agreement50",
            "use the metric `box_agreement50`: it needs boxes; describe the head in `[decode]` of the data description",
        ),
        ("mse", "use the metric `mse`: no threshold is good for every model; name one with `threshold` or `max_drop`"),
    ] {
        let error = Scorer::new(data.clone(), Some(metric), None).err().unwrap();
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_drop_counts_from_the_baseline_of_the_same_samples() {
    let dir = tempfile::tempdir().unwrap();
    let labels: Vec<i64> = (0..100).map(|i| i % 3).collect();
    let data = dataset(dir.path(), "classification", Some(&labels), 100, "");
    // The first five samples are wrong in the baseline; the trial loses one or two more.
    let answers = |wrong: usize| -> Vec<usize> {
        labels.iter().enumerate().map(|(i, &l)| (l as usize + usize::from(i < wrong)) % CLASSES).collect()
    };
    let mut scorer = Scorer::new(data.clone(), None, None).unwrap();
    assert!(matches!(scorer.evaluate(&[one_hot(&answers(5))]), Err(Error::NoBaseline)));
    assert_eq!(scorer.set_baseline(vec![one_hot(&answers(5))]).unwrap().score, 0.95);
    assert!((scorer.threshold().unwrap().value - 0.94).abs() < 1e-12);
    assert_eq!(scorer.baseline_score(), Some(0.95));
    assert!(scorer.evaluate(&[one_hot(&answers(6))]).unwrap().passes);
    assert!(!scorer.evaluate(&[one_hot(&answers(7))]).unwrap().passes);

    let subset = data.spread(20);
    assert_eq!(subset[..3], [0, 5, 10]);
    let mut scorer = Scorer::new(data.select(&subset).unwrap(), None, None).unwrap();
    let baseline = one_hot(&answers(5)).select(&subset).unwrap();
    assert_eq!(scorer.set_baseline(vec![baseline]).unwrap().score, 0.95);
}

#[test]
fn an_absolute_threshold_can_be_out_of_the_baselines_reach() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(dir.path(), "classification", Some(&[0, 1]), 2, "");
    let mut scorer = Scorer::new(data, None, Some(Tolerance::Threshold(0.9))).unwrap();
    let baseline = scorer.set_baseline(vec![one_hot(&[0, 2])]).unwrap();
    assert_eq!((baseline.score, baseline.passes), (0.5, false));
}

#[test]
fn error_power_is_noise_over_signal_of_each_output() {
    let dir = tempfile::tempdir().unwrap();
    let mut scorer = Scorer::new(dataset(dir.path(), "raw", None, 2, ""), None, None).unwrap();
    let tensor = |values: [f32; 2]| Tensor::new(vec![2, 1], values.to_vec()).unwrap();
    let same = scorer.set_baseline(vec![tensor([3.0, 4.0]), tensor([1.0, 1.0])]).unwrap();
    assert_eq!((same.error.power, same.error.sqnr_db), (0.0, vec![SQNR_CAP; 2]));
    let trial = scorer.evaluate(&[tensor([3.0, 4.5]), tensor([1.0, 1.0])]).unwrap();
    // Output 0: .25 over 25; output 1 is equal; their mean.
    assert!((trial.error.power - 0.005).abs() < 1e-12);
    assert!((trial.error.sqnr_db[0] - 20.0).abs() < 1e-9);
}

#[test]
fn outputs_that_do_not_fit_are_refused_with_both_shapes() {
    let dir = tempfile::tempdir().unwrap();
    let data = dataset(dir.path(), "classification", Some(&[0, 2]), 2, "");
    let refused = |shape: Vec<usize>| {
        let len = shape.iter().product();
        let error = Scorer::new(data.clone(), None, None)
            .unwrap()
            .set_baseline(vec![Tensor::new(shape, vec![0.0; len]).unwrap()])
            .unwrap_err();
        error.to_string().replace(&dir.path().display().to_string(), "DIR")
    };
    assert_eq!(refused(vec![3, 4]), "decode output 0 of shape [3, 4]: expected 2 samples along the first axis");
    assert_eq!(
        refused(vec![2, 3, 4, 4]),
        "compare the outputs with the labels in DIR/y.npy: the labels have shape [2], output 0 has shape [2, 3, 4, 4], \
         expected scores for the positions [samples]"
    );
    assert_eq!(
        refused(vec![2, 2]),
        "use DIR/y.npy as labels: sample 1 holds the class 2, expected a class below 2: output 0 has shape [2, 2]"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_early_decision_is_the_final_verdict(
        labels in prop::collection::vec(0i64..3, 2..30), seed in prop::collection::vec(0usize..3, 60), batch in 1usize..5,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let n = labels.len();
        let (base, trial) = (&seed[..n], &seed[30..30 + n]);
        for metric in ["top1", "agreement", "sqnr", "cosine"] {
            let data = dataset(dir.path(), "classification", Some(&labels), n, "");
            let mut scorer = Scorer::new(data, Some(metric), Some(Tolerance::MaxDrop(Drop::Relative(0.4)))).unwrap();
            scorer.set_baseline(vec![one_hot(base)]).unwrap();
            let whole = scorer.evaluate(&[one_hot(trial)]).unwrap();
            let mut partial = scorer.start().unwrap();
            for part in trial.chunks(batch) {
                partial.add(&[one_hot(part)]).unwrap();
                if let Some(verdict) = partial.decision() {
                    prop_assert_eq!(verdict, whole.passes, "{} after {} of {}", metric, partial.seen(), n);
                }
            }
            prop_assert_eq!(partial.decision(), Some(whole.passes));
            prop_assert_eq!(partial.score().unwrap(), whole.score);
            prop_assert!(partial.add(&[one_hot(&[0])]).is_err());
        }
    }
}
