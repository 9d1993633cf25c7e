//! A pool of boards that answers one trial a call. Whoever calls waits; many may call at the same time.

use std::{
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use board::{
    cancel::Cancel,
    pool::{Answer, BoardConfig, Health, Pool, PoolOptions},
    remote::Nonce,
    trial::Trial,
};

use super::{
    BoardProgram,
    golden::golden,
    ledger::{Asked, Ledger},
};
use crate::{Device, News, Unsettled};

/// How long a trial may take while nothing is known of how long trials take.
const UNKNOWN: Duration = Duration::from_secs(600);
/// The least that a deadline derived from earlier trials allows, and their factor (spec/boards.md "Recommendation").
const LEAST: Duration = Duration::from_secs(30);
const FACTOR: u32 = 5;
/// How often the dispatcher looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);
/// How long to wait for a check before it is asked for again.
const SETTLING: Duration = Duration::from_secs(2);

/// How boards are used.
pub struct BoardsOptions {
    /// Where on this machine the results go; exists.
    pub results: PathBuf,
    /// How long a trial may take; derived from the trials before when none.
    pub timeout: Option<Duration>,
    /// Trials between two checks of a board.
    pub check_every: u32,
    /// Versions of the NPU's driver that are known to work; a board with another is spoken of. None where nothing is known.
    pub drivers: Vec<String>,
}

/// Boards at work on one program.
pub struct Boards {
    pool: Arc<Pool>,
    program: Arc<BoardProgram>,
    ledger: Arc<Mutex<Ledger>>,
    /// The ledger changed.
    heard: Arc<Condvar>,
    timeout: Option<Duration>,
    /// The longest trial that ran to its end, milliseconds.
    longest: AtomicU64,
    trials: AtomicU64,
    width: usize,
    stopping: Arc<AtomicBool>,
    cancel: Cancel,
    dispatcher: Option<JoinHandle<()>>,
}

/// An answer with the trial and the board that gave it.
pub(super) struct Given {
    pub(super) trial: String,
    pub(super) board: String,
    pub(super) answer: Answer,
}

impl Boards {
    /// Connects to the boards and checks each; returns when it is known which of them can be used.
    pub fn start(boards: Vec<BoardConfig>, program: BoardProgram, options: BoardsOptions, cancel: &Cancel) -> Self {
        let program = Arc::new(program);
        let health = Health {
            every: options.check_every.max(1),
            min_free_kb: 1024,
            golden: golden(&program, options.timeout.unwrap_or(UNKNOWN)),
            artifacts: program.artifacts().to_vec(),
        };
        let pool_options = PoolOptions {
            run: format!("run-{}", &Nonce::fresh().as_str()[..12]),
            results: options.results,
            health,
            max_attempts: 12,
            boot_patience: Duration::from_secs(180),
        };
        let pool = Arc::new(Pool::start(boards, pool_options, cancel));
        let width = pool.boards().len();
        let (ledger, stopping) = (Arc::new(Mutex::new(Ledger::new(options.drivers))), Arc::<AtomicBool>::default());
        let heard = Arc::<Condvar>::default();
        let dispatcher = {
            let (pool, ledger, stopping) = (Arc::clone(&pool), Arc::clone(&ledger), Arc::clone(&stopping));
            let heard = Arc::clone(&heard);
            thread::spawn(move || {
                while !stopping.load(Ordering::Relaxed) {
                    if let Some(event) = pool.next_event(LOOK) {
                        lock(&ledger).hear(event);
                        heard.notify_all();
                    }
                }
            })
        };
        Self {
            pool,
            program,
            ledger,
            heard,
            timeout: options.timeout,
            longest: AtomicU64::new(0),
            trials: AtomicU64::new(0),
            width,
            stopping,
            cancel: cancel.clone(),
            dispatcher: Some(dispatcher),
        }
    }

    /// How many boards could be used at the start.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The boards that take trials now.
    pub fn names(&self) -> Vec<String> {
        self.pool.boards()
    }

    /// What happened to boards since this was last asked.
    pub fn news(&self) -> Vec<News> {
        lock(&self.ledger).take_news()
    }

    /// Placements whose answers on a device turned out wrong after they were handed on.
    pub(super) fn withdrawn(&self, device: Device) -> Vec<op_graph::Placement> {
        lock(&self.ledger).take_withdrawn(device)
    }

    /// Has the boards checked that gave answers since their last check, and waits until each answer is confirmed, or one is withdrawn.
    pub(super) fn settle(&self, device: Device) -> Result<(), Unsettled> {
        let mut ledger = lock(&self.ledger);
        while !ledger.is_settled() {
            let unsettled = |reason: &str| Unsettled { reason: reason.to_owned(), placements: ledger.doubtful(device) };
            if self.cancel.is_cancelled() {
                return Err(unsettled("interrupted"));
            }
            if self.pool.boards().is_empty() {
                return Err(unsettled("no board is left"));
            }
            self.pool.confirm();
            ledger = match self.heard.wait_timeout(ledger, SETTLING) {
                Ok((ledger, _)) => ledger,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        Ok(())
    }

    /// Nothing was concluded from the answers of these trials.
    pub(super) fn disregard<'a>(&self, trials: impl IntoIterator<Item = &'a String>) {
        let mut ledger = lock(&self.ledger);
        for trial in trials {
            ledger.disregard(trial);
        }
    }

    pub(super) fn program(&self) -> &BoardProgram {
        &self.program
    }

    /// When a board kills a trial.
    pub(super) fn deadline(&self) -> Duration {
        let longest = Duration::from_millis(self.longest.load(Ordering::Relaxed));
        self.timeout.unwrap_or(if longest.is_zero() { UNKNOWN } else { LEAST.max(FACTOR * longest) })
    }

    /// Learns how long a trial of all samples takes.
    pub(super) fn took(&self, time: Duration) {
        self.longest.fetch_max(time.as_millis().max(1) as u64, Ordering::Relaxed);
    }

    /// Has all boards checked: one of them is suspected.
    pub(super) fn suspect(&self) {
        self.pool.confirm();
    }

    /// Runs a trial on any board.
    pub(super) fn ask(&self, mut trial: Trial, asked: Asked) -> Result<Given, String> {
        let id = format!("t{}", self.trials.fetch_add(1, Ordering::Relaxed) + 1);
        trial.id.clone_from(&id);
        let (sender, told) = mpsc::channel();
        lock(&self.ledger).expect(&id, asked, sender);
        self.pool.ask(trial);
        loop {
            match told.recv_timeout(LOOK) {
                Ok(told) => return told.map(|(board, answer)| Given { trial: id, board, answer }),
                Err(RecvTimeoutError::Timeout) if !self.cancel.is_cancelled() => {}
                Err(_) => return Err("go on: interrupted".to_owned()),
            }
        }
    }
}

impl Drop for Boards {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(dispatcher) = self.dispatcher.take() {
            let _ = dispatcher.join(); // a dispatcher that panicked has said so
        }
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    // No change can panic half-way.
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
