//! Paths on a board, which are bytes and not paths of this machine.

use std::fmt;

/// A path on a board: absolute, any bytes but NUL.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemotePath(Vec<u8>);

/// Why bytes are no path on a board.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("use {path:?} as a path on a board: it must start with `/` and hold no NUL byte")]
pub struct RemotePathError {
    path: String,
}

impl RemotePath {
    /// An absolute path.
    ///
    /// # Errors
    /// It does not start with `/`, or holds a NUL byte.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, RemotePathError> {
        let bytes = bytes.into();
        if bytes.first() == Some(&b'/') && !bytes.contains(&0) {
            Ok(Self(bytes))
        } else {
            Err(RemotePathError { path: bytes.escape_ascii().to_string() })
        }
    }

    /// The path of an entry in this folder. The name is appended as it is: names from outside are checked where they come in.
    pub fn join(&self, name: &str) -> Self {
        let mut bytes = self.0.clone();
        if bytes.last() != Some(&b'/') {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(name.replace('\0', "").as_bytes());
        Self(bytes)
    }

    /// The exact bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same path on this machine, for a "board" that is this machine. `None` where this system has no such paths.
    pub fn to_local(&self) -> Option<std::path::PathBuf> {
        #[cfg(unix)]
        return Some(std::path::PathBuf::from(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&self.0)));
        #[cfg(not(unix))]
        std::str::from_utf8(&self.0).ok().map(std::path::PathBuf::from)
    }
}

impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}
