//! A search as its driver sees it: ask for questions, tell the answers, in any order and as many at a time as there are boards.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use thiserror::Error;

use crate::ctx::{Ctx, lock};
use crate::ledger::Ledger;
use crate::outcome::{self, Outcome, StopReason};
use crate::stages;
use crate::strategy::Strategy;
use crate::{Answer, Problem, Question, QuestionId};

/// An answer to a question that is not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("take an answer: question {0} was never asked or is already answered", id.0)]
pub struct TellError {
    /// The id that was told.
    pub id: QuestionId,
}

type Program = Pin<Box<dyn Future<Output = StopReason> + Send>>;

/// A search under way.
///
/// The strategy runs as a coroutine between [`Search::ask`] and [`Search::tell`]; there are no threads and no clock. The same problem, seed
/// and width, asked and told in the same order, gives the same questions: telling a journal's answers in order replays a run exactly.
pub struct Search {
    ledger: Arc<Mutex<Ledger>>,
    program: Option<Program>,
    /// The ledger's version at the last poll.
    polled: Option<u64>,
    stop: Option<StopReason>,
}

impl Search {
    pub(crate) fn new(problem: Problem, groups: Vec<Vec<usize>>, strategy: &Strategy) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::new(problem, groups)));
        let program: Program = Box::pin(stages::run(Ctx::new(Arc::clone(&ledger)), *strategy));
        Self { ledger, program: Some(program), polled: None, stop: None }
    }

    /// The next question, if there is one now. `None` means: tell an answer first, or the search is done ([`Search::done`] says which).
    ///
    /// Questions the strategy needs come first; if it needs none and more boards are idle, questions it will probably need.
    pub fn ask(&mut self) -> Option<Question> {
        self.advance();
        if self.stop.is_some() {
            return None;
        }
        let mut ledger = lock(&self.ledger);
        if ledger.is_spent() || ledger.is_late() {
            return None;
        }
        let room = ledger.outstanding() < ledger.problem.width;
        ledger.question().or_else(|| if room { ledger.filler() } else { None })
    }

    /// Gives the answer to an open question.
    ///
    /// # Errors
    /// No such question is open.
    pub fn tell(&mut self, id: QuestionId, answer: Answer) -> Result<(), TellError> {
        let known = lock(&self.ledger).tell(id, answer);
        if known { Ok(()) } else { Err(TellError { id }) }
    }

    /// Why the search is over, or `None` while it is not. Open questions may be abandoned once it is over.
    pub fn done(&mut self) -> Option<StopReason> {
        self.advance();
        if self.stop.is_none() {
            let ledger = lock(&self.ledger);
            if ledger.outstanding() == 0 {
                if ledger.is_spent() {
                    self.stop = Some(StopReason::TrialLimit);
                } else if ledger.is_late() {
                    self.stop = Some(StopReason::TimeLimit);
                }
            }
        }
        self.stop
    }

    /// Ends the search; the outcome so far stands.
    pub fn stop(&mut self) {
        self.stop.get_or_insert(StopReason::Interrupted);
        self.program = None;
    }

    /// The result so far; final once [`Search::done`] says so.
    pub fn outcome(&self) -> Outcome {
        outcome::outcome(&lock(&self.ledger), self.stop)
    }

    /// Asks and answers to the end with a function as the oracle, one trial at a time.
    pub fn run(mut self, mut oracle: impl FnMut(&Question) -> Answer) -> Outcome {
        while let Some(question) = self.ask() {
            let answer = oracle(&question);
            let known = self.tell(question.id, answer);
            debug_assert!(known.is_ok(), "the question was asked just now");
        }
        self.done();
        self.outcome()
    }

    /// Polls the strategy if it may have something new to say.
    fn advance(&mut self) {
        let Some(program) = &mut self.program else { return };
        {
            let ledger = lock(&self.ledger);
            if ledger.has_firm_question() || self.polled == Some(ledger.version) {
                return;
            }
            self.polled = Some(ledger.version);
        }
        if let Poll::Ready(stop) = program.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            self.program = None;
            self.stop.get_or_insert(stop);
        }
    }
}
