//! `cargo xtask doctor` through the real binary, over real sshd on loopback, sound and broken.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

mod boards;

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use boards::{Lab, runner, said, sick_sshd};
use serde_json::Value;
use test_kit::{LabgridFarm, Sshd};

/// What doctor finds, by board and check, and its exit code.
struct Findings {
    code: Option<i32>,
    said: String,
    list: Vec<Value>,
}

impl Findings {
    fn get(&self, board: &str, check: &str) -> &Value {
        let wanted = |finding: &&Value| finding["board"].as_str().unwrap_or("") == board && finding["check"] == check;
        self.list.iter().find(wanted).unwrap_or_else(|| panic!("no {check} of {board:?} in {}", self.said))
    }

    fn check(&self, board: &str, check: &str, state: &str, found: &str) {
        let finding = self.get(board, check);
        assert_eq!(finding["state"], state, "{finding}");
        assert!(finding["found"].as_str().unwrap().contains(found), "{finding} does not say {found:?}");
        let needs_remedy = matches!(state, "failed" | "warning");
        assert_eq!(finding["remedy"].is_string(), needs_remedy, "{finding}");
    }
}

fn doctor(lab: &Lab, boards: &Path, more: &[&str]) -> Findings {
    let output = lab.xtask(&[&["doctor", "--json", "--boards", boards.to_str().unwrap()], more].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let list = report["findings"].as_array().cloned().unwrap_or_default();
    assert_eq!(report["ok"], list.iter().all(|finding| finding["state"] != "failed"), "{}", said(&output));
    Findings { code: output.status.code(), said: said(&output), list }
}

fn with_runner() -> [&'static str; 2] {
    ["--runner", runner().to_str().unwrap()]
}

#[test]
fn a_sound_board_passes_every_check_and_is_left_as_it_was() {
    let lab = Lab::new();
    let Some(sshd) = Sshd::start("a_sound_board_passes_every_check_and_is_left_as_it_was") else { return };
    let boards = lab.boards(&[lab.board_behind("desk", &sshd)]);
    let found = doctor(&lab, &boards, &with_runner());
    assert_eq!(found.code, Some(0), "{}", found.said);
    found.check("", "ssh", "ok", "OpenSSH");
    for (check, says) in [
        ("answers", "ssh 127.0.0.1"),
        ("tools", "setsid"),
        ("driver", "1.0"),
        ("work folder", "desk"),
        ("free space", "MB"),
        ("push", "3 were new"),
        ("runner", "starts"),
        ("placement", "a config of 2 lines takes effect"),
    ] {
        found.check("desk", check, "ok", says);
    }
    lab.nothing_is_left(&["desk"]);

    let again = lab.xtask(&[&["doctor", "--boards", boards.to_str().unwrap()], &with_runner()[..]].concat());
    let text = String::from_utf8_lossy(&again.stdout).into_owned();
    assert!(text.contains("board desk\n  ok      answers"), "{text}");
    assert!(text.contains("0 were new there"), "{text}");
}

#[test]
fn what_is_broken_is_named_with_its_remedy_and_sound_boards_beside_it_pass() {
    let test = "what_is_broken_is_named_with_its_remedy_and_sound_boards_beside_it_pass";
    let lab = Lab::new();
    let (Some(sshd), Some(liar)) = (Sshd::start(test), sick_sshd(test, "ignore")) else { return };
    let nobody = lab.board_behind("nobody", &sshd).replace(&format!("\"{}\"", sshd.port), "\"1\"");
    let no_driver = lab.board("no-driver").replace("echo 1.0", "true");
    let no_client = lab.entry("no-client", "{ adb = \"0123\", program = \"/nowhere/adb\" }");
    let no_folder = lab.board("no-folder").replace(&lab.path("no-folder"), "/proc/nowhere");
    let no_library = format!("{}libraries = [\"/nowhere/libOpenVX.so\"]\n", lab.board("no-library"));
    let boards = lab.boards(&[
        nobody,
        no_driver,
        no_client,
        no_folder,
        no_library,
        lab.board_behind("liar", &liar),
        lab.board_behind("sound", &sshd),
    ]);
    let found = doctor(&lab, &boards, &with_runner());
    assert_eq!(found.code, Some(1), "{}", found.said);
    found.check("", "adb", "failed", "/nowhere/adb");
    found.check("nobody", "answers", "failed", "Connection refused");
    found.check("no-driver", "driver", "failed", "no NPU driver");
    found.check("no-client", "answers", "failed", "start `/nowhere/adb`");
    found.check("no-folder", "work folder", "failed", "/proc/nowhere");
    found.check("no-library", "libraries", "failed", "/nowhere/libOpenVX.so");
    found.check("liar", "placement", "failed", "did not take effect");
    found.check("sound", "placement", "ok", "takes effect");
    found.check("", "boards alike", "warning", "no-library");
    let remedy = found.get("nobody", "answers")["remedy"].as_str().unwrap();
    assert!(remedy.contains("ssh -o BatchMode=yes") && remedy.ends_with("127.0.0.1 true"), "{remedy}");
    lab.nothing_is_left(&["liar", "sound"]);

    let alone = doctor(&lab, &lab.boards(&[lab.board("no-driver").replace("echo 1.0", "true")]), &[]);
    assert_eq!(alone.code, Some(5), "no board is usable: {}", alone.said);
}

#[test]
fn a_runner_that_does_not_start_and_one_that_crashes_are_told_apart_from_one_that_does() {
    let lab = Lab::new();
    let boards = lab.local(&["one"]);
    for (script, says) in [
        ("#!/nowhere/sh\n", "does not start (exit code 12"),
        ("#!/bin/sh\necho 'error while loading shared libraries: libtim-vx.so' >&2; exit 127\n", "libtim-vx.so"),
        ("#!/bin/sh\nkill -SEGV $$\n", "signal 11"),
        ("#!/bin/sh\nexit 0\n", "it ended well"),
    ] {
        let found = doctor(&lab, &boards, &["--runner", &lab.script(script)]);
        assert_eq!(found.code, Some(5), "{}", found.said);
        found.check("one", "runner", "failed", says);
    }
    let without = doctor(&lab, &boards, &[]);
    assert_eq!(without.code, Some(0), "{}", without.said);
    without.check("one", "runner", "skipped", "--runner");
}

#[test]
fn a_board_of_a_farm_is_examined_captured_from_and_given_back() {
    let test = "a_board_of_a_farm_is_examined_captured_from_and_given_back";
    let Some(farm) = LabgridFarm::start(test) else { return };
    let lab = Lab::new();
    let boards = lab.boards(&[lab.board_of_farm("shared", &farm)]);
    let found = doctor(&lab, &boards, &with_runner());
    assert_eq!(found.code, Some(0), "{}", found.said);
    found.check("", "labgrid-client", "ok", "");
    found.check("shared", "answers", "ok", "labgrid");
    found.check("shared", "placement", "ok", "takes effect");
    assert!(!farm.is_held(), "doctor has not released the place");

    let (log, model) = (lab.path("log.txt"), test_kit::fixtures().join("models/digits_resnet/pl_old"));
    let capture = ["capture", &log, "--boards", boards.to_str().unwrap(), "--model", model.to_str().unwrap()];
    let output = lab.xtask(&[&capture, &with_runner()[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(fs::read_to_string(&log).unwrap().matches("subgraph operators:").count(), 1);
    assert!(!farm.is_held(), "capture has not released the place");
    lab.nothing_is_left(&["shared"]);
}

#[test]
fn a_demo_is_run_on_a_sample_and_must_print_its_result() {
    let lab = Lab::new();
    let (boards, data) = (lab.local(&["one"]), lab.few_samples("digits_resnet", 1));
    // Without a data.toml beside it.
    let (model, fixture) = (lab.path("model"), test_kit::fixtures().join("models/digits_resnet/pl_old"));
    fs::create_dir(&model).unwrap();
    for name in ["model.pdmodel", "model.pdiparams"] {
        fs::copy(fixture.join(name), Path::new(&model).join(name)).unwrap();
    }
    let demo = |command: &str, data: &[&str]| {
        doctor(&lab, &boards, &[&with_runner(), &["--model", &model, "--demo", command][..], data].concat())
    };
    let data = ["--data", data.to_str().unwrap()];
    let sound = demo("./runner demo {model} {input}", &data);
    assert_eq!(sound.code, Some(0), "{}", sound.said);
    sound.check("one", "placement", "ok", "takes effect");
    sound.check("one", "result", "ok", "one is printed");
    let silent = demo("./runner demo {model} {model}", &data);
    assert_eq!(silent.code, Some(5), "{}", silent.said);
    silent.check("one", "result", "failed", "printed no result for sample 0");
    let without = demo("./runner demo {model} {input}", &[]);
    assert_eq!(without.code, Some(0), "{}", without.said);
    without.check("one", "runner", "skipped", "give --data");
    lab.nothing_is_left(&["one"]);
}

#[test]
fn drivers_are_held_against_the_list_of_the_profile() {
    let lab = Lab::new();
    for (driver, profile, state, says) in [
        ("6.4.4.3.310723", "a311d", "ok", "known to work"),
        ("6.4.4.31", "a311d", "warning", "6.4.4.31"),
        ("6.4.6.5", "a311d", "warning", "6.4.6.5"),
        ("6.4.3.p1.305572", "imx8mp", "ok", "known to work"),
    ] {
        let boards = lab.boards(&[lab.board("one").replace("echo 1.0", &format!("echo {driver}"))]);
        let found = doctor(&lab, &boards, &["--profile", profile]);
        assert_eq!(found.code, Some(0), "{}", found.said);
        found.check("one", "driver", state, says);
    }
    let by_soc = lab.board("one").replace("\"sim\"", "\"rv1126\"");
    doctor(&lab, &lab.boards(&[by_soc]), &[]).check("one", "driver", "warning", "1.0");
}

#[test]
fn a_board_without_setsid_is_told_to_get_one() {
    let lab = Lab::new();
    let tools = tempfile::tempdir().unwrap();
    for tool in ["sh", "cat", "sleep", "mkdir", "mv", "ln", "wc", "head", "uname", "rm", "tr", "dmesg"] {
        let path =
            std::env::split_paths(&std::env::var_os("PATH").unwrap()).map(|dir| dir.join(tool)).find(|p| p.is_file());
        symlink(path.unwrap(), tools.path().join(tool)).unwrap();
    }
    let boards = lab.local(&["bare"]);
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["doctor", "--boards", boards.to_str().unwrap()])
        .env("PATH", tools.path())
        .output()
        .unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(5), "{text}");
    assert!(text.contains("FAILED  tools           setsid missing"), "{text}");
    assert!(text.contains("→ busybox has"), "{text}");
    assert!(text.contains("ssh             not installed, and no board needs it"), "{text}");
    assert!(fs::read_dir(lab.path("bare")).is_err(), "nothing was begun there");
}

#[test]
fn without_boards_it_looks_at_this_machine_alone() {
    let output = Lab::new().xtask(&["doctor"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("give --boards"), "{}", said(&output));
}
