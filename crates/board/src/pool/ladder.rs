//! What is tried, from the gentlest up, to bring a board back (spec/boards.md "Recommendation").

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use super::BoardConfig;
use crate::{cancel::Cancel, process::Command, transport::Transport};

/// How long a hook may take.
const HOOK: Duration = Duration::from_secs(120);
/// How long one look at a board that may still be booting may take.
const LOOK: Duration = Duration::from_secs(10);

/// A way to bring a board back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// A new connection.
    Reconnect,
    /// The configured `reboot` command.
    Reboot,
    /// The configured `power_cycle` command, else the way's own, which labgrid has.
    PowerCycle,
}

/// All rungs, in the order in which they are tried.
pub(super) const LADDER: [Rung; 3] = [Rung::Reconnect, Rung::Reboot, Rung::PowerCycle];

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reconnect => "a new connection",
            Self::Reboot => "a reboot",
            Self::PowerCycle => "a power cycle",
        })
    }
}

impl Rung {
    /// Whether results of before are in doubt after a board needed this.
    pub(super) fn casts_doubt(self) -> bool {
        self != Self::Reconnect
    }

    /// Does it; false when this board has no such way, or it did not work.
    pub(super) fn climb(
        self,
        config: &BoardConfig,
        transport: &dyn Transport,
        boot_patience: Duration,
        cancel: &Cancel,
    ) -> bool {
        let done = match self {
            Self::Reconnect => {
                transport.reconnect();
                return true;
            }
            Self::Reboot => run_hook(&config.reboot, cancel),
            Self::PowerCycle if config.power_cycle.is_empty() => transport.power_cycle(),
            Self::PowerCycle => run_hook(&config.power_cycle, cancel),
        };
        done && comes_back(transport, boot_patience, cancel)
    }
}

fn run_hook(hook: &[String], cancel: &Cancel) -> bool {
    let Some((program, args)) = hook.split_first() else { return false };
    let Ok(scratch) = tempfile::tempdir() else { return false };
    let command = Command::new(program).args(args).deadline(HOOK).cancel(cancel);
    // `ssh board reboot` ends with the connection, so its exit code says nothing: the board's own answer does.
    command.run(&scratch.path().join("stdout"), &scratch.path().join("stderr")).is_ok()
}

fn comes_back(transport: &dyn Transport, patience: Duration, cancel: &Cancel) -> bool {
    let end = Instant::now() + patience;
    let mut pause = Duration::from_millis(100);
    loop {
        transport.reconnect();
        if transport.shell(b":", LOOK).is_ok() {
            return true;
        }
        if cancel.is_cancelled() || Instant::now() + pause > end {
            return false;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}
