//! Reading logs: the scan over what is no block, and a block of 10,000 ops.

#![allow(missing_docs)] // criterion's macros write undocumented functions

use std::{fs, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use op_graph::{Clustering, DotStyle, OpGraph, OpRecord, Support};
use subgraph_log::{BlockStyle, Limits, parse, parse_reader, print_block};

const VERBOSE_LOG: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/real/logs/digits_resnet_pl_old.v5.merged.log");

fn read(criterion: &mut Criterion) {
    let verbose = fs::read(VERBOSE_LOG).expect("a fixture");
    let without_block =
        String::from_utf8_lossy(&verbose).replace("subgraph clusters:", "").replace("subgraph operators:", "");
    let haystack = without_block.repeat(24);

    let record = |op: usize| OpRecord::parse(format!("relu:t{op},shared:t{}", op + 1).as_bytes()).expect("a record");
    let graph = OpGraph::from_records((0..10_000).map(record).collect());
    let clustering = Clustering::form(&graph, &Support::TimVx.ops(&graph));
    let block = print_block(&graph, &clustering, BlockStyle::WithOperators, DotStyle::default());

    let mut group = criterion.benchmark_group("read a log");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    group.throughput(Throughput::Bytes(haystack.len() as u64));
    group.bench_function("without a block", |b| b.iter(|| parse_reader(haystack.as_bytes(), &Limits::default())));
    group.throughput(Throughput::Bytes(block.len() as u64));
    group.bench_function("block of 10,000 ops", |b| b.iter(|| parse(&block)));
    group.finish();
}

criterion_group!(benches, read);
criterion_main!(benches);
