//! Processes that a killed tool left behind. What it starts carries a mark in its environment, which children inherit, so that the next
//! process of the same run finds them without a record that could be torn, stale or missing.
//!
//! Only Linux shows the environment of a process to other processes of its user; elsewhere nothing is found.

use std::{ffi::OsStr, io};

/// Kills every process of this user that has `variable=value` in its environment, and waits until it is gone; returns how many there
/// were. A process that leads a session of its own, as daemons do (`adb`'s server is one), is spared, and so is what belongs to that session.
///
/// # Errors
/// When the list of processes cannot be read, or a process survives.
pub fn kill(variable: &str, value: &OsStr) -> io::Result<usize> {
    sweep::kill(variable, value)
}

#[cfg(not(target_os = "linux"))]
mod sweep {
    use super::{OsStr, io};

    pub(super) fn kill(_variable: &str, _value: &OsStr) -> io::Result<usize> {
        Ok(0)
    }
}

#[cfg(target_os = "linux")]
mod sweep {
    use std::{
        collections::BTreeSet,
        fs,
        num::NonZeroI32,
        os::{fd::OwnedFd, unix::ffi::OsStrExt},
        time::{Duration, Instant},
    };

    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal},
    };

    use super::{OsStr, io};

    /// How long killed processes may take to disappear.
    const GRACE: Duration = Duration::from_secs(5);

    pub(super) fn kill(variable: &str, value: &OsStr) -> io::Result<usize> {
        let mark = [variable.as_bytes(), b"=", value.as_bytes()].concat();
        let end = Instant::now() + GRACE;
        let mut killed = BTreeSet::new();
        // What starts children while it is being killed leaves new ones to the next look.
        loop {
            let marked = marked(&mark)?;
            if marked.is_empty() {
                return Ok(killed.len());
            }
            for (pid, handle) in marked {
                killed.insert(pid.as_raw_nonzero());
                // An error means that it is gone.
                let _ = pidfd_send_signal(&handle, Signal::KILL);
                wait(&handle, end)?;
            }
        }
    }

    /// The marked processes that are not of a marked session. A handle taken before the mark is read cannot come to mean another process.
    fn marked(mark: &[u8]) -> io::Result<Vec<(Pid, OwnedFd)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let pid = name.to_str().and_then(|name| Pid::from_raw(name.parse().ok()?));
            let Some(pid) = pid.filter(|pid| *pid != getpid()) else { continue };
            let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
            if has_mark(pid, mark) {
                found.push((pid, handle));
            }
        }
        let all: BTreeSet<_> = found.iter().map(|(pid, _)| pid.as_raw_nonzero()).collect();
        let is_daemon = |pid: Pid| session(pid).is_some_and(|session| all.contains(&session));
        found.retain(|(pid, _)| !is_daemon(*pid));
        Ok(found)
    }

    /// The leader of a process's session. In a container it may be a process outside, which has no number here.
    fn session(pid: Pid) -> Option<NonZeroI32> {
        let stat = fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
        // The name, in parentheses, may hold anything. After it come the state, the parent, the group and the session.
        let fields = stat.rsplit(|&byte| byte == b')').next()?;
        let fields = std::str::from_utf8(fields).ok()?;
        NonZeroI32::new(fields.split_whitespace().nth(3)?.parse().ok()?)
    }

    /// Another user's environment cannot be read, and a dead process has none.
    fn has_mark(pid: Pid, mark: &[u8]) -> bool {
        let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|variable| variable == mark)
    }

    /// A handle becomes readable when its process has ended.
    fn wait(handle: &OwnedFd, end: Instant) -> io::Result<()> {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&timeout)) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::TimedOut, "a killed process does not go away")),
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
