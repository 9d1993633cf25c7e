//! Logs of the real Paddle Lite: ops, edges and clusters against what the log's own DOT says, read here by other means.

use std::{collections::BTreeSet, fs, path::PathBuf};

use op_graph::{Clustering, DotStyle, LabelStyle, Support};
use subgraph_log::{BlockStyle, parse, print_block};

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/real")
}

/// Edges of the block's DOT as label pairs, and the labels of each cluster, found by plain string work.
fn dot_edges_and_clusters(log: &str) -> (BTreeSet<(String, String)>, BTreeSet<BTreeSet<String>>) {
    let block = log.split("subgraph clusters: ").nth(1).expect("a block");
    let dot = block.split("} // end G").next().expect("a DOT");
    let labels: std::collections::HashMap<&str, &str> = dot
        .lines()
        .filter_map(|line| line.trim().split_once("[label=\""))
        .map(|(id, rest)| (id, rest.split('"').next().expect("a label")))
        .collect();
    let own = |label: &str| label.split("_op").next().expect("a label").to_owned();
    let edges = dot
        .lines()
        .filter_map(|line| line.trim().split_once("->"))
        .map(|(from, to)| (own(labels[from]), own(labels[to])))
        .collect();
    let clustered: Vec<(&str, String)> =
        labels.values().filter_map(|label| Some((label.split_once("_op_subgraph_")?.1, own(label)))).collect();
    let numbers: BTreeSet<&str> = clustered.iter().map(|(number, _)| *number).collect();
    let members =
        |number: &&str| clustered.iter().filter(|(n, _)| n == number).map(|(_, label)| label.clone()).collect();
    (edges, numbers.iter().map(members).collect())
}

#[test]
fn ops_edges_and_clusters_of_every_log_equal_those_of_its_dot() {
    let mut seen = 0;
    for entry in fs::read_dir(fixtures().join("logs")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let report = parse(&bytes);
        if path.to_str().unwrap().contains(".stderr.") {
            assert!(report.blocks.is_empty());
            assert!(report.chosen().unwrap_err().to_string().contains("prints it to stdout"));
            continue;
        }
        seen += 1;
        assert_eq!(report.diagnostics, [], "{path:?}");
        let block = report.chosen().unwrap();
        assert!(block.complete);
        assert_eq!(block.clusters_line, block.logged_clustering.as_ref().map(Clustering::len));

        let mut counts = std::collections::HashMap::new();
        let mut label = |op_type: &str| {
            let count = counts.entry(op_type.to_owned()).or_insert(0);
            *count += 1;
            format!("{op_type}_{}", *count - 1)
        };
        let labels: Vec<String> = block.ops.records().iter().map(|r| label(r.op_type.as_str().unwrap())).collect();
        let mut edges = BTreeSet::new();
        for op in block.ops.ops() {
            let record = block.ops.record(op);
            edges.extend(record.inputs.iter().map(|name| (name.to_string(), labels[op.index()].clone())));
            edges.extend(record.outputs.iter().map(|name| (labels[op.index()].clone(), name.to_string())));
        }
        let clustering = block.logged_clustering.as_ref().unwrap();
        let members = |ops: &Vec<op_graph::OpId>| ops.iter().map(|op| labels[op.index()].clone()).collect();
        let clusters = clustering.clusters().iter().map(members).collect();
        let (dot_edges, dot_clusters) = dot_edges_and_clusters(&String::from_utf8_lossy(&bytes));
        assert_eq!((edges, clusters), (dot_edges, dot_clusters), "{path:?}");

        let lines: Vec<Vec<u8>> = block.ops.records().iter().map(op_graph::OpRecord::to_line).collect();
        let text = bytes.split(|&b| b == b'\n').skip_while(|line| *line != b"subgraph operators: ").skip(1);
        assert!(text.take_while(|line| !line.is_empty()).eq(lines.iter().map(Vec::as_slice)), "{path:?}");

        let marked = Support::TimVx.ops(&block.ops).difference(&block.logged_cpu_ops().unwrap());
        assert_eq!(&Clustering::form(&block.ops, &marked), clustering, "{path:?}");
    }
    assert_eq!(seen, 5);
}

#[test]
fn the_block_is_found_among_a_hundred_other_graphs() {
    let report = parse(&fs::read(fixtures().join("logs/digits_resnet_pl_old.v5.merged.log")).unwrap());
    assert_eq!((report.blocks.len(), report.blocks[0].first_line, report.blocks[0].last_line), (1, 4808, 5085));
    assert_eq!(report.blocks[0].labels, Some(LabelStyle::Underscored));
}

#[test]
fn a_read_block_prints_to_the_same_bytes() {
    let bytes = fs::read(fixtures().join("logs/digits_resnet_pl_old.default.stdout.log")).unwrap();
    let block = &parse(&bytes).blocks[0];
    let style = DotStyle { first_id: 226, ..DotStyle::default() };
    let printed = print_block(&block.ops, block.logged_clustering.as_ref().unwrap(), BlockStyle::WithOperators, style);
    assert!(bytes.windows(printed.len()).any(|window| window == printed));
}
