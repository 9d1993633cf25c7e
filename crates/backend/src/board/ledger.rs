//! What boards answered, to whom, and what of it is not certain yet.

use std::{collections::BTreeMap, sync::mpsc::Sender};

use board::{
    digest::Sha256,
    pool::{Answer, BoardChange, Event},
    trial::Attempt,
};
use op_graph::Placement;

use super::{outputs, profile::is_one_of};
use crate::{Device, Happening, News};

/// A trial's answer and the board that gave it, or why there is none.
pub(super) type Told = Result<(String, Answer), String>;

/// What a trial was to find out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    pub(super) device: Device,
    pub(super) placement: Placement,
}

/// Who waits, what was said, and what happened meanwhile.
#[derive(Default)]
pub(super) struct Ledger {
    waiting: BTreeMap<String, (Asked, Sender<Told>)>,
    /// Answers that were handed on and are not confirmed yet.
    unconfirmed: BTreeMap<String, (Asked, Gist)>,
    withdrawn: Vec<Asked>,
    news: Vec<News>,
    /// Driver versions that are known to work; none where nothing is known.
    drivers: Vec<String>,
}

/// What makes two answers to one question equal.
#[derive(Clone, Debug, PartialEq)]
enum Gist {
    Ran(Vec<Sha256>),
    Failed,
    Hung,
}

impl Ledger {
    /// Boards with other drivers than these are spoken of.
    pub(super) fn new(drivers: Vec<String>) -> Self {
        Self { drivers, ..Self::default() }
    }

    /// Somebody waits for a trial.
    pub(super) fn expect(&mut self, trial: &str, asked: Asked, waiter: Sender<Told>) {
        self.waiting.insert(trial.to_owned(), (asked, waiter));
    }

    /// Nothing was concluded from a trial: it need not be confirmed.
    pub(super) fn disregard(&mut self, trial: &str) {
        self.unconfirmed.remove(trial);
    }

    /// What was handed on for a device and is not certain.
    pub(super) fn doubtful(&self, device: Device) -> Vec<Placement> {
        let doubtful = self.unconfirmed.values().filter(|(asked, _)| asked.device == device);
        doubtful.map(|(asked, _)| asked.placement.clone()).collect()
    }

    /// Is everything that was handed on certain, or known to be wrong?
    pub(super) fn is_settled(&self) -> bool {
        self.unconfirmed.is_empty() || !self.withdrawn.is_empty()
    }

    /// What turned out wrong for a device.
    pub(super) fn take_withdrawn(&mut self, device: Device) -> Vec<Placement> {
        let (taken, left) = std::mem::take(&mut self.withdrawn).into_iter().partition(|asked| asked.device == device);
        self.withdrawn = left;
        taken.into_iter().map(|asked: Asked| asked.placement).collect()
    }

    pub(super) fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    pub(super) fn hear(&mut self, event: Event) {
        if let Event::Board { board, change: BoardChange::Joined(identity) } = &event
            && !self.drivers.is_empty()
            && !is_one_of(&self.drivers, &identity.driver)
        {
            let known = self.drivers.join(", ");
            let detail =
                format!("its NPU driver is {:?}; known to work on boards of its kind: {known}", identity.driver);
            self.news.push(News { device: board.clone(), what: Happening::Trouble(detail) });
        }
        self.news.extend(news(&event));
        match event {
            Event::Answered { trial, board, answer } => self.answered(trial, board, answer),
            Event::Confirmed { trials } => trials.iter().for_each(|trial| {
                self.unconfirmed.remove(trial);
            }),
            Event::Unanswered { trial, reason } => match self.waiting.remove(&trial) {
                Some((_, waiter)) => {
                    let _ = waiter.send(Err(reason)); // whoever gave up waiting does not care
                }
                // Taken back, and nobody can answer it now.
                None => self.withdraw(&trial),
            },
            Event::Deserted => {
                for (_, (_, waiter)) in std::mem::take(&mut self.waiting) {
                    let _ = waiter.send(Err("find a board: none is left".to_owned()));
                }
            }
            // What is taken back is asked again by the pool itself: only another answer makes a difference.
            Event::Retracted { .. } | Event::Troubled { .. } | Event::Board { .. } => {}
        }
    }

    fn answered(&mut self, trial: String, board: String, answer: Answer) {
        let gist = Gist::of(&answer);
        match self.waiting.remove(&trial) {
            Some((asked, waiter)) => {
                self.unconfirmed.insert(trial, (asked, gist));
                let _ = waiter.send(Ok((board, answer)));
            }
            None if self.unconfirmed.get(&trial).is_some_and(|(_, earlier)| *earlier != gist) => self.withdraw(&trial),
            None => {}
        }
    }

    fn withdraw(&mut self, trial: &str) {
        self.withdrawn.extend(self.unconfirmed.remove(trial).map(|(asked, _)| asked));
    }
}

impl Gist {
    fn of(answer: &Answer) -> Self {
        match answer {
            Answer::Done(Attempt::Ran(ran)) => Self::Ran(outputs::gist(ran)),
            Answer::Done(_) => Self::Failed,
            Answer::Hung { .. } => Self::Hung,
        }
    }
}

/// What people are told of an event.
fn news(event: &Event) -> Option<News> {
    let (board, what) = match event {
        Event::Troubled { board, reason, .. } => {
            (board, Happening::Trouble(format!("failed to {reason}; the trial is run again")))
        }
        Event::Retracted { trials, board } => {
            (board, Happening::Trouble(format!("{} answer(s) of it are asked again", trials.len())))
        }
        Event::Board { board, change } => (board, happening(change)),
        _ => return None,
    };
    Some(News { device: board.clone(), what })
}

fn happening(change: &BoardChange) -> Happening {
    match change {
        BoardChange::Joined(_) | BoardChange::Recovered => Happening::Ready,
        BoardChange::Refused(reason) => Happening::Trouble(format!("failed to {reason}; it is not used")),
        BoardChange::Unhealthy(reason) => Happening::Trouble(format!("failed its check: failed to {reason}")),
        BoardChange::Treated(rung) => Happening::Recovering(rung.to_string()),
        BoardChange::Quarantined | BoardChange::Left => Happening::Lost,
    }
}
