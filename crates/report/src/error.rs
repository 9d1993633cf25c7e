//! What can keep a report from being written.

use std::{io, path::PathBuf};

use thiserror::Error;
use trial_store::StoreError;

/// Why there is no report.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The run cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of the run cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of the run is not what its name says.
    #[error("read {}: {source}; remove it, and the report will do without", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
}
