//! Boundaries, conversions and hazards on small graphs worked out by hand from spec/paddle-lite.md C4 to C6.

mod common;

use common::graph_marks_and_order;
use op_graph::{
    Boundary, Calib, Clustering, Conversions, ElementType, OpGraph, OpId, OpRecord, OpSet, Producer, Reader,
    TensorFacts,
};
use proptest::prelude::*;

fn graph(lines: &[&str]) -> OpGraph {
    OpGraph::from_records(lines.iter().map(|line| OpRecord::parse(line.as_bytes()).expect("a record")).collect())
}

fn clustering(graph: &OpGraph, cpu: &[usize]) -> Clustering {
    let on_npu: OpSet = graph.ops().filter(|op| !cpu.contains(&op.index())).collect();
    Clustering::form(graph, &on_npu)
}

/// Each boundary tensor as `name: producer -> clusters / CPU ops`.
fn boundary(graph: &OpGraph, cpu: &[usize]) -> Vec<String> {
    let text = |producer| match producer {
        Producer::Source => "source".to_owned(),
        Producer::Cpu(op) => format!("cpu {}", op.index()),
        Producer::Cluster { cluster, op } => format!("cluster {cluster} op {}", op.index()),
    };
    let boundary = Boundary::of(graph, &clustering(graph, cpu));
    let line = |t: &op_graph::BoundaryTensor| {
        let cpu: Vec<usize> = t.cpu.iter().map(|op| op.index()).collect();
        format!("{}: {} -> {:?} / {cpu:?}", graph.tensor_name(t.tensor), text(t.producer), t.clusters)
    };
    boundary.tensors.iter().map(line).collect()
}

#[test]
fn a_tensor_crosses_once_however_many_read_it() {
    let graph = graph(&[
        "feed:feed:x",
        "conv2d:x,w:a,unused",
        "relu:a:b",
        "silu:b:c",
        "silu:b:d",
        "concat:c,d,b:e",
        "fetch:e:fetch",
    ]);
    assert_eq!(
        boundary(&graph, &[0, 3, 4, 6]),
        [
            "x: cpu 0 -> [0] / []",
            "b: cluster 0 op 2 -> [1] / [3, 4]",
            "c: cpu 3 -> [1] / []",
            "d: cpu 4 -> [1] / []",
            "e: cluster 1 op 5 -> [] / [6]",
        ]
    );
    assert_eq!(boundary(&graph, &[0, 1, 2, 3, 4, 5, 6]), Vec::<String>::new());
}

