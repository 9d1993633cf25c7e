//! The run directory: private, locked, resumable, and plain about what is wrong with it.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::{fs, path::Path};

use common::{answered, asked, asked_again, clock, manifest, question, whole_run};
use trial_store::{
    AskEnd, BoardFault, Event, FaultKind, Recovered, RunDir, StopReason, Stopped, StoreError, TrialReopened, Verdict,
    read_run,
};

fn run_with(path: &Path, events: Vec<Event>) {
    let run = RunDir::create(path, manifest(), clock()).unwrap();
    for event in events {
        run.append(event).unwrap();
    }
}

fn resume(path: &Path) -> (RunDir, Recovered) {
    RunDir::open_existing(path, clock()).unwrap()
}

fn stopped() -> Event {
    Event::Stopped(Stopped { reason: StopReason::Interrupted, detail: String::new() })
}

#[test]
fn a_finished_run_reads_back_with_all_that_its_events_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    run_with(&path, whole_run());

    let snapshot = read_run(&path).unwrap();
    assert_eq!(snapshot.manifest.configuration, manifest().configuration);
    let history = snapshot.history;
    assert_eq!(history.oddities, []);
    assert_eq!(history.trials.len(), 4);
    assert_eq!(history.next_trial(), 5);
    assert_eq!(history.unanswered().count(), 0);
    assert_eq!(history.answer(&question(4..9)).map(|answer| answer.verdict), Some(Verdict::Pass));
    assert_eq!(history.answer(&question(4..8)), None);
    assert_eq!(
        history.trials[&3].asks.iter().map(|ask| ask.end).collect::<Vec<_>>(),
        [AskEnd::Fault, AskEnd::Answered]
    );
    assert_eq!(history.best.map(|best| best.trial), Some(3));
    assert_eq!(history.finished.map(|finished| finished.trials), Some(4));
}

#[test]
fn each_answer_is_a_plain_line_of_trials_jsonl() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    run_with(&path, whole_run());
    insta::assert_snapshot!(fs::read_to_string(path.join("trials.jsonl")).unwrap());
}

#[test]
fn opening_a_run_makes_its_trials_file_whole_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    run_with(
        &path,
        vec![asked(1, [1]), answered(1, Verdict::Fail, 0.5), asked(2, [2]), answered(2, Verdict::Pass, 1.0)],
    );
    let whole = fs::read_to_string(path.join("trials.jsonl")).unwrap();
    fs::write(path.join("trials.jsonl"), &whole[..whole.len() / 2]).unwrap();
    drop(resume(&path));
    assert_eq!(fs::read_to_string(path.join("trials.jsonl")).unwrap(), whole);
}

#[cfg(unix)]
#[test]
fn a_run_directory_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let (new, old) = (dir.path().join("new"), dir.path().join("old"));
    fs::create_dir(&old).unwrap();
    for path in [new, old] {
        run_with(&path, vec![]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn a_second_writer_is_told_who_holds_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    let _run = RunDir::create(&path, manifest(), clock()).unwrap();
    let Err(error) = RunDir::open_existing(&path, clock()) else { panic!("two writers") };
    let text = error.to_string();
    assert!(matches!(error, StoreError::Locked { .. }), "{text}");
    assert!(text.contains(&format!("process {} on ", std::process::id())), "{text}");
    assert!(text.contains("since 2026-01-01T00:00:00.000Z"), "{text}");
    assert!(read_run(&path).is_ok(), "looking on needs no lock");
}

#[test]
fn the_lock_of_a_dead_process_is_taken_over_and_its_name_reported() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    run_with(&path, vec![]);
    assert_eq!(resume(&path).1.dead_holder, None, "the holder before ended in good order");
    fs::write(path.join("lock"), br#"{"pid":4711,"host":"bench","since":5}"#).unwrap();
    assert_eq!(resume(&path).1.dead_holder.map(|holder| (holder.pid, holder.host)), Some((4711, "bench".to_owned())));
}

#[test]
fn a_directory_in_use_for_something_else_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    run_with(&path, vec![]);
    assert!(matches!(RunDir::create(&path, manifest(), clock()), Err(StoreError::AlreadyARun(_))));

    let other = dir.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("thesis.tex"), "").unwrap();
    let Err(error) = RunDir::create(&other, manifest(), clock()) else { panic!("taken") };
    assert!(error.to_string().contains("thesis.tex"), "{error}");

    assert!(matches!(RunDir::open_existing(&other, clock()), Err(StoreError::NotARun(_))));
    assert!(matches!(read_run(&dir.path().join("nowhere")), Err(StoreError::NotARun(_))));
}

#[test]
fn what_a_creation_cut_short_has_left_is_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    fs::create_dir(&path).unwrap();
    for name in ["lock", "journal.jsonl", ".run.json.part"] {
        fs::write(path.join(name), "").unwrap();
    }
    run_with(&path, vec![asked(1, [])]);
    assert_eq!(resume(&path).1.entries.len(), 1);
    assert!(!path.join(".run.json.part").exists());
}

