//! The console of a small run, in every mode and at two widths.

use report::{Console, Mode};
use trial_store::{
    Answer, BestImproved, BoardChanged, BoardFault, BoardState, Cause, Entry, Event, FaultKind, Indices, Manifest,
    Measurement, Purpose, Question, RunStarted, StopReason, Stopped, Timestamp, TrialAnswered, TrialAsked, Unresolved,
    Verdict, Verified,
};

fn asked(trial: u32, units: &[u32], purpose: Purpose, board: &str) -> Event {
    let cpu_ops: Indices = units.iter().copied().collect();
    let question = Question { backend: "timvx".into(), cpu_ops: cpu_ops.clone(), samples: 64, repeat: 0 };
    let board = Some(board.to_owned());
    Event::TrialAsked(TrialAsked { units: cpu_ops, board, ..TrialAsked::new(trial, question, purpose) })
}

fn answered(trial: u32, verdict: Verdict, score: Option<f64>) -> Event {
    let refusal = "unmapped operand: `save_infer_model/scale_0.tmp_1` enters a cluster in which no op reads it\nmore";
    let unresolved = score.is_none().then(|| Unresolved { cause: Cause::Refused, detail: refusal.to_owned() });
    let measured = Measurement { score, unresolved, ..Measurement::default() };
    Event::TrialAnswered(TrialAnswered::new(trial, Answer::measured(verdict, measured)))
}

fn best(trial: u32, units: &[u32], score: f64) -> Event {
    let units: Indices = units.iter().copied().collect();
    Event::BestImproved(BestImproved { trial, cpu_ops: units.clone(), units, score: Some(score) })
}

fn events() -> Vec<Entry> {
    let boards = vec!["rv1126-a".to_owned(), "rv1126-b".to_owned()];
    let manifest = Manifest::new("npu-bisect 0.1.0", 0);
    let fault = BoardFault {
        board: "rv1126-b".into(),
        trial: Some(4),
        kind: FaultKind::Transport,
        detail: "the connection broke".into(),
    };
    let changed = |state, treatment| Event::BoardChanged(BoardChanged { board: "rv1126-b".into(), state, treatment });
    let events = vec![
        Event::RunStarted(RunStarted { manifest, ops: 69, units: 28, boards, workers: 2 }),
        asked(1, &[], Purpose::BaselineCpu, "rv1126-a"),
        answered(1, Verdict::Pass, Some(0.9644)),
        asked(2, &[], Purpose::BaselineNpu, "rv1126-a"),
        answered(2, Verdict::Fail, Some(0.7311)),
        asked(3, &[0, 1, 2, 3, 4, 5, 6], Purpose::Search, "rv1126-a"),
        asked(4, &[7, 8, 9], Purpose::Search, "rv1126-b"),
        answered(3, Verdict::Pass, Some(0.9601)),
        best(3, &[0, 1, 2, 3, 4, 5, 6], 0.9601),
        Event::BoardFault(fault),
        changed(BoardState::Recovering, Some("a reboot".into())),
        changed(BoardState::Quarantined, None),
        asked(4, &[7, 8, 9], Purpose::Search, "rv1126-a"),
        answered(4, Verdict::Unresolved, None),
        asked(5, &[2], Purpose::Search, "rv1126-a"),
        answered(5, Verdict::Pass, Some(0.9644)),
        best(5, &[2], 0.9644),
        asked(6, &[], Purpose::Necessity, "rv1126-a"),
        answered(6, Verdict::Fail, Some(0.7311)),
        asked(7, &[2], Purpose::Verification, "rv1126-a"),
        answered(7, Verdict::Pass, Some(0.9644)),
        Event::Verified(Verified { trial: 7, without_unit: None, verdict: Verdict::Pass }),
        Event::Stopped(Stopped { reason: StopReason::Converged, detail: String::new() }),
    ];
    let at = |seq: usize| Timestamp::from_millis(1_700_000_000_000 + 17_000 * seq as u64);
    events.into_iter().enumerate().map(|(seq, event)| Entry { seq: seq as u64, at: at(seq), event }).collect()
}

fn shown(mode: Mode, colors: bool, columns: usize) -> String {
    let units = (0..28).map(|unit| format!("conv2d {}", 3 * unit)).collect();
    let mut console = Console::new(mode, units, colors);
    events().iter().map(|entry| console.show(entry, columns)).collect::<String>().replace('\x1b', "␛")
}

#[test]
fn a_pipe_gets_a_line_for_each_trial() {
    insta::assert_snapshot!(shown(Mode::Plain, false, 80));
}

#[test]
fn a_terminal_gets_a_status_below_the_trials() {
    insta::assert_snapshot!(shown(Mode::Live, true, 100));
}

#[test]
fn a_narrow_terminal_without_colours_gets_shorter_lines() {
    insta::assert_snapshot!(shown(Mode::Live, false, 60));
}

#[test]
fn a_program_gets_the_events() {
    insta::assert_snapshot!(shown(Mode::Json, false, 80));
}

#[test]
fn quiet_is_quiet() {
    assert_eq!(shown(Mode::Quiet, true, 80), "");
}
