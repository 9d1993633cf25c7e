//! The one error type: what was wrong, where, and what to do next.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{Holder, PathError};

/// Why a run directory or a cache could not be used. Texts fit after "failed to".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The system refused to read or write.
    #[error("{action} {}: {source}{}", path.display(), advice(source.kind()))]
    Io {
        /// What was tried, a verb.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Another process writes to this run.
    #[error("lock {}: {} works on this run; wait for it to end or stop it first", path.display(), holder.as_ref().map_or_else(|| "another process".to_owned(), ToString::to_string))]
    Locked {
        /// The run directory.
        path: PathBuf,
        /// Who, where it has said so already.
        holder: Option<Holder>,
    },
    /// There is no run to open.
    #[error("open the run in {}: it has no run.json; name the directory that an earlier search wrote", .0.display())]
    NotARun(PathBuf),
    /// A new run must not mix with an old one.
    #[error("create a run in {}: there is a run already; resume it or name another directory", .0.display())]
    AlreadyARun(PathBuf),
    /// A new run must not mix with other files.
    #[error("create a run in {}: it is not empty ({found} is there); name a new directory", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
        /// One of the things in it.
        found: String,
    },
    /// The run was written by a tool of another generation.
    #[error("read {}: it has format version {found}, and this tool knows versions 1 to {known}; use a newer tool", path.display())]
    Format {
        /// `run.json`.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The newest version that this tool knows.
        known: u32,
    },
    /// `run.json` is not what this tool writes.
    #[error("read {}, line {line}: {reason}; restore the file, or start a new run", path.display())]
    Manifest {
        /// `run.json`.
        path: PathBuf,
        /// One-based.
        line: usize,
        /// What the JSON parser says.
        reason: String,
    },
    /// The journal is damaged before its last line, which no crash explains.
    #[error("read {}, line {line} (byte {offset}): {reason}; what follows cannot be trusted: restore the file from a copy, or keep only the lines before this one", path.display())]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// The first damaged line, one-based.
        line: u64,
        /// Where it begins, in bytes.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A journal line is whole but says something that this tool does not know.
    #[error("read {}, line {line}: {reason}; it is undamaged, so a newer tool wrote it: use that one", path.display())]
    UnknownEntry {
        /// The journal.
        path: PathBuf,
        /// One-based.
        line: u64,
        /// What the JSON parser says.
        reason: String,
    },
    /// A file or an event is larger than anything this tool writes.
    #[error("{action} {}: {bytes} bytes are more than the limit of {limit}", path.display())]
    TooLarge {
        /// What was tried, a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Its size, or that of the event.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// An event cannot be written as JSON.
    #[error("encode an event for {}: {source}", path.display())]
    Encode {
        /// The journal.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// An earlier write failed in a way that leaves the end of the journal unknown.
    #[error("append to {}: an earlier write failed and could not be undone; end this process, then resume the run", .0.display())]
    Unwritable(PathBuf),
    /// A path leads out of the run directory.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Another process has the cache open.
    #[error("open the cache {}: another process uses it; run without it, or wait for that one to end", .0.display())]
    CacheBusy(PathBuf),
    /// The embedded database failed.
    #[error("{action} the cache {}: {reason}; the cache holds copies only, so it may be deleted", path.display())]
    Cache {
        /// What was tried, a verb.
        action: &'static str,
        /// The database file.
        path: PathBuf,
        /// What the database says.
        reason: String,
    },
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    /// Did the disk, a quota or a file size limit run full? Making space and resuming helps.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_full(source.kind()))
    }
}

fn is_full(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

fn advice(kind: io::ErrorKind) -> &'static str {
    match kind {
        kind if is_full(kind) => "; make space, then resume the run: every finished trial is kept",
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            "; make the directory writable for you, or name another one"
        }
        io::ErrorKind::NotFound => "; check the path",
        _ => "",
    }
}
