//! `cargo xtask search` on a board behind each transport finds what it finds with the simulator at hand: nothing is lost or bent on
//! the way. Real sshd and adb's real client and server are in between; all shared models are in the test that is ignored by default:
//! `cargo test --package xtask --test search_transports -- --ignored --nocapture`.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

mod boards;

use std::{fs, panic, path::PathBuf, thread};

use boards::{Lab, Search};
use test_kit::{AdbServer, Adbd, Age, Sshd};

/// A way to a board, kept open.
enum Way {
    Ssh(Sshd),
    Adb(AdbServer, Adbd),
}

impl Way {
    fn open(test: &str, name: &str) -> Option<Self> {
        Some(match name {
            "ssh" => Self::Ssh(Sshd::start(test)?),
            "old-adb" => Self::Adb(AdbServer::start(test)?, Adbd::start(Age::Legacy)),
            _ => Self::Adb(AdbServer::start(test)?, Adbd::start(Age::Modern)),
        })
    }

    fn boards(&self, lab: &Lab, name: &str) -> PathBuf {
        lab.boards(&[match self {
            Self::Ssh(sshd) => lab.board_behind(name, sshd),
            Self::Adb(server, daemon) => lab.board_behind_adb(name, server, daemon),
        }])
    }
}

/// Searches a model on the simulator at hand and on a board behind each way; says what was found.
fn check(lab: &Lab, ways: &[(&str, &Way)], model: &str, goal: &[&str]) -> String {
    let simulated = lab.search(model, &[&["--backend", "simulated", "--no-cache"], goal].concat());
    thread::scope(|scope| {
        for (name, way) in ways {
            let boards = way.boards(lab, name);
            let simulated = &simulated;
            scope.spawn(move || {
                compare(simulated, &lab.search_boards(model, &boards, goal), &format!("{model} over {name} {goal:?}"));
                lab.nothing_is_left(&[name]);
            });
        }
    });
    found(model, &simulated)
}

fn compare(simulated: &Search, on_board: &Search, label: &str) {
    assert_eq!(on_board.code, simulated.code, "{label}: {}\n{}", simulated.said, on_board.said);
    for fact in ["outcome", "certificate", "cpu_ops", "cluster_ops", "score", "score_cpu", "score_npu"] {
        assert_eq!(on_board.result[fact], simulated.result[fact], "{label}: {fact}: {}", on_board.said);
    }
    assert_eq!(on_board.subgraph, simulated.subgraph, "{label}");
}

fn found(label: &str, search: &Search) -> String {
    let ops = search.result["cpu_ops"].as_array().map_or(0, Vec::len);
    let (outcome, certificate) = (&search.result["outcome"], &search.result["certificate"]);
    format!("{label}: exit {:?}, {outcome} {certificate}, {ops} op(s)", search.code)
}

#[test]
fn a_search_over_ssh_and_either_adb_finds_what_the_local_simulation_finds() {
    let test = "a_search_over_ssh_and_either_adb_finds_what_the_local_simulation_finds";
    let open = |name| Some((name, Way::open(test, name)?));
    let Some(ways) = ["ssh", "adb", "old-adb"].map(open).into_iter().collect::<Option<Vec<_>>>() else { return };
    let ways: Vec<_> = ways.iter().map(|(name, way)| (*name, way)).collect();
    let lab = Lab::new();
    check(&lab, &ways, "digits_seg/pl_old", &[]);
    for model in ["digits_detect/pl_old", "digits_mobilenet/pl_old", "digits_resnet/pl_old"] {
        check(&lab, &ways[..2], model, &[]);
    }
}

#[test]
#[ignore = "takes minutes; the one above is a part of it"]
fn every_shared_model_is_searched_alike_over_ssh_and_adb() {
    let test = "every_shared_model_is_searched_alike_over_ssh_and_adb";
    let (ssh, adb) = (Way::open(test, "ssh").unwrap(), Way::open(test, "adb").unwrap());
    let ways = [("ssh", &ssh), ("adb", &adb)];
    let lab = Lab::new();
    let mut failures = Vec::new();
    for model in models() {
        // What the data description asks for, and a goal that most of what the NPU spoils misses.
        for goal in [&[][..], &["--metric", "sqnr", "--threshold", "25", "--max-trials", "60"]] {
            match panic::catch_unwind(|| check(&lab, &ways, &model, goal)) {
                Ok(found) => println!("{found} {goal:?}"),
                Err(_) => failures.push(format!("{model} {goal:?}")),
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Every variant of every model, `digits_seg/pl_old`.
fn models() -> Vec<String> {
    let folders = |path: PathBuf| {
        let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let variants = folders(test_kit::fixtures().join("models")).into_iter().flat_map(folders);
    let mut names: Vec<String> = variants
        .map(|path| {
            let parts: Vec<_> = path.iter().rev().take(2).map(|part| part.to_str().unwrap()).collect();
            format!("{}/{}", parts[1], parts[0])
        })
        .collect();
    names.sort_unstable();
    names
}
