//! Laws that every metric obeys; a metric in the list of metrics is under them.

#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use accuracy::{
    Answer, AnyMetric, BoxLabel, Detection, Direction, Error, Need, Prediction, Rect, Sample, Tensor, Truth, metric,
    standard_metrics,
};
use proptest::prelude::*;

/// One sample with everything that any metric needs.
#[derive(Clone, Debug)]
struct Owned {
    outputs: Vec<Tensor>,
    baseline_outputs: Vec<Tensor>,
    classes: (Prediction, Prediction, Truth),
    boxes: (Prediction, Prediction, Truth),
}

fn sample<'a>(metric: &dyn AnyMetric, index: usize, owned: &'a Owned) -> Sample<'a> {
    let (trial, baseline, truth) = if metric.info().needs(Need::Boxes) { &owned.boxes } else { &owned.classes };
    let answer = |outputs: &'a [Tensor], prediction| Answer {
        outputs: outputs.iter().map(Tensor::view).collect(),
        prediction: Some(prediction),
    };
    Sample {
        index,
        trial: answer(&owned.outputs, trial),
        baseline: Some(answer(&owned.baseline_outputs, baseline)),
        truth: Some(truth),
    }
}

fn samples<'a>(metric: &dyn AnyMetric, owned: &'a [Owned]) -> Vec<Sample<'a>> {
    owned.iter().enumerate().map(|(i, o)| sample(metric, i, o)).collect()
}

const CLASSES: usize = 4;
const POSITIONS: usize = 6;

fn tensors() -> impl Strategy<Value = Vec<Tensor>> {
    let value = || -100.0f32..100.0;
    (prop::collection::vec(value(), 6), prop::collection::vec(value(), 3))
        .prop_map(|(a, b)| vec![Tensor::new(vec![2, 3], a).unwrap(), Tensor::new(vec![3], b).unwrap()])
}

fn ranked() -> impl Strategy<Value = Prediction> {
    let ranks = Just((0..CLASSES as u32).collect::<Vec<_>>()).prop_shuffle();
    prop::collection::vec(ranks, POSITIONS)
        .prop_map(|ranks| Prediction::Classes { depth: CLASSES, ranked: ranks.concat() })
}

fn rect() -> impl Strategy<Value = Rect> {
    (0.0f32..40.0, 0.0f32..40.0, 0.5f32..24.0, 0.5f32..24.0).prop_map(|(x1, y1, w, h)| Rect {
        x1,
        y1,
        x2: x1 + w,
        y2: y1 + h,
    })
}

fn detections() -> impl Strategy<Value = Prediction> {
    let one = (rect(), 0..3u32, 0.0f32..1.0).prop_map(|(rect, class, score)| Detection { rect, class, score });
    prop::collection::vec(one, 0..5).prop_map(Prediction::Boxes)
}

fn owned() -> impl Strategy<Value = Owned> {
    let label = (rect(), 0..3u32).prop_map(|(rect, class)| BoxLabel { rect, class });
    // At least one object: without any, average precision has no score.
    let boxes = (detections(), detections(), prop::collection::vec(label, 1..4).prop_map(Truth::Boxes));
    let truth = prop::collection::vec(0..CLASSES as u32, POSITIONS).prop_map(Truth::Classes);
    (tensors(), tensors(), (ranked(), ranked(), truth), boxes)
        .prop_map(|(outputs, baseline_outputs, classes, boxes)| Owned { outputs, baseline_outputs, classes, boxes })
}

fn some_samples() -> impl Strategy<Value = Vec<Owned>> {
    prop::collection::vec(owned(), 1..7)
}

/// The same sample as answered without any error.
fn perfect(owned: &Owned) -> Owned {
    let mut owned = owned.clone();
    owned.outputs = owned.baseline_outputs.clone();
    if let Truth::Classes(truth) = &owned.classes.2 {
        let ranks = |&label: &u32| std::iter::once(label).chain((0..CLASSES as u32).filter(move |&c| c != label));
        let right = Prediction::Classes { depth: CLASSES, ranked: truth.iter().flat_map(ranks).collect() };
        owned.classes = (right.clone(), right, owned.classes.2.clone());
    }
    if let Truth::Boxes(labels) = &owned.boxes.2 {
        let found = |label: &BoxLabel| Detection { rect: label.rect, class: label.class, score: 0.9 };
        let right = Prediction::Boxes(labels.iter().map(found).collect());
        owned.boxes = (right.clone(), right, owned.boxes.2.clone());
    }
    owned
}