#[test]
fn bytes_count_once_out_and_once_into_each_cluster() {
    let facts = |scale| TensorFacts { dims: vec![1, 10], element: ElementType::Fp32, persistable: false, scale };
    let graph = graph(&["relu:x:a", "silu:a:b", "relu:b:c", "tanh:b:d", "fetch:c:fetch", "fetch:d:fetch"]);
    let unknown = Boundary::of(&graph, &clustering(&graph, &[1, 4, 5]));
    assert_eq!(unknown.bytes(), None);
    let graph = graph.with_facts(|_, name| match name.as_str() {
        Some("x" | "b") => Some(facts(None)),
        _ => Some(facts(Some(0.5))),
    });
    let known = Boundary::of(&graph, &clustering(&graph, &[1, 4, 5]));
    // x 40 in, a 10 out, b 40 into each of two clusters, c and d 10 out.
    assert_eq!(known.bytes(), Some(40 + 10 + 80 + 20));
    assert_eq!(known.inputs_of(1).map(|t| graph.tensor_name(t.tensor).to_string()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(known.outputs_of(0).map(|t| graph.tensor_name(t.tensor).to_string()).collect::<Vec<_>>(), ["a"]);
    assert!(known.tensors.iter().any(|t| t.producer == Producer::Source));
}

/// What is inserted, where every tensor but those that begin with `f` has a scale.
fn conversions(graph: &OpGraph, cpu: &[usize]) -> (Vec<String>, Vec<String>) {
    let scaled = |tensor| !graph.tensor_name(tensor).as_bytes().starts_with(b"f");
    let found = Conversions::of(graph, &clustering(graph, cpu), scaled);
    let reader = |reader: &Reader| match reader {
        Reader::Cluster(cluster) => format!("cluster {cluster}"),
        Reader::Cpu(op) => format!("op {}", op.index()),
    };
    let calib = |calib: &Calib| match calib {
        Calib::Dequantize { tensor, readers } => {
            format!(
                "{} to float for {}",
                graph.tensor_name(*tensor),
                readers.iter().map(reader).collect::<Vec<_>>().join(", ")
            )
        }
        Calib::Quantize { tensor, reader: for_reader } => {
            format!("{} to int8 for {}", graph.tensor_name(*tensor), reader(for_reader))
        }
    };
    let hazard = |hazard: &op_graph::ShiftHazard| {
        let later: Vec<String> = hazard.later.iter().map(reader).collect();
        format!(
            "{} shifted by cluster {}, then read by {}",
            graph.tensor_name(hazard.tensor),
            hazard.cluster,
            later.join(", ")
        )
    };
    (found.calibs.iter().map(calib).collect(), found.hazards.iter().map(hazard).collect())
}

#[test]
fn float_readers_share_a_dequantization_and_each_int8_reader_has_its_own_quantization() {
    let graph = graph(&[
        "feed:feed:x",
        "relu:x:a",
        "silu:a:b",
        "sqrt:a:c",
        "relu:b:d",
        "tanh:b:e",
        "fetch:d:fetch",
        "fetch:e:fetch",
        "fetch:c:fetch",
    ]);
    let (calibs, hazards) = conversions(&graph, &[0, 2, 3, 6, 7, 8]);
    assert_eq!(
        calibs,
        [
            "x to int8 for cluster 0",
            "a to float for op 2, op 3",
            "b to int8 for cluster 1",
            "b to int8 for cluster 2",
            "d to float for op 6",
            "e to float for op 7",
        ]
    );
    assert!(hazards.is_empty(), "calibrated tensors are private: {hazards:?}");
}

#[test]
fn int8_passes_through_an_op_of_any_precision() {
    let graph = graph(&["feed:feed:x", "relu:x:a", "reshape2:a:b,shape", "relu:b:c", "fetch:c:fetch"]);
    let (calibs, _) = conversions(&graph, &[0, 2, 4]);
    assert_eq!(calibs, ["x to int8 for cluster 0", "c to float for op 4"]);
}

#[test]
fn a_conv_on_the_cpu_takes_int8_and_gives_float_next_to_a_cluster() {
    let graph = graph(&["feed:feed:x", "relu:x:a", "conv2d:a,w:b", "relu:b:c", "fetch:c:fetch"]);
    let (calibs, _) = conversions(&graph, &[0, 2, 4]);
    assert_eq!(calibs, ["x to int8 for cluster 0", "b to int8 for cluster 1", "c to float for op 4"]);
    let (calibs, _) = conversions(&self::graph(&["conv2d:x,w:a", "conv2d:a,v:b", "fetch:b:fetch"]), &[0, 1, 2]);
    assert_eq!(calibs, Vec::<String>::new(), "int8 goes from conv to conv");
}

#[test]
fn a_tensor_that_a_cluster_may_shift_before_another_reads_it_is_a_hazard() {
    // Cluster 0 is op 1; what it writes goes to op 4 on the NPU and to silu on the CPU, whose order nothing fixes.
    let lines = ["feed:feed:x", "relu:x:a", "silu:a:b", "silu:b:c", "concat:a,c:d", "fetch:d:fetch"];
    let (_, hazards) = conversions(&graph(&lines), &[0, 2, 3, 5]);
    assert!(hazards.is_empty(), "the CPU op runs before the cluster that waits for it: {hazards:?}");

    let lines = ["feed:feed:x", "relu:x:a", "silu:a:b", "relu:a:c", "silu:c:f1", "concat:b,c:d", "fetch:d:fetch"];
    let (_, hazards) = conversions(&graph(&lines), &[0, 1, 2, 4, 6]);
    assert!(hazards.is_empty(), "a float tensor is not shifted: {hazards:?}");

    let lines = [
        "feed:feed:x",
        "relu:x:a",
        "silu:a:f",
        "elementwise_add:a,f:b",
        "silu:a:f2",
        "fetch:f2:fetch",
        "fetch:b:fetch",
    ];
    let (_, hazards) = conversions(&graph(&lines), &[0, 2, 4, 5, 6]);
    assert!(hazards.is_empty(), "the shared dequantization runs before: {hazards:?}");

    let lines = [
        "feed:feed:x",
        "relu:x:a",
        "silu:x:f",
        "elementwise_add:a,f:b",
        "silu:a:f2",
        "elementwise_mul:b,f2:c",
        "fetch:c:fetch",
    ];
    let graph = graph(&lines);
    let apart = Clustering::from_clusters([vec![OpId::new(1)], vec![OpId::new(3)]]).unwrap();
    let found = Conversions::of(&graph, &apart, |tensor| !graph.tensor_name(tensor).as_bytes().starts_with(b"f"));
    assert_eq!(found.hazards.len(), 1);
    assert_eq!(found.hazards[0].later, [Reader::Cpu(OpId::new(4))]);
}

proptest! {
    #[test]
    fn a_boundary_tensor_crosses_and_nothing_else_does((graph, marked, _order) in graph_marks_and_order(40)) {
        let clustering = Clustering::form(&graph, &marked);
        let boundary = Boundary::of(&graph, &clustering);
        for tensor in graph.tensors() {
            let side = |op| clustering.cluster_of(op);
            let producer = graph.producer(tensor);
            let crosses = producer.is_some_and(|producer| {
                graph.consumers(tensor).into_iter().any(|reader| side(reader) != side(producer))
            });
            prop_assert_eq!(boundary.tensors.iter().any(|t| t.tensor == tensor), crosses);
        }
        let everything_scaled = Conversions::of(&graph, &clustering, |_| true);
        for hazard in everything_scaled.hazards {
            prop_assert!(!hazard.later.contains(&Reader::Cluster(hazard.cluster)));
        }
        prop_assert!(Conversions::of(&graph, &clustering, |_| false).calibs.is_empty());
    }
}
