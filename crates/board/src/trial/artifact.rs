//! Contents that do not change from trial to trial (model, libraries, inputs), named by their hash.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::digest::Sha256;

/// A file that trials find in their folder, pushed to each board only once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Where a trial finds it, relative to its folder, `/` between the parts: `model/inference.pdmodel`.
    pub path: String,
    /// The file on this machine.
    pub source: PathBuf,
    /// The hash of its contents.
    pub sha256: Sha256,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Why a file cannot be an artifact.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// The path would leave the trial's folder or clash with what the trial protocol puts there.
    #[error(
        "place {path:?} in a trial's folder: use a relative path without `.`, `..` and NUL that is not one of the names \
         the trial itself uses"
    )]
    BadPath {
        /// The path.
        path: String,
    },
    /// The file cannot be read.
    #[error("read {}: {source}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// Names in a trial's folder that the protocol uses itself.
const RESERVED: [&str; 8] = ["subgraph.txt", "nonce", "stdout", "stderr", "pid", "rc", "timeout", "result.json"];

impl Artifact {
    /// A file that trials find at `path`.
    ///
    /// # Errors
    /// The path is no place in a trial's folder, or the file cannot be read.
    pub fn file(path: &str, source: &Path) -> Result<Self, ArtifactError> {
        let plain_parts = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !plain_parts || path.contains('\0') || is_reserved(path) {
            return Err(ArtifactError::BadPath { path: path.to_owned() });
        }
        let (sha256, bytes) = Sha256::of_file(source)
            .map_err(|error| ArtifactError::Unreadable { path: source.to_path_buf(), source: error })?;
        Ok(Self { path: path.to_owned(), source: source.to_path_buf(), sha256, bytes })
    }

    /// Every file of a folder, at the same places under `path`, in the order of their names.
    ///
    /// # Errors
    /// As [`Artifact::file`]; a name that is not UTF-8 is a bad path.
    pub fn folder(path: &str, source: &Path) -> Result<Vec<Self>, ArtifactError> {
        let unreadable = |error| ArtifactError::Unreadable { path: source.to_path_buf(), source: error };
        let mut entries = source.read_dir().and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(unreadable)?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        let mut artifacts = Vec::new();
        for entry in entries {
            let place = format!("{path}/{}", entry.file_name().to_string_lossy());
            if entry.file_name().to_str().is_none() {
                return Err(ArtifactError::BadPath { path: place });
            }
            if entry.path().is_dir() {
                artifacts.extend(Self::folder(&place, &entry.path())?);
            } else {
                artifacts.push(Self::file(&place, &entry.path())?);
            }
        }
        Ok(artifacts)
    }
}

pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}
