//! Paths that come from a manifest, checked so that none leads out of the run directory.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// A relative path of plain names, such as `outputs/trial-3.bin`: no `..`, no root, no drive, no backslash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunPath(String);

/// Why a path is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// It is not a chain of plain names.
    #[error("use the path `{path}`: {reason}; it must be plain names joined by `/`, inside the run directory")]
    Unsafe {
        /// The path as given.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A part of it is a link, which may lead anywhere.
    #[error("use the path {}: it is a symbolic link; only plain files and directories are followed", .0.display())]
    Link(PathBuf),
    /// A part of it cannot be looked at.
    #[error("look at {}: {source}", path.display())]
    Io {
        /// The part.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl RunPath {
    /// Checks a path.
    ///
    /// # Errors
    /// [`PathError::Unsafe`].
    pub fn new(path: &str) -> Result<Self, PathError> {
        let wrong = |reason| Err(PathError::Unsafe { path: path.escape_debug().to_string(), reason });
        if path.len() > 1024 {
            return wrong("it is longer than 1024 bytes");
        }
        if path.contains(['\\', ':']) || path.chars().any(char::is_control) {
            return wrong("it holds a backslash, a colon or a control character");
        }
        for name in path.split('/') {
            match name {
                "" => return wrong("it is absolute, or holds an empty name"),
                "." | ".." => return wrong("it holds `.` or `..`"),
                _ => {}
            }
        }
        Ok(Self(path.to_owned()))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The full path under `root`, after no existing part below `root` turned out to be a symbolic link.
    ///
    /// # Errors
    /// [`PathError::Link`], [`PathError::Io`].
    pub fn under(&self, root: &Path) -> Result<PathBuf, PathError> {
        let mut path = root.to_owned();
        for name in self.0.split('/') {
            path.push(name);
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() => return Err(PathError::Link(path)),
                Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(PathError::Io { path, source }),
                _ => {}
            }
        }
        Ok(path)
    }
}

impl TryFrom<String> for RunPath {
    type Error = PathError;

    fn try_from(path: String) -> Result<Self, PathError> {
        Self::new(&path)
    }
}

impl From<RunPath> for String {
    fn from(path: RunPath) -> Self {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_that_could_leave_the_directory_is_refused() {
        for path in
            ["", "/etc/passwd", "..", "a/../../b", "a//b", "a/", "./a", "C:\\x", "a\\..\\b", "a\0b", "a\nb", "C:x"]
        {
            assert!(matches!(RunPath::new(path), Err(PathError::Unsafe { .. })), "{path:?}");
            let json = serde_json::to_string(path).unwrap();
            assert!(serde_json::from_str::<RunPath>(&json).is_err(), "{path:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_inside_the_directory_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/", dir.path().join("out")).unwrap();
        std::os::unix::fs::symlink("/nowhere", dir.path().join("dangling")).unwrap();
        for path in ["out/etc/passwd", "out", "dangling"] {
            let error = RunPath::new(path).unwrap().under(dir.path()).unwrap_err();
            assert!(matches!(error, PathError::Link(_)), "{error}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_path_stays_under_its_root(path in "[a-z./\\\\]{0,20}|.{0,20}") {
            if let Ok(accepted) = RunPath::new(&path) {
                let root = Path::new("/a/run/that/is/not/there");
                let full = accepted.under(root).unwrap();
                let components: Vec<_> = full.strip_prefix(root).unwrap().components().collect();
                prop_assert!(!components.is_empty());
                let plain = |part: &std::path::Component| matches!(part, std::path::Component::Normal(_));
                prop_assert!(components.iter().all(plain));
            }
        }
    }
}
