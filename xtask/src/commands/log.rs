//! `cargo xtask log`: the journal of a run as a text that a person can read, correct and replay.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use trial_store::{TrialLog, read_run};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The run directory
    run: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let snapshot = read_run(&args.run).map_err(|error| anyhow::anyhow!("failed to {error}"))?;
    write!(io::stdout().lock(), "{}", TrialLog::of(&snapshot.manifest, &snapshot.history))?;
    Ok(ExitCode::SUCCESS)
}
