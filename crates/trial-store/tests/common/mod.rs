//! A small run that has one event of every kind, and strategies for arbitrary ones.

#![allow(dead_code, unreachable_pub, reason = "each test file takes what it needs")]

use std::sync::atomic::{AtomicU64, Ordering};

use trial_store::{
    Answer, BestImproved, BoardChanged, BoardFault, BoardState, Cause, Certificate, Clock, Decision, Event, FaultKind,
    Finished, Identity, Indices, Manifest, Measurement, Outcome, Purpose, Question, RunStarted, StopReason, Stopped,
    Timestamp, TrialAnswered, TrialAsked, TrialReopened, Unresolved, Verdict, Verified,
};

/// A clock that advances one second a look, from 2026-01-01.
pub fn clock() -> impl Clock {
    let looks = AtomicU64::new(0);
    move || Timestamp::from_millis(1_767_225_600_000 + 1000 * looks.fetch_add(1, Ordering::Relaxed))
}

pub fn manifest() -> Manifest {
    let mut manifest = Manifest::new("npu-bisect 0.1.0", 7);
    manifest.configuration.insert("metric".into(), "pixel-agreement".into());
    manifest.configuration.insert("threshold".into(), 0.99.into());
    manifest.identities.insert("model".into(), Identity::of_bytes(b"model"));
    manifest.identities.insert("inputs".into(), Identity::of_bytes(b"inputs"));
    manifest
}

pub fn question(cpu_ops: impl IntoIterator<Item = u32>) -> Question {
    Question { backend: "timvx".into(), cpu_ops: Indices::from_iter(cpu_ops), samples: 64, repeat: 0 }
}

pub fn asked(trial: u32, cpu_ops: impl IntoIterator<Item = u32>) -> Event {
    Event::TrialAsked(TrialAsked::new(trial, question(cpu_ops), Purpose::Search))
}

pub fn asked_again(trial: u32, attempt: u32, cpu_ops: impl IntoIterator<Item = u32>) -> Event {
    Event::TrialAsked(TrialAsked { attempt, ..TrialAsked::new(trial, question(cpu_ops), Purpose::Search) })
}

pub fn answered(trial: u32, verdict: Verdict, score: f64) -> Event {
    let measurement = Measurement {
        score: Some(score),
        error_power: Some(0.1 + 0.2), // not a short decimal: it must come back to the last bit
        samples_used: 64,
        samples_total: 64,
        seconds: Some(1.25),
        clusters: Some(3),
        unresolved: None,
    };
    Event::TrialAnswered(TrialAnswered::new(trial, Answer::measured(verdict, measurement)))
}

pub fn unresolved(trial: u32, cause: Cause, detail: &str) -> Event {
    let unresolved = Some(Unresolved { cause, detail: detail.into() });
    let measurement = Measurement { samples_total: 64, unresolved, ..Measurement::default() };
    Event::TrialAnswered(TrialAnswered::new(trial, Answer::measured(Verdict::Unresolved, measurement)))
}

/// A whole run in good order, with one event of every kind that a caller writes.
pub fn whole_run() -> Vec<Event> {
    let baseline = Question { backend: "lite".into(), ..question([]) };
    let boards = vec!["board-1".to_owned(), "board-2".to_owned()];
    vec![
        Event::RunStarted(RunStarted { manifest: manifest(), ops: 40, units: 23, boards, workers: 2 }),
        Event::TrialAsked(TrialAsked::new(1, baseline, Purpose::BaselineCpu)),
        answered(1, Verdict::Pass, 1.0),
        Event::TrialAsked(TrialAsked::new(2, question([]), Purpose::BaselineNpu)),
        answered(2, Verdict::Fail, 0.913),
        Event::Decision(Decision {
            strategy: "bisect".into(),
            text: "halve the prefix".into(),
            remaining_at_least: Some(2),
            remaining_at_most: Some(9),
        }),
        Event::TrialAsked(TrialAsked {
            board: Some("board-1".into()),
            units: Indices::from_iter([2, 3]),
            ..TrialAsked::new(3, question(4..9), Purpose::Search)
        }),
        Event::BoardFault(BoardFault {
            board: "board-1".into(),
            trial: Some(3),
            kind: FaultKind::Transport,
            detail: "connection closed".into(),
        }),
        Event::BoardChanged(BoardChanged { board: "board-1".into(), state: BoardState::Quarantined, treatment: None }),
        Event::TrialAsked(TrialAsked {
            board: Some("board-2".into()),
            units: Indices::from_iter([2, 3]),
            attempt: 2,
            ..TrialAsked::new(3, question(4..9), Purpose::Search)
        }),
        answered(3, Verdict::Pass, 0.995),
        Event::BestImproved(BestImproved {
            trial: 3,
            cpu_ops: (4..9).collect(),
            units: Indices::from_iter([2, 3]),
            score: Some(0.995),
        }),
        asked(4, [4, 5]),
        unresolved(4, Cause::Refused, "the stack says \"no\"\nand no more"),
        Event::TrialReopened(TrialReopened { trial: 4 }),
        asked_again(4, 2, [4, 5]),
        answered(4, Verdict::Fail, 0.95),
        Event::Verified(Verified { trial: 3, without_unit: None, verdict: Verdict::Pass }),
        Event::Stopped(Stopped { reason: StopReason::Converged, detail: String::new() }),
        Event::Finished(Finished {
            outcome: Outcome::Found,
            certificate: Some(Certificate::NoSmallerFound),
            smaller_tried: vec![Indices::from_iter([4, 5])],
            cpu_ops: (4..9).collect(),
            units: Indices::from_iter([2, 3]),
            score: Some(0.995),
            score_cpu: Some(1.0),
            score_npu: Some(0.913),
            clusters: Some(3),
            trials: 4,
        }),
    ]
}
