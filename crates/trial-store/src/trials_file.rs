//! `trials.jsonl`: one plain line per finished trial, derived from the journal for people and programs.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{Answer, History, Indices, Purpose, Question, StoreError, Timestamp, Trial, write_atomically};

/// A line of `trials.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrialLine {
    /// The trial's number.
    pub trial: u32,
    /// When it ended, UTC, for people; the journal has it in milliseconds.
    pub ended: String,
    /// Why it was asked.
    pub purpose: Purpose,
    /// What was asked.
    #[serde(flatten)]
    pub question: Question,
    /// The units on the CPU.
    pub units: Indices,
    /// How often it was asked until it had an answer.
    pub attempts: u32,
    /// The board of the last attempt.
    pub board: Option<String>,
    /// Verdict and measurement.
    #[serde(flatten)]
    pub answer: Answer,
}

impl TrialLine {
    /// The line of a trial, where it has an answer.
    pub fn of(trial: &Trial) -> Option<Self> {
        let (at, answer) = trial.answer.clone()?;
        Some(Self::new(trial, at, answer))
    }

    fn new(trial: &Trial, at: Timestamp, answer: Answer) -> Self {
        Self {
            trial: trial.number,
            ended: at.to_string(),
            purpose: trial.purpose,
            question: trial.question.clone(),
            units: trial.units.clone(),
            attempts: trial.asks.len() as u32,
            board: trial.asks.last().and_then(|ask| ask.board.clone()),
            answer,
        }
    }
}

/// Keeps the file in step with the history.
#[derive(Debug)]
pub(crate) struct TrialsFile {
    path: PathBuf,
    /// Open for appending while the file is in step.
    file: Option<File>,
}

impl TrialsFile {
    /// The file is written when the first line is due.
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None }
    }

    /// Adds the line of a trial that `history` has just seen answered; writes the whole file where it was not in step.
    pub(crate) fn add(&mut self, history: &History, number: u32) -> Result<(), StoreError> {
        let Some(line) = history.trials.get(&number).and_then(TrialLine::of) else { return Ok(()) };
        let Some(file) = &mut self.file else { return self.rewrite(history) };
        let written = text(&line).and_then(|text| file.write_all(text.as_bytes()));
        written.map_err(|source| {
            self.file = None; // its end is unknown now
            StoreError::io("append to", &self.path, source)
        })
    }

    /// Writes the lines of all finished trials, in the order of their answers.
    pub(crate) fn rewrite(&mut self, history: &History) -> Result<(), StoreError> {
        let mut lines: Vec<(Timestamp, TrialLine)> = history
            .trials
            .values()
            .filter_map(|trial| Some((trial.answer.as_ref()?.0, TrialLine::of(trial)?)))
            .collect();
        lines.sort_by_key(|(at, line)| (*at, line.trial));
        let io = |source| StoreError::io("write", &self.path, source);
        let whole = lines.iter().map(|(_, line)| text(line)).collect::<io::Result<String>>().map_err(io)?;
        write_atomically(&self.path, whole.as_bytes())?;
        self.file = Some(OpenOptions::new().append(true).open(&self.path).map_err(io)?);
        Ok(())
    }
}

fn text(line: &TrialLine) -> io::Result<String> {
    Ok(serde_json::to_string(line)? + "\n")
}
