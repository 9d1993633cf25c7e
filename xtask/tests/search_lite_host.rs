//! `cargo xtask search --lite-host`: the baseline without the NPU by the real Paddle Lite, through the real binary.

#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

/// Exit code 5: no usable device.
const NO_DEVICE: i32 = 5;

fn search(run: &Path, environment: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["search", "--cache=false", "--out"]).arg(run).arg("--model");
    command.arg(test_kit::fixtures().join("models/digits_resnet/pl_old"));
    let mut flag = std::ffi::OsString::from("--lite-host=");
    flag.push(environment);
    command.arg(flag).args(more);
    command
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout))
}

#[test]
fn the_real_runtime_gives_the_score_that_the_simulated_cpu_has_in_float() {
    let folder = tempfile::tempdir().unwrap();
    let environment = test_kit::fixtures().join("..").join(lite_wheel::DEFAULT_FOLDER);
    let run = folder.path().join("real");
    let output = search(&run, &environment, &[]).output().unwrap();
    let said = said(&output);
    if output.status.code() == Some(NO_DEVICE) && said.contains("Python 3.10") {
        let test = "the_real_runtime_gives_the_score_that_the_simulated_cpu_has_in_float";
        return test_kit::skip_anywhere(test, &said);
    }
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("without the NPU: paddlelite=="), "{said}");
    let result: Value = serde_json::from_slice(&fs::read(run.join("result.json")).unwrap()).unwrap();

    let simulated = folder.path().join("simulated");
    let model = test_kit::fixtures().join("models/digits_resnet/pl_old");
    let float = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["search", "--cpu", "float", "--cache=false", "--model"])
        .arg(model)
        .arg("--out")
        .arg(&simulated)
        .output()
        .unwrap();
    assert_eq!(float.status.code(), Some(0));
    let expected: Value = serde_json::from_slice(&fs::read(simulated.join("result.json")).unwrap()).unwrap();
    for fact in ["score_cpu", "score_npu", "outcome"] {
        assert_eq!(result[fact], expected[fact], "{fact}");
    }
}

#[test]
fn without_python_3_10_the_search_says_how_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere");
    let output = search(&folder.path().join("run"), &folder.path().join("environment"), &[])
        .env("PATH", &nowhere)
        .env("HOME", &nowhere)
        .env("PYENV_ROOT", &nowhere)
        .output()
        .unwrap();
    let expected = if cfg!(all(target_os = "linux", target_arch = "x86_64")) { "pyenv install 3.10" } else { "x86-64" };
    assert_eq!(output.status.code(), Some(NO_DEVICE), "{}", said(&output));
    assert!(said(&output).contains(expected), "{}", said(&output));
}

#[test]
fn the_flag_belongs_to_the_simulated_backend() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["--command", "true", "--log", "no.log"];
    let output = search(&folder.path().join("run"), folder.path(), &more).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("--lite-host belongs to"), "{}", said(&output));
}
