//! `cargo xtask replay`: a search with the answers of a log, which a person may have corrected.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context;
use trial_store::TrialLog;

use crate::{
    screen::View,
    session::conduct,
    setup::with_defaults,
    start::{Start, recorded},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What `cargo xtask log` printed, perhaps edited
    log: PathBuf,

    /// The run directory (default: a new one under runs/)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    #[command(flatten)]
    view: View,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let text = fs::read(&args.log).with_context(|| format!("failed to read {}", args.log.display()))?;
    let log = TrialLog::parse(&text).map_err(|error| anyhow::anyhow!("{}: failed to {error}", args.log.display()))?;
    let mut settings = recorded(&log.configuration)?;
    settings.out = args.out;
    conduct(&with_defaults(settings)?, Start::Replay(Box::new(log)), args.view)
}
