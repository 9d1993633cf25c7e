//! What can go wrong when recordings and models are read.

use std::path::PathBuf;

/// Why a comparison could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("make sense of {}: {text}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        text: String,
    },
    /// An array file could not be read.
    #[error(transparent)]
    Data(#[from] dataset::Error),
    /// A model could not be read.
    #[error(transparent)]
    Model(#[from] paddle_model::ModelError),
    /// A model cannot be simulated.
    #[error(transparent)]
    Simulator(#[from] int8_sim::SimError),
    /// The folder holds no recording.
    #[error("find recorded trials in {}: expected folders `<model>.<variant>` with `trials.jsonl`", path.display())]
    NoRecordings {
        /// The folder.
        path: PathBuf,
    },
}
