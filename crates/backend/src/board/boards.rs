//! A pool of boards that answers one trial a call. Whoever calls waits; many may call at the same time.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use board::{
    cancel::Cancel,
    digest::Sha256,
    pool::{Answer, BoardChange, BoardConfig, Event, Health, Pool, PoolOptions},
    remote::Nonce,
    trial::{Attempt, Trial},
};

use super::{BoardProgram, golden::golden};

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
    /// Told of everything that happens to boards, a line each.
    pub notice: Box<dyn Fn(&str) + Send>,
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

/// A trial's answer and the board that gave it, or why there is none.
type Told = Result<(String, Answer), String>;

/// Who waits, and what was said.
#[derive(Default)]
struct Ledger {
    waiting: BTreeMap<String, Sender<Told>>,
    /// What answers that are not confirmed yet said.
    unconfirmed: BTreeMap<String, Gist>,
    /// Answers that were given and turned out wrong: nothing after them can be trusted.
    wrong: Option<String>,
}

/// What makes two answers to one question equal.
#[derive(Clone, Debug, PartialEq)]
enum Gist {
    Ran(Vec<Sha256>),
    Failed,
    Hung,
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
        let (ledger, stopping) = (Arc::<Mutex<Ledger>>::default(), Arc::<AtomicBool>::default());
        let heard = Arc::<Condvar>::default();
        let dispatcher = {
            let (pool, ledger, stopping) = (Arc::clone(&pool), Arc::clone(&ledger), Arc::clone(&stopping));
            let heard = Arc::clone(&heard);
            thread::spawn(move || {
                while !stopping.load(Ordering::Relaxed) {
                    if let Some(event) = pool.next_event(LOOK) {
                        if let Some(line) = line(&event) {
                            (options.notice)(&line);
                        }
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

    /// Has the boards checked that gave answers since their last check, and waits until every answer is confirmed.
    ///
    /// # Errors
    /// An answer on which the caller has built was wrong, or nobody is left to confirm it; for people.
    pub fn settle(&self) -> Result<(), String> {
        let mut ledger = lock(&self.ledger);
        loop {
            match &ledger.wrong {
                Some(wrong) => return Err(wrong.clone()),
                None if ledger.unconfirmed.is_empty() => return Ok(()),
                None if self.cancel.is_cancelled() => return Err("confirm the last answers: interrupted".to_owned()),
                None if self.pool.boards().is_empty() => {
                    return Err("confirm the last answers: no board is left".to_owned());
                }
                None => {}
            }
            self.pool.confirm();
            ledger = match self.heard.wait_timeout(ledger, SETTLING) {
                Ok((ledger, _)) => ledger,
                Err(poisoned) => poisoned.into_inner().0,
            };
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
    pub(super) fn ask(&self, mut trial: Trial) -> Told {
        trial.id = format!("t{}", self.trials.fetch_add(1, Ordering::Relaxed) + 1);
        let (sender, told) = mpsc::channel();
        {
            let mut ledger = lock(&self.ledger);
            if let Some(wrong) = &ledger.wrong {
                return Err(wrong.clone());
            }
            ledger.waiting.insert(trial.id.clone(), sender);
        }
        self.pool.ask(trial);
        loop {
            match told.recv_timeout(LOOK) {
                Ok(told) => return told,
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

impl Ledger {
    fn hear(&mut self, event: Event) {
        match event {
            Event::Answered { trial, board, answer } => {
                let gist = Gist::of(&answer);
                match self.waiting.remove(&trial) {
                    Some(waiter) => {
                        self.unconfirmed.insert(trial, gist);
                        let _ = waiter.send(Ok((board, answer))); // whoever gave up waiting does not care
                    }
                    None if self.unconfirmed.get(&trial).is_some_and(|earlier| *earlier != gist) => {
                        self.wrong.get_or_insert(format!(
                            "a board gave a wrong answer before it failed its check, and the search has used it: {board} answers trial \
                             {trial} otherwise; start a new run without the board that failed"
                        ));
                    }
                    None => {}
                }
            }
            Event::Confirmed { trials } => trials.iter().for_each(|trial| {
                self.unconfirmed.remove(trial);
            }),
            Event::Unanswered { trial, reason } => match self.waiting.remove(&trial) {
                Some(waiter) => {
                    let _ = waiter.send(Err(reason));
                }
                None => {
                    self.wrong.get_or_insert(format!(
                        "a board failed its check after it had answered trial {trial}, and no other could answer it: {reason}"
                    ));
                }
            },
            Event::Deserted => {
                for (_, waiter) in std::mem::take(&mut self.waiting) {
                    let _ = waiter.send(Err("no board is left".to_owned()));
                }
            }
            Event::Retracted { .. } | Event::Troubled { .. } | Event::Board { .. } => {}
        }
    }
}

impl Gist {
    fn of(answer: &Answer) -> Self {
        match answer {
            Answer::Done(Attempt::Ran(ran)) => Self::Ran(
                ran.manifest.iter().flat_map(|manifest| &manifest.tensors).map(|tensor| tensor.sha256).collect(),
            ),
            Answer::Done(_) => Self::Failed,
            Answer::Hung { .. } => Self::Hung,
        }
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    // No change can panic half-way.
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What people are told of an event.
fn line(event: &Event) -> Option<String> {
    let (board, change) = match event {
        Event::Troubled { trial, board, reason } => {
            return Some(format!("{board}: {trial} is tried again: failed to {reason}"));
        }
        Event::Retracted { trials, board } => {
            return Some(format!("{board}: {} answer(s) are asked again", trials.len()));
        }
        Event::Deserted => return Some("no board is left".to_owned()),
        Event::Board { board, change } => (board, change),
        _ => return None,
    };
    let what = match change {
        BoardChange::Joined(identity) => format!("ready (soc {:?}, driver {:?})", identity.soc, identity.driver),
        BoardChange::Refused(reason) => format!("not used: failed to {reason}"),
        BoardChange::Unhealthy(reason) => format!("failed its check: failed to {reason}"),
        BoardChange::Treated(rung) => format!("{rung:?}"),
        BoardChange::Recovered => "works again".to_owned(),
        BoardChange::Quarantined => "given up".to_owned(),
        BoardChange::Left => "left".to_owned(),
    };
    Some(format!("{board}: {what}"))
}
