//! The graph built from a model equals the one that Paddle Lite logged for it: the same ops in the same order with the same names,
//! and the same scales.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use op_graph::OpRecord;
use paddle_model::{DType, LiteOp, LiteOptions, LiteProgram, LiteRelease, Model, ModelError, TensorData};

const OPT: LiteOptions = LiteOptions { release: LiteRelease::V2_13Rc, scale_level: 0 };

fn models() -> PathBuf {
    test_kit::fixtures().join("models")
}

fn folders(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// The folders of all models and variants that have this file.
fn variants_with(file: &str) -> Vec<PathBuf> {
    let variants = folders(&models()).into_iter().flat_map(|model| folders(&model));
    variants.filter(|dir| dir.join(file).is_file()).collect()
}

/// A record with its names in an order that carries no meaning.
fn sorted(mut record: OpRecord) -> OpRecord {
    record.inputs.sort();
    record.outputs.sort();
    record
}

fn records(program: &LiteProgram) -> Vec<OpRecord> {
    program.graph.records().iter().cloned().map(sorted).collect()
}

fn parse(line: &str) -> OpRecord {
    sorted(OpRecord::parse(line.as_bytes()).unwrap())
}

/// `<Argument><index>_scale` → steps, as Paddle Lite names and prints them: equal steps of a weight as one, and those of a variable
/// that is bound twice under its first place.
fn printed_scales(op: &LiteOp) -> BTreeMap<String, Vec<f32>> {
    let mut printed = BTreeMap::new();
    for (arguments, all_scales) in [(&op.inputs, &op.input_scales), (&op.outputs, &op.output_scales)] {
        let mut seen = BTreeSet::new();
        for (argument, names) in arguments {
            for (index, name) in names.iter().enumerate() {
                let Some(mut steps) = all_scales[argument][index].clone().filter(|_| seen.insert(name)) else {
                    continue;
                };
                if steps.iter().all(|step| *step == steps[0]) {
                    steps.truncate(1);
                }
                printed.insert(format!("{argument}{index}_scale"), steps);
            }
        }
    }
    printed
}

/// One op of an `opt-2.13rc0.txt`: its record, its scales to six digits, and whether it computes in int8.
struct Logged {
    record: OpRecord,
    scales: BTreeMap<String, Vec<f32>>,
    enable_int8: bool,
}

fn read_logged(text: &str) -> Vec<Logged> {
    let mut ops: Vec<Logged> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("  "), ops.last_mut()) {
            (None, _) => ops.push(Logged { record: parse(line), scales: BTreeMap::new(), enable_int8: false }),
            (Some("enable_int8"), Some(op)) => op.enable_int8 = true,
            (Some(scale), Some(op)) => {
                let (key, steps) = scale.split_once(' ').unwrap();
                let steps = steps.split(' ').map(|step| step.parse().unwrap()).collect();
                op.scales.insert(key.to_owned(), steps);
            }
            (Some(_), None) => panic!("a scale before the first op"),
        }
    }
    ops
}

fn assert_close(expected: &BTreeMap<String, Vec<f32>>, actual: &BTreeMap<String, Vec<f32>>, what: &str) {
    assert!(expected.keys().eq(actual.keys()), "{what}: expected {expected:?}, built {actual:?}");
    for (key, steps) in expected {
        let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * a.abs();
        assert_eq!(steps.len(), actual[key].len(), "{what} {key}");
        assert!(steps.iter().zip(&actual[key]).all(close), "{what} {key}: expected {steps:?}, built {:?}", actual[key]);
    }
}

/// Compares a model with what `opt` printed for it.
fn check_against_opt(dir: &Path) {
    let program = Model::load_dir(dir).unwrap().lite_program(&OPT).unwrap();
    let logged = read_logged(&fs::read_to_string(dir.join("opt-2.13rc0.txt")).unwrap());
    let expected: Vec<OpRecord> = logged.iter().map(|op| op.record.clone()).collect();
    assert_eq!(expected, records(&program), "{}", dir.display());
    for (logged, op) in logged.iter().zip(&program.ops) {
        let what = format!("{} {}", dir.display(), logged.record);
        assert_close(&logged.scales, &printed_scales(op), &what);
        assert_eq!(logged.enable_int8, op.enable_int8, "{what}");
    }
}

#[test]
fn every_model_gives_the_ops_and_scales_that_opt_printed() {
    let variants = variants_with("opt-2.13rc0.txt");
    assert_eq!(variants.len(), 29);
    for dir in variants {
        check_against_opt(&dir);
    }
}

#[test]
fn random_models_give_the_ops_and_scales_that_opt_printed() {
    let random = folders(&test_kit::fixtures().join("random-models"));
    assert_eq!(random.len(), 12);
    for dir in random {
        check_against_opt(&dir);
    }
}

