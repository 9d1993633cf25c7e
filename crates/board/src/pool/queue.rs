//! The trials that wait, and which boards there are to take them.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use super::Identity;
use crate::trial::Trial;

/// A trial on its way to an answer.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) trial: Trial,
    /// Attempts so far, on all boards.
    pub(super) attempts: u32,
    /// Boards to leave it to others of, while there are others: it met trouble there.
    pub(super) avoid: BTreeSet<String>,
    /// Healthy boards on which it hung.
    pub(super) hung_on: Vec<String>,
}

/// What a worker does next.
#[derive(Debug)]
pub(super) enum Task {
    Run(Box<Job>),
    Check,
    Leave,
    Stop,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Job>,
    /// Boards that take trials, or will, and whether each is asked for a check.
    active: BTreeMap<String, bool>,
    dismissed: BTreeSet<String>,
    reference: Option<Identity>,
    stopping: bool,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn push(&self, trial: Trial) {
        let job = Job { trial, attempts: 0, avoid: BTreeSet::new(), hung_on: Vec::new() };
        self.change(|state| state.waiting.push_back(job));
    }

    /// Gives a job back; it goes before those that nobody has tried yet.
    pub(super) fn give_back(&self, job: Job) {
        self.change(|state| state.waiting.push_front(job));
    }

    pub(super) fn expect(&self, board: &str) {
        self.change(|state| {
            state.active.insert(board.to_owned(), false);
            state.dismissed.remove(board);
        });
    }

    /// A board is gone: what avoided it may now avoid everybody.
    pub(super) fn remove(&self, board: &str) {
        self.change(|state| {
            state.active.remove(board);
        });
    }

    pub(super) fn dismiss(&self, board: &str) {
        self.change(|state| {
            state.dismissed.insert(board.to_owned());
        });
    }

    pub(super) fn request_checks(&self) {
        self.change(|state| state.active.values_mut().for_each(|check| *check = true));
    }

    pub(super) fn stop(&self) {
        self.change(|state| state.stopping = true);
    }

    pub(super) fn active(&self) -> Vec<String> {
        self.lock().active.keys().cloned().collect()
    }

    pub(super) fn is_deserted(&self) -> bool {
        let state = self.lock();
        state.active.is_empty() && !state.waiting.is_empty() && !state.stopping
    }

    pub(super) fn set_reference(&self, identity: Option<Identity>) {
        self.change(|state| state.reference = identity);
    }

    /// Whether a board may join; the first to join a pool without boards decides what the others must be.
    pub(super) fn fits(&self, identity: &Identity) -> bool {
        let mut state = self.lock();
        state.reference.get_or_insert_with(|| identity.clone()) == identity
    }

    /// Waits for something to do for a board.
    pub(super) fn next(&self, board: &str) -> Task {
        let mut state = self.lock();
        loop {
            if state.stopping {
                return Task::Stop;
            }
            if let Some(check) = state.active.get_mut(board)
                && std::mem::take(check)
            {
                return Task::Check;
            }
            if state.dismissed.remove(board) {
                return Task::Leave;
            }
            if let Some(job) = state.take_for(board) {
                return Task::Run(Box::new(job));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No change can panic half-way, so the state is whole whatever happened to another thread.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The first job that does not avoid the board, or that has nobody else to go to.
    fn take_for(&mut self, board: &str) -> Option<Job> {
        let active = &self.active;
        let at = self
            .waiting
            .iter()
            .position(|job| !job.avoid.contains(board) || active.keys().all(|other| job.avoid.contains(other)))?;
        self.waiting.remove(at)
    }
}
