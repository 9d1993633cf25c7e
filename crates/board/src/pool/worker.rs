//! The thread that owns one board: it runs trials there, watches the board's health, and tells the two apart.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, mpsc::Sender},
};

use super::{
    Answer, BoardChange, BoardConfig, Event, Identity, PoolOptions, Unhealthy,
    ladder::LADDER,
    queue::{Job, Queue, Task},
};
use crate::{
    cancel::Cancel,
    digest::Sha256,
    transport::Trouble,
    trial::{Artifact, Attempt, Site, TrialError},
};

/// How many checks a treated board gets before the next treatment: passing trouble may meet two in a row.
const CHECKS_AFTER_TREATMENT: u32 = 3;

/// What all workers of a pool share.
#[derive(Debug)]
pub(super) struct Shared {
    options: PoolOptions,
    pub(super) queue: Queue,
    events: Mutex<Sender<Event>>,
    cancel: Cancel,
}

impl Shared {
    pub(super) fn new(options: PoolOptions, queue: Queue, events: Sender<Event>, cancel: Cancel) -> Self {
        Self { options, queue, events: Mutex::new(events), cancel }
    }

    pub(super) fn refuse(&self, board: &str, reason: &str) {
        self.queue.remove(board);
        self.board(board, BoardChange::Refused(reason.to_owned()));
        self.report_if_deserted();
    }

    pub(super) fn report_if_deserted(&self) {
        if self.queue.is_deserted() {
            self.report(Event::Deserted);
        }
    }

    /// Ends the workers; commands that run are cut short.
    pub(super) fn stop(&self) {
        self.queue.stop();
        self.cancel.cancel();
    }

    fn board(&self, board: &str, change: BoardChange) {
        self.report(Event::Board { board: board.to_owned(), change });
    }

    fn report(&self, event: Event) {
        // Nobody listens to a pool that is being dropped.
        let _ = self.events.lock().unwrap_or_else(PoisonError::into_inner).send(event);
    }
}

/// One board and its thread's state.
#[derive(Debug)]
pub(super) struct Worker {
    config: BoardConfig,
    site: Site,
    identity: Identity,
    shared: Arc<Shared>,
    /// What cuts this board's commands short.
    cancel: Cancel,
    /// Jobs answered since the last good check.
    unconfirmed: Vec<Job>,
    /// Contents that were seen on the board since the last trouble.
    stored: BTreeSet<Sha256>,
    checks: u32,
}

impl Worker {
    /// Goes to a board and checks it, up the whole ladder if need be; reports why when it cannot be used.
    pub(super) fn open(config: BoardConfig, shared: &Arc<Shared>) -> Option<Self> {
        let cancel = shared.cancel.child();
        match Self::arrive(&config, shared, &cancel) {
            Ok((site, identity)) => {
                let mut worker = Self {
                    config,
                    site,
                    identity,
                    shared: shared.clone(),
                    cancel,
                    unconfirmed: Vec::new(),
                    stored: BTreeSet::new(),
                    checks: 0,
                };
                (worker.check().is_ok() || worker.recover()).then_some(worker)
            }
            Err(trouble) => {
                shared.refuse(&config.name, &trouble.to_string());
                None
            }
        }
    }

    fn arrive(config: &BoardConfig, shared: &Shared, cancel: &Cancel) -> Result<(Site, Identity), Trouble> {
        let transport = config.connect(cancel)?;
        let look_around = || {
            let site = Site::open(&transport, &config.work_path()?, &shared.options.run)?;
            let identity = Identity::of(config, &*transport)?;
            Ok((site, identity))
        };
        let mut arrived = look_around();
        for rung in LADDER {
            if arrived.is_ok() || shared.cancel.is_cancelled() {
                break;
            }
            if rung.climb(config, &*transport, shared.options.boot_patience, &shared.cancel) {
                arrived = look_around();
            }
        }
        arrived
    }

