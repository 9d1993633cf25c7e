//! The laws of the partition config: matched as the rules are written, written so that it matches exactly.

mod common;

use common::{odd_graph, odd_name};
use op_graph::{OpGraph, OpSet, Support};
use proptest::prelude::*;
use subgraph_log::{PartitionConfig, WriteError, WriteOptions, lint, write_with};

/// Spec/paddle-lite.md B1, written down word for word: the loop of Paddle Lite's source.
fn paddle_split(text: &[u8], separator: u8) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while let Some(offset) = text[start..].iter().position(|&b| b == separator) {
        pieces.push(text[start..start + offset].to_vec());
        start += offset + 1;
    }
    if start != text.len() {
        pieces.push(text[start..].to_vec());
    }
    pieces
}

fn paddle_forced(graph: &OpGraph, config: &[u8]) -> OpSet {
    let mut forced = OpSet::new();
    for line in paddle_split(config, b'\n') {
        for piece in paddle_split(&line, b'-') {
            if piece.is_empty() {
                continue;
            }
            let info = paddle_split(&piece, b':');
            let names = |field: usize| info.get(field).map_or(Vec::new(), |names| paddle_split(names, b','));
            let (inputs, outputs) = (names(1), names(2));
            for op in graph.ops() {
                let record = graph.record(op);
                let has = |names: &[op_graph::Name], name: &Vec<u8>| names.iter().any(|n| n.as_bytes() == *name);
                if record.op_type.as_bytes() == info[0]
                    && inputs.len() <= record.inputs.len()
                    && outputs.len() <= record.outputs.len()
                    && inputs.iter().all(|name| has(&record.inputs, name))
                    && outputs.iter().all(|name| has(&record.outputs, name))
                {
                    forced.insert(op);
                }
            }
        }
    }
    forced
}

fn graph_and_placement() -> impl Strategy<Value = (OpGraph, OpSet)> {
    odd_graph(20).prop_flat_map(|graph| {
        let marks = prop::collection::vec(any::<bool>(), graph.op_count());
        (Just(graph), marks).prop_map(|(graph, marks)| {
            let placement = graph.ops().filter(|op| marks[op.index()]).collect();
            (graph, placement)
        })
    })
}

/// Operator lines of a graph and mutilations of them.
fn config_for(graph: &OpGraph) -> impl Strategy<Value = Vec<u8>> + use<> {
    let lines: Vec<Vec<u8>> = graph.records().iter().map(op_graph::OpRecord::to_line).collect();
    let line = prop::sample::select(lines);
    let mutilated = prop_oneof![
        4 => line.clone(),
        2 => (line.clone(), any::<prop::sample::Index>()).prop_map(|(line, at)| line[..at.index(line.len())].to_vec()),
        1 => (line.clone(), any::<prop::sample::Index>(), prop::sample::select(b"-:,\n\r #x".to_vec()))
            .prop_map(|(mut line, at, byte)| { line.insert(at.index(line.len()), byte); line }),
        1 => (line.clone(), line).prop_map(|(a, b)| [a, b].join(&b'-')),
        1 => odd_name(),
    ];
    prop::collection::vec(mutilated, 0..6).prop_map(|lines| lines.join(&b'\n'))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn matching_is_as_the_rules_are_written((graph, config) in odd_graph(20).prop_flat_map(|graph| {
        let config = config_for(&graph);
        (Just(graph), config)
    })) {
        prop_assert_eq!(PartitionConfig::parse(&config).forced(&graph), paddle_forced(&graph, &config));
        for diagnostic in lint(&config, &graph, Support::TimVx) {
            prop_assert!(diagnostic.line >= 1 && diagnostic.line <= config.split(|&b| b == b'\n').count());
        }
    }

    #[test]
    fn what_is_written_selects_exactly_the_placement((graph, placement) in graph_and_placement(), compact in any::<bool>()) {
        match write_with(&graph, &placement, WriteOptions { compact }) {
            Ok(written) => {
                prop_assert_eq!(paddle_forced(&graph, &written.text), placement.clone());
                prop_assert!(!written.text.is_empty());
                let selected: OpSet = written.lines.iter().flat_map(|line| line.ops.iter().copied()).collect();
                prop_assert_eq!(selected, placement);
            }
            Err(WriteError::Inexpressible(ops)) => {
                // No config can do better: even the most exact entry for the op selects another.
                for inexpressible in ops {
                    prop_assert!(placement.contains(inexpressible.op));
                    prop_assert!(inexpressible.also_selected.iter().all(|&other| !placement.contains(other)));
                    prop_assert!(!inexpressible.also_selected.is_empty());
                }
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(config in prop::collection::vec(any::<u8>(), 0..400), graph in odd_graph(6)) {
        prop_assert_eq!(PartitionConfig::parse(&config).forced(&graph), paddle_forced(&graph, &config));
        lint(&config, &graph, Support::AnyButFeedFetch);
    }
}
