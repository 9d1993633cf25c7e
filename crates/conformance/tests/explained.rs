//! Where what the log alone tells is not enough, and what is: one case for each explained difference (docs/log-format.md).

use conformance::{ModelFiles, Subject};
use op_graph::Clustering;
use paddle_model::{Attr, Block, Op, Program, write_program};
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

#[test]
fn a_program_without_an_attribute_that_paddle_lite_needs_is_expected_to_be_refused() {
    let folder = tempfile::tempdir().unwrap();
    let files = ModelFiles::in_folder(folder.path());
    for (op_type, attr) in [("relu6", "threshold"), ("swish", "beta")] {
        let bind = |argument: &str, name: &str| std::iter::once((argument.to_owned(), vec![name.into()])).collect();
        let mut op = Op { op_type: op_type.into(), inputs: bind("X", "x"), outputs: bind("Out", "y"), ..Op::default() };
        for refused in [true, false] {
            let program =
                Program { blocks: vec![Block { ops: vec![op.clone()], ..Block::root() }], ..Program::default() };
            std::fs::write(&files.pdmodel, write_program(&program)).unwrap();
            std::fs::write(&files.pdiparams, []).unwrap();
            let derived = Subject::load(op_type, files.clone()).unwrap().derived;
            assert_eq!(derived.is_err(), refused, "{op_type} {derived:?}");
            op.attrs.insert(attr.into(), Attr::Float(6.0));
        }
    }
}