#[test]
fn every_recorded_model_gives_the_ops_of_its_log() {
    let trials = test_kit::fixtures().join("real/trials");
    let mut compared = 0;
    for entry in fs::read_dir(trials).unwrap() {
        let trial = entry.unwrap().path();
        let (model, variant) = trial.file_name().unwrap().to_str().unwrap().split_once('.').unwrap();
        let program = Model::load_dir(models().join(model).join(variant)).unwrap();
        let program = program.lite_program(&LiteOptions::default()).unwrap();
        let lines: Vec<String> = serde_json::from_slice(&fs::read(trial.join("ops.json")).unwrap()).unwrap();
        let expected: Vec<OpRecord> = lines.iter().map(|line| parse(line)).collect();
        assert_eq!(expected, records(&program), "{}", trial.display());
        compared += 1;
    }
    assert_eq!(compared, 6);
}

#[test]
fn every_model_and_variant_is_complete_in_itself() {
    let variants = variants_with("model.pdmodel");
    assert_eq!(variants.len(), 37);
    for dir in variants {
        let mut model = Model::load_dir(&dir).unwrap();
        model.complete();
        check_complete(&model.lite_program(&LiteOptions::default()).unwrap(), &dir.display().to_string());
    }
}

#[test]
fn exactly_the_variants_that_opt_aborts_on_are_refused() {
    for dir in variants_with("model.pdmodel") {
        let refusal = Model::load_dir(&dir).unwrap().lite_program(&OPT).err();
        let loads = dir.join("opt-2.13rc0.txt").is_file();
        assert_eq!(refusal.is_none(), loads, "{}: {refusal:?}", dir.display());
        assert!(loads || matches!(refusal, Some(ModelError::MissingAttribute { .. })), "{}", dir.display());
    }
}

/// A simulator can run it: every source is fed or a weight, and codes have scales.
fn check_complete(program: &LiteProgram, what: &str) {
    assert_eq!(program.graph.op_count(), program.ops.len(), "{what}");
    assert_eq!(program.graph.tensor_count(), program.tensors.len(), "{what}");
    assert!(!program.feeds.is_empty() && !program.fetches.is_empty(), "{what}");
    for tensor in program.graph.tensors() {
        let name = program.graph.tensor_name(tensor);
        if program.graph.producer(tensor).is_none() && *name != "feed" {
            assert!(program.weights.contains_key(name), "{what}: {name} comes from nowhere");
            assert!(program.tensor(tensor).persistable, "{what}: {name}");
        }
        assert!(*name == "feed" || *name == "fetch" || program.tensor(tensor).dtype.is_some(), "{what}: {name}");
    }
    for (name, weight) in &program.weights {
        assert_eq!(weight.dims.iter().product::<usize>(), weight.data.len(), "{what}: {name}");
        if let TensorData::Int8(codes) = &weight.data {
            let scales = weight.scales.as_ref().unwrap_or_else(|| panic!("{what}: {name} has no scale"));
            assert!(scales.steps.len() == 1 || scales.steps.len() == weight.dims[scales.axis], "{what}: {name}");
            assert!(codes.iter().any(|code| code.unsigned_abs() == 127), "{what}: {name} does not fill its range");
        }
    }
}

#[test]
fn a_per_layer_filter_is_int8_with_one_step_and_a_per_channel_filter_with_one_per_channel() {
    for (variant, steps) in [("pl_old", 1), ("pc_old", 16), ("pl_onnx", 1), ("pc_onnx", 16)] {
        let program = Model::load_dir(models().join("digits_resnet").join(variant)).unwrap();
        let program = program.lite_program(&LiteOptions::default()).unwrap();
        let conv = program.ops.iter().find(|op| op.op_type == "conv2d").unwrap();
        let filter = &program.weights[conv.input("Filter").unwrap()];
        assert_eq!(filter.data.dtype(), DType::Int8, "{variant}");
        assert_eq!(filter.scales.as_ref().unwrap().steps.len(), steps, "{variant}");
        assert!(conv.enable_int8 && conv.is_quantized() && conv.bit_length == 8, "{variant}");
    }
}

#[test]
fn a_folded_bias_has_the_shape_that_its_reshape_gave_it() {
    let model = Model::load_dir(models().join("digits_seg/pl_old_reshape_bias")).unwrap();
    let program = model.lite_program(&LiteOptions::default()).unwrap();
    let reshaped: Vec<_> = program.weights.keys().filter(|name| !model.params.contains_key(*name)).collect();
    assert!(!reshaped.is_empty());
    for name in reshaped {
        assert!(matches!(program.weights[name].dims[..], [1, _, 1, 1]), "{name}: {:?}", program.weights[name].dims);
    }
}
