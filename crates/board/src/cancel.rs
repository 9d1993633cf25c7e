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
pub struct Cancel {
    own: Arc<AtomicBool>,
    above: Vec<Arc<AtomicBool>>,
    ignored: Arc<AtomicBool>,
}

impl Cancel {
    /// A flag that nobody has raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// A flag of its own that counts as raised when this one is, but not the other way round.
    pub fn child(&self) -> Self {
        let mut above = self.above.clone();
        above.push(self.own.clone());
        Self { own: Arc::default(), above, ignored: Arc::default() }
    }

    /// Raises the flag; safe in any thread and any number of times.
    pub fn cancel(&self) {
        self.own.store(true, Ordering::SeqCst);
    }

    /// Makes this flag and its clones count as not raised from now on: cleaning up has to go on after the user's wish to stop.
    pub(crate) fn ignore(&self) {
        self.ignored.store(true, Ordering::SeqCst);
    }

    /// Whether the flag is up.
    pub fn is_cancelled(&self) -> bool {
        let raised = |flag: &Arc<AtomicBool>| flag.load(Ordering::SeqCst);
        !raised(&self.ignored) && (raised(&self.own) || self.above.iter().any(raised))
    }
}
