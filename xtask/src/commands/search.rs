//! `cargo xtask search`: the main command, from settings to `subgraph.txt`.

use std::{path::PathBuf, process::ExitCode};

use crate::{
    exit,
    screen::View,
    session::{conduct, rehearse},
    settings::Settings,
    setup::with_defaults,
    start::{Start, latest_run, recorded},
};

/// What stands for the newest run where no directory is named.
const LATEST: &str = "(the newest run)";

#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Args {
    /// A search.toml; flags win over it
    config: Option<PathBuf>,

    /// Go on with a run where it ended (default: the newest under runs/)
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = LATEST, conflicts_with = "config")]
    resume: Option<PathBuf>,

    /// With --resume: start a new run with other settings, and take over the answers that are still valid
    #[arg(long, requires = "resume")]
    adopt: bool,

    /// With --resume: ask trials again that were running at two crashes in a row
    #[arg(long, requires = "resume", conflicts_with = "adopt")]
    retry_lost: bool,

    /// Run every trial, and keep none in the cache
    #[arg(long, conflicts_with = "cache")]
    no_cache: bool,

    /// Show the plan, the first trials, and how many trials there may be; run and write nothing
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,

    #[command(flatten)]
    view: View,

    #[command(flatten)]
    settings: Settings,
}

pub(crate) fn run(mut args: Args) -> anyhow::Result<ExitCode> {
    if args.no_cache {
        args.settings.cache = Some(false);
    }
    let (settings, start) = match (args.resume, &args.config) {
        (Some(path), _) => {
            let path = if path.as_os_str() == LATEST { latest_run()? } else { path };
            let earlier = trial_store::read_run(&path).map_err(exit::store)?;
            let mut file = recorded(&earlier.manifest.configuration)?;
            file.out = None;
            let start =
                if args.adopt { Start::Adopt(path) } else { Start::Resume { path, retry_lost: args.retry_lost } };
            (args.settings.over(file), start)
        }
        (None, Some(config)) => (args.settings.over(Settings::read(config)?), Start::New),
        (None, None) => (args.settings, Start::New),
    };
    let settings = with_defaults(settings)?;
    if args.dry_run { rehearse(&settings) } else { conduct(&settings, start, args.view) }
}
