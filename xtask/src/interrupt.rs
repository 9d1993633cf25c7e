//! Ctrl-C: the first stops after the trials in flight, the second kills them and ends the program.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Context;
use board::cancel::Cancel;

use crate::exit;

/// How long killed trials may take to be gone, before the program ends anyway.
const GRACE: Duration = Duration::from_secs(5);

/// For what loses nothing by stopping: the first Ctrl-C ends what runs, and what it left is cleaned up on the way out.
pub(crate) fn stops_at_once() -> anyhow::Result<Cancel> {
    let cancel = Cancel::new();
    let raised = cancel.clone();
    ctrlc::set_handler(move || raised.cancel()).context("failed to take over Ctrl-C")?;
    Ok(cancel)
}

/// The state of the user's wish to stop.
pub(crate) struct Interrupt {
    stop: Arc<AtomicBool>,
    cancel: Cancel,
}

impl Interrupt {
    /// Takes over Ctrl-C and SIGTERM.
    pub(crate) fn install() -> anyhow::Result<Self> {
        let interrupt = Self { stop: Arc::new(AtomicBool::new(false)), cancel: Cancel::new() };
        let (stop, cancel) = (Arc::clone(&interrupt.stop), interrupt.cancel.clone());
        ctrlc::set_handler(move || {
            if !stop.swap(true, Ordering::Relaxed) {
                eprintln!("stopping after the trials in flight; press Ctrl-C again to kill them");
                return;
            }
            cancel.cancel();
            thread::sleep(GRACE);
            process::exit(i32::from(exit::INTERRUPTED));
        })
        .context("failed to take over Ctrl-C")?;
        Ok(interrupt)
    }

    /// Raised by the first Ctrl-C.
    pub(crate) fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    /// Raised by the second one.
    pub(crate) fn cancel(&self) -> &Cancel {
        &self.cancel
    }
}
