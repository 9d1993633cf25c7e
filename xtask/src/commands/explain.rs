//! `cargo xtask explain`: which ops of a model are at risk on TIM-VX, why, and what would cure it, without a single trial.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::bail;
use int8_sim::deviations::{Harm, known};
use op_graph::{OpGraph, OpId, Support};
use paddle_model::LiteProgram;

use crate::input::{is_model, read_block, read_model};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The model's folder or .pdmodel file (attributes and scales count), or its log (types alone count)
    model: PathBuf,

    /// An op: its position, its type, or a tensor that it writes
    #[arg(required_unless_present = "all")]
    op: Option<String>,

    /// Every op with more than a rounding error
    #[arg(long, conflicts_with = "op")]
    all: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let program = is_model(&args.model).then(|| read_model(&args.model)).transpose()?;
    let graph = match &program {
        Some(program) => program.graph.clone(),
        None => read_block(&args.model, None)?.ops,
    };
    let mut out = io::stdout().lock();
    if program.is_none() {
        writeln!(out, "From a log alone: attributes and scales are unknown, so some of this may not apply.\n")?;
    }
    let least = if args.all { Harm::Coarse } else { Harm::Rounding };
    let mut shown = 0;
    for op in wanted(&graph, args.op.as_deref())? {
        shown += usize::from(explain(&mut out, &graph, program.as_ref(), op, least)?);
    }
    if args.all {
        writeln!(
            out,
            "{shown} of {} ops at risk; the others are off by a rounding error, or nothing is known.",
            graph.op_count()
        )?;
    } else if shown == 0 {
        writeln!(out, "Nothing is known against it on TIM-VX.")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The ops of a name: a position, a type or an output; all of them without one.
fn wanted(graph: &OpGraph, name: Option<&str>) -> anyhow::Result<Vec<OpId>> {
    let Some(name) = name else { return Ok(graph.ops().collect()) };
    let named = |op: &OpId| {
        let record = graph.record(*op);
        record.op_type == name || record.outputs.iter().any(|output| *output == *name) || name == op.index().to_string()
    };
    let ops: Vec<OpId> = graph.ops().filter(named).collect();
    if ops.is_empty() {
        bail!(
            "no op is called `{name}`: give a position, a type or a tensor that an op writes (`cargo xtask parse` lists them)"
        );
    }
    Ok(ops)
}

fn explain(
    out: &mut impl Write,
    graph: &OpGraph,
    program: Option<&LiteProgram>,
    op: OpId,
    least: Harm,
) -> io::Result<bool> {
    let record = graph.record(op);
    if !Support::TimVx.takes(&record.op_type) {
        return Ok(false);
    }
    let known: Vec<_> = known(graph, program, op).into_iter().filter(|known| known.harm <= least).collect();
    if known.is_empty() {
        return Ok(false);
    }
    writeln!(out, "{} {record}", op.index())?;
    for deviation in known {
        let harm = match deviation.harm {
            Harm::Refused => "may be refused",
            Harm::Wrong => "another function",
            Harm::Saturates => "saturates",
            Harm::Coarse => "coarse",
            Harm::Rounding => "rounding",
        };
        writeln!(out, "  {harm}: {}", deviation.text)?;
        if !deviation.cure.is_empty() {
            writeln!(out, "    cure: {}", deviation.cure)?;
        }
        writeln!(out, "    {}; {}", deviation.certainty.word(), deviation.source)?;
    }
    writeln!(out)?;
    Ok(true)
}
