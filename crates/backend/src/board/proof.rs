//! The proof that a placement took effect: the block that the stack prints when it divides the model.

use std::{collections::BTreeSet, fs, path::Path};

use op_graph::{Clustering, Name, OpGraph, OpId, OpRecord};

/// An op as one build tells it from others: the order of names differs between builds (spec/measured.md "The log").
type Key = (Name, BTreeSet<Name>, BTreeSet<Name>);

/// What Paddle Lite warns of before it runs everything on the NPU (spec/paddle-lite.md B1).
const MISSING: &str = "Missing the subgraph custom partition configuration file";

/// Reads a runner's output and compares its block with what the placement implies.
///
/// # Errors
/// What is different, for people: then the trial says nothing about the placement.
pub(super) fn check(graph: &OpGraph, expected: &Clustering, stdout: &Path) -> Result<(), String> {
    let log = fs::read(stdout).map_err(|error| format!("its log cannot be read: {error}"))?;
    if log.windows(MISSING.len()).any(|window| window == MISSING.as_bytes()) {
        return Err(format!("it did not find the partition config (`{MISSING}`)"));
    }
    let report = subgraph_log::parse(&log);
    let block = report.chosen().map_err(|error| format!("its log does not show the placement: failed to {error}"))?;
    let logged = block.logged_clustering.as_ref().ok_or("its log shows the ops but not their clusters")?;
    let ops = |graph: &OpGraph| -> Vec<Key> { graph.records().iter().map(key).collect() };
    let mut differing =
        ops(graph).into_iter().zip(ops(&block.ops)).enumerate().filter(|(_, (ours, logged))| ours != logged);
    if let Some((position, (ours, _))) = differing.next() {
        return Err(format!("it runs another model: op {position} is not {} as here", ours.0));
    }
    if graph.op_count() != block.ops.op_count() {
        return Err(format!("it runs another model: {} ops and not {}", block.ops.op_count(), graph.op_count()));
    }
    if sets(logged) == sets(expected) {
        return Ok(());
    }
    let (on_npu, wanted) = (logged.ops(), expected.ops());
    let moved = |only: op_graph::OpSet| only.iter().next().map(|op| graph.record(op).to_string());
    Err(match (moved(on_npu.difference(&wanted)), moved(wanted.difference(&on_npu))) {
        (Some(op), _) => format!("the placement did not take effect: {op} ran on the NPU"),
        (_, Some(op)) => format!("the placement did not take effect: {op} ran on the CPU"),
        _ => format!("it formed {} clusters and not {}, of the same ops", logged.len(), expected.len()),
    })
}

fn key(record: &OpRecord) -> Key {
    (record.op_type.clone(), record.inputs.iter().cloned().collect(), record.outputs.iter().cloned().collect())
}

/// Cluster numbers mean nothing.
fn sets(clustering: &Clustering) -> BTreeSet<BTreeSet<OpId>> {
    clustering.clusters().iter().map(|cluster| cluster.iter().copied().collect()).collect()
}

#[cfg(test)]
mod tests {
    use op_graph::{DotStyle, OpSet, Support};
    use subgraph_log::{BlockStyle, print_block};

    use super::*;

    fn graph(records: &[&str]) -> OpGraph {
        OpGraph::from_records(records.iter().map(|line| OpRecord::parse(line.as_bytes()).unwrap()).collect())
    }

    fn verdict(graph: &OpGraph, log: &[u8], forced: &[usize]) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let stdout = folder.path().join("stdout");
        fs::write(&stdout, log).unwrap();
        check(graph, &clusters(graph, forced), &stdout)
    }

    fn clusters(graph: &OpGraph, forced: &[usize]) -> Clustering {
        let forced: OpSet = forced.iter().map(|&op| OpId::new(op)).collect();
        Clustering::form(graph, &Support::TimVx.ops(graph).difference(&forced))
    }

    #[test]
    fn only_the_block_of_this_model_under_this_placement_is_a_proof() {
        let ours = graph(&["feed:feed:x", "relu:x:a", "elementwise_add:a,x:b", "relu:b:c", "fetch:c:fetch"]);
        let other_order = graph(&["feed:feed:x", "relu:x:a", "elementwise_add:x,a:b", "relu:b:c", "fetch:c:fetch"]);
        let other = graph(&["feed:feed:x", "relu:x:a", "elementwise_add:a,x:b", "relu6:b:c", "fetch:c:fetch"]);
        let block = |graph: &OpGraph, forced: &[usize]| {
            print_block(graph, &clusters(graph, forced), BlockStyle::WithOperators, DotStyle::default())
        };
        assert_eq!(verdict(&ours, &block(&ours, &[2]), &[2]), Ok(()));
        assert_eq!(verdict(&ours, &block(&other_order, &[2]), &[2]), Ok(()));
        for (log, reason) in [
            (block(&ours, &[]), "elementwise_add:a,x:b ran on the NPU"),
            (block(&ours, &[2, 3]), "relu:b:c ran on the CPU"),
            (block(&other, &[2]), "another model"),
            (Vec::new(), "does not show the placement"),
            ([MISSING.as_bytes(), b" x\n", &block(&ours, &[2])].concat(), "did not find"),
        ] {
            let error = verdict(&ours, &log, &[2]).unwrap_err();
            assert!(error.contains(reason), "{error:?} does not say {reason:?}");
        }
    }
}
