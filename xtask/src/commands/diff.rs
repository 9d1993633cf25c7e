//! `cargo xtask diff`: two runs, or two partition configs of one model, side by side.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use op_graph::{Clustering, OpGraph, Support};
use report::Run;
use subgraph_log::PartitionConfig;
use trial_store::ResultFile;

use crate::input::read_ops;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A run directory, or a partition config
    a: PathBuf,

    /// The same of the other
    b: PathBuf,

    /// For two partition configs: the log with the ops they are for, or a model folder
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

/// Exit code 1 says that they differ.
const DIFFERENT: u8 = 1;

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let same = match (args.a.is_dir(), args.b.is_dir()) {
        (true, true) => runs(&args.a, &args.b)?,
        (false, false) => {
            let log = args.log.as_deref().context("two partition configs can be compared for a model: give --log")?;
            let (graph, _) = read_ops(log, None)?;
            configs(&args.a, &args.b, &graph)?
        }
        _ => bail!("compare two run directories or two partition configs, not one with the other"),
    };
    Ok(ExitCode::from(if same { 0 } else { DIFFERENT }))
}

type Show = fn(&ResultFile) -> String;

fn runs(a: &Path, b: &Path) -> anyhow::Result<bool> {
    let read = |path: &Path| Run::read(path).map_err(|error| anyhow::anyhow!("failed to {error}"));
    let (a, b) = (read(a)?, read(b)?);
    row("", &a.path.display().to_string(), &b.path.display().to_string());
    let shown = |run: &Run, show: Show| run.result.as_ref().map_or("–".to_owned(), show);
    let rows: [(&str, Show); 8] = [
        ("outcome", |result| format!("{:?}", result.outcome)),
        ("without the NPU", |result| score(result.score_cpu)),
        ("all on the NPU", |result| score(result.score_npu)),
        ("with the answer", |result| score(result.score)),
        ("threshold", |result| score(result.threshold)),
        ("ops on the CPU", |result| result.cpu_ops.len().to_string()),
        ("NPU clusters", |result| result.clusters.to_string()),
        ("trials", |result| result.trials.to_string()),
    ];
    for (name, show) in rows {
        row(name, &shown(&a, show), &shown(&b, show));
    }
    for difference in a.manifest.differences(&b.manifest) {
        let value = |value: Option<String>| value.unwrap_or_else(|| "not given".to_owned());
        row(&difference.name, &value(difference.recorded), &value(difference.now));
    }
    let ops = |run: Run| run.result.map(|result| result.cpu_ops).unwrap_or_default();
    Ok(sides(&ops(a), &ops(b)))
}

fn configs(a: &Path, b: &Path, graph: &OpGraph) -> anyhow::Result<bool> {
    let supported = Support::TimVx.ops(graph);
    let forced = |path: &Path| {
        let text = fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
        anyhow::Ok(PartitionConfig::parse(&text).forced(graph).intersection(&supported))
    };
    let (left, right) = (forced(a)?, forced(b)?);
    let clusters = |forced| Clustering::form(graph, &supported.difference(forced)).len().to_string();
    row("", &a.display().to_string(), &b.display().to_string());
    row("ops on the CPU", &left.len().to_string(), &right.len().to_string());
    row("NPU clusters", &clusters(&left), &clusters(&right));
    let records = |ops: &op_graph::OpSet| ops.iter().map(|op| graph.record(op).to_string()).collect::<Vec<_>>();
    Ok(sides(&records(&left), &records(&right)))
}

/// Lists the ops on the CPU by where they are; says whether the two agree.
fn sides(a: &[String], b: &[String]) -> bool {
    let [left, right] = [a, b].map(|ops| ops.iter().collect::<BTreeSet<_>>());
    println!();
    for op in a.iter().filter(|op| right.contains(op)) {
        println!("  both    {op}");
    }
    for op in a.iter().filter(|op| !right.contains(op)) {
        println!("  first   {op}");
    }
    for op in b.iter().filter(|op| !left.contains(op)) {
        println!("  second  {op}");
    }
    left == right
}

fn row(name: &str, a: &str, b: &str) {
    println!("{name:<20}  {a:<34}  {b}");
}

fn score(score: Option<f64>) -> String {
    score.map_or_else(|| "–".to_owned(), |score| format!("{score:.4}"))
}
