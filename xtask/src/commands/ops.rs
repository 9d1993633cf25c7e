//! `cargo xtask ops`: which ops of a model or a log the simulator has kernels for, and which the NPU may refuse.

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use int8_sim::families::{Coverage, coverage};
use op_graph::timvx_supported;
use serde::Serialize;

use crate::input::read_ops;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A model's folder, or a log
    ops: PathBuf,

    /// Which block of the log, counted from 1 (default: the last complete one)
    #[arg(long, value_name = "N")]
    block: Option<usize>,

    /// Print JSON: `[{"type","count","cpu_kernel","npu_kernel","risk"}]`
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    r#type: String,
    count: usize,
    cpu_kernel: bool,
    npu_kernel: bool,
    risk: Option<&'static str>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (graph, _) = read_ops(&args.ops, args.block)?;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for record in graph.records() {
        *counts.entry(record.op_type.to_string()).or_default() += 1;
    }
    let rows: Vec<Row> = counts.into_iter().map(|(op_type, count)| row(op_type, count)).collect();
    if args.json {
        println!("{}", serde_json::to_string(&rows)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!("{:<36} {:>5}  {:<4} {:<4} refusal on the NPU", "type", "count", "CPU", "NPU");
    for row in &rows {
        let [cpu, npu] = [row.cpu_kernel, row.npu_kernel].map(|has| if has { "yes" } else { "no" });
        let line = format!("{:<36} {:>5}  {cpu:<4} {npu:<4} {}", row.r#type, row.count, row.risk.unwrap_or_default());
        println!("{}", line.trim_end());
    }
    let missing: Vec<&str> = rows.iter().filter(|row| !row.cpu_kernel).map(|row| row.r#type.as_str()).collect();
    if !missing.is_empty() {
        println!("\nThe simulator cannot run the model: no kernel for {}.", missing.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

fn row(op_type: String, count: usize) -> Row {
    let Coverage { cpu, npu } = coverage(&op_type);
    let taken = timvx_supported(&op_type.as_str().into());
    Row { count, cpu_kernel: cpu, npu_kernel: npu && taken, risk: risk(&op_type, taken), r#type: op_type }
}

/// What a placement with the op on the NPU may be refused for, by its type alone.
fn risk(op_type: &str, taken: bool) -> Option<&'static str> {
    match op_type {
        "feed" | "fetch" => None,
        _ if !taken => Some("never on the NPU"),
        "shape" | "fill_constant" | "fill_zeros_like" | "fill_any_like" => {
            Some("unmapped operand, where a cluster hands out a constant")
        }
        "arg_max" | "arg_min" => Some("tensor type, unless its dtype is int32; unsupported with keepdims"),
        "cast" => Some("tensor type, to int64"),
        "lookup_table" | "lookup_table_v2" | "gather" => Some("tensor type, for int64 indices"),
        "reshape" | "reshape2" | "expand_v2" | "slice" | "split" | "nearest_interp" | "nearest_interp_v2"
        | "bilinear_interp" | "bilinear_interp_v2" => Some("unsupported, where a tensor gives shape or bounds"),
        "strided_slice" => Some("unsupported, with strides"),
        "layer_norm" => Some("unsupported, over more than the last axis"),
        "prelu" => Some("unsupported, with a slope an element or not four axes"),
        "hard_swish" => Some("unsupported, unless threshold 6, scale 6 and offset 3"),
        "conv2d_transpose" => Some("unsupported, with output_size"),
        "pow" => Some("data type, where quantized"),
        "norm" => Some("unsupported, with an epsilon under 1e-12"),
        "scale" => Some("renamed output, where an identity on the CPU follows a cluster"),
        _ => None,
    }
}
