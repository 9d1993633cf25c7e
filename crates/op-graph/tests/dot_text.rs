//! The DOT, as people and Graphviz see it.

use op_graph::{Clustering, DotStyle, LabelStyle, OpGraph, OpRecord, OpSet, dot};

fn example() -> (OpGraph, Clustering) {
    let lines =
        ["feed:feed:x", "conv2d:x,w:y", "scale:y:y", "relu:y:odd \"name\\", "conv2d:odd \"name\\:z", "fetch:z:fetch"];
    let graph = OpGraph::from_records(lines.map(|line| OpRecord::parse(line.as_bytes()).expect("a record")).to_vec());
    let on_npu: OpSet = graph.ops().filter(|op| [1, 2, 4].contains(&op.index())).collect();
    let clustering = Clustering::form(&graph, &on_npu);
    (graph, clustering)
}

fn text(style: DotStyle) -> String {
    let (graph, clustering) = example();
    String::from_utf8(dot(&graph, &clustering, style)).expect("ASCII")
}

#[test]
fn the_dot_is_as_paddle_lite_prints_it() {
    insta::assert_snapshot!(text(DotStyle { first_id: 226, ..DotStyle::default() }));
}

#[test]
fn old_labels_have_no_underscores() {
    insta::assert_snapshot!(text(DotStyle { labels: LabelStyle::Bare, ..DotStyle::default() }));
}

#[test]
fn escaped_names_are_valid_dot() {
    let escaped = text(DotStyle { escaped: true, ..DotStyle::default() });
    assert!(escaped.contains(r#"[label="odd \"name\\"]"#), "{escaped}");
}
