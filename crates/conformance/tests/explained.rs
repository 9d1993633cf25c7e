//! Where what the log alone tells is not enough, and what is: one case for each explained difference (docs/log-format.md).

use conformance::{ModelFiles, Subject};
use op_graph::Clustering;
use subgraph_log::PartitionConfig;

#[test]
fn clusters_follow_the_order_of_creation_which_the_log_does_not_tell() {
    let folder = test_kit::fixtures().join("conformance/visit-order");
    let program = Subject::load("visit-order", ModelFiles::in_folder(&folder)).unwrap().derived.unwrap();
    let report = subgraph_log::parse(&std::fs::read(folder.join("opt-2.13rc0.txt")).unwrap());
    let block = report.chosen().unwrap();
    assert_eq!(block.first_difference(program.graph.records()), None);

    let theirs = block.logged_clustering.as_ref().unwrap();
    let forced = PartitionConfig::parse(&std::fs::read(folder.join("subgraph.txt")).unwrap()).forced(&block.ops);
    assert!(forced.is_disjoint(&theirs.ops()));
    assert_eq!(program.clustering(&theirs.ops()), *theirs);
    assert_ne!(Clustering::form(&block.ops, &theirs.ops()), *theirs);
}
