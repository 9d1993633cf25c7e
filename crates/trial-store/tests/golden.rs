//! Run directories that an earlier format version wrote stay readable: each is kept under `fixtures/runs` for ever.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::{fmt::Write, fs, path::Path};

use common::clock;
use trial_store::{FORMAT_VERSION, RunDir, TrialLog, Verdict, read_run};

/// What the run says, for people.
fn told(path: &Path) -> String {
    let run = read_run(path).unwrap();
    let history = &run.history;
    let mut text = TrialLog::of(&run.manifest, history).to_string();
    writeln!(text, "entries: {}, sessions: {}, oddities: {:?}", run.entries.len(), history.sessions, history.oddities)
        .unwrap();
    writeln!(text, "lost: {}", run.lost_tail.map_or("nothing".to_owned(), |tail| tail.to_string())).unwrap();
    writeln!(text, "best: {:?}\nboards: {:?}\nboard news: {:?}", history.best, history.boards, history.board_news)
        .unwrap();
    writeln!(
        text,
        "verified: {:?}\nstopped: {:?}\nfinished: {:?}",
        history.verified, history.stopped, history.finished
    )
    .unwrap();
    text
}

#[test]
fn a_finished_run_of_format_1_reads_as_it_always_did() {
    insta::assert_snapshot!(told(&test_kit::fixtures().join("runs/v1/finished")));
}

#[test]
fn a_crashed_run_of_format_1_with_a_torn_tail_reads_as_it_always_did() {
    insta::assert_snapshot!(told(&test_kit::fixtures().join("runs/v1/crashed")));
}

#[test]
fn a_crashed_run_of_format_1_can_be_resumed() {
    let dir = tempfile::tempdir().unwrap();
    for file in fs::read_dir(test_kit::fixtures().join("runs/v1/crashed")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
    }
    let (run, recovered) = RunDir::open_existing(dir.path(), clock()).unwrap();
    assert!(recovered.lost_tail.is_some() && recovered.dead_holder.is_some());
    let unanswered: Vec<u32> = recovered.history.unanswered().map(|trial| trial.number).collect();
    assert_eq!(unanswered, [3]);
    run.append(common::asked_again(3, 2, 4..9)).unwrap();
    run.append(common::answered(3, Verdict::Pass, 0.995)).unwrap();
    drop(run);
    assert_eq!(read_run(dir.path()).unwrap().history.unanswered().count(), 0);
}

/// Run once for a new format version; refuses to touch runs that are there.
#[test]
#[ignore = "writes fixtures"]
fn golden_runs_of_the_present_format_are_written() {
    let root = test_kit::fixtures().join(format!("runs/v{FORMAT_VERSION}"));
    for (name, events) in [("finished", usize::MAX), ("crashed", 8)] {
        let run = RunDir::create(&root.join(name), common::manifest(), clock()).unwrap();
        for event in common::whole_run().into_iter().take(events) {
            run.append(event).unwrap();
        }
    }
    let crashed = root.join("crashed");
    let journal = fs::read(crashed.join("journal.jsonl")).unwrap();
    fs::write(crashed.join("journal.jsonl"), &journal[..journal.len() - 40]).unwrap();
    fs::write(crashed.join("lock"), br#"{"pid":4711,"host":"bench","since":1767225600000}"#).unwrap();
}
