//! What the events of a run add up to: the state that a resumed search and every report start from.

use std::collections::BTreeMap;

use crate::{
    Answer, BestImproved, BoardChanged, BoardFault, BoardState, Entry, Event, Finished, Indices, Purpose, Question,
    RunStarted, Stopped, Timestamp, TrialAsked, Verified,
};

/// A run as its events tell it. Apply them in order; any prefix gives the state at that moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Configuration and sizes; none before the first event.
    pub started: Option<RunStarted>,
    /// Every trial by its number.
    pub trials: BTreeMap<u32, Trial>,
    /// The best placement so far.
    pub best: Option<BestImproved>,
    /// Confirmations of the answer and of its members.
    pub verified: Vec<Verified>,
    /// What happened to boards, in order.
    pub board_news: Vec<BoardNews>,
    /// The last known state of each board.
    pub boards: BTreeMap<String, BoardState>,
    /// Why the latest session ended; none while it runs and after a crash.
    pub stopped: Option<Stopped>,
    /// The result, once it is written.
    pub finished: Option<Finished>,
    /// Processes that have worked on this run.
    pub sessions: u32,
    /// Events that do not fit what came before; a bug in the tool that wrote them.
    pub oddities: Vec<Oddity>,
    by_question: BTreeMap<Question, u32>,
}

/// Something that happened to a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoardNews {
    /// Trouble with it.
    Fault(BoardFault),
    /// It takes trials, is brought back, or is given up.
    Changed(BoardChanged),
}

/// A trial with everything that is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Its number, from 1.
    pub number: u32,
    /// What is asked.
    pub question: Question,
    /// The units on the CPU.
    pub units: Indices,
    /// Why it is asked.
    pub purpose: Purpose,
    /// Each time it was asked, in order; never empty.
    pub asks: Vec<Ask>,
    /// The answer, and when it came.
    pub answer: Option<(Timestamp, Answer)>,
    crashes_in_a_row: u32,
}

impl Trial {
    /// Was the trial in flight at two crashes in a row? It is then `Unresolved` until the user reopens it
    /// ([`Event::TrialReopened`]): the trial itself may be what kills the tool or the machine.
    pub fn lost_in_two_crashes(&self) -> bool {
        self.crashes_in_a_row >= 2
    }

    /// Did it have an answer that was taken back?
    pub fn was_reopened(&self) -> bool {
        self.answer.is_none() && self.asks.last().is_some_and(|ask| ask.end == AskEnd::Answered)
    }

    /// Has it begun in this session, without an end so far?
    pub fn is_in_flight(&self) -> bool {
        self.asks.last().is_some_and(|ask| ask.end == AskEnd::InFlight)
    }

    /// The attempt to ask next.
    pub fn next_attempt(&self) -> u32 {
        self.asks.iter().map(|ask| ask.attempt).max().unwrap_or(0) + 1
    }
}

/// One attempt at a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Counts from 1.
    pub attempt: u32,
    /// The board; none where it is simulated.
    pub board: Option<String>,
    /// When it began.
    pub at: Timestamp,
    /// How it ended.
    pub end: AskEnd,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskEnd {
    /// Not yet, or in a crash that no later session has noticed.
    InFlight,
    /// With an answer.
    Answered,
    /// With trouble on its board.
    Fault,
    /// The session stopped in good order and gave it up.
    GivenUp,
    /// The session crashed.
    Crashed,
}

/// An event that does not fit what came before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oddity {
    /// The event's number.
    pub seq: u64,
    /// What does not fit.
    pub what: String,
}

