//! Exit codes, as documented in `docs/search.md`, and how an error becomes one.

use std::{fmt, process::ExitCode};

use trial_store::StoreError;

/// A placement was found, or nothing has to move.
pub(crate) const FOUND: u8 = 0;
/// The command line, a configuration or an input file is wrong.
pub(crate) const USAGE: u8 = 2;
/// A limit was reached, or no placement passes.
pub(crate) const LIMIT: u8 = 3;
/// The model fails without the NPU already.
pub(crate) const BASELINE_FAILED: u8 = 4;
/// No usable device.
pub(crate) const NO_DEVICE: u8 = 5;
/// The run directory cannot be written: the disk is full, or read-only. `EX_IOERR` of sysexits.
pub(crate) const STORAGE: u8 = 74;
/// Stopped by the user.
pub(crate) const INTERRUPTED: u8 = 130;
/// Something that should not happen did.
pub(crate) const INTERNAL: u8 = 70;

/// An error that ends the program with a code of its own.
#[derive(Debug)]
pub(crate) struct WithCode {
    pub(crate) code: u8,
    pub(crate) message: String,
}

impl fmt::Display for WithCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for WithCode {}

/// Prints the error with its causes and gives the exit code: its own where it has one, else [`USAGE`], because
/// nearly every error that reaches this point was caused by what the user passed in.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(error.downcast_ref::<WithCode>().map_or(USAGE, |with_code| with_code.code))
}

/// A pipeline error with the exit code that it stands for.
pub(crate) fn pipeline(error: &pipeline::PipelineError) -> anyhow::Error {
    let code = match error {
        pipeline::PipelineError::Device { .. } | pipeline::PipelineError::Withdrawn { .. } => NO_DEVICE,
        pipeline::PipelineError::Store(error) => store_code(error),
        pipeline::PipelineError::Interrupted => INTERRUPTED,
        pipeline::PipelineError::Panicked { .. } => INTERNAL,
        _ => USAGE,
    };
    WithCode { code, message: format!("failed to {error}") }.into()
}

/// An error that leaves no device to work with.
pub(crate) fn no_device(error: &anyhow::Error) -> anyhow::Error {
    WithCode { code: NO_DEVICE, message: error.to_string() }.into()
}

/// An error of the run directory with the exit code that it stands for.
#[expect(clippy::needless_pass_by_value, reason = "it is passed to `map_err`")]
pub(crate) fn store(error: StoreError) -> anyhow::Error {
    WithCode { code: store_code(&error), message: format!("failed to {error}") }.into()
}

fn store_code(error: &StoreError) -> u8 {
    match error {
        StoreError::Io { .. } | StoreError::Unwritable(_) => STORAGE,
        _ => USAGE,
    }
}
