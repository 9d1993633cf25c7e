//! The editable log: it reads back exactly, takes a person's corrections, and says where it cannot.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use std::collections::BTreeMap;

use common::{clock, manifest, question, whole_run};
use proptest::prelude::*;
use trial_store::{
    Cause, Identity, Indices, LogError, LoggedTrial, Measurement, Purpose, Question, RunDir, Source, TrialLog,
    Unresolved, Verdict,
};

fn log_of_whole_run() -> TrialLog {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::create(&dir.path().join("run"), manifest(), clock()).unwrap();
    for event in whole_run() {
        run.append(event).unwrap();
    }
    run.append(common::asked(5, [6])).unwrap();
    run.append(common::unresolved(5, Cause::TimedOut, "no answer in 30 s, on two boards # really")).unwrap();
    run.append(common::asked(6, [7, 8])).unwrap();
    TrialLog::of(run.manifest(), &run.history())
}

fn parse(text: &str) -> Result<TrialLog, LogError> {
    TrialLog::parse(text.as_bytes())
}

#[test]
fn a_run_is_one_line_per_trial() {
    insta::assert_snapshot!(log_of_whole_run());
}

#[test]
fn an_unedited_log_replays_the_same_answers() {
    let log = log_of_whole_run();
    let again = parse(&log.to_string()).unwrap();
    assert_eq!(again, log);
    assert_eq!(again.edits().count(), 0);
    let answers = again.answers();
    assert_eq!(answers.len(), 5, "the sixth trial has no answer yet");
    assert!(answers.values().all(|answer| answer.source == Source::Replayed));
    assert_eq!(answers[&question(4..9)].measurement.score, Some(0.995));
}

#[test]
fn a_corrected_verdict_counts_and_its_score_does_not() {
    let text = log_of_whole_run().to_string().replace("pass 3 ", "fail 3 ").replace("fail 4 ", "unresolved 4 ");
    let log = parse(&text.replace("fail 2 ", "ask 2 ")).unwrap();
    assert_eq!(log.edits().map(|trial| trial.number).collect::<Vec<_>>(), [2, 3, 4]);
    let answers = log.answers();
    let corrected = &answers[&question(4..9)];
    assert_eq!((corrected.verdict, corrected.source), (Verdict::Fail, Source::Edited));
    assert_eq!((corrected.measurement.score, corrected.measurement.error_power), (None, None));
    let doubted = &answers[&question([4, 5])];
    assert_eq!(doubted.measurement.unresolved.as_ref().map(|unresolved| unresolved.cause), Some(Cause::Person));
    assert!(!answers.contains_key(&question([])), "it is to be asked again");
}

#[test]
fn a_person_may_write_a_short_line_with_windows_line_ends_and_comments() {
    let text = "# npu-bisect log 1\r\n\r\n  # by hand\r\nseed 3 # mine\r\npass 1 backend=timvx cpu=3,1-2 samples=8 # seen on the bench\r\n";
    let log = parse(text).unwrap();
    assert_eq!(log.seed, 3);
    let question = Question { backend: "timvx".into(), cpu_ops: (1..4).collect(), samples: 8, repeat: 0 };
    assert_eq!(log.answers()[&question].source, Source::Edited);
}