impl History {
    /// The history of these entries.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut history = Self::default();
        for entry in entries {
            history.apply(entry);
        }
        history
    }

    /// Adds the next event.
    pub fn apply(&mut self, entry: &Entry) {
        match &entry.event {
            Event::RunStarted(started) => {
                self.started = Some(started.clone());
                self.sessions += 1;
            }
            Event::RunResumed(resumed) => self.resume(resumed.in_order),
            Event::TrialAsked(asked) => self.ask(entry, asked),
            Event::TrialAnswered(answered) => self.answered(entry, answered.trial, &answered.answer),
            Event::TrialReopened(reopened) => {
                if let Some(trial) = self.known(entry, reopened.trial) {
                    trial.answer = None;
                    trial.crashes_in_a_row = 0;
                }
                self.best.take_if(|best| best.trial == reopened.trial);
            }
            Event::BoardFault(fault) => self.fault(entry, fault),
            Event::BoardChanged(changed) => {
                self.board_news.push(BoardNews::Changed(changed.clone()));
                self.boards.insert(changed.board.clone(), changed.state);
            }
            Event::Decision(_) => {}
            Event::BestImproved(best) => self.best = Some(best.clone()),
            Event::Verified(verified) => self.verified.push(verified.clone()),
            Event::Stopped(stopped) => self.stopped = Some(stopped.clone()),
            Event::Finished(finished) => self.finished = Some(finished.clone()),
        }
    }

    /// The answer to a question, where one is known.
    pub fn answer(&self, question: &Question) -> Option<&Answer> {
        self.trial_of(question)?.answer.as_ref().map(|(_, answer)| answer)
    }

    /// The latest trial that asked a question.
    pub fn trial_of(&self, question: &Question) -> Option<&Trial> {
        self.trials.get(self.by_question.get(question)?)
    }

    /// Forgets all trials but these; of several with one question the latest that is left answers it.
    pub fn retain_trials(&mut self, keep: impl Fn(&Trial) -> bool) {
        self.trials.retain(|_, trial| keep(trial));
        self.by_question = self.trials.values().map(|trial| (trial.question.clone(), trial.number)).collect();
    }

    /// Trials that were asked and have no answer, by number.
    pub fn unanswered(&self) -> impl Iterator<Item = &Trial> {
        self.trials.values().filter(|trial| trial.answer.is_none())
    }

    /// The number for the next new trial.
    pub fn next_trial(&self) -> u32 {
        self.trials.last_key_value().map_or(1, |(number, _)| number + 1)
    }

    /// Did the latest session end in good order?
    pub fn ended_in_order(&self) -> bool {
        self.stopped.is_some() || self.finished.is_some()
    }

    fn resume(&mut self, in_order: bool) {
        let crashed = !in_order && !self.ended_in_order();
        for trial in self.trials.values_mut() {
            match trial.asks.last_mut() {
                Some(ask) if ask.end == AskEnd::InFlight && crashed => {
                    ask.end = AskEnd::Crashed;
                    trial.crashes_in_a_row += 1;
                }
                Some(ask) if ask.end == AskEnd::InFlight => {
                    ask.end = AskEnd::GivenUp;
                    trial.crashes_in_a_row = 0;
                }
                _ => {}
            }
        }
        self.sessions += 1;
        self.stopped = None;
        self.finished = None;
    }

    fn ask(&mut self, entry: &Entry, asked: &TrialAsked) {
        let trial = self.trials.entry(asked.trial).or_insert_with(|| Trial {
            number: asked.trial,
            question: asked.question.clone(),
            units: asked.units.clone(),
            purpose: asked.purpose,
            asks: Vec::new(),
            answer: None,
            crashes_in_a_row: 0,
        });
        trial.asks.push(Ask {
            attempt: asked.attempt,
            board: asked.board.clone(),
            at: entry.at,
            end: AskEnd::InFlight,
        });
        let (same, had_answer) = (trial.question == asked.question, trial.answer.is_some());
        self.by_question.insert(trial.question.clone(), asked.trial);
        if !same {
            self.odd(entry, format!("trial {} is asked again with another question", asked.trial));
        }
        if had_answer {
            self.odd(entry, format!("trial {} is asked again although it has an answer", asked.trial));
        }
    }

    fn answered(&mut self, entry: &Entry, number: u32, answer: &Answer) {
        let Some(trial) = self.known(entry, number) else { return };
        if let Some(ask) = trial.asks.last_mut() {
            ask.end = AskEnd::Answered;
        }
        trial.crashes_in_a_row = 0;
        let repeated = trial.answer.replace((entry.at, answer.clone())).is_some();
        if repeated {
            self.odd(entry, format!("trial {number} is answered twice"));
        }
    }

    fn fault(&mut self, entry: &Entry, fault: &BoardFault) {
        self.board_news.push(BoardNews::Fault(fault.clone()));
        let Some(number) = fault.trial else { return };
        let Some(trial) = self.known(entry, number) else { return };
        trial.crashes_in_a_row = 0;
        let lost = trial.asks.iter_mut().rev().find(|ask| ask.end == AskEnd::InFlight);
        if let Some(ask) = lost {
            ask.end = AskEnd::Fault;
        }
    }

    fn known(&mut self, entry: &Entry, number: u32) -> Option<&mut Trial> {
        if !self.trials.contains_key(&number) {
            self.odd(entry, format!("trial {number} was never asked"));
        }
        self.trials.get_mut(&number)
    }

    fn odd(&mut self, entry: &Entry, what: String) {
        self.oddities.push(Oddity { seq: entry.seq, what });
    }
}
