//! `cargo xtask report`: writes the report page of a run directory, finished or not.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use report::Run;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The run directory
    run: PathBuf,

    /// Where to write the page (default: report.html in the run directory)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let out = args.out.clone().unwrap_or_else(|| args.run.join("report.html"));
    write(&args.run, &out)?;
    println!("{}", out.display());
    Ok(ExitCode::SUCCESS)
}

/// Writes the page of a run.
pub(crate) fn write(run: &Path, out: &Path) -> anyhow::Result<()> {
    let spelled = |error: &dyn std::fmt::Display| anyhow::anyhow!("failed to {error}");
    let run = Run::read(run).map_err(|error| spelled(&error))?;
    trial_store::write_atomically(out, report::html(&run).as_bytes()).map_err(|error| spelled(&error))
}
