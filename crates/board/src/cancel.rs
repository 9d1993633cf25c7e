//! The user's wish to stop, seen by everything that waits.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// A flag that is raised once and never lowered. Clones share it, so an interrupt handler can hold one.
///
/// Commands run in process groups of their own and so never see a terminal's Ctrl-C: whoever waits for one watches this
/// flag and kills the group.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A flag that nobody has raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag; safe in any thread and any number of times.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether the flag is up.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
