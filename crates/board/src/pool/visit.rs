//! A short stay on one board, outside any pool: for looking at it, and for a single program.

use std::{path::Path, sync::Arc};

use super::BoardConfig;
use crate::{
    cancel::Cancel,
    remote::Nonce,
    transport::{Transport, Trouble},
    trial::{Attempt, Site, Trial, TrialError},
};

/// A board with a folder to work in, which is removed when this value is dropped; what was pushed stays for the next time.
#[derive(Debug)]
pub struct Visit {
    site: Site,
    cancel: Cancel,
}

impl Visit {
    /// Goes to a board.
    ///
    /// # Errors
    /// It does not answer, or lacks what trials need.
    pub fn to(config: &BoardConfig, cancel: &Cancel) -> Result<Self, Trouble> {
        let cancel = cancel.child();
        let transport = config.connect(&cancel)?;
        Self::over(&transport, config, cancel)
    }

    /// The same over a connection that is there; `cancel` is what it was made with, and nobody else's.
    ///
    /// # Errors
    /// As [`Visit::to`].
    pub fn over(transport: &Arc<dyn Transport>, config: &BoardConfig, cancel: Cancel) -> Result<Self, Trouble> {
        let run = format!("visit-{}", &Nonce::fresh().as_str()[..12]);
        Ok(Self { site: Site::open(transport, &config.work_path()?, &run)?, cancel })
    }

    /// The work folder there.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Brings what a trial needs to the board and runs it once; what it leaves is fetched into the folder `into`, which exists and is
    /// empty.
    ///
    /// # Errors
    /// The board is at fault or busy, or the trial cannot be written.
    pub fn run(&self, trial: &Trial, into: &Path) -> Result<Attempt, TrialError> {
        self.site.ensure(&trial.artifacts)?;
        self.site.attempt(trial, 1, into)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.cancel.ignore();
        self.site.leave();
    }
}
