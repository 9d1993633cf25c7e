//! The laws of the clustering, over arbitrary graphs.

mod common;

use common::{graph_marks_and_order, records, reference_clusters};
use op_graph::{Clustering, Name, OpGraph, OpId, OpRecord, OpSet};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn clusters_equal_those_of_the_written_algorithm_for_any_visit_order((graph, marked, order) in graph_marks_and_order(28)) {
        let expected = Clustering::from_clusters(reference_clusters(&graph, &marked, &order)).unwrap();
        prop_assert_eq!(Clustering::form_in_order(&graph, &marked, order), expected);

        let log_order: Vec<OpId> = graph.ops().collect();
        let expected = Clustering::from_clusters(reference_clusters(&graph, &marked, &log_order)).unwrap();
        prop_assert_eq!(Clustering::form(&graph, &marked), expected);
    }

    #[test]
    fn a_partial_visit_order_grows_from_the_visited_alone((graph, marked, order) in graph_marks_and_order(20), share in 0.0..1.0_f64) {
        let visited = &order[..(order.len() as f64 * share) as usize];
        let expected = Clustering::from_clusters(reference_clusters(&graph, &marked, visited)).unwrap();
        prop_assert_eq!(Clustering::form_in_order(&graph, &marked, visited.iter().copied()), expected);
    }

    #[test]
    fn every_marked_op_is_in_exactly_one_cluster((graph, marked, order) in graph_marks_and_order(60)) {
        let clustering = Clustering::form_in_order(&graph, &marked, order);
        prop_assert_eq!(clustering.clusters().iter().map(Vec::len).sum::<usize>(), marked.len());
        prop_assert_eq!(clustering.ops(), marked);
    }

    #[test]
    fn no_path_leaves_a_cluster_and_comes_back((graph, marked, order) in graph_marks_and_order(40)) {
        for members in Clustering::form_in_order(&graph, &marked, order).clusters() {
            let members: OpSet = members.iter().copied().collect();
            let mut left = OpSet::new();
            for op in graph.ops() {
                if !members.contains(op) && !left.contains(op) {
                    continue;
                }
                for next in graph.successors(op) {
                    prop_assert!(!(left.contains(op) && members.contains(next)), "{op:?} returns to {next:?}");
                    if !members.contains(next) {
                        left.insert(next);
                    }
                }
            }
        }
    }

    #[test]
    fn names_do_not_matter(records in records(40), marks in prop::collection::vec(prop::bool::weighted(0.8), 40)) {
        let rename = |name: &Name| Name::from(format!("renamed {name}").chars().rev().collect::<String>());
        let renamed = records.iter().map(|record| OpRecord {
            op_type: rename(&record.op_type),
            inputs: record.inputs.iter().rev().map(rename).collect(),
            outputs: record.outputs.iter().map(rename).collect(),
        });
        let renamed = OpGraph::from_records(renamed.collect());
        let graph = OpGraph::from_records(records);
        let marked: OpSet = graph.ops().filter(|op| marks[op.index()]).collect();
        prop_assert_eq!(Clustering::form(&graph, &marked), Clustering::form(&renamed, &marked));
    }

    #[test]
    fn a_clustering_survives_json((graph, marked, _order) in graph_marks_and_order(30)) {
        let clustering = Clustering::form(&graph, &marked);
        let json = serde_json::to_string(&clustering).unwrap();
        prop_assert_eq!(serde_json::from_str::<Clustering>(&json).unwrap(), clustering);
    }
}

fn graph(lines: &[&str]) -> OpGraph {
    OpGraph::from_records(lines.iter().map(|line| OpRecord::parse(line.as_bytes()).expect("a record")).collect())
}

fn clusters(graph: &OpGraph, cpu: &[usize]) -> Vec<Vec<usize>> {
    let cpu: OpSet = cpu.iter().copied().map(OpId::new).collect();
    let marked = graph.ops().filter(|&op| !cpu.contains(op)).collect();
    let index = |members: &Vec<OpId>| members.iter().map(|op| op.index()).collect();
    Clustering::form(graph, &marked).clusters().iter().map(index).collect()
}

#[test]
fn a_skip_path_over_a_cpu_op_splits_the_residual_block() {
    let graph = graph(&["conv2d:x,w:a", "relu:a:b", "relu:b:c", "elementwise_add:a,c:d", "relu:d:e"]);
    assert_eq!(clusters(&graph, &[]), [vec![0, 1, 2, 3, 4]]);
    assert_eq!(clusters(&graph, &[2]), [vec![0, 1], vec![3, 4]]);
}

#[test]
fn branches_that_share_only_a_cpu_input_stay_apart() {
    let graph = graph(&["feed:feed:x", "relu:x:a", "relu:x:b", "concat:a,b:c"]);
    assert_eq!(clusters(&graph, &[0, 3]), [vec![1], vec![2]]);
    assert_eq!(clusters(&graph, &[0]), [vec![1, 2, 3]]);
}

#[test]
fn a_rewritten_name_does_not_tie_its_versions_together() {
    let graph = graph(&["relu:x:x", "scale:x:x", "relu:x:y"]);
    assert_eq!(clusters(&graph, &[1]), [vec![0], vec![2]]);
}

#[test]
fn a_shared_op_is_no_clustering() {
    let shared = Clustering::from_clusters([vec![OpId::new(1)], vec![OpId::new(2), OpId::new(1)]]);
    assert_eq!(shared.unwrap_err().to_string(), "take the list for a clustering: op 1 is a member of two clusters");
}
