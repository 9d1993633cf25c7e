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

/// Which of two dropouts in a row Paddle Lite removes depends on where its process has its memory: this model gave both blocks.
#[test]
fn of_two_dropouts_in_a_row_we_remove_the_one_that_paddle_lite_mostly_removes() {
    let folder = test_kit::fixtures().join("conformance/two-dropouts");
    let program = Subject::load("two-dropouts", ModelFiles::in_folder(&folder)).unwrap().derived.unwrap();
    let [ours, other] = ["opt-2.13rc0.txt", "opt-2.13rc0.other.txt"]
        .map(|name| subgraph_log::parse(&std::fs::read(folder.join(name)).unwrap()).chosen().unwrap().clone());
    assert_eq!(ours.first_difference(program.graph.records()), None);
    assert_eq!(ours.ops.op_count(), other.ops.op_count());
    let differing = ours.ops.records().iter().filter(|record| !other.ops.records().contains(record));
    let types: Vec<String> = differing.map(|record| record.op_type.to_string()).collect();
    assert_eq!(types, ["scale", "dropout"]);
}