fn close(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_score_lies_in_its_range_and_is_no_better_than_perfect(data in some_samples()) {
        for metric in standard_metrics() {
            let info = metric.info();
            let score = metric.evaluate(&samples(&*metric, &data)).unwrap();
            prop_assert!(info.range.contains(score), "{} gives {score}", info.name);
            prop_assert!(info.direction.gain(info.perfect(), score) >= 0.0);
        }
    }

    #[test]
    fn an_answer_without_error_has_the_perfect_score(data in some_samples()) {
        let data: Vec<Owned> = data.iter().map(perfect).collect();
        for metric in standard_metrics() {
            let score = metric.evaluate(&samples(&*metric, &data)).unwrap();
            prop_assert!(close(score, metric.info().perfect()), "{} gives {score}", metric.info().name);
        }
    }

    #[test]
    fn the_order_of_samples_does_not_matter(data in some_samples()) {
        let reversed: Vec<Owned> = data.iter().rev().cloned().collect();
        for metric in standard_metrics() {
            let (a, b) = (metric.evaluate(&samples(&*metric, &data)), metric.evaluate(&samples(&*metric, &reversed)));
            let (a, b) = (a.unwrap(), b.unwrap());
            prop_assert!(close(a, b), "{}: {a} and {b}", metric.info().name);
        }
    }

    #[test]
    fn batches_give_the_same_bits_as_the_whole(data in some_samples(), batch in 1..4usize) {
        for metric in standard_metrics() {
            let all = samples(&*metric, &data);
            let mut run = metric.start();
            for batch in all.chunks(batch) {
                run.add(batch).unwrap();
            }
            prop_assert_eq!(run.score().unwrap().to_bits(), metric.evaluate(&all).unwrap().to_bits());
            prop_assert_eq!(run.seen(), all.len());
        }
    }

    #[test]
    fn bounds_only_tighten_and_hold_the_final_score(data in some_samples()) {
        for metric in standard_metrics() {
            let info = metric.info();
            let all = samples(&*metric, &data);
            let score = metric.evaluate(&all).unwrap();
            let mut run = metric.start();
            let mut before = run.bounds(all.len());
            for one in all.chunks(1) {
                run.add(one).unwrap();
                let bounds = run.bounds(all.len());
                let slack = 1e-9 * score.abs().max(1.0);
                prop_assert!(bounds.low - slack <= score && score <= bounds.high + slack, "{}: {bounds:?} {score}", info.name);
                prop_assert!(bounds.low >= before.low - slack && bounds.high <= before.high + slack, "{}", info.name);
                before = bounds;
            }
            prop_assert_eq!((before.low, before.high), (score, score));
        }
    }

    #[test]
    fn shares_of_classes_are_bounded_exactly(data in prop::collection::vec(owned(), 2..6), seen in 1..5usize) {
        let seen = seen.min(data.len() - 1);
        for name in ["top1", "pixel_accuracy", "agreement"] {
            let metric = metric(name).unwrap();
            let mut run = metric.start();
            run.add(&samples(&*metric, &data[..seen])).unwrap();
            let bounds = run.bounds(data.len());
            let best: Vec<Owned> = data.iter().enumerate().map(|(i, o)| if i < seen { o.clone() } else { perfect(o) }).collect();
            let reached = metric.evaluate(&samples(&*metric, &best)).unwrap();
            prop_assert!(close(bounds.high, reached), "{}: {:?} {}", name, bounds, reached);
        }
    }

    #[test]
    fn nan_in_an_output_is_an_error(data in some_samples(), at in 0..6usize) {
        let mut data = data;
        let mut values = data[0].outputs[0].data().to_vec();
        values[at] = f32::NAN;
        data[0].outputs[0] = Tensor::new(vec![2, 3], values).unwrap();
        for metric in standard_metrics().into_iter().filter(|m| m.info().needs == [Need::Baseline]) {
            match metric.evaluate(&samples(&*metric, &data)) {
                Err(Error::NotFinite { index, .. }) => prop_assert_eq!(index, at),
                other => prop_assert!(false, "{}: {other:?}", metric.info().name),
            }
        }
    }

    #[test]
    fn ranking_agrees_with_the_score_map(scores in prop::collection::vec(-1.0f32..1.0, 1..9)) {
        let (Prediction::Classes { ranked, .. }, Prediction::Classes { ranked: best, .. }) = (
            Prediction::from_scores(&scores, scores.len()).unwrap(),
            Prediction::from_score_map(&scores, scores.len()).unwrap(),
        ) else { unreachable!("both rank classes") };
        prop_assert_eq!(ranked[0], best[0]);
        prop_assert!(ranked.windows(2).all(|w| scores[w[0] as usize] >= scores[w[1] as usize]));
    }
}