    pub(super) fn name(&self) -> &str {
        &self.config.name
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Works until the pool ends, the board is asked to leave, or it is lost.
    pub(super) fn work(mut self) {
        self.shared.board(self.name(), BoardChange::Joined(self.identity.clone()));
        loop {
            let fit = match self.shared.queue.next(self.name()) {
                Task::Run(job) => self.run(*job),
                Task::Check => self.confirm(),
                Task::Leave => {
                    if self.confirm() {
                        self.shared.queue.remove(self.name());
                        self.shared.board(self.name(), BoardChange::Left);
                    }
                    false
                }
                Task::Stop => false,
            };
            if !fit {
                break;
            }
        }
        self.shared.report_if_deserted();
    }

    /// Runs one trial; false when the board is lost.
    fn run(&mut self, mut job: Job) -> bool {
        job.attempts += 1;
        let into = self.shared.options.results.join(format!("{}-{}", job.trial.id, job.attempts));
        let outcome = std::fs::create_dir_all(&into)
            .map_err(|source| Trouble::File { path: into.clone(), source }.into())
            .and_then(|()| self.bring(&job.trial.artifacts).map_err(TrialError::from))
            .and_then(|()| self.site.attempt(&job.trial, job.attempts, &into));
        match outcome {
            Ok(Attempt::TimedOut(evidence)) => {
                // The hang is the candidate's only if the board works.
                let healthy = self.check().is_ok();
                if healthy {
                    job.hung_on.push(self.name().to_owned());
                }
                if job.hung_on.len() >= 2 {
                    let answer = Answer::Hung { boards: job.hung_on.clone(), evidence };
                    self.answer(job, answer);
                    return healthy || self.recover();
                }
                self.try_elsewhere(job, "end the program in time: it was killed at its deadline");
                healthy || self.recover()
            }
            Ok(outcome) => {
                self.answer(job, Answer::Done(outcome));
                self.unconfirmed.len() < self.shared.options.health.every as usize || self.confirm()
            }
            Err(error) if error.is_permanent() => {
                self.shared.report(Event::Unanswered { trial: job.trial.id, reason: error.to_string() });
                true
            }
            Err(TrialError::Trouble(Trouble::Cancelled)) => {
                self.shared.queue.give_back(job);
                false
            }
            Err(error) => {
                self.stored.clear();
                let stuck = matches!(error, TrialError::Unkillable { .. });
                self.try_elsewhere(job, &error.to_string());
                // A stuck driver fails every trial to come, whatever a quick check says.
                (!stuck && self.check().is_ok()) || self.recover()
            }
        }
    }

    /// Contents that this worker has not seen on the board yet.
    fn bring(&mut self, artifacts: &[Artifact]) -> Result<(), Trouble> {
        let new: Vec<Artifact> =
            artifacts.iter().filter(|artifact| !self.stored.contains(&artifact.sha256)).cloned().collect();
        self.site.ensure(&new)?;
        self.stored.extend(new.iter().map(|artifact| artifact.sha256));
        Ok(())
    }

    fn answer(&mut self, job: Job, answer: Answer) {
        let (trial, board) = (job.trial.id.clone(), self.name().to_owned());
        self.unconfirmed.push(job);
        self.shared.report(Event::Answered { trial, board, answer });
    }

    fn try_elsewhere(&self, mut job: Job, reason: &str) {
        let trial = job.trial.id.clone();
        if job.attempts >= self.shared.options.max_attempts {
            self.shared.report(Event::Unanswered { trial, reason: reason.to_owned() });
            return;
        }
        job.avoid.insert(self.name().to_owned());
        let board = self.name().to_owned();
        self.shared.report(Event::Troubled { trial, board, reason: reason.to_owned() });
        self.shared.queue.give_back(job);
    }

    /// Checks a board whose answers wait for it; false when it is lost.
    fn confirm(&mut self) -> bool {
        self.unconfirmed.is_empty() || self.check().is_ok() || self.recover()
    }

    fn check(&mut self) -> Result<(), Unhealthy> {
        self.checks += 1;
        let scratch = self.scratch()?;
        let Shared { options, .. } = &*self.shared;
        let outcome = options.health.check(&self.config, &self.site, &self.identity, self.checks, scratch.path());
        match &outcome {
            Ok(()) => {
                let trials: Vec<String> = self.unconfirmed.drain(..).map(|job| job.trial.id).collect();
                if !trials.is_empty() {
                    self.shared.report(Event::Confirmed { trials });
                }
            }
            Err(unhealthy) => {
                self.shared.board(&self.config.name, BoardChange::Unhealthy(unhealthy.to_string()));
                if unhealthy.casts_doubt() {
                    self.retract();
                }
            }
        }
        outcome
    }

    /// Climbs the ladder until a check passes; false when the board is given up.
    fn recover(&mut self) -> bool {
        for rung in LADDER {
            if self.shared.cancel.is_cancelled() {
                return false;
            }
            self.shared.board(self.name(), BoardChange::Treated(rung));
            let patience = self.shared.options.boot_patience;
            if !rung.climb(&self.config, self.site.transport(), patience, &self.shared.cancel) {
                continue;
            }
            if rung.casts_doubt() {
                self.retract();
            }
            if self.proves_itself() {
                self.shared.board(self.name(), BoardChange::Recovered);
                return true;
            }
        }
        self.retract();
        self.shared.queue.remove(self.name());
        self.shared.board(self.name(), BoardChange::Quarantined);
        false
    }

    /// Checks a board that was treated, more than once if need be: one that hiccups is not lost. Each further check has a connection of its
    /// own, for some trouble lasts as long as a session does. Silence is not waited for again.
    fn proves_itself(&mut self) -> bool {
        (0..CHECKS_AFTER_TREATMENT).find_map(|_| match self.check() {
            Ok(()) => Some(true),
            Err(Unhealthy::Unreachable(Trouble::Silent { .. } | Trouble::Cancelled)) => Some(false),
            Err(_) => {
                self.site.transport().reconnect();
                None
            }
        }) == Some(true)
    }

    /// Takes back what was answered since the last good check, and asks it again.
    fn retract(&mut self) {
        if self.unconfirmed.is_empty() {
            return;
        }
        let jobs = std::mem::take(&mut self.unconfirmed);
        let trials = jobs.iter().map(|job| job.trial.id.clone()).collect();
        self.shared.report(Event::Retracted { trials, board: self.name().to_owned() });
        for mut job in jobs.into_iter().rev() {
            job.avoid.insert(self.name().to_owned());
            job.hung_on.clear();
            self.shared.queue.give_back(job);
        }
    }

    fn scratch(&self) -> Result<tempfile::TempDir, Trouble> {
        let results: &PathBuf = &self.shared.options.results;
        tempfile::Builder::new()
            .prefix("golden-")
            .tempdir_in(results)
            .map_err(|source| Trouble::File { path: results.clone(), source })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.cancel.ignore();
        self.site.leave();
    }
}
