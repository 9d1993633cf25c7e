//! Arbitrary graphs with odd names, for the property tests.

use op_graph::{Name, OpGraph, OpRecord};
use proptest::prelude::*;

/// Names as exporters make them, and worse; without line ends, which no line format can carry.
pub(crate) fn odd_name() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "[a-z_]{1,6}(\\.tmp_[0-9])?".prop_map(String::into_bytes),
        "[a-z]{1,3}[-:,/@|\"\\\\. ;\\]>]{1,2}[0-9a-z]{1,2}".prop_map(String::into_bytes),
        Just(b"conv2d_0_op".to_vec()),
        Just(b"x\" shape=\"box\" y".to_vec()),
        Just(b"node_1->node_2".to_vec()),
        Just(b"\xff\xfe\x80".to_vec()),
        Just("größe".as_bytes().to_vec()),
        Just(b"a:b:c".to_vec()),
        Just(b"0".to_vec()),
    ];
    (piece, 0..40_u8).prop_map(|(mut name, number)| {
        name.extend(number.to_string().into_bytes());
        name
    })
}

/// A graph whose tensors have odd names; types are identifiers, some of which end in digits.
pub(crate) fn odd_graph(max_ops: usize) -> impl Strategy<Value = OpGraph> {
    let op_type =
        prop::sample::select(vec!["relu", "relu6", "conv2d", "conv", "elementwise_add", "fetch", "feed", "t60"]);
    let op = (op_type, prop::collection::vec(any::<prop::sample::Index>(), 0..4), 0..4_usize);
    let names = prop::collection::btree_set(odd_name(), 4..40);
    (names, prop::collection::vec(op, 1..max_ops)).prop_map(|(names, ops)| {
        let names: Vec<Name> = names.iter().map(|name| Name::from(name.as_slice())).collect();
        let records = ops.into_iter().enumerate().map(|(index, (op_type, inputs, outputs))| {
            let mut inputs: Vec<Name> = inputs.iter().map(|input| input.get(&names).clone()).collect();
            inputs.sort();
            inputs.dedup();
            let outputs = (0..outputs).map(|output| names[(index * 3 + output) % names.len()].clone()).collect();
            OpRecord { op_type: op_type.into(), inputs, outputs }
        });
        OpGraph::from_records(records.collect())
    })
}
