//! `cargo xtask clusters`: what a partition config forces, and the clusters that Paddle Lite forms from the rest.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context;
use op_graph::{Clustering, OpId, OpSet, Support};
use serde::Serialize;
use subgraph_log::PartitionConfig;

use crate::input::{is_model, read_model, read_ops};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The log (just its operators will do), or a model folder
    log: PathBuf,

    /// The partition config; without one, nothing is forced
    subgraph: Option<PathBuf>,

    /// Which block of the log, counted from 1 (default: the last complete one)
    #[arg(long, value_name = "N")]
    block: Option<usize>,

    /// Take every op but feed and fetch as NPU-capable
    #[arg(long)]
    all_supported: bool,

    /// Print JSON: {"forced":[op indices],"clusters":[[op indices]]}
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Formed {
    forced: Vec<OpId>,
    clusters: Vec<Vec<OpId>>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (graph, _) = read_ops(&args.log, args.block)?;
    let support = if args.all_supported { Support::AnyButFeedFetch } else { Support::TimVx };
    let supported = support.ops(&graph);
    let matched = match &args.subgraph {
        Some(path) => {
            let text = fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
            PartitionConfig::parse(&text).forced(&graph)
        }
        None => OpSet::new(),
    };
    // An op that the NPU does not take is on the CPU anyway: naming it has no effect.
    let forced = matched.intersection(&supported);
    let marked = supported.difference(&forced);
    let clustering = if is_model(&args.log) {
        read_model(&args.log)?.clustering(&marked)
    } else {
        Clustering::form(&graph, &marked)
    };
    let mut out = io::stdout().lock();
    if args.json {
        let formed = Formed { forced: forced.iter().collect(), clusters: clustering.clusters().to_vec() };
        serde_json::to_writer(&mut out, &formed)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(
        out,
        "{} ops, {} may run on the NPU, {} forced to the CPU",
        graph.op_count(),
        supported.len(),
        forced.len()
    )?;
    for (index, cluster) in clustering.clusters().iter().enumerate() {
        writeln!(out, "cluster {index}: {} ops", cluster.len())?;
        for &op in cluster {
            writeln!(out, "  {:>5}  {}", op.index(), graph.record(op))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
