//! `cargo xtask transfer`: carries a partition config to a model that was exported again, whose tensor names changed.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context;
use op_graph::{Correspondence, Likeness, Placement, Support};
use subgraph_log::{PartitionConfig, Severity, lint};

use crate::input::read_ops;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The partition config of the old model
    subgraph: PathBuf,

    /// The old model's log, or its folder
    #[arg(long, value_name = "FILE")]
    from: PathBuf,

    /// The new model's log, or its folder
    #[arg(long, value_name = "FILE")]
    to: PathBuf,

    /// Where to write the new config (default: standard output)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Exit code 1 says that an op was lost, or carried by a guess.
const CHECK_IT: u8 = 1;

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (old, _) = read_ops(&args.from, None)?;
    let (new, _) = read_ops(&args.to, None)?;
    let text = fs::read(&args.subgraph).with_context(|| format!("failed to read {}", args.subgraph.display()))?;
    let partners = Correspondence::between(&old, &new);
    let (mut carried, mut doubts) = (Placement::new(), 0);
    for op in PartitionConfig::parse(&text).forced(&old).intersection(&Support::TimVx.ops(&old)).iter() {
        let Some((partner, likeness)) = partners.of(op) else {
            doubts += 1;
            eprintln!("lost: {} has no counterpart in the new model", old.record(op));
            continue;
        };
        carried.insert(partner);
        let why = match likeness {
            Likeness::Surroundings => "same surroundings",
            Likeness::Name => "one of several that look alike, same name",
            Likeness::Order => "one of several that look alike, a GUESS by order",
        };
        doubts += usize::from(likeness == Likeness::Order);
        eprintln!("{} -> {} ({why})", old.record(op), new.record(partner));
    }
    let written = subgraph_log::write(&new, &carried).map_err(|error| anyhow::anyhow!("failed to {error}"))?.text;
    match &args.out {
        Some(path) => {
            trial_store::write_atomically(path, &written).map_err(|error| anyhow::anyhow!("failed to {error}"))?;
        }
        None => io::stdout().write_all(&written)?,
    }
    let findings = lint(&written, &new, Support::TimVx);
    for finding in findings.iter().filter(|finding| finding.severity >= Severity::Warning) {
        doubts += 1;
        eprintln!("{finding}");
    }
    eprintln!("run it: the placement was verified on the old model, not on this one");
    Ok(ExitCode::from(if doubts > 0 { CHECK_IT } else { 0 }))
}
