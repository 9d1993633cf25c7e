//! Laws of the correspondence between two exports of a model.

use op_graph::{Correspondence, Likeness, Name, OpGraph, OpId, OpRecord};
use proptest::prelude::*;

/// A DAG whose op i reads some earlier ops.
fn records() -> impl Strategy<Value = Vec<OpRecord>> {
    let op = (0..4_usize, proptest::collection::vec(any::<prop::sample::Index>(), 1..3));
    proptest::collection::vec(op, 1..40).prop_map(|ops| {
        let types = ["conv2d", "relu", "elementwise_add", "concat"];
        let record = |(index, (kind, reads)): (usize, &(usize, Vec<prop::sample::Index>))| {
            let input = |read: &prop::sample::Index| {
                if index == 0 { Name::from("x") } else { Name::from(format!("t{}", read.index(index))) }
            };
            let mut inputs: Vec<Name> = reads.iter().map(input).collect();
            inputs.sort_unstable();
            inputs.dedup();
            OpRecord { op_type: types[*kind].into(), inputs, outputs: vec![format!("t{index}").into()] }
        };
        ops.iter().enumerate().map(record).collect()
    })
}

fn renamed(records: &[OpRecord]) -> Vec<OpRecord> {
    let rename = |names: &[Name]| names.iter().map(|name| format!("new/{name}").into()).collect();
    let record = |record: &OpRecord| OpRecord {
        op_type: record.op_type.clone(),
        inputs: rename(&record.inputs),
        outputs: rename(&record.outputs),
    };
    records.iter().map(record).collect()
}

proptest! {
    #[test]
    fn every_op_of_a_renamed_model_finds_one_partner_of_its_type_with_as_many_readers(records in records()) {
        let (old, new) = (OpGraph::from_records(records.clone()), OpGraph::from_records(renamed(&records)));
        let partners = Correspondence::between(&old, &new);
        let mut taken = std::collections::BTreeSet::new();
        for op in old.ops() {
            let (partner, likeness) = partners.of(op).expect("the graphs are the same but for names");
            prop_assert!(taken.insert(partner));
            prop_assert_eq!(&old.record(op).op_type, &new.record(partner).op_type);
            if likeness == Likeness::Surroundings {
                prop_assert_eq!(old.successors(op).len(), new.successors(partner).len());
            }
        }
    }

    #[test]
    fn equal_graphs_of_equal_names_correspond_op_by_op(records in records()) {
        let graph = OpGraph::from_records(records);
        let partners = Correspondence::between(&graph, &graph);
        for op in graph.ops() {
            prop_assert_eq!(partners.of(op).map(|(partner, _)| partner), Some(op));
        }
    }
}

#[test]
fn an_inserted_op_that_shifts_all_names_after_it_misleads_nobody() {
    let parse = |line: &str| OpRecord::parse(line.as_bytes()).unwrap();
    let old =
        ["feed:feed:x", "conv2d:x:t0", "relu:t0:t1", "conv2d:t1:t2", "relu:t2:t3", "softmax:t3:t4", "fetch:t4:fetch"];
    let new = [
        "feed:feed:x",
        "scale:x:t0",
        "conv2d:t0:t1",
        "relu:t1:t2",
        "conv2d:t2:t3",
        "relu:t3:t4",
        "softmax:t4:t5",
        "fetch:t5:fetch",
    ];
    let [old, new] =
        [&old[..], &new[..]].map(|lines| OpGraph::from_records(lines.iter().map(|line| parse(line)).collect()));
    let partners = Correspondence::between(&old, &new);
    let found: Vec<_> = old.ops().map(|op| partners.of(op).map(|(partner, _)| partner)).collect();
    let expected: Vec<_> = [0, 2, 3, 4, 5, 6, 7].map(|op| Some(OpId::new(op))).into();
    assert_eq!(found, expected);
}
