//! The journal as a text in the manner of `git bisect log`: one line per trial, to read, to correct by hand, and to replay.

mod parse;
mod render;

use std::collections::BTreeMap;

pub use parse::LogError;

use crate::{
    Answer, Cause, History, Identity, Indices, Manifest, Measurement, Purpose, Question, Source, Trial, Unresolved,
    Verdict,
};

/// A run as its log tells it; `Display` writes the text, [`TrialLog::parse`] reads it.
///
/// ```text
/// # npu-bisect log 1
/// tool "npu-bisect 0.1.0"
/// seed 7
/// config threshold 0.99
/// identity model af1349b9…
/// fail 2 backend=timvx cpu=none samples=64 purpose=baseline_npu score=0.913 ran=64/64 seconds=1.5 clusters=3 measured=fail
/// ask 3 backend=timvx cpu=3-5 samples=64 purpose=search
/// ```
///
/// The first word of a trial's line is its verdict, or `ask` where there is none. `measured` keeps the verdict that the run gave,
/// so that a changed first word is known as a correction. A `#` at the start of a word begins a comment.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialLog {
    /// Name and version of the tool that ran it.
    pub tool: String,
    /// The seed of everything random.
    pub seed: u64,
    /// Every parameter, by the name of its flag.
    pub configuration: BTreeMap<String, serde_json::Value>,
    /// What the run worked on, by role.
    pub identities: BTreeMap<String, Identity>,
    /// The trials in the order of asking.
    pub trials: Vec<LoggedTrial>,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedTrial {
    /// The trial's number.
    pub number: u32,
    /// What was asked.
    pub question: Question,
    /// The units on the CPU.
    pub units: Indices,
    /// Why it was asked.
    pub purpose: Purpose,
    /// What the log says; none: to be asked again.
    pub verdict: Option<Verdict>,
    /// What the run said; none where it had no answer, or where a person wrote the line.
    pub measured: Option<Verdict>,
    /// What was measured.
    pub measurement: Measurement,
}

impl TrialLog {
    /// The log of a run.
    pub fn of(manifest: &Manifest, history: &History) -> Self {
        Self {
            tool: manifest.tool.clone(),
            seed: manifest.seed,
            configuration: manifest.configuration.clone(),
            identities: manifest.identities.clone(),
            trials: history.trials.values().map(LoggedTrial::of).collect(),
        }
    }

    /// The answers that a replay starts from. Where several lines ask the same question, the last one counts.
    pub fn answers(&self) -> BTreeMap<Question, Answer> {
        self.trials.iter().filter_map(|trial| Some((trial.question.clone(), trial.answer()?))).collect()
    }

    /// The trials whose verdict a person changed.
    pub fn edits(&self) -> impl Iterator<Item = &LoggedTrial> {
        self.trials.iter().filter(|trial| trial.is_edited())
    }
}

impl LoggedTrial {
    fn of(trial: &Trial) -> Self {
        let answer = trial.answer.as_ref().map(|(_, answer)| answer);
        let verdict = answer.map(|answer| answer.verdict);
        Self {
            number: trial.number,
            question: trial.question.clone(),
            units: trial.units.clone(),
            purpose: trial.purpose,
            verdict,
            measured: verdict,
            measurement: answer.map(|answer| answer.measurement.clone()).unwrap_or_default(),
        }
    }

    /// Did a person change what the run said, or write the line?
    pub fn is_edited(&self) -> bool {
        self.verdict != self.measured
    }

    /// The answer that a replay gives; none where the question is to be asked again. A corrected verdict stands alone: the score
    /// that led to the wrong one is dropped.
    pub fn answer(&self) -> Option<Answer> {
        let verdict = self.verdict?;
        let mut measurement = self.measurement.clone();
        if self.measured.is_some() && self.is_edited() {
            measurement.score = None;
            measurement.error_power = None;
            measurement.unresolved = None;
        }
        if verdict == Verdict::Unresolved && measurement.unresolved.is_none() {
            measurement.unresolved = Some(Unresolved { cause: Cause::Person, detail: "the log says so".to_owned() });
        }
        let source = if self.is_edited() { Source::Edited } else { Source::Replayed };
        Some(Answer { verdict, source, measurement })
    }
}
