//! `cargo xtask search` with the user's own program, through the real binary.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

const LOG: &str = "real/logs/digits_resnet_pl_old.default.stdout.log";

struct Search {
    folder: tempfile::TempDir,
    args: Vec<String>,
}

impl Search {
    fn new(args: &[&str]) -> Self {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        Self { folder: tempfile::tempdir().unwrap(), args }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn run(&self, more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["search", "--backend", "exec", "--log"])
            .arg(test_kit::fixtures().join(LOG))
            .arg("--out")
            .arg(self.out())
            .args(&self.args)
            .args(more)
            .args(if more.contains(&"--units") { &[][..] } else { &["--units", "op"] })
            .output()
            .unwrap()
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    fn result(&self) -> Value {
        serde_json::from_slice(&fs::read(self.out().join("result.json")).unwrap()).unwrap()
    }

    fn subgraph(&self) -> String {
        fs::read_to_string(self.out().join("subgraph.txt")).unwrap()
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn documented_evaluator() -> String {
    let docs = fs::read_to_string(test_kit::fixtures().join("../docs/exec.md")).unwrap();
    let (_, rest) = docs.split_once("```python\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// The types on the CPU in an answer.
fn types(subgraph: &str) -> Vec<&str> {
    let mut types: Vec<&str> = subgraph.lines().filter_map(|line| line.split(':').next()).collect();
    types.dedup();
    types
}

fn python(script: &Path) -> String {
    format!("python3 '{}'", script.display())
}

#[test]
fn the_documented_evaluator_finds_its_culprits() {
    if test_kit::require_program("the_documented_evaluator_finds_its_culprits", "python3").is_none() {
        return;
    }
    let search = Search::new(&["--threshold", "0.95", "--proof", "direct"]);
    let script = search.file("evaluate.py", &documented_evaluator());
    let output = search.run(&["--evaluator", &python(&script), "--units", "type"]);
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stderr));
    let result = search.result();
    assert_eq!(result["certificate"], "one_minimal");
    assert_eq!(types(&search.subgraph()), ["conv2d", "softmax"]);
    assert_eq!((result["score_cpu"].as_f64(), result["score_npu"].as_f64()), (Some(1.0), Some(0.8)));
    let asked = fs::read_to_string(search.out().join("trials.jsonl")).unwrap().lines().count();
    assert_eq!(result["trials"].as_u64(), Some(asked as u64), "every oracle call counts, baselines included");
}

#[test]
fn a_command_says_pass_and_fail_by_its_exit_code() {
    let search = Search::new(&["--proof", "direct"]);
    let script =
        search.file("trial.sh", "grep -q '^pool2d:relu_8' \"$1\" && grep -q '^softmax:' \"$NPU_BISECT_SUBGRAPH\"\n");
    let output = search.run(&["--command", &format!("sh '{}' {{subgraph}}", script.display())]);
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(types(&search.subgraph()), ["pool2d", "softmax"]);
    assert_eq!(search.result()["certificate"], "one_minimal");
}

#[test]
fn a_command_prints_its_score_on_the_last_line() {
    let search = Search::new(&["--max-drop", "10%"]);
    let script = search.file("trial.sh", "echo noise; if grep -q softmax \"$1\"; then echo 0.9; else echo 0.5; fi\n");
    let output = search.run(&["--command", &format!("sh '{}' {{subgraph}}", script.display())]);
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(types(&search.subgraph()), ["softmax"]);
    assert!((search.result()["threshold"].as_f64().unwrap() - 0.81).abs() < 1e-9);
}

#[test]
fn nothing_to_move_is_written_as_a_lone_newline() {
    let search = Search::new(&[]);
    let output = search.run(&["--command", "true"]);
    assert_eq!(code(&output), 0);
    assert_eq!(search.subgraph(), "\n");
    assert_eq!(
        (search.result()["outcome"].as_str(), search.result()["trials"].as_u64()),
        (Some("nothing_to_move"), Some(2))
    );
}

#[test]
fn a_model_that_fails_without_the_npu_is_at_fault_itself() {
    let search = Search::new(&[]);
    let output = search.run(&["--command", "false"]);
    assert_eq!(code(&output), 4);
    assert!(!search.out().join("subgraph.txt").exists());
    assert!(String::from_utf8_lossy(&output.stdout).contains("at fault, not the NPU"));
}

#[test]
fn an_npu_that_refuses_everything_at_once_is_searched_for_what_it_takes() {
    let search = Search::new(&[]);
    let script = search.file("trial.sh", "grep -q '^softmax:' \"$1\" || exit 125\n");
    let output = search.run(&["--command", &format!("sh '{}' {{subgraph}}", script.display())]);
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(types(&search.subgraph()), ["softmax"]);
    assert_eq!(search.result()["score_npu"], Value::Null);
}

#[test]
fn infrastructure_trouble_is_tried_again_and_never_a_verdict() {
    let search = Search::new(&[]);
    // Every other call of each trial fails with 75.
    let script = search.file(
        "trial.sh",
        "n=$(cat \"$0.count\" 2>/dev/null || echo 0); echo $((n + 1)) > \"$0.count\"; [ $((n % 2)) = 1 ] || exit 75\n\
         grep -q '^softmax:' \"$1\"\n",
    );
    let output = search.run(&["--command", &format!("sh '{}' {{subgraph}}", script.display())]);
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(types(&search.subgraph()), ["softmax"]);

    let dead = Search::new(&[]);
    assert_eq!(code(&dead.run(&["--command", "sh -c 'exit 75'"])), 5);
}

#[test]
fn a_trial_limit_leaves_the_best_placement_so_far() {
    let search = Search::new(&["--max-trials", "6"]);
    let script = search.file("trial.sh", "grep -q '^softmax:' \"$1\"\n");
    let output = search.run(&["--command", &format!("sh '{}' {{subgraph}}", script.display())]);
    assert_eq!(code(&output), 3, "{}", String::from_utf8_lossy(&output.stderr));
    assert!(search.result()["trials"].as_u64().unwrap() <= 6);
    assert!(types(&search.subgraph()).contains(&"softmax"));
}

#[test]
fn wrong_settings_are_named() {
    for (args, expected) in [
        (&["--command", "true", "--strategy", "magic"][..], "there is no strategy `magic`"),
        (&["--command", "true", "--pin-cpu", "no_such_op"], "no_such_op"),
        (&["--command", "unclosed 'quote"], "is a quote not closed?"),
        (&[], "--command or --evaluator"),
    ] {
        let search = Search::new(&[]);
        let output = search.run(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(code(&output), 2, "{said}");
        assert!(said.contains(expected), "{said}");
    }
}
