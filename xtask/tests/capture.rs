//! `cargo xtask capture` through the real binary, over real sshd on loopback.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

mod boards;

use std::{fs, path::Path, process::Output};

use boards::{Lab, runner, said};
use test_kit::{Sshd, fixtures};

fn capture(lab: &Lab, boards: &Path, log: &str, more: &[&str]) -> Output {
    lab.xtask(&[&["capture", log, "--boards", boards.to_str().unwrap()], more].concat())
}

/// A log that a real board printed.
fn real_log() -> String {
    let logs = fixtures().join("real/logs");
    let mut paths: Vec<_> = fs::read_dir(logs).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().find(|path| path.is_file()).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_runner_behind_sshd_gives_a_log_that_the_other_commands_take() {
    let lab = Lab::new();
    let Some(sshd) = Sshd::start("a_runner_behind_sshd_gives_a_log_that_the_other_commands_take") else { return };
    let boards = lab.boards(&[lab.board("unused"), lab.board_behind("desk", &sshd)]);
    let model = fixtures().join("models/digits_resnet/pl_old");
    let model = model.to_str().unwrap();
    let log = lab.path("block.log");
    let output = capture(
        &lab,
        &boards,
        &log,
        &["--board", "desk", "--runner", runner().to_str().unwrap(), "--model", model, "--profile", "a311d"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(
        said(&output).contains("44 ops, 42 of them can run on the NPU; 42 do now, in 1 clusters"),
        "{}",
        said(&output)
    );
    assert_eq!(fs::read_to_string(&log).unwrap().matches("subgraph operators:").count(), 1);
    let (of_log, of_model) = (lab.xtask(&["parse", &log]), lab.xtask(&["parse", model]));
    assert_eq!(of_log.status.code(), Some(0), "{}", said(&of_log));
    assert_eq!(said(&of_log).lines().count(), said(&of_model).lines().count(), "{}", said(&of_log));
    lab.nothing_is_left(&["desk"]);
}

#[test]
fn a_users_own_program_runs_in_the_right_environment_and_its_streams_are_kept_apart() {
    let test = "a_users_own_program_runs_in_the_right_environment_and_its_streams_are_kept_apart";
    let lab = Lab::new();
    let stale = "SetEnv SUBGRAPH_PARTITION_CONFIG_FILE=/stale LD_LIBRARY_PATH=/own";
    let Some(sshd) = Sshd::start_with(test, stale) else { return };
    let boards = lab.boards(&[lab.board_behind("desk", &sshd)]);
    let real = real_log();
    let command = format!(
        "echo \"$GLOG_v ${{SUBGRAPH_PARTITION_CONFIG_FILE-unset}} $VIV_VX_ENABLE_GRAPH_TRANSFORM $LD_LIBRARY_PATH $MINE\" >&2; cat '{real}'"
    );
    let log = lab.path("demo.log");
    let output =
        capture(&lab, &boards, &log, &["--command", &command, "--profile", "a311d", "--board-env", "MINE=it's mine"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(fs::read(&log).unwrap(), fs::read(&real).unwrap());
    assert_eq!(fs::read_to_string(log + ".stderr").unwrap(), "5 unset -pcq:1 /own it's mine\n");
}

#[test]
fn without_a_block_the_log_is_kept_and_what_to_do_is_said() {
    let lab = Lab::new();
    let boards = lab.local(&["one"]);
    let log = lab.path("log.txt");
    for (command, code, says) in [
        ("echo ClassifyResult", 1, "must call UseTimVX()"),
        ("echo 'no such file' >&2; exit 3", 1, "it ended with exit code 3; it said: no such file"),
        (&format!("cat '{}' >&2", real_log()), 1, "the block is in what it wrote to standard error"),
    ] {
        let output = capture(&lab, &boards, &log, &["--command", command]);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(said(&output).contains(says), "{command}: {}", said(&output));
        assert!(Path::new(&log).is_file());
    }
}

#[test]
fn a_block_before_a_crash_is_a_block() {
    let lab = Lab::new();
    let command = format!("cat '{}'; kill -ABRT $$", real_log());
    let output = capture(&lab, &lab.local(&["one"]), &lab.path("log.txt"), &["--command", &command]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("signal 6 ended it"), "{}", said(&output));
}

#[test]
fn what_capture_lacks_is_named() {
    let lab = Lab::new();
    let boards = lab.local(&["one"]);
    let nobody = lab.boards(&[lab.entry("nobody", "{ ssh = \"127.0.0.1\", options = [\"-p\", \"1\"] }")]);
    for (boards, more, code, says) in [
        (&boards, &[][..], 2, "give --runner and --model, or --command"),
        (&boards, &["--runner", "/bin/true"], 2, "the runner needs --model"),
        (&boards, &["--board", "two", "--command", "true"], 2, "there is no such board; there are one"),
        (&nobody, &["--command", "true"], 5, "cargo xtask doctor"),
    ] {
        let output = capture(&lab, boards, &lab.path("log.txt"), more);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(said(&output).contains(says), "{}", said(&output));
    }
}
