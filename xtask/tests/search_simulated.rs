//! `cargo xtask search` on the simulator, through the real binary: the built-in example and the three tasks.

#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

fn xtask(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(args).output().unwrap()
}

fn search(run: &Path, args: &[&str]) -> (Output, Value) {
    let out = run.to_str().unwrap();
    let output = xtask(&[&["search", "--out", out], args].concat());
    let result =
        fs::read(run.join("result.json")).map(|text| serde_json::from_slice(&text).unwrap()).unwrap_or_default();
    (output, result)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout))
}

fn model(name: &str) -> String {
    test_kit::fixtures().join("models").join(name).to_str().unwrap().to_owned()
}

#[test]
fn the_built_in_example_finds_culprits_that_are_each_needed() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let (output, result) = search(&run, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(result["score_npu"].as_f64().unwrap() < 0.99, "the NPU alone must fail");
    assert!(result["score"].as_f64().unwrap() >= 0.99, "the answer must pass");
    assert_eq!(result["verified"], true);
    assert_eq!(result["simulated"], true);
    for culprit in result["culprits"].as_array().unwrap() {
        let verdict = culprit["verdict_without"].as_str().unwrap();
        assert_ne!(verdict, "pass", "unit {} may go back to the NPU", culprit["unit"]);
    }

    // What Paddle Lite would force is what was tried.
    let config = run.join("subgraph.txt");
    let clusters = xtask(&["clusters", &model("digits_seg/pl_old"), config.to_str().unwrap(), "--json"]);
    let formed: Value = serde_json::from_slice(&clusters.stdout).unwrap();
    assert_eq!(formed["forced"].as_array().unwrap().len(), result["cpu_ops"].as_array().unwrap().len());
    assert_eq!(formed["clusters"], result["cluster_ops"]);

    let lint = xtask(&["lint", config.to_str().unwrap(), "--log", &model("digits_seg/pl_old")]);
    assert!(said(&lint).contains("NPU-capable ops to the CPU"), "{}", said(&lint));
}

