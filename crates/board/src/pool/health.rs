//! How a board proves that it works: it answers, has its driver and room, and still computes what it computed before.

use std::{fmt, path::Path, sync::Arc};

use super::{BoardConfig, Identity};
use crate::{
    transport::Trouble,
    trial::{Artifact, Attempt, Site, Trial, TrialError},
};

/// How often the golden trial may meet passing trouble, such as a killed program, before the board is to blame.
const GOLDEN_ATTEMPTS: u32 = 3;

/// How boards are checked: at the start, after each fault, and every so many trials.
#[derive(Clone, Debug)]
pub struct Health {
    /// Trials between two checks.
    pub every: u32,
    /// Space that must be free in the work folder, kB.
    pub min_free_kb: u64,
    /// A trial whose outcome is known. Without one a board that computes nonsense is not found out.
    pub golden: Option<Golden>,
    /// Contents that trials will need, brought to the board with each check; a reboot may have wiped them.
    pub artifacts: Vec<Artifact>,
}

/// What a golden trial's outcome says of the board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is as it must be.
    Sound,
    /// What is wrong with it.
    Unsound(String),
    /// Nobody knows yet what it must be: the trial is run once more.
    Unsure,
}

type Accept = dyn Fn(&Attempt) -> Judgement + Send + Sync;

/// A trial whose outcome on a healthy board is known.
#[derive(Clone)]
pub struct Golden {
    /// The trial; its id is not used for any other.
    pub trial: Trial,
    /// Judges its outcome, from any board's thread.
    pub accept: Arc<Accept>,
}

impl fmt::Debug for Golden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Golden").field("trial", &self.trial.id).finish_non_exhaustive()
    }
}

/// Why a board failed its check.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unhealthy {
    /// The way to it is at fault; its results arrived with their hashes and stand.
    #[error(transparent)]
    Unreachable(#[from] Trouble),
    /// The board itself is not what it was: results since the last good check do not count.
    #[error("trust the board: {0}")]
    Untrusted(String),
}

impl Unhealthy {
    /// Whether earlier results are in doubt.
    pub fn casts_doubt(&self) -> bool {
        matches!(self, Self::Untrusted(_))
    }
}

impl Health {
    /// Checks a board. `number` tells this check's golden trial from others on the board; `scratch` is a folder of this
    /// machine for its outcome.
    ///
    /// # Errors
    /// What is wrong with the board.
    pub fn check(
        &self,
        config: &BoardConfig,
        site: &Site,
        expected: &Identity,
        number: u32,
        scratch: &Path,
    ) -> Result<(), Unhealthy> {
        let identity = Identity::of(config, site.transport())?;
        if identity != *expected {
            return Err(Unhealthy::Untrusted(format!("it was {expected:?} and is now {identity:?}")));
        }
        site.prepare()?;
        let free = site.free_kb()?;
        if free < self.min_free_kb {
            return Err(Unhealthy::Untrusted(format!("only {free} kB are free there")));
        }
        site.ensure(&self.artifacts)?;
        self.golden.as_ref().map_or(Ok(()), |golden| golden.check(site, number, scratch))
    }
}

impl Golden {
    fn check(&self, site: &Site, number: u32, scratch: &Path) -> Result<(), Unhealthy> {
        site.ensure(&self.trial.artifacts)?;
        let mut reason = String::new();
        for attempt in 0..GOLDEN_ATTEMPTS {
            match site.attempt(&self.trial, number * GOLDEN_ATTEMPTS + attempt, scratch) {
                Ok(outcome) => match (self.accept)(&outcome) {
                    Judgement::Sound => return Ok(()),
                    Judgement::Unsound(reason) => return Err(Unhealthy::Untrusted(reason)),
                    Judgement::Unsure => "no two runs of the golden trial agree".clone_into(&mut reason),
                },
                Err(TrialError::Trouble(trouble)) => return Err(trouble.into()),
                Err(error @ TrialError::Unkillable { .. }) => {
                    return Err(Unhealthy::Untrusted(format!("failed to {error}")));
                }
                Err(error) => reason = format!("failed to {error}"),
            }
        }
        Err(Unhealthy::Untrusted(reason))
    }
}
