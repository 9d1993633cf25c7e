//! Graphs for the tests, and the clustering of spec/paddle-lite.md C2 written down word for word.

#![allow(dead_code)] // each test binary uses a part

use std::collections::BTreeSet;

use op_graph::{Name, OpGraph, OpId, OpRecord, OpSet};
use proptest::prelude::*;

/// Random records in topological order: op `i` reads some earlier outputs, sometimes rewrites a name, sometimes writes two.
pub(crate) fn records(max_ops: usize) -> impl Strategy<Value = Vec<OpRecord>> {
    let op = (prop::collection::vec(any::<prop::sample::Index>(), 0..4), 0..10_usize, any::<prop::sample::Index>());
    prop::collection::vec(op, 1..max_ops).prop_map(|ops| {
        let mut names: Vec<Name> = vec!["w".into()];
        let mut records = Vec::new();
        for (index, (inputs, kind, rewritten)) in ops.into_iter().enumerate() {
            let inputs: BTreeSet<Name> = inputs.iter().map(|input| input.get(&names).clone()).collect();
            let mut outputs: Vec<Name> = vec![format!("t{index}").into()];
            match kind {
                0 => outputs = vec![rewritten.get(&names).clone()],
                1 => outputs.push(format!("u{index}").into()),
                _ => {}
            }
            names.extend(outputs.iter().cloned());
            let inputs = inputs.into_iter().collect();
            records.push(OpRecord { op_type: format!("type{}", kind % 3).into(), inputs, outputs });
        }
        records
    })
}

/// A graph, a set of its ops and an order of all of them.
pub(crate) fn graph_marks_and_order(max_ops: usize) -> impl Strategy<Value = (OpGraph, OpSet, Vec<OpId>)> {
    records(max_ops).prop_flat_map(|records| {
        let count = records.len();
        let marks = prop::collection::vec(prop::bool::weighted(0.8), count);
        let order = Just((0..count).map(OpId::new).collect::<Vec<_>>()).prop_shuffle();
        (Just(OpGraph::from_records(records)), marks, order).prop_map(|(graph, marks, order)| {
            let marked = graph.ops().filter(|op| marks[op.index()]).collect();
            (graph, marked, order)
        })
    })
}

/// The clusters by the text of spec/paddle-lite.md C2: a node for every op and tensor version, a search for every edge.
pub(crate) fn reference_clusters(graph: &OpGraph, marked: &OpSet, visit_order: &[OpId]) -> Vec<Vec<OpId>> {
    let ops = graph.op_count();
    let count = ops + graph.tensor_count();
    let mut inputs = vec![BTreeSet::new(); count];
    let mut outputs = vec![BTreeSet::new(); count];
    let mut mark = vec![false; count];
    for op in graph.ops() {
        mark[op.index()] = marked.contains(op);
        for tensor in graph.inputs(op) {
            inputs[op.index()].insert(ops + tensor.index());
            outputs[ops + tensor.index()].insert(op.index());
        }
        for tensor in graph.outputs(op) {
            outputs[op.index()].insert(ops + tensor.index());
            inputs[ops + tensor.index()].insert(op.index());
            mark[ops + tensor.index()] = marked.contains(op);
        }
    }
    let mut parent: Vec<usize> = (0..count).collect();
    for n in visit_order.iter().map(|op| op.index()).filter(|&op| marked.contains(OpId::new(op))) {
        loop {
            let candidates: Vec<usize> = outputs[n]
                .iter()
                .copied()
                .filter(|&y| mark[y] && inputs[y].iter().all(|&z| z == n || !has_ancestor(&inputs, z, n)))
                .collect();
            if candidates.is_empty() {
                break;
            }
            for y in candidates {
                parent[y] = n;
                let in_y = std::mem::take(&mut inputs[y]);
                let out_y = std::mem::take(&mut outputs[y]);
                for &z in &in_y {
                    outputs[z].remove(&y);
                    if z != n {
                        outputs[z].insert(n);
                        inputs[n].insert(z);
                    }
                }
                for &z in &out_y {
                    inputs[z].remove(&y);
                    inputs[z].insert(n);
                    outputs[n].insert(z);
                }
                outputs[n].remove(&y);
            }
        }
    }
    let root = |mut node: usize| {
        while parent[node] != node {
            node = parent[node];
        }
        node
    };
    let mut clusters = vec![Vec::new(); count];
    for op in marked.iter() {
        clusters[root(op.index())].push(op);
    }
    clusters.retain(|members| !members.is_empty());
    clusters
}

fn has_ancestor(inputs: &[BTreeSet<usize>], node: usize, ancestor: usize) -> bool {
    let mut seen = BTreeSet::from([node]);
    let mut pending = vec![node];
    while let Some(node) = pending.pop() {
        if node == ancestor {
            return true;
        }
        pending.extend(inputs[node].iter().filter(|&&z| seen.insert(z)));
    }
    false
}
