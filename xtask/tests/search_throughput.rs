//! What boards cost beyond the trials themselves, and what further boards give. Figures, not a test of time:
//! `cargo test --package xtask --test search_throughput -- --ignored --nocapture`.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

mod boards;

use std::{fs, path::PathBuf};

use boards::{Lab, Search};
use serde_json::Value;
use test_kit::Sshd;
use trial_store::{History, Purpose, read_run};

const TRIAL: &str = "--pause-ms 200";

#[test]
#[ignore = "measures"]
fn throughput_of_four_boards_behind_ssh_and_overhead_per_trial() {
    let lab = Lab::new();
    let daemons = [0; 4].map(|_| Sshd::start("throughput").unwrap());
    let entries: Vec<String> =
        daemons.iter().enumerate().map(|(at, sshd)| lab.board_behind(&format!("b{at}"), sshd)).collect();
    let data = lab.few_samples("digits_seg", 4);
    let [one, four] = [1, 4].map(|count| {
        let boards = lab.boards(&entries[..count]);
        // A strategy that nearly always has four questions: what is measured are the boards.
        let goal = ["--metric", "sqnr", "--threshold", "25", "--units", "op", "--strategy", "rank-greedy"];
        let args = [&["--data", data.to_str().unwrap(), "--runner-args", TRIAL], &goal[..]].concat();
        let search = lab.search_boards("digits_seg/pl_old", &boards, &args);
        assert_eq!(search.code, Some(0), "{}", search.said);
        assert!(search.result["cpu_ops"].as_array().is_some_and(|ops| !ops.is_empty()), "{}", search.said);
        let (trials, seconds, in_flight) = throughput(&search);
        println!("{count} board(s): {trials} trials in {seconds:.1} s, {:.2} a second", trials as f64 / seconds);
        println!("  {in_flight:.2} of them at a time");
        println!("  beyond the program's own time: {:.0} ms a trial (median)", overhead(&search));
        trials as f64 / seconds
    });
    println!("four boards: {:.2} times the throughput of one", four / one);
}

/// The trials of the search proper, how long they took together, and how many ran at a time.
fn throughput(search: &Search) -> (usize, f64, f64) {
    let history = read_run(&search.run).unwrap().history;
    let searched = |trial: &&trial_store::Trial| matches!(trial.purpose, Purpose::Search | Purpose::Necessity);
    let trials: Vec<_> = history.trials.values().filter(searched).collect();
    let times =
        |trial: &trial_store::Trial| (trial.asks[0].at.as_millis(), trial.answer.as_ref().unwrap().0.as_millis());
    let began = trials.iter().map(|trial| times(trial).0).min().unwrap();
    let ended = trials.iter().map(|trial| times(trial).1).max().unwrap();
    let busy: u64 = trials.iter().map(|trial| times(trial).1 - times(trial).0).sum();
    (trials.len(), (ended - began) as f64 / 1000.0, busy as f64 / (ended - began) as f64)
}

/// Milliseconds between what a trial took as the search saw it and what the program says it took; the median of the trials that ran.
fn overhead(search: &Search) -> f64 {
    let history: History = read_run(&search.run).unwrap().history;
    let seen = history.trials.values().filter_map(|trial| trial.answer.as_ref()?.1.measurement.seconds);
    let (mut seen, mut own): (Vec<f64>, Vec<f64>) = (seen.map(|seconds| seconds * 1e3).collect(), Vec::new());
    for folder in fs::read_dir(search.run.join("boards")).unwrap().map(|entry| entry.unwrap().path()) {
        own.extend(own_time(&folder.join("result.json")));
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    median(&mut seen) - median(&mut own)
}

fn own_time(result: &PathBuf) -> Option<f64> {
    let result: Value = serde_json::from_slice(&fs::read(result).ok()?).ok()?;
    Some(result["timings"]["load_ms"].as_f64()? + result["timings"]["first_run_ms"].as_f64()?)
}
