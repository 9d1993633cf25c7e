//! `cargo xtask search` on boards, through the real binary. The boards are folders of this machine and real sshd on loopback; the
//! simulator plays the NPU there, and is driven as one.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

mod boards;

use std::{fs, path::Path, process::Command};

use boards::{Lab, said, sick_sshd};
use test_kit::Sshd;
use trial_store::BoardNews;

#[test]
fn boards_give_the_answer_of_the_local_simulation() {
    let lab = Lab::new();
    // As many at a time: what is asked, and so what is proven, depends on that.
    let simulated = lab.search("digits_seg/pl_old", &["--backend", "simulated", "--jobs", "2"]);
    let on_boards = lab.search_boards("digits_seg/pl_old", &lab.local(&["one", "two"]), &[]);
    assert_eq!(on_boards.code, Some(0), "{}", on_boards.said);
    assert_eq!(on_boards.result["simulated"], false);
    for fact in ["cpu_ops", "certificate", "outcome", "score", "score_npu", "cluster_ops"] {
        assert_eq!(on_boards.result[fact], simulated.result[fact], "{fact}");
    }
    assert_eq!(on_boards.subgraph, simulated.subgraph);
    lab.nothing_is_left(&["one", "two"]);
    what_trials_said_is_kept_and_their_tensors_are_not(&on_boards.run);
}

/// Outputs are read once, and those of a thousand trials would fill the disk.
fn what_trials_said_is_kept_and_their_tensors_are_not(run: &Path) {
    let folders = |path: &Path| {
        let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let trials = folders(&run.join("boards"));
    assert!(!trials.is_empty());
    for trial in trials {
        assert!(folders(&trial).is_empty(), "{} holds tensors", trial.display());
        assert!(fs::read(trial.join("result.json")).unwrap().starts_with(b"{"));
        assert!(fs::read_to_string(trial.join("stdout")).is_ok() && trial.join("stderr").is_file());
    }
    let log = |trial: &str| fs::read_to_string(run.join("boards").join(trial).join("stdout")).unwrap();
    assert!(log("t2-1").contains("subgraph operators:"), "the block is the proof that a placement took effect");
}

#[test]
fn a_board_that_ignores_placements_is_caught_on_its_first_trial_and_the_others_go_on() {
    let test = "a_board_that_ignores_placements_is_caught_on_its_first_trial_and_the_others_go_on";
    let lab = Lab::new();
    let Some(liar) = sick_sshd(test, "ignore") else { return };
    let boards = lab.boards(&[lab.board_behind("liar", &liar), lab.board("sound")]);
    let search = lab.search_boards("digits_resnet/pl_old", &boards, &[]);
    assert_eq!(search.code, Some(0), "{}", search.said);
    assert!(search.said.contains("liar: failed its check") && search.said.contains("did not take effect"));
    assert!(!search.said.contains("liar: ready"), "{}", search.said);

    let alone = lab.search_boards("digits_resnet/pl_old", &lab.boards(&[lab.board_behind("liar", &liar)]), &[]);
    assert_eq!(alone.code, Some(5), "{}", alone.said);
}

#[test]
fn answers_of_a_board_that_drifts_are_taken_back_and_the_search_is_rebuilt() {
    let test = "answers_of_a_board_that_drifts_are_taken_back_and_the_search_is_rebuilt";
    let lab = Lab::new();
    // Sound through its first check and the first baselines.
    let diary = lab.folder().join("diary");
    let faults = format!("SetEnv SIM_RUNNER_FAULT=drift SIM_RUNNER_SPARED=4 SIM_RUNNER_DIARY={}", diary.display());
    let Some(drifting) = Sshd::start_with(test, &faults) else { return };
    let clean = lab.search("digits_seg/pl_old", &["--backend", "simulated", "--jobs", "2"]);
    let boards = lab.boards(&[lab.board_behind("drifts", &drifting), lab.board("sound")]);
    let search = lab.search_boards("digits_seg/pl_old", &boards, &[]);
    assert_eq!(search.code, Some(0), "{}", search.said);
    assert!(search.said.contains("drifts: given up") && search.said.contains("is asked again"), "{}", search.said);
    assert_eq!(search.result["cpu_ops"], clean.result["cpu_ops"], "{}", search.said);
    assert_eq!(search.result["certificate"], clean.result["certificate"]);
    assert_eq!(search.subgraph, clean.subgraph);

    let brought_back = "being brought back: a new connection";
    assert!(search.said.contains(&format!("drifts: {brought_back}")), "{}", search.said);
    let history = trial_store::read_run(&search.run).unwrap().history;
    assert_eq!(history.started.unwrap().boards, ["drifts", "sound"]);
    let accused = |news: &BoardNews| matches!(news, BoardNews::Fault(fault) if fault.board == "drifts");
    assert!(history.board_news.iter().any(accused), "{:?}", history.board_news);
    let page = fs::read_to_string(search.run.join("report.html")).unwrap();
    for text in ["trouble with drifts", "failed its check", brought_back, "given up", "drifts, sound"] {
        assert!(page.contains(text), "the report does not say {text:?}");
    }
}

#[test]
fn a_run_on_boards_is_resumed_from_another_folder() {
    let lab = Lab::new();
    let boards = lab.local(&["one"]);
    fs::write(lab.folder().join("mine.toml"), "[env]\nMINE = \"1\"\n").unwrap();
    let boards = boards.file_name().unwrap();
    let limited =
        lab.search_boards("digits_seg/pl_old", Path::new(boards), &["--profile", "mine.toml", "--max-trials", "4"]);
    assert_eq!(limited.code, Some(3), "{}", limited.said);
    let resumed = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["search", "--resume", limited.run.to_str().unwrap(), "--max-trials", "100"])
        .current_dir("/")
        .output()
        .unwrap();
    assert_eq!(resumed.status.code(), Some(0), "{}", said(&resumed));
    assert!(limited.run.join("subgraph.txt").is_file());
}

