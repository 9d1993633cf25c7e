//! This machine as a board: the programs run here, through the same scripts as on a board.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Transport, Trouble, client};
use crate::{
    cancel::Cancel,
    process::Command,
    remote::{Nonce, RemotePath, Reply, wrap},
};

/// This machine's own shell.
#[derive(Clone, Debug)]
pub struct Local {
    shell: PathBuf,
    cancel: Cancel,
}

impl Local {
    /// This machine; calls end early when `cancel` is raised.
    pub fn new(cancel: &Cancel) -> Self {
        Self { shell: "/bin/sh".into(), cancel: cancel.clone() }
    }

    /// Uses another POSIX shell than `/bin/sh`.
    pub fn with_shell(mut self, program: impl Into<PathBuf>) -> Self {
        self.shell = program.into();
        self
    }

    fn local(&self, remote: &RemotePath) -> Result<PathBuf, Trouble> {
        remote.to_local().ok_or_else(|| Trouble::Damaged {
            board: self.label(),
            reason: format!("{remote} is no path on this system"),
        })
    }
}

impl Transport for Local {
    fn label(&self) -> String {
        "this machine".into()
    }

    fn shell(&self, script: &[u8], deadline: Duration) -> Result<Reply, Trouble> {
        let nonce = Nonce::fresh();
        let shell = Command::new(&self.shell).stdin_bytes(wrap(&nonce, script));
        client::reply(&self.label(), &nonce, &shell.deadline(deadline).cancel(&self.cancel))
    }

    fn push(&self, local: &Path, remote: &RemotePath, _deadline: Duration) -> Result<(), Trouble> {
        let target = self.local(remote)?;
        fs::copy(local, &target).map_err(Trouble::file(&target))?;
        Ok(())
    }

    fn pull(&self, files: &[(RemotePath, PathBuf)], max_bytes: u64, _deadline: Duration) -> Result<(), Trouble> {
        let mut left = max_bytes;
        for (remote, local) in files {
            let source = self.local(remote)?;
            let refuse = |reason: &str| Trouble::Damaged { board: self.label(), reason: format!("{remote} {reason}") };
            let about = fs::symlink_metadata(&source).map_err(|_| refuse("is missing"))?;
            if !about.is_file() {
                return Err(refuse("is not a regular file"));
            }
            left = left.checked_sub(about.len()).ok_or_else(|| refuse("is too large"))?;
            fs::copy(&source, local).map_err(Trouble::file(local))?;
        }
        Ok(())
    }
}
