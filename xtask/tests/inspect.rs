//! `explain`, `diff`, `complete` and `transfer` through the real binary.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const CONFIG: &str = "bilinear_interp_v2:relu_15.tmp_0:bilinear_interp_v2_1.tmp_0\n";

fn model(variant: &str) -> PathBuf {
    test_kit::fixtures().join("models/digits_seg").join(variant)
}

fn xtask(args: &[&dyn AsRef<Path>]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(args.iter().map(AsRef::as_ref)).output().unwrap()
}

fn text(output: &Output) -> (Option<i32>, String, String) {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    (output.status.code(), out, err)
}

#[test]
fn explain_names_the_upsampling_and_its_cure() {
    let (code, out, _) = text(&xtask(&[&"explain", &model("pl_old"), &"bilinear_interp_v2_1.tmp_0"]));
    assert_eq!(code, Some(0));
    assert!(out.starts_with("53 bilinear_interp_v2:") && out.contains("cure: export with align_mode=1"), "{out}");
    let (code, _, err) = text(&xtask(&[&"explain", &model("pl_old"), &"nobody"]));
    assert_eq!(code, Some(2));
    assert!(err.contains("no op is called `nobody`"), "{err}");
}

#[test]
fn a_model_that_paddle_lite_would_abort_on_is_refused_until_it_is_completed() {
    let model = test_kit::fixtures().join("models/digits_mobilenet/fp32");
    let folder = tempfile::tempdir().unwrap();
    let (code, _, err) = text(&xtask(&[&"parse", &model]));
    assert_eq!(code, Some(2));
    assert!(err.contains("no attribute `threshold`") && err.contains("cargo xtask complete"), "{err}");
    let (code, _, err) = text(&xtask(&[&"complete", &model, &"--out", &folder.path()]));
    assert_eq!(code, Some(0), "{err}");
    let (code, out, _) = text(&xtask(&[&"parse", &folder.path()]));
    assert_eq!(code, Some(0));
    assert!(out.contains("relu6:"), "{out}");
}

#[test]
fn a_config_moves_to_a_model_whose_names_were_all_changed() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old.txt");
    fs::write(&old, CONFIG).unwrap();
    let listed = text(&xtask(&[&"parse", &model("pl_old")])).1;
    let renamed: Vec<String> = listed
        .lines()
        .map(|line| {
            let (op_type, names) = line.split_once(':').unwrap();
            format!("{op_type}:{}", names.replace("tmp_", "out_").replace("relu", "activation"))
        })
        .collect();
    let log = folder.path().join("new.log");
    fs::write(&log, format!("subgraph operators: \n{}\n\n", renamed.join("\n"))).unwrap();
    let (code, out, err) = text(&xtask(&[&"transfer", &old, &"--from", &model("pl_old"), &"--to", &log]));
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "bilinear_interp_v2:activation_15.out_0:bilinear_interp_v2_1.out_0\n"),
        "{err}"
    );
    assert!(err.contains("same surroundings"), "{err}");
}

#[test]
fn diff_tells_two_configs_apart() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a.txt", "b.txt"].map(|name| folder.path().join(name));
    fs::write(&a, CONFIG).unwrap();
    fs::write(&b, format!("{CONFIG}concat\n")).unwrap();
    let (code, out, _) = text(&xtask(&[&"diff", &a, &b, &"--log", &model("pl_old")]));
    assert_eq!(code, Some(1));
    assert!(out.contains("  both    bilinear_interp_v2:") && out.contains("  second  concat:"), "{out}");
    assert_eq!(text(&xtask(&[&"diff", &a, &a, &"--log", &model("pl_old")])).0, Some(0));
}
