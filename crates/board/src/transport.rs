//! The ways to a board. Each spawns the user's own client program, so that the user's configuration, keys and agents hold.
//!
//! No transport's exit code is believed: each command carries a fresh nonce, and the board's own
//! shell says how it ended.

mod adb;
mod client;
mod labgrid;
mod local;
mod session;
mod ssh;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

pub use adb::Adb;
pub use labgrid::{Labgrid, Place};
pub use local::Local;
pub use ssh::Ssh;

use crate::{
    process::{Ending, ProcessError},
    remote::{RemotePath, Reply},
};

/// How much longer this machine waits than the board does (spec/boards.md "Recommendation"): in the good case the board's
/// own verdict arrives first.
pub const HOST_GRACE: Duration = Duration::from_secs(15);

/// A way to one board.
///
/// Every call ends by its deadline, whatever the board does, and leaves no process behind on this machine.
pub trait Transport: Send + Sync + fmt::Debug {
    /// Whom it leads to and how, for people: `ssh root@10.0.0.7`.
    fn label(&self) -> String;

    /// Runs a script by the board's POSIX shell, without input, and gives what the board itself says of it.
    ///
    /// # Errors
    /// The board did not confirm that the script ran to its end. A script that ran and failed is a [`Reply`] with its code.
    fn shell(&self, script: &[u8], deadline: Duration) -> Result<Reply, Trouble>;

    /// Writes a file of this machine to a path on the board, whose folder exists.
    ///
    /// # Errors
    /// The board did not confirm that every byte arrived.
    fn push(&self, local: &Path, remote: &RemotePath, deadline: Duration) -> Result<(), Trouble>;

    /// Fetches regular files, all or none, `max_bytes` in all at most.
    ///
    /// # Errors
    /// One is missing, is a symbolic link, or did not arrive whole.
    fn pull(&self, files: &[(RemotePath, PathBuf)], max_bytes: u64, deadline: Duration) -> Result<(), Trouble>;

    /// Forgets everything about the connection, so that the next call makes a new one.
    fn reconnect(&self) {}

    /// Cuts the board's power and gives it back, where the way there can; tells whether it did.
    fn power_cycle(&self) -> bool {
        false
    }
}

/// Trouble with a board or the way to it. Never a verdict on what was to be tried there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// The client program could not be run.
    #[error(transparent)]
    Client(#[from] ProcessError),
    /// The board did not confirm that it ran the command.
    #[error("reach {board}: the board did not confirm the command ({ending:?}){}", detail(stderr))]
    NoReply {
        /// The board.
        board: String,
        /// How the client ended.
        ending: Ending,
        /// The end of the client's messages.
        stderr: String,
    },
    /// Nothing came before the deadline of this machine: the board, or the way to it, is frozen.
    #[error("hear from {board} within {:.0} s", after.as_secs_f64())]
    Silent {
        /// The board.
        board: String,
        /// The deadline.
        after: Duration,
    },
    /// The user wanted to stop.
    #[error("go on: interrupted")]
    Cancelled,
    /// The board could not do what was asked.
    #[error("{what} on {board}: code {code}{}", detail(output))]
    Refused {
        /// The board.
        board: String,
        /// What was asked.
        what: String,
        /// The exit code on the board.
        code: i32,
        /// What the board said.
        output: String,
    },
    /// What arrived is not what was sent.
    #[error("trust what came from {board}: {reason}")]
    Damaged {
        /// The board.
        board: String,
        /// What is wrong.
        reason: String,
    },
    /// A file of this machine cannot be used.
    #[error("use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl Trouble {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::File { path: path.to_path_buf(), source }
    }
}

fn detail(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// Runs a script that is expected to succeed.
///
/// # Errors
/// As [`Transport::shell`]; also when the script's code is not 0.
pub fn shell_ok(transport: &dyn Transport, what: &str, script: &[u8], deadline: Duration) -> Result<Vec<u8>, Trouble> {
    let reply = transport.shell(script, deadline)?;
    if reply.code == 0 {
        return Ok(reply.output);
    }
    let text = reply.text();
    let start = text.len().saturating_sub(400);
    let output = text.get(start..).unwrap_or(&text).to_owned();
    Err(Trouble::Refused { board: transport.label(), what: what.to_owned(), code: reply.code, output })
}
