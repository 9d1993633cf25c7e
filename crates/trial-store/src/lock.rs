//! One writer a run: the system's own file lock, which dies with its process, and beside it who holds it.

use std::{
    env, fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    process, thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{StoreError, Timestamp};

/// The process that writes to a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// On which machine.
    pub host: String,
    /// Since when.
    pub since: Timestamp,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {} (since {})", self.pid, self.host.escape_debug(), self.since)
    }
}

/// Held while the value lives. The file itself stays: removing a lock file lets two processes lock two files.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

/// How long to wait for a lock. A process that was killed while it started another lives on in that one's copy of the descriptor, until
/// the new program begins; on a busy machine that takes a while.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(10);

/// More than any holder needs.
const MAX_HOLDER: u64 = 4096;

impl Lock {
    /// The name of the lock file.
    pub(crate) const NAME: &str = "lock";

    /// Locks a run directory. Where a dead process left its name in the lock file, that name is returned as well.
    pub(crate) fn acquire(run: &Path, now: Timestamp) -> Result<(Self, Option<Holder>), StoreError> {
        let path = run.join(Self::NAME);
        let io = |source| StoreError::io("lock", &path, source);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        let locked = try_patiently(&file);
        let holder = read_holder(&mut file);
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { path: run.to_owned(), holder }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let mut lock = Self { file };
        lock.sign(now).map_err(io)?;
        Ok((lock, holder))
    }

    fn sign(&mut self, now: Timestamp) -> io::Result<()> {
        let holder = Holder { pid: process::id(), host: host(), since: now };
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(&serde_json::to_vec(&holder)?)?;
        // After a power cut the name must still be there, or the cut would look like an end in good order.
        self.file.sync_all()
    }

    pub(crate) fn path(run: &Path) -> PathBuf {
        run.join(Self::NAME)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // An emptied file says that the holder ended in good order. Unlocking, and not just closing the file, frees the
        // run even while a process that this one is starting still has a copy of the descriptor.
        let _ = self.file.set_len(0).and_then(|()| self.file.unlock());
    }
}

fn try_patiently(file: &File) -> Result<(), TryLockError> {
    let end = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < end => thread::sleep(PAUSE),
            decided => return decided,
        }
    }
}

fn read_holder(file: &mut File) -> Option<Holder> {
    let mut bytes = Vec::new();
    file.take(MAX_HOLDER).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn host() -> String {
    let named = fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| env::var("HOSTNAME"));
    named.map_or_else(|_| "this machine".to_owned(), |name| name.trim().to_owned())
}
