//! Several boards as one: trials in, answers out, and whatever happens to a board is the board's own affair.
//!
//! Each board has a thread of its own that takes trials from one queue. What it finds is reported as an [`Event`]; nothing
//! else leaves the pool. Dropping the pool ends what still runs, on this machine and on the boards.

mod config;
mod health;
mod identity;
mod ladder;
mod queue;
mod visit;
mod worker;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

pub use config::{BoardConfig, ConfigError, LabgridPlace, Way, read_boards};
pub use health::{Golden, Health, Judgement, Unhealthy};
pub use identity::Identity;
pub use ladder::Rung;
pub use visit::Visit;

use crate::{
    cancel::Cancel,
    trial::{Attempt, Evidence, Trial},
};
use identity::choose;
use queue::Queue;
use worker::{Shared, Worker};

/// What the pool does besides running trials.
#[derive(Clone, Debug)]
pub struct PoolOptions {
    /// The search's name on the boards: letters, digits and `._-`, unlike that of any other search.
    pub run: String,
    /// Where on this machine the results go, `{trial}-{attempt}/` each. Exists.
    pub results: PathBuf,
    /// How boards prove that they work.
    pub health: Health,
    /// How often a trial is tried at most when it only meets trouble.
    pub max_attempts: u32,
    /// How long a board may take to come back after a reboot.
    pub boot_patience: Duration,
}

/// What a candidate did. The pool has ruled out that a board did it, as far as checks can.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// One attempt was enough to know. Never [`Attempt::TimedOut`].
    Done(Attempt),
    /// It hung twice, on two boards where there are two, and each was healthy afterwards.
    Hung {
        /// The boards.
        boards: Vec<String>,
        /// What it wrote the last time.
        evidence: Evidence,
    },
}

/// What happens in a pool.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A trial has its answer, which holds until it is retracted.
    Answered {
        /// The trial's id.
        trial: String,
        /// The board that gave it.
        board: String,
        /// What the candidate did.
        answer: Answer,
    },
    /// Boards passed a check: these answers will not be retracted any more.
    Confirmed {
        /// The trials' ids.
        trials: Vec<String>,
    },
    /// A board failed a check: its answers since the last good check do not count, and have been asked again.
    Retracted {
        /// The trials' ids.
        trials: Vec<String>,
        /// The board.
        board: String,
    },
    /// A trial met trouble on every attempt that it was allowed, or no board can run it. This is no verdict.
    Unanswered {
        /// The trial's id.
        trial: String,
        /// The last trouble.
        reason: String,
    },
    /// An attempt met trouble, and the trial is tried again.
    Troubled {
        /// The trial's id.
        trial: String,
        /// The board.
        board: String,
        /// What happened.
        reason: String,
    },
    /// Something happened to a board.
    Board {
        /// The board.
        board: String,
        /// What.
        change: BoardChange,
    },
    /// No board is left, and trials wait for one. A board that joins takes them up.
    Deserted,
}

/// What can happen to a board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoardChange {
    /// It passed its first check and takes trials.
    Joined(Identity),
    /// It cannot be used from the start: it does not answer, is not healthy, or is not like the other boards.
    Refused(String),
    /// It failed a check.
    Unhealthy(String),
    /// Something is done to bring it back.
    Treated(Rung),
    /// It passed a check again.
    Recovered,
    /// Nothing brought it back; it takes no more trials.
    Quarantined,
    /// It was asked to leave and has.
    Left,
}

/// Boards at work.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    events: Mutex<Receiver<Event>>,
    threads: BTreeMap<String, JoinHandle<()>>,
}

impl Pool {
    /// Looks at every board, and starts to use the largest group of healthy ones that are alike; among groups of one size,
    /// the one with the board that comes first.
    ///
    /// What became of each board is in the first events. Without any usable board the pool is deserted, not an error: boards
    /// may join.
    pub fn start(boards: Vec<BoardConfig>, options: PoolOptions, cancel: &Cancel) -> Self {
        let (sender, events) = mpsc::channel();
        let shared = Arc::new(Shared::new(options, Queue::new(), sender, cancel.child()));
        let openings: Vec<_> = boards
            .into_iter()
            .map(|board| {
                let shared = shared.clone();
                thread::spawn(move || Worker::open(board, &shared))
            })
            .collect();
        let workers: Vec<Worker> = openings.into_iter().filter_map(|opening| opening.join().ok().flatten()).collect();
        let chosen = choose(workers.iter().map(Worker::identity));
        let mut pool = Self { shared, events: Mutex::new(events), threads: BTreeMap::new() };
        for worker in workers {
            if Some(worker.identity()) == chosen.as_ref() {
                pool.admit(worker);
            } else {
                pool.shared.refuse(worker.name(), "it is not like the other boards (chip, driver or libraries differ)");
            }
        }
        pool.shared.queue.set_reference(chosen);
        pool
    }

    /// Asks for a trial; its id is unlike that of any other trial asked before.
    pub fn ask(&self, trial: Trial) {
        self.shared.queue.push(trial);
        self.shared.report_if_deserted();
    }

    /// The next event, or `None` when none comes within `patience`.
    pub fn next_event(&self, patience: Duration) -> Option<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(patience).ok()
    }

    /// Has every board checked that gave answers since its last check. Each such answer is then confirmed or retracted.
    pub fn confirm(&self) {
        self.shared.queue.request_checks();
    }

    /// Adds a board in mid-search, on its own time. It must be like those that are there.
    pub fn join(&mut self, board: BoardConfig) {
        let shared = self.shared.clone();
        let name = board.name.clone();
        self.shared.queue.expect(&name);
        let thread = thread::spawn(move || {
            let worker = Worker::open(board, &shared);
            match worker {
                Some(worker) if shared.queue.fits(worker.identity()) => worker.work(),
                Some(worker) => shared.refuse(worker.name(), "it is not like the boards in use"),
                None => {}
            }
        });
        self.threads.insert(name, thread);
    }

    /// Lets a board finish its trial and go. Its answers are checked first.
    pub fn leave(&self, board: &str) {
        self.shared.queue.dismiss(board);
    }

    /// The boards that take trials.
    pub fn boards(&self) -> Vec<String> {
        self.shared.queue.active()
    }

    fn admit(&mut self, worker: Worker) {
        let name = worker.name().to_owned();
        self.shared.queue.expect(&name);
        self.threads.insert(name, thread::spawn(move || worker.work()));
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop();
        for (_, thread) in std::mem::take(&mut self.threads) {
            // A worker that panicked has nothing more to release than its drop guards did.
            let _ = thread.join();
        }
    }
}
