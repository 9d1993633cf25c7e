//! A writer that is killed at any moment loses nothing that it was told is on disk, and repeats no finished trial.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use trial_store::{AskEnd, History, read_run};

const KILLS: u32 = 30;
const TRIALS: u32 = 300;

fn writer(run: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_journal-writer"))
        .arg(run)
        .arg(TRIALS.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Lets the writer go on until it has said `events` times that an event is on disk, then kills it where it stands;
/// returns the number of the last such event.
fn kill_after(run: &Path, events: usize) -> Option<u64> {
    let mut child = writer(run);
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let seen: Vec<u64> = said.by_ref().take(events).map(|line| line.unwrap().parse().unwrap()).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    // What it said between our last look and its death counts too.
    said.map_while(|line| line.ok()?.parse().ok()).last().or(seen.last().copied())
}

fn answers(history: &History) -> Vec<(u32, String)> {
    history
        .trials
        .values()
        .map(|trial| (trial.number, format!("{:?}", trial.answer.as_ref().map(|(_, answer)| answer))))
        .collect()
}

#[test]
fn thirty_kills_at_random_moments_lose_nothing_and_repeat_no_finished_trial() {
    let dir = tempfile::tempdir().unwrap();
    let (disturbed, quiet) = (dir.path().join("disturbed"), dir.path().join("quiet"));
    assert!(writer(&quiet).wait_with_output().unwrap().status.success());

    let mut crashed_asks = 0;
    for kill in 0..KILLS {
        // 1 to 13 events, in an order that repeats only after all 13.
        let said = kill_after(&disturbed, 1 + (kill as usize * 5) % 13).unwrap();
        let snapshot = read_run(&disturbed).unwrap();
        assert!(snapshot.entries.len() as u64 > said, "event {said} was on disk before kill {kill}");
        assert_eq!(snapshot.history.oddities, [], "after kill {kill}");
        assert_eq!(snapshot.history.sessions, kill, "each start but the first found the dead one's run");
        let asks = snapshot.history.trials.values().flat_map(|trial| &trial.asks);
        crashed_asks = asks.filter(|ask| ask.end == AskEnd::Crashed).count();
    }
    assert!(crashed_asks > 0, "no kill hit a trial in flight");

    assert!(writer(&disturbed).wait_with_output().unwrap().status.success());
    let (disturbed_run, quiet_run) = (read_run(&disturbed).unwrap(), read_run(&quiet).unwrap());
    assert_eq!(answers(&disturbed_run.history), answers(&quiet_run.history));
    assert_eq!(disturbed_run.history.oddities, []);
    let trials = fs::read_to_string(disturbed.join("trials.jsonl")).unwrap();
    assert_eq!(trials.lines().count(), TRIALS as usize);
    assert_eq!(fs::read(disturbed.join("subgraph.txt")).unwrap(), fs::read(quiet.join("subgraph.txt")).unwrap());
}