#[test]
fn three_faults_in_ten_trials_change_nothing_over_four_boards_behind_sshd() {
    let test = "three_faults_in_ten_trials_change_nothing_over_four_boards_behind_sshd";
    let lab = Lab::new();
    let faults = "killed,machine,garbage,truncated,stale@30";
    let Some(daemons) = (0..4).map(|_| sick_sshd(test, faults)).collect::<Option<Vec<_>>>() else { return };
    let names = ["b0", "b1", "b2", "b3"];
    let entries: Vec<String> = names.iter().zip(&daemons).map(|(name, sshd)| lab.board_behind(name, sshd)).collect();
    let boards = lab.boards(&entries);
    // As many at a time: what is asked depends on that.
    let clean = lab.search("digits_seg/pl_old", &["--backend", "simulated", "--jobs", "4"]);
    let search = lab.search_boards("digits_seg/pl_old", &boards, &[]);
    assert_eq!(search.code, Some(0), "{}", search.said);
    for fact in ["certificate", "outcome"] {
        assert_eq!(search.result[fact], clean.result[fact], "{fact}: {}", search.said);
    }
    let size = |result: &serde_json::Value| result["cpu_ops"].as_array().unwrap().len();
    assert_eq!(size(&search.result), size(&clean.result));
    assert!(search.said.contains("the trial is run again"), "no fault was injected: {}", search.said);
    lab.nothing_is_left(&names);
}

#[test]
fn a_profile_of_the_users_own_is_found_again_and_a_driver_that_it_does_not_list_is_spoken_of() {
    let lab = Lab::new();
    std::fs::write(lab.folder().join("mine.toml"), "drivers = [\"0.9\"]\n").unwrap();
    let search = lab.search_boards("digits_resnet/pl_old", &lab.local(&["one"]), &["--profile", "mine.toml"]);
    assert_eq!(search.code, Some(0), "{}", search.said);
    assert!(search.said.contains("one: its NPU driver is \"1.0\"; known to work"), "{}", search.said);
    let run = trial_store::read_run(&search.run).unwrap();
    let recorded = std::path::PathBuf::from(run.manifest.configuration["profile"].as_str().unwrap());
    assert!(recorded.is_absolute() && recorded.is_file(), "{}", recorded.display());
    assert_eq!(run.history.boards.keys().collect::<Vec<_>>(), ["one"]);
}

#[test]
fn what_the_board_backend_lacks_is_named() {
    let lab = Lab::new();
    let boards = lab.local(&["one"]);
    let boards = boards.to_str().unwrap();
    let model = test_kit::fixtures().join("models/digits_resnet/pl_old");
    let model = model.to_str().unwrap();
    for (args, expected) in [
        (&["--backend", "board"][..], "needs --boards"),
        (&["--boards", boards], "needs --runner"),
        (&["--boards", "/nowhere/boards.toml", "--runner", "/bin/true", "--model", model], "read /nowhere/boards.toml"),
    ] {
        let output = lab.xtask(&[&["search"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(expected), "{}", said(&output));
    }
}
