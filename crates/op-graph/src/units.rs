//! What moves together: the units that a search tries on the CPU as one.

use std::collections::HashMap;

use crate::{Name, OpGraph, OpId, OpSet, is_feed_or_fetch};

/// Ops that compile into one NPU kernel with the add, the normalization and the activation behind them.
const ANCHORS: [&str; 8] = [
    "conv2d",
    "conv2d_transpose",
    "depthwise_conv2d",
    "depthwise_conv2d_transpose",
    "fc",
    "matmul",
    "matmul_v2",
    "mul",
];

const ACTIVATIONS: [&str; 16] = [
    "clip",
    "elu",
    "gelu",
    "hard_sigmoid",
    "hard_swish",
    "leaky_relu",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "relu_clipped",
    "sigmoid",
    "silu",
    "softplus",
    "swish",
    "tanh",
];

fn is_one_of(op_type: &Name, list: &[&str]) -> bool {
    list.iter().any(|known| op_type == known)
}

/// Every movable op as a unit of its own.
pub fn op_units(movable: &OpSet) -> Vec<Vec<OpId>> {
    movable.iter().map(|op| vec![op]).collect()
}

/// The movable ops by type, in the order in which the types first appear.
pub fn type_units(graph: &OpGraph, movable: &OpSet) -> Vec<Vec<OpId>> {
    let mut unit_of_type: HashMap<&Name, usize> = HashMap::new();
    let mut units: Vec<Vec<OpId>> = Vec::new();
    for op in movable.iter() {
        let unit = *unit_of_type.entry(&graph.record(op).op_type).or_insert(units.len());
        if unit == units.len() {
            units.push(Vec::new());
        }
        units[unit].push(op);
    }
    units
}

/// The movable ops in groups that the real stack wants moved together (spec/measured.md "What placements do").
///
/// A convolution or matrix product takes along, each where it is the only reader of what comes before: an
/// `elementwise_add` of a constant (the bias), a `batch_norm`, an activation. A constant is a tensor that does not depend on
/// a `feed`. Every other op is a unit of its own. Units are ordered by their first op; members ascend.
pub fn fused_units(graph: &OpGraph, movable: &OpSet) -> Vec<Vec<OpId>> {
    let depends_on_input = ops_behind_a_feed(graph);
    let mut taken = OpSet::new();
    let mut units = Vec::new();
    for op in movable.iter() {
        if taken.contains(op) {
            continue;
        }
        let unit = if is_one_of(&graph.record(op).op_type, &ANCHORS) {
            fused_chain(graph, movable, &depends_on_input, op)
        } else {
            vec![op]
        };
        taken.extend(unit.iter().copied());
        units.push(unit);
    }
    units
}

fn fused_chain(graph: &OpGraph, movable: &OpSet, depends_on_input: &OpSet, anchor: OpId) -> Vec<OpId> {
    let mut unit = vec![anchor];
    let mut last = anchor;
    let steps: [&[&str]; 3] = [&["elementwise_add"], &["batch_norm"], &ACTIVATIONS];
    for step in steps {
        let Some(next) = only_reader(graph, last) else { break };
        let fits = is_one_of(&graph.record(next).op_type, step)
            && movable.contains(next)
            && other_inputs_are_constant(graph, depends_on_input, next, last);
        if fits {
            unit.push(next);
            last = next;
        }
    }
    unit
}

fn only_reader(graph: &OpGraph, op: OpId) -> Option<OpId> {
    match graph.successors(op)[..] {
        [reader] => Some(reader),
        _ => None,
    }
}

fn other_inputs_are_constant(graph: &OpGraph, depends_on_input: &OpSet, op: OpId, from: OpId) -> bool {
    graph.inputs(op).into_iter().all(|tensor| match graph.producer(tensor) {
        Some(producer) => producer == from || !depends_on_input.contains(producer),
        None => true,
    })
}

/// The ops whose results depend on an input of the program.
fn ops_behind_a_feed(graph: &OpGraph) -> OpSet {
    let mut behind = OpSet::new();
    for op in graph.ops() {
        let feed = is_feed_or_fetch(&graph.record(op).op_type);
        if feed || graph.inputs(op).iter().any(|&tensor| graph.producer(tensor).is_some_and(|p| behind.contains(p))) {
            behind.insert(op);
        }
    }
    behind
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OpRecord, Support};

    fn units_as_text(lines: &[&str]) -> Vec<String> {
        let records = lines.iter().map(|line| OpRecord::parse(line.as_bytes()).unwrap()).collect();
        let graph = OpGraph::from_records(records);
        let units = fused_units(&graph, &Support::TimVx.ops(&graph));
        let text = |unit: &Vec<OpId>| {
            let types: Vec<String> = unit.iter().map(|&op| graph.record(op).op_type.to_string()).collect();
            types.join("+")
        };
        units.iter().map(text).collect()
    }

    #[test]
    fn a_conv_takes_its_bias_normalization_and_activation_along() {
        let units = units_as_text(&[
            "feed:feed:x",
            "conv2d:x,w:a",
            "elementwise_add:a,b:c",
            "batch_norm:c,m,v:d,m,v",
            "relu:d:e",
        ]);
        assert_eq!(units, ["conv2d+elementwise_add+batch_norm+relu"]);
    }

    #[test]
    fn a_residual_add_is_no_bias() {
        let units = units_as_text(&["feed:feed:x", "conv2d:x,w:a", "elementwise_add:a,x:c", "relu:c:e"]);
        assert_eq!(units, ["conv2d", "elementwise_add", "relu"]);
    }

    #[test]
    fn a_bias_that_comes_out_of_a_constant_reshape_is_a_bias() {
        let units = units_as_text(&["feed:feed:x", "reshape2:b:br,bs", "conv2d:x,w:a", "elementwise_add:a,br:c"]);
        assert_eq!(units, ["reshape2", "conv2d+elementwise_add"]);
    }

    #[test]
    fn a_second_reader_ends_the_unit() {
        let units = units_as_text(&["feed:feed:x", "conv2d:x,w:a", "sigmoid:a:b", "elementwise_mul:a,b:c"]);
        assert_eq!(units, ["conv2d", "sigmoid", "elementwise_mul"]);
    }

    #[test]
    fn an_op_that_never_moves_ends_the_unit() {
        let units = units_as_text(&["feed:feed:x", "conv2d:x,w:a", "silu:a:b", "relu:b:c"]);
        assert_eq!(units, ["conv2d", "relu"]);
    }

    #[test]
    fn types_are_grouped_in_the_order_of_their_appearance() {
        let records = ["relu:a:b", "conv2d:b,w:c", "relu:c:d"].map(|line| OpRecord::parse(line.as_bytes()).unwrap());
        let graph = OpGraph::from_records(records.to_vec());
        let units = type_units(&graph, &Support::TimVx.ops(&graph));
        assert_eq!(units, [vec![OpId::new(0), OpId::new(2)], vec![OpId::new(1)]]);
    }
}