#[test]
fn every_usual_name_finds_the_metric_of_that_name() {
    let names: Vec<String> = standard_metrics().iter().map(|m| m.info().name).collect();
    let wanted: Vec<&str> = accuracy::FAMILIES.iter().flat_map(|family| family.usual).copied().collect();
    assert_eq!(names, wanted);
}

#[test]
fn an_unknown_metric_lists_the_known_ones() {
    for name in ["", "top0", "top", "ap0", "ap101", "ap90:50", "map", "box_agreement", "accuracy"] {
        let Err(error) = metric(name) else { panic!("`{name}` was found") };
        let text = error.to_string();
        assert!(text.contains("miou") && text.contains("top1"), "{text}");
    }
}

#[test]
fn no_samples_have_no_score() {
    for metric in standard_metrics() {
        assert!(matches!(metric.evaluate(&[]), Err(Error::Empty { .. })));
    }
}

#[test]
fn a_sample_that_lacks_what_the_metric_needs_is_an_error() {
    for metric in standard_metrics() {
        let bare = Sample::new(7, Answer::default());
        match metric.evaluate(&[bare]) {
            Err(Error::Missing { sample: 7, .. }) => {}
            other => panic!("{}: {other:?}", metric.info().name),
        }
    }
}

#[test]
fn outputs_of_other_shapes_are_reported_with_both() {
    let (trial, baseline) =
        (Tensor::new(vec![2, 3], vec![0.0; 6]).unwrap(), Tensor::new(vec![3, 2], vec![0.0; 6]).unwrap());
    let answer = |t| Answer { outputs: vec![Tensor::view(t)], prediction: None };
    let sample = Sample { baseline: Some(answer(&baseline)), ..Sample::new(3, answer(&trial)) };
    for name in ["cosine", "sqnr", "psnr", "mse", "max_abs"] {
        let error = metric(name).unwrap().evaluate(std::slice::from_ref(&sample)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "compare output 0 of sample 3 of shape [2, 3] with the baseline's of shape [3, 2]"
        );
    }
}

#[test]
fn labels_of_another_size_are_reported_with_both() {
    let prediction = Prediction::Classes { depth: 1, ranked: vec![0; 4] };
    let truth = Truth::Classes(vec![0; 6]);
    let answer = Answer { outputs: vec![], prediction: Some(&prediction) };
    let sample = Sample { truth: Some(&truth), ..Sample::new(0, answer) };
    for name in ["top1", "pixel_accuracy", "miou"] {
        let error = metric(name).unwrap().evaluate(std::slice::from_ref(&sample)).unwrap_err();
        assert_eq!(error.to_string(), "compare the classes of sample 0 of shape [4] with the label of shape [6]");
    }
}

#[test]
fn lower_is_better_for_differences_alone() {
    for metric in standard_metrics() {
        let lower = ["mse", "max_abs"].contains(&metric.info().name.as_str());
        assert_eq!(metric.info().direction == Direction::LowerIsBetter, lower, "{}", metric.info().name);
    }
}
