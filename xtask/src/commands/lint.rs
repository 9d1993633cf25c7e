//! `cargo xtask lint`: every trap in a partition config, explained with its line.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context;
use op_graph::Support;
use subgraph_log::{PartitionConfig, Severity, lint};

use crate::input::read_ops;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The partition config
    subgraph: PathBuf,

    /// The log with the ops it is for, or a model folder
    #[arg(long, value_name = "FILE")]
    log: PathBuf,

    /// Which block of the log, counted from 1 (default: the last complete one)
    #[arg(long, value_name = "N")]
    block: Option<usize>,

    /// Take every op but feed and fetch as NPU-capable
    #[arg(long)]
    all_supported: bool,
}

/// Exit code 1 says that the config does not do what it seems to.
const FOUND_TROUBLE: u8 = 1;

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (graph, _) = read_ops(&args.log, args.block)?;
    let text = fs::read(&args.subgraph).with_context(|| format!("failed to read {}", args.subgraph.display()))?;
    let support = if args.all_supported { Support::AnyButFeedFetch } else { Support::TimVx };
    let findings = lint(&text, &graph, support);
    for finding in &findings {
        println!("{}:{finding}", args.subgraph.display());
    }
    let supported = support.ops(&graph);
    let forced = PartitionConfig::parse(&text).forced(&graph).intersection(&supported);
    println!("forces {} of {} NPU-capable ops to the CPU", forced.len(), supported.len());
    let trouble = findings.iter().any(|finding| finding.severity >= Severity::Warning);
    Ok(if trouble { ExitCode::from(FOUND_TROUBLE) } else { ExitCode::SUCCESS })
}
