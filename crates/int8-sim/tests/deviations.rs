//! What is known against ops of the fixture models, from the model and from the log alone.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use int8_sim::deviations::{Harm, known};
use op_graph::{OpGraph, OpRecord};
use paddle_model::{LiteOptions, LiteProgram, Model};

fn program(model: &str) -> LiteProgram {
    let folder = test_kit::fixtures().join("models").join(model);
    Model::load_dir(folder).unwrap().lite_program(&LiteOptions::default()).unwrap()
}

/// Types of ops with a deviation that is worse than rounding, with the first words of it.
fn listed(program: &LiteProgram) -> String {
    let ops = program.graph.ops().flat_map(|op| {
        let worse = known(&program.graph, Some(program), op).into_iter().filter(|known| known.harm < Harm::Rounding);
        worse.map(move |known| {
            format!("{} {} {:?}: {}\n", op.index(), program.ops[op.index()].op_type, known.harm, known.text)
        })
    });
    ops.collect()
}

#[test]
fn the_ops_at_risk_of_a_segmentation_model_are_named() {
    insta::assert_snapshot!(listed(&program("digits_seg/pl_old")));
}

#[test]
fn unequal_channels_are_found_where_they_were_made() {
    let text = listed(&program("digits_mobilenet_unequal/pl_old"));
    assert!(text.contains("one scale for weights whose channels differ"), "{text}");
    assert!(!listed(&program("digits_mobilenet_unequal/pc_old")).contains("one scale for weights"));
}

#[test]
fn a_log_alone_names_what_depends_on_attributes_too() {
    let graph = OpGraph::from_records(vec![
        OpRecord::parse(b"reduce_mean:x:y").unwrap(),
        OpRecord::parse(b"relu:y:z").unwrap(),
    ]);
    let ops: Vec<_> = graph.ops().collect();
    assert_eq!(known(&graph, None, ops[0]).first().map(|known| known.harm), Some(Harm::Wrong));
    assert_eq!(known(&graph, None, ops[1]), []);
}
