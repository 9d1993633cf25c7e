//! Starts processes, and is the only library here that does: on this machine, and on boards.
//!
//! | module | what it is for |
//! |---|---|
//! | [`process`], [`line_process`] | one command; a program that answers line for line |
//! | [`transport`] | the ways to a board, each through the user's own client program |
//! | [`remote`] | the shell language spoken to boards: quoting, proofs of execution, supervised jobs |
//! | [`trial`] | one trial on one board: a folder in, a manifest out |
//! | [`pool`] | several boards as one: health, retries, quarantine |
//! | [`fastdeploy`] | what stock demos print |
//!
//! A command runs in a process group of its own, under a deadline, with its output in files of bounded size, and without
//! a shell. When it ends, for whatever reason, nothing of its group is left behind.
//!
//! ```
//! # #[cfg(unix)] {
//! use std::time::Duration;
//! use board::process::{Command, Ending};
//!
//! let dir = tempfile::tempdir()?;
//! let finished = Command::new("/bin/sh")
//!     .args(["-c", "echo found; exit 3"])
//!     .deadline(Duration::from_secs(10))
//!     .run(&dir.path().join("stdout"), &dir.path().join("stderr"))?;
//! assert_eq!(finished.ending, Ending::Exited(3));
//! assert_eq!(finished.stdout.read()?, b"found\n");
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`LineProcess`](line_process::LineProcess) is a program that stays up and answers one line for each line it is given;
//! after a crash or a missed deadline the next request starts it again.

pub mod cancel;
pub mod digest;
pub mod fastdeploy;
pub mod line_process;
pub mod orphans;
pub mod pool;
pub mod process;
pub mod remote;
pub mod transport;
pub mod trial;

mod group;
mod output;