#[test]
fn a_search_on_few_samples_is_verified_on_all_and_says_what_it_saved() {
    let folder = tempfile::tempdir().unwrap();
    let (output, whole) = search(&folder.path().join("whole"), &["--no-cache"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let run = folder.path().join("few");
    let (output, few) = search(&run, &["--no-cache", "--search-samples", "20"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!((&few["verified"], &few["certificate"]), (&Value::Bool(true), &whole["certificate"]));
    assert!(few["score"].as_f64().unwrap() >= 0.99, "on all samples");
    let samples = |result: &Value| result["samples_run"].as_u64().unwrap();
    assert!(samples(&few) < samples(&whole) * 3 / 4, "{} against {}", samples(&few), samples(&whole));
    let saved = format!("{} samples run; {} more were not needed", few["samples_run"], few["samples_saved"]);
    assert!(said(&output).contains(&saved), "{}", said(&output));
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    let saved = format!("{} of ", few["samples_saved"]);
    assert!(page.contains(&saved) && page.contains("sample runs saved"), "the report states them too");
}

#[test]
fn the_three_tasks_run_through_the_same_command() {
    for (name, metric) in [("digits_resnet/pl_old", "top1"), ("digits_detect/pl_old", "ap50")] {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let (output, result) = search(&run, &["--model", &model(name)]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert_eq!(result["metric"], metric);
        assert_eq!(result["outcome"], "nothing_to_move", "{}", said(&output));
        assert_eq!(fs::read(run.join("subgraph.txt")).unwrap(), b"\n");
    }
}

#[test]
fn a_goal_that_the_cpu_misses_blames_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let (output, result) = search(&run, &["--model", &model("digits_mobilenet_unequal/pl_old"), "--threshold", "0.9"]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    assert_eq!(result["outcome"], "model_at_fault");
    assert!(!run.join("subgraph.txt").exists());
}

#[test]
fn a_model_and_a_log_that_disagree_show_the_first_differing_op() {
    let folder = tempfile::tempdir().unwrap();
    let log = test_kit::fixtures().join("real/logs/digits_resnet_pl_old.default.stdout.log");
    let arguments = ["--model", &model("digits_seg/pl_old"), "--log", log.to_str().unwrap()];
    let (output, _) = search(&folder.path().join("run"), &arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("in the model and"), "{}", said(&output));

    let arguments = ["--model", &model("digits_resnet/pl_old"), "--log", log.to_str().unwrap()];
    let (output, _) = search(&folder.path().join("run"), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn a_damaged_parameter_file_is_named_with_offset_and_variable() {
    let folder = tempfile::tempdir().unwrap();
    let source = test_kit::fixtures().join("models/digits_resnet/pl_old");
    fs::copy(source.join("model.pdmodel"), folder.path().join("model.pdmodel")).unwrap();
    let mut params = fs::read(source.join("model.pdiparams")).unwrap();
    params.truncate(params.len() / 2);
    fs::write(folder.path().join("model.pdiparams"), params).unwrap();
    let data = test_kit::fixtures().join("models/digits_resnet/data.toml");
    let arguments = ["--model", folder.path().to_str().unwrap(), "--data", data.to_str().unwrap()];
    let (output, _) = search(&folder.path().join("run"), &arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("model.pdiparams") && said(&output).contains("byte"), "{}", said(&output));
}

#[test]
fn a_log_without_the_block_says_where_it_comes_from() {
    let log = test_kit::fixtures().join("real/logs/digits_resnet_pl_old.default.stderr.log");
    let output = xtask(&["parse", log.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("subgraph operators"), "{}", said(&output));
}

#[test]
fn a_parsed_log_is_the_same_in_both_forms() {
    let log = test_kit::fixtures().join("real/logs/digits_resnet_pl_old.v5.merged.log");
    let lines = xtask(&["parse", log.to_str().unwrap()]);
    let json: Value = serde_json::from_slice(&xtask(&["parse", log.to_str().unwrap(), "--json"]).stdout).unwrap();
    let ops = json["ops"].as_array().unwrap();
    assert_eq!(String::from_utf8_lossy(&lines.stdout).lines().count(), ops.len());
    assert_eq!((ops.len(), json["clusters"].as_u64()), (44, Some(1)));
    assert_eq!((ops[0]["type"].as_str(), ops[0]["cluster"].is_null()), (Some("feed"), true));
    assert_eq!(ops[1]["cluster"], 0);
}

/// A goal that one unit misses in 8 bits.
fn one_unit_short() -> [String; 6] {
    let model = model("digits_mobilenet/pl_old");
    ["--model", &model, "--metric", "agreement", "--threshold", "0.995"].map(str::to_owned)
}

#[test]
fn with_the_float_lever_the_ops_stay_on_the_npu_and_compute_in_float() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let goal = one_unit_short();
    let (output, result) = search(&run, &[&["--lever", "float"], &goal.each_ref().map(String::as_str)[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(result["lever"], "float");
    assert!(result["score"].as_f64().unwrap() >= 0.995 && result["verified"] == true);
    assert_eq!(result["clusters"], 1, "nothing leaves the NPU");
    assert!(said(&output).contains("compute in float on the NPU"), "{}", said(&output));
    assert!(said(&output).contains("units in float") && !said(&output).contains("on the CPU"), "{}", said(&output));
    assert!(!run.join("subgraph.txt").exists());
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains("<h2>mixed_precision.txt</h2>"), "the file to copy");

    // The file of the answer selects it, read as the partition config is.
    let config = run.join("mixed_precision.txt");
    let clusters = xtask(&["clusters", &model("digits_mobilenet/pl_old"), config.to_str().unwrap(), "--json"]);
    let formed: Value = serde_json::from_slice(&clusters.stdout).unwrap();
    assert_eq!(formed["forced"].as_array().unwrap().len(), result["cpu_ops"].as_array().unwrap().len());
    assert!(!result["cpu_ops"].as_array().unwrap().is_empty());
}

#[test]
fn both_levers_try_float_first_and_then_the_cpu() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let goal = one_unit_short();
    let (output, result) = search(&run, &[&["--lever", "both"], &goal.each_ref().map(String::as_str)[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(result["lever"], "float");
    assert!(!folder.path().join("run-cpu").exists());

    // Float on the NPU does not change which pixels a resize blends.
    let run = folder.path().join("resized");
    let (output, result) = search(&run, &["--lever", "both", "--units", "type"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!((&result["lever"], &result["outcome"]), (&"float".into(), &"nothing_passes".into()));
    let result = fs::read(folder.path().join("resized-cpu").join("result.json")).unwrap();
    let result: Value = serde_json::from_slice(&result).unwrap();
    assert_eq!((&result["lever"], &result["outcome"]), (&"cpu".into(), &"found".into()));
}

#[test]
fn the_float_lever_is_not_for_programs_that_get_a_partition_config() {
    let goal = ["--model", &model("digits_seg/pl_old"), "--command", "true", "--threshold", "1"];
    let output = xtask(&[&["search", "--lever", "float"], &goal[..]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("--lever float"), "{}", said(&output));
}
