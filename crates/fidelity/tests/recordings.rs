//! The simulator beside the recorded trials and Paddle's fake quantization, on the fixtures.

use std::path::{Path, PathBuf};

use dataset::{Array, read_npy};
use fidelity::{SharedModel, compare_all};
use int8_sim::{Config, Options, Simulator};
use paddle_model::{LiteOptions, Model};

type Failure = Box<dyn std::error::Error>;

fn fixtures(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures")).join(name)
}

#[test]
fn every_recorded_refusal_is_foreseen_and_the_outputs_agree() -> Result<(), Failure> {
    let report = compare_all(&fixtures("models"), &fixtures("real/trials"))?;
    assert_eq!(report.models.len(), 6);
    assert!(report.refusals_accuracy >= 0.99, "{}", report.refusals_accuracy);
    assert!(report.task_agreement >= 0.99, "{}", report.task_agreement);
    assert!(report.share_ge_30db >= 0.99, "{}", report.share_ge_30db);
    let compared: usize = report.models.values().map(|model| model.totals.compared).sum();
    assert!(compared > 200, "only {compared} trials have outputs");
    for (name, model) in &report.models {
        let alone = model.rankings.iter().find(|ranking| ranking.kind == "npu-only-unit");
        if let Some(spearman) = alone.and_then(|ranking| ranking.spearman) {
            assert!(spearman >= 0.95, "{name}: {spearman}");
        }
        for trial in &model.trials {
            let same_class = trial.recorded == trial.simulated || trial.recorded == "other";
            assert!(same_class, "{name} {}: {} foreseen as {}", trial.tag, trial.recorded, trial.simulated);
        }
    }
    Ok(())
}

/// Where Paddle's outputs of what Lite computes of a variant are: the `_full` variants have extra quantize-dequantize pairs on
/// inputs that Lite computes in float (spec/paddle-lite.md C6). Paddle's outputs without those pairs are those of `pl_old`, bit for
/// bit (`scripts/bypass_activation_pairs.py`).
fn as_lite_sees(variant: &Path) -> PathBuf {
    if variant.ends_with("pl_old_full") { variant.with_file_name("pl_old") } else { variant.to_owned() }
}

/// Paddle's own outputs of a variant: by output, then sample.
fn fake_quantized(dir: &Path) -> Result<Vec<Vec<Vec<f32>>>, Failure> {
    let rows = |array: &Array| -> Vec<Vec<f32>> {
        let values = array.to_f32();
        values.chunks(values.len() / array.shape()[0]).map(<[f32]>::to_vec).collect()
    };
    let paths = (0..).map(|index| dir.join(format!("fakequant_out{index}.npy"))).take_while(|path| path.is_file());
    paths.map(|path| Ok(rows(&read_npy(&path)?))).collect()
}

#[test]
fn lite_int8_agrees_with_paddles_fake_quantization() -> Result<(), Failure> {
    let mut variants = 0;
    for model in std::fs::read_dir(fixtures("models"))? {
        let model = model?.path();
        for variant in std::fs::read_dir(&model).into_iter().flatten() {
            let variant = variant?.path();
            let expected = fake_quantized(&as_lite_sees(&variant))?;
            if expected.is_empty() {
                continue;
            }
            let shared = SharedModel::load(&model)?;
            let samples = shared.samples(expected[0].len());
            let mut model = Model::load_dir(&variant)?;
            model.complete(); // some variants lack attributes, and Paddle Lite would not load them
            let program = model.lite_program(&LiteOptions::default())?;
            let run = Simulator::new(program, Options::default())?.run(&Config::lite(), &samples)?;
            for (sample, outputs) in run.outputs.iter().enumerate() {
                let expected: Vec<Vec<f32>> = expected.iter().map(|output| output[sample].clone()).collect();
                let got: Vec<Vec<f32>> =
                    outputs.iter().map(|tensor| tensor.as_f32().unwrap_or_default().to_vec()).collect();
                let agreement = shared.agreement(&expected, &got)?;
                assert!(agreement >= 0.99, "{} sample {sample}: {agreement}", variant.display());
            }
            variants += 1;
        }
    }
    assert!(variants >= 17, "only {variants} variants have Paddle's outputs");
    Ok(())
}
