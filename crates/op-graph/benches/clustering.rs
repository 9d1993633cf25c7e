//! Clustering of 10,000 ops in shapes that are hard in different ways.

#![allow(missing_docs)] // criterion's macros write undocumented functions

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use op_graph::{Clustering, Name, OpGraph, OpRecord, Support};

const OPS: usize = 10_000;

/// A graph whose op `i` reads the outputs of `inputs(i)`; every `cpu_every`-th op stays on the CPU.
fn graph(cpu_every: usize, inputs: impl Fn(usize) -> Vec<usize>) -> OpGraph {
    let name = |op: usize| Name::from(format!("t{op}"));
    let record = |op: usize| OpRecord {
        op_type: if op % cpu_every == cpu_every - 1 { "silu" } else { "relu" }.into(),
        inputs: inputs(op).into_iter().filter(|&input| input < op).map(name).collect(),
        outputs: vec![name(op)],
    };
    OpGraph::from_records((0..OPS).map(record).collect())
}

/// A fixed scatter over the ops before `op`.
fn scattered(op: usize, fan_in: usize) -> Vec<usize> {
    (0..fan_in).map(|k| (op.wrapping_mul(2_654_435_761) ^ (k * 40_503)).wrapping_mul(97) % op.max(1)).collect()
}

fn clustering(criterion: &mut Criterion) {
    let shapes: [(&str, OpGraph); 6] = [
        ("chain", graph(OPS + 1, |op| vec![op.wrapping_sub(1)])),
        ("residual", graph(7, |op| vec![op.wrapping_sub(1), op.wrapping_sub(4)])),
        ("fan-out", graph(5, |op| vec![op / 100 * 100, op.wrapping_sub(1)])),
        ("constants", graph(OPS + 1, |op| if op % 2 == 0 { vec![] } else { vec![op.wrapping_sub(2), op - 1] })),
        ("long skips", graph(7, |op| vec![op.wrapping_sub(1), op.wrapping_sub(OPS / 2)])),
        ("scattered", graph(5, |op| scattered(op, 3))),
    ];
    let mut group = criterion.benchmark_group("form clusters of 10,000 ops");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    for (shape, graph) in &shapes {
        let marked = Support::TimVx.ops(graph);
        group.bench_function(BenchmarkId::from_parameter(shape), |b| b.iter(|| Clustering::form(graph, &marked)));
    }
    group.finish();
}

criterion_group!(benches, clustering);
criterion_main!(benches);
