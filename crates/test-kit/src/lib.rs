//! What the workspace's tests share: the way to the fixtures, skips that are counted and can be forbidden, and boards on loopback: real
//! sshd, adb's real client before a daemon that speaks as adbd does, and a real labgrid farm.
//!
//! ```
//! let real = test_kit::fixtures().join("README.md");
//! assert!(real.ends_with("fixtures/README.md"));
//! ```

#[cfg(unix)]
#[allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a test kit that does not work fails its test")]
mod adb;
#[cfg(unix)]
#[allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "as above")]
mod labgrid;
#[cfg(unix)]
#[allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "as above")]
mod processes;
#[cfg(unix)]
#[allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "as above")]
mod sshd;

#[cfg(unix)]
pub use {
    adb::{AdbServer, Adbd, Age},
    labgrid::{LabgridFarm, find_labgrid},
    processes::{eventually, running_with},
    sshd::Sshd,
};

use std::{
    env,
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
};

/// Names the file to which each skipped test appends one line; `cargo xtask test` counts them.
pub const SKIP_LOG: &str = "NPU_BISECT_SKIP_LOG";

/// When set, a skipped test fails instead: a machine that was set up for the tests must not lack anything.
pub const FORBID_SKIPS: &str = "NPU_BISECT_FORBID_SKIPS";

/// The repository's `fixtures` folder.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// The full path of a program on `PATH` or in `/usr/sbin`, or `None` after the skip was said.
///
/// # Panics
/// When skips are forbidden and the program is missing.
pub fn require_program(test: &str, program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|dir| dir.join(program))
        .find(|candidate| candidate.is_file());
    if found.is_none() {
        skip(test, &format!("`{program}` is not installed"));
    }
    found
}

/// Says that a test is skipped and why.
///
/// # Panics
/// When skips are forbidden.
pub fn skip(test: &str, reason: &str) {
    assert!(env::var_os(FORBID_SKIPS).is_none(), "{test} would be skipped ({reason}), and skips are forbidden here");
    skip_anywhere(test, reason);
}

/// Says that a test is skipped and why, where it needs what a machine set up for the tests may lack all the same: Python 3.10,
/// which few distributions still package.
pub fn skip_anywhere(test: &str, reason: &str) {
    eprintln!("skipped: {test}: {reason}");
    if let Some(log) = env::var_os(SKIP_LOG)
        && let Ok(mut file) = OpenOptions::new().create(true).append(true).open(log)
    {
        // A lost line only makes the printed count too low; the test itself has said so already.
        let _ = writeln!(file, "{test}: {reason}");
    }
}
