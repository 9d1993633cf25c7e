//! `cargo xtask parse`: the ops of a log, as a full `subgraph.txt` or as JSON.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use op_graph::{Name, OpId};
use serde::Serialize;

use crate::input::read_ops;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The log (or a model folder)
    log: PathBuf,

    /// Which block of the log, counted from 1 (default: the last complete one)
    #[arg(long, value_name = "N")]
    block: Option<usize>,

    /// Print JSON: {"ops":[{"type","inputs","outputs","cluster"}],"clusters":N}
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Listing<'a> {
    ops: Vec<ListedOp<'a>>,
    clusters: usize,
}

#[derive(Serialize)]
struct ListedOp<'a> {
    r#type: &'a Name,
    inputs: &'a [Name],
    outputs: &'a [Name],
    cluster: Option<usize>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (graph, logged) = read_ops(&args.log, args.block)?;
    let mut out = io::stdout().lock();
    if !args.json {
        for record in graph.records() {
            out.write_all(&[record.to_line(), b"\n".to_vec()].concat())?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let clustering = logged.unwrap_or_default();
    let ops = graph.records().iter().enumerate().map(|(index, record)| ListedOp {
        r#type: &record.op_type,
        inputs: &record.inputs,
        outputs: &record.outputs,
        cluster: clustering.cluster_of(OpId::new(index)),
    });
    serde_json::to_writer(&mut out, &Listing { ops: ops.collect(), clusters: clustering.len() })?;
    writeln!(out)?;
    Ok(ExitCode::SUCCESS)
}