#[test]
fn a_line_that_cannot_be_read_says_which_and_why() {
    let texts = [
        "",
        "# npu-bisect log 2",
        "# npu-bisect log 1\npassed 1 backend=timvx cpu=none samples=8",
        "# npu-bisect log 1\npass one backend=timvx cpu=none samples=8",
        "# npu-bisect log 1\npass 0 backend=timvx cpu=none samples=8",
        "# npu-bisect log 1\npass 1 cpu=none samples=8",
        "# npu-bisect log 1\npass 1 backend=timvx cpu=5-3 samples=8",
        "# npu-bisect log 1\npass 1 backend=timvx cpu=none samples=8 samples=9",
        "# npu-bisect log 1\npass 1 backend=timvx cpu=none samples=8 colour=red",
        "# npu-bisect log 1\npass 1 backend=timvx cpu=none samples=8 purpose=fun",
        "# npu-bisect log 1\npass 1 backend=timvx cpu=none samples=8 ran=8",
        "# npu-bisect log 1\npass 1 backend=timvx cpu=none samples=8 detail=\"open",
        "# npu-bisect log 1\npass 1 backend=timvx cpu=none samples=8 detail=alone",
        "# npu-bisect log 1\npass 1 backend=timvx cpu=none samples=8 score",
        "# npu-bisect log 1\npass 1 backend=timvx cpu=none samples=8\nfail 1 backend=timvx cpu=1 samples=8",
        "# npu-bisect log 1\nconfig threshold high",
        "# npu-bisect log 1\nidentity model 12ab",
    ];
    let messages: Vec<String> = texts.iter().map(|text| parse(text).unwrap_err().to_string()).collect();
    insta::assert_snapshot!(messages.join("\n"));
    assert_eq!(TrialLog::parse(b"# npu-bisect log 1\n\xff").unwrap_err().line, 2);
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>().prop_filter("a NaN equals nothing", |number| !number.is_nan()), Just(f64::INFINITY)]
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop::sample::select(vec![Verdict::Pass, Verdict::Fail, Verdict::Unresolved])
}

fn indices() -> impl Strategy<Value = Indices> {
    prop::collection::vec(0..200_u32, 0..10).prop_map(|numbers| numbers.into_iter().collect())
}

prop_compose! {
    fn measurement()(
        score in prop::option::of(number()), error_power in prop::option::of(number()),
        (samples_used, samples_total) in any::<(u32, u32)>(), seconds in prop::option::of(number()),
        clusters in any::<Option<u32>>(), detail in prop::option::of(any::<String>()),
        cause in prop::sample::select(vec![Cause::Refused, Cause::TimedOut, Cause::TwoCrashes])
    ) -> Measurement {
        let unresolved = detail.map(|detail| Unresolved { cause, detail });
        Measurement { score, error_power, samples_used, samples_total, seconds, clusters, unresolved }
    }
}

prop_compose! {
    fn trial()(
        backend in any::<String>(), cpu_ops in indices(), units in indices(), samples in any::<u32>(), repeat in 0..3_u32,
        verdict in prop::option::of(verdict()), measured in prop::option::of(verdict()), measurement in measurement(),
        purpose in prop::sample::select(vec![Purpose::BaselineCpu, Purpose::Search, Purpose::Necessity])
    ) -> LoggedTrial {
        let question = Question { backend, cpu_ops, samples, repeat };
        LoggedTrial { number: 0, question, units, purpose, verdict, measured, measurement }
    }
}

prop_compose! {
    fn log()(
        tool in any::<String>(), seed in any::<u64>(),
        configuration in prop::collection::btree_map(any::<String>(), any::<String>(), 0..3),
        roles in prop::collection::btree_set(any::<String>(), 0..3), trials in prop::collection::vec(trial(), 0..6)
    ) -> TrialLog {
        let configuration: BTreeMap<_, _> = configuration.into_iter().map(|(name, value)| (name, value.into())).collect();
        let identities = roles.into_iter().map(|role| { let identity = Identity::of_bytes(role.as_bytes()); (role, identity) }).collect();
        let trials = (1..).zip(trials).map(|(number, trial)| LoggedTrial { number, ..trial }).collect();
        TrialLog { tool, seed, configuration, identities, trials }
    }
}

proptest! {
    #[test]
    fn any_log_reads_back_from_its_text(log in log()) {
        prop_assert_eq!(parse(&log.to_string()), Ok(log));
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = TrialLog::parse(&bytes);
        let _ = TrialLog::parse(&[b"# npu-bisect log 1\n", bytes.as_slice()].concat());
    }

    #[test]
    fn a_log_with_one_character_changed_is_read_or_refused(position in any::<prop::sample::Index>(), other in any::<char>()) {
        let text = log_of_whole_run().to_string();
        let mut characters: Vec<char> = text.chars().collect();
        let index = position.index(characters.len());
        characters[index] = other;
        let _ = parse(&characters.into_iter().collect::<String>());
    }
}
