//! The ways of somebody new, through the real binary: `init` and `search` on a model with a folder of images, a log with nothing but a person
//! to run it, and the tutorial's own commands.

#![cfg(unix)] // a symbolic link to the fixtures
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

fn xtask(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.current_dir(folder).env("XDG_CACHE_HOME", folder);
    command
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout))
}

fn result(run: &Path) -> Value {
    serde_json::from_slice(&fs::read(run.join("result.json")).unwrap()).unwrap()
}

/// The first images of a fixture as a folder of PNG files.
fn images(folder: &Path, model: &str, count: usize) -> PathBuf {
    let array = dataset::read_npy(&test_kit::fixtures().join("models").join(model).join("eval_u8_nhwc.npy")).unwrap();
    let (dataset::Values::U8(bytes), &[_, height, width, 3]) = (array.values(), array.shape()) else {
        panic!("{:?}", array.shape())
    };
    let images = folder.join("val");
    fs::create_dir(&images).unwrap();
    for (index, pixels) in bytes.chunks(height * width * 3).take(count).enumerate() {
        let image = image::RgbImage::from_raw(width as u32, height as u32, pixels.to_vec()).unwrap();
        image.save(images.join(format!("{index:03}.png"))).unwrap();
    }
    images
}

#[test]
fn a_model_and_a_folder_of_images_become_a_report_with_init_and_search_alone() {
    let folder = tempfile::tempdir().unwrap();
    let images = images(folder.path(), "digits_resnet", 12);
    let model = test_kit::fixtures().join("models/digits_resnet/pl_old");
    let init = xtask(folder.path()).arg("init").arg("--model").arg(&model).arg("--data").arg(&images).output().unwrap();
    assert!(init.status.success(), "{}", said(&init));
    assert!(said(&init).contains("CHECK its mean and std") && said(&init).contains("12 samples"), "{}", said(&init));
    let description = fs::read_to_string(folder.path().join("data.toml")).unwrap();
    assert!(
        description.contains("task = \"classification\"") && description.contains("size = [32, 32]"),
        "{description}"
    );

    let search = xtask(folder.path()).args(["search", "search.toml", "--out", "run"]).output().unwrap();
    assert!(search.status.success(), "{}", said(&search));
    let run = folder.path().join("run");
    assert_eq!(result(&run)["metric"], "agreement");
    assert!(fs::read_to_string(run.join("report.html")).unwrap().contains("simulated error, alone"));
}

#[test]
fn init_refuses_images_of_another_shape_than_the_models_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let array = test_kit::fixtures().join("models/digits_seg/eval_u8_nhwc.npy");
    let model = test_kit::fixtures().join("models/digits_resnet/pl_old");
    let init = xtask(folder.path()).arg("init").arg("--model").arg(&model).arg("--data").arg(&array).output().unwrap();
    assert!(!init.status.success());
    assert!(said(&init).contains("has shape [-1, 3, 32, 32] (-1: any), one sample of"), "{}", said(&init));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    let data = test_kit::fixtures().join("models/digits_seg/data.toml");
    let search =
        xtask(folder.path()).arg("search").arg("--model").arg(&model).arg("--data").arg(&data).output().unwrap();
    assert!(said(&search).contains("has shape [-1, 3, 32, 32] (-1: any), one sample of"), "{}", said(&search));
    assert!(!folder.path().join("runs").exists(), "no run directory for data that do not fit");
}

/// Somebody who runs each config on a board whose resizes and first convolution are wrong on the NPU, and who leaves after some answers.
fn person(child: &mut Child, mut patience: usize) {
    let (mut tool, mut keyboard) = (child.stderr.take().unwrap(), child.stdin.take().unwrap());
    let (mut screen, mut byte) = (Vec::new(), [0]);
    while tool.read(&mut byte).unwrap() == 1 {
        screen.push(byte[0]);
        if !screen.ends_with(b"resume later: ") {
            continue;
        }
        let text = String::from_utf8(std::mem::take(&mut screen)).unwrap();
        let config = text.lines().rev().find_map(|line| line.trim().strip_prefix("config: ")).unwrap().to_owned();
        let forced = fs::read_to_string(config).unwrap();
        let good = forced.lines().any(|line| line.starts_with("pool2d:")) && forced.contains("batch_norm_0.tmp");
        let answer = if patience == 0 { "q\n" } else { ["fail\n", "pass\n"][usize::from(good)] };
        patience = patience.saturating_sub(1);
        keyboard.write_all(answer.as_bytes()).unwrap();
    }
}

fn guided(folder: &Path, args: &[&str], patience: usize) -> Option<i32> {
    let mut child =
        xtask(folder).args(args).stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    person(&mut child, patience);
    child.wait().unwrap().code()
}

#[test]
fn a_person_with_a_log_is_led_to_the_answer_and_may_leave_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let log = test_kit::fixtures().join("real/logs/digits_resnet_pl_old.default.stdout.log");
    let run = folder.path().join("run");
    let (log, path) = (log.to_str().unwrap(), run.to_str().unwrap());
    assert_eq!(
        guided(folder.path(), &["search", "--log", log, "--out", path], 4),
        Some(130),
        "left after four answers"
    );
    assert_eq!(guided(folder.path(), &["search", "--resume", path], 1000), Some(0));
    let result = result(&run);
    let types: Vec<&str> = result["cpu_ops"]
        .as_array()
        .unwrap()
        .iter()
        .map(|op| op.as_str().unwrap().split(':').next().unwrap())
        .collect();
    assert!(types.contains(&"pool2d") && types.contains(&"conv2d") && types.len() <= 5, "{types:?}");
    let journal = fs::read_to_string(run.join("journal.jsonl")).unwrap();
    let answered = journal.matches("\"event\":\"trial_answered\"").count();
    assert_eq!(result["trials"], answered, "no answer was asked for twice");
}

#[test]
fn the_commands_of_the_tutorial_work_as_they_are_written() {
    let tutorial = fs::read_to_string(test_kit::fixtures().join("../docs/tutorial.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let fixtures = test_kit::fixtures();
    std::os::unix::fs::symlink(fs::canonicalize(fixtures).unwrap(), folder.path().join("fixtures")).unwrap();
    let mut ran = Vec::new();
    for line in tutorial.lines().filter_map(|line| line.strip_prefix("cargo xtask ")) {
        // Questions for a person, and files that only a reader has.
        if line == "init" || line.contains("OLD") || line.contains("search.toml") {
            continue;
        }
        let output = xtask(folder.path()).args(line.split_whitespace()).output().unwrap();
        let name = line.split_whitespace().next().unwrap();
        // As `diff` does, ours ends with 1 where there is a difference.
        let expected = i32::from(name == "diff");
        assert_eq!(output.status.code(), Some(expected), "{line}: {}", said(&output));
        ran.push(name.to_owned());
    }
    assert_eq!(ran, ["explain", "search", "search", "diff"]);
    assert!(folder.path().join("runs/second/report.html").is_file());
}
