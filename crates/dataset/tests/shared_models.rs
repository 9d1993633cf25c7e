//! The data of the five fixture models: what is loaded, and scores of Paddle's own outputs.

#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use std::path::{Path, PathBuf};

use dataset::{Dataset, Scorer, Task, Tensor, read_npy};

use accuracy::{Prediction, Truth};

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models").join(name)
}

fn output(path: &Path) -> Tensor {
    let array = read_npy(path).unwrap();
    Tensor::new(array.shape().to_vec(), array.to_f32()).unwrap()
}

#[test]
fn every_description_loads_with_its_task_and_default_metric() {
    for (name, task, samples, shape, metric) in [
        ("digits_mobilenet", Task::Classification, 360, [3, 32, 32], "top1"),
        ("digits_mobilenet_unequal", Task::Classification, 360, [3, 32, 32], "top1"),
        ("digits_resnet", Task::Classification, 360, [3, 32, 32], "top1"),
        ("digits_detect", Task::Detection, 160, [3, 64, 64], "ap50"),
        ("digits_seg", Task::Segmentation, 160, [3, 64, 64], "agreement"),
    ] {
        let data = Dataset::load(&model(name)).unwrap();
        assert_eq!((data.task(), data.len(), data.metric()), (task, samples, metric), "{name}");
        assert_eq!(data.inputs()[0].shape(), shape, "{name}");
        assert_eq!(data.batch(0..2).unwrap()[0].shape(), [2, shape[0], shape[1], shape[2]], "{name}");
        assert!((0..samples).all(|i| data.truth(i).is_some()), "{name}");
        Scorer::new(data, None, None).unwrap();
    }
}

/// spec/models.md: top-1 of the float models is .956, .936 and .964.
#[test]
fn top_1_of_the_float_models_is_that_of_the_specification() {
    for (name, hits, hits3) in
        [("digits_mobilenet", 344, 359), ("digits_mobilenet_unequal", 337, 355), ("digits_resnet", 347, 359)]
    {
        for (metric, hits) in [("top1", hits), ("top3", hits3)] {
            let mut scorer = Scorer::new(Dataset::load(&model(name)).unwrap(), Some(metric), None).unwrap();
            let baseline = scorer.set_baseline(vec![output(&model(name).join("fp32_out0.npy"))]).unwrap();
            assert_eq!(baseline.score, f64::from(hits) / 360.0, "{name} {metric}");
            assert!(baseline.passes);
        }
    }
}

/// Expected values from an independent NumPy program of the rules in spec/models.md.
#[test]
fn detections_of_the_quantized_model_score_as_in_numpy() {
    let dir = model("digits_detect");
    let outputs =
        || vec![output(&dir.join("pl_old/fakequant_out0.npy")), output(&dir.join("pl_old/fakequant_out1.npy"))];
    let data = Dataset::load(&dir).unwrap().select(&[0, 1, 2, 3, 4, 5, 6, 7]).unwrap();
    let boxes = |p: &Prediction| match p {
        Prediction::Boxes(boxes) => boxes.len(),
        Prediction::Classes { .. } => 0,
    };
    let decoded = data.decode(&outputs()).unwrap().unwrap();
    assert_eq!(decoded.iter().map(boxes).sum::<usize>(), 135);
    for (metric, expected) in [
        ("ap50", 0.887_799_700_299_700_3),
        ("ap75", 0.640_837_616_799_155_2),
        ("ap50:95", 0.553_764_694_781_901_3),
        ("map50", 0.171_759_259_259_259_25),
        ("map75", 0.162_499_999_999_999_98),
        ("map50:95", 0.115_231_481_481_481_48),
        ("box_agreement90", 1.0),
    ] {
        let mut scorer = Scorer::new(data.clone(), Some(metric), None).unwrap();
        let score = scorer.set_baseline(outputs()).unwrap().score;
        assert!((score - expected).abs() < 1e-9, "{metric}: {score}, expected {expected}");
    }
}

#[test]
fn padding_rows_are_not_boxes() {
    let data = Dataset::load(&model("digits_detect")).unwrap();
    let count = |i| match data.truth(i) {
        Some(Truth::Boxes(boxes)) => boxes.len(),
        _ => 0,
    };
    assert_eq!((count(0), count(1)), (2, 4));
    assert_eq!((0..160).map(count).sum::<usize>(), 515);
}

#[test]
fn masks_as_scores_are_a_perfect_segmentation() {
    let data = Dataset::load(&model("digits_seg")).unwrap().select(&[0, 80, 159]).unwrap();
    let mut scores = vec![0.0; 3 * 11 * 64 * 64];
    for sample in 0..3 {
        let Some(Truth::Classes(mask)) = data.truth(sample) else { panic!("sample {sample} has no mask") };
        for (pixel, &class) in mask.iter().enumerate() {
            scores[(sample * 11 + class as usize) * 64 * 64 + pixel] = 1.0;
        }
    }
    let perfect = Tensor::new(vec![3, 11, 64, 64], scores).unwrap();
    for metric in ["miou", "pixel_accuracy", "agreement"] {
        let mut scorer = Scorer::new(data.clone(), Some(metric), None).unwrap();
        assert_eq!(scorer.set_baseline(vec![perfect.clone()]).unwrap().score, 1.0, "{metric}");
    }
}

/// spec/models.md: x = (u8 / 255 − mean) / std, channels before pixels.
#[test]
fn inputs_are_preprocessed_as_the_exporter_did() {
    for (name, mean, std) in
        [("digits_resnet", [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]), ("digits_seg", [0.5; 3], [0.5; 3])]
    {
        let raw = read_npy(&model(name).join("eval_u8_nhwc.npy")).unwrap();
        let pixels = raw.shape()[1] * raw.shape()[2];
        let input = &Dataset::load(&model(name)).unwrap().batch(5..7).unwrap()[0];
        let bytes = raw.f32_range(5 * pixels * 3..7 * pixels * 3).unwrap();
        for (i, &x) in input.data().iter().enumerate() {
            let (sample, channel, pixel) = (i / (3 * pixels), i / pixels % 3, i % pixels);
            let byte = bytes[(sample * pixels + pixel) * 3 + channel];
            assert_eq!(x, (byte / 255.0 - mean[channel]) / std[channel]);
        }
    }
}