/// As a process that dies does; one that ends empties the file.
fn leave_a_name_in_the_lock(run: &Path) {
    fs::write(run.join("lock"), r#"{"pid":1,"host":"here","since":0}"#).unwrap();
}

#[test]
fn a_trial_in_flight_at_a_crash_is_asked_again_and_after_two_in_a_row_it_is_left_to_the_user() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    run_with(&path, vec![asked(1, [1]), answered(1, Verdict::Fail, 0.5), asked(2, [2]), asked(3, [3])]);
    leave_a_name_in_the_lock(&path);

    let (run, once) = resume(&path);
    let unanswered: Vec<_> = once.history.unanswered().map(|trial| (trial.number, trial.next_attempt())).collect();
    assert_eq!(unanswered, [(2, 2), (3, 2)]);
    assert!(once.history.unanswered().all(|trial| !trial.lost_in_two_crashes()));
    run.append(asked_again(2, 2, [2])).unwrap();
    drop(run);
    leave_a_name_in_the_lock(&path);

    let (run, twice) = resume(&path);
    let lost: Vec<_> = twice.history.unanswered().filter(|trial| trial.lost_in_two_crashes()).collect();
    assert_eq!(lost.iter().map(|trial| trial.number).collect::<Vec<_>>(), [2]);
    run.append(Event::TrialReopened(TrialReopened { trial: 2 })).unwrap();
    assert!(!run.history().trials[&2].lost_in_two_crashes());
}

#[test]
fn a_stop_in_good_order_and_a_board_fault_are_no_crashes() {
    for between in [
        stopped(),
        Event::BoardFault(BoardFault {
            board: "b".into(),
            trial: Some(1),
            kind: FaultKind::Timeout,
            detail: String::new(),
        }),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        run_with(&path, vec![asked(1, [1])]);
        let (run, _) = resume(&path);
        run.append(asked_again(1, 2, [1])).unwrap();
        run.append(between).unwrap();
        drop(run);
        let (run, _) = resume(&path);
        run.append(asked_again(1, 3, [1])).unwrap();
        drop(run);
        leave_a_name_in_the_lock(&path);
        let history = resume(&path).1.history;
        assert!(!history.trials[&1].lost_in_two_crashes(), "{:?}", history.trials[&1].asks);
    }
}

#[test]
fn a_process_that_ends_with_an_error_has_not_crashed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    run_with(&path, vec![asked(1, [1])]);
    for attempt in 2..5 {
        let (run, _) = resume(&path);
        // A full disk, say: the event that would explain the end could not be written.
        run.append(asked_again(1, attempt, [1])).unwrap();
    }
    let history = resume(&path).1.history;
    assert!(!history.trials[&1].lost_in_two_crashes(), "{:?}", history.trials[&1].asks);
}

#[test]
fn events_that_do_not_fit_are_named_and_do_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    run_with(
        &path,
        vec![
            answered(7, Verdict::Pass, 1.0),
            asked(1, [1]),
            answered(1, Verdict::Pass, 1.0),
            answered(1, Verdict::Fail, 0.0),
            asked_again(1, 2, [2]),
        ],
    );
    let history = read_run(&path).unwrap().history;
    let oddities: Vec<_> = history.oddities.iter().map(|oddity| (oddity.seq, oddity.what.as_str())).collect();
    assert_eq!(
        oddities,
        [
            (0, "trial 7 was never asked"),
            (3, "trial 1 is answered twice"),
            (4, "trial 1 is asked again with another question"),
            (4, "trial 1 is asked again although it has an answer"),
        ]
    );
}

#[test]
fn a_file_of_the_run_is_replaced_whole_and_never_lands_outside() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::create(&dir.path().join("run"), manifest(), clock()).unwrap();
    run.write("subgraph.txt", b"old, and longer\n").unwrap();
    let path = run.write("subgraph.txt", b"new\n").unwrap();
    assert_eq!(fs::read(path).unwrap(), b"new\n");
    assert!(run.write("outputs/trial-3.bin", &[1, 2, 3]).unwrap().is_file());
    for outside in ["../x", "/tmp/x", "a/../../x"] {
        assert!(matches!(run.write(outside, b""), Err(StoreError::Path(_))), "{outside}");
    }
}

#[test]
fn the_tool_log_has_a_time_before_each_line() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::create(&dir.path().join("run"), manifest(), clock()).unwrap();
    run.log("one\ntwo").unwrap();
    run.log("three").unwrap();
    let text = fs::read_to_string(run.path().join("tool.log")).unwrap();
    let ends: Vec<&str> = text.lines().map(|line| line.split_once("Z ").unwrap().1).collect();
    assert_eq!(ends, ["one", "two", "three"]);
}

#[test]
fn threads_may_share_a_run_and_their_events_come_one_after_another() {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::create(&dir.path().join("run"), manifest(), clock()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let run = &run;
            scope.spawn(move || {
                for trial in 1..=5 {
                    run.append(asked(10 * thread + trial, [trial])).unwrap();
                }
            });
        }
    });
    assert_eq!(read_run(run.path()).unwrap().history.trials.len(), 20);
}
