//! The laws of the log reader: what is printed is read back, through any noise, and nothing makes it panic or slow.

mod common;

use common::odd_graph;
use op_graph::{Clustering, DotStyle, LabelStyle, OpGraph, OpSet};
use proptest::prelude::*;
use subgraph_log::{Block, BlockStyle, Limits, LogReport, Severity, parse, parse_reader, print_block};

fn graph_and_clustering() -> impl Strategy<Value = (OpGraph, Clustering)> {
    odd_graph(24).prop_flat_map(|graph| {
        let marks = prop::collection::vec(any::<bool>(), graph.op_count());
        (Just(graph), marks).prop_map(|(graph, marks)| {
            let marked: OpSet = graph.ops().filter(|op| marks[op.index()]).collect();
            let clustering = Clustering::form(&graph, &marked);
            (graph, clustering)
        })
    })
}

fn print(graph: &OpGraph, clustering: &Clustering) -> Vec<u8> {
    print_block(graph, clustering, BlockStyle::WithOperators, DotStyle { first_id: 1150, ..DotStyle::default() })
}

fn only_block(report: &LogReport) -> &Block {
    assert_eq!(report.blocks.len(), 1, "{:?}", report.diagnostics);
    &report.blocks[0]
}

fn assert_same(block: &Block, graph: &OpGraph, clustering: &Clustering) {
    assert_eq!(block.ops.records(), graph.records());
    assert_eq!(block.logged_clustering.as_ref(), Some(clustering));
}

const NOISE: [&str; 12] = [
    "[I 11/23  2:22: 1.374 ...p/builds/Paddle-Lite/lite/api/cxx_api.cc:371 Build] Load model from file.",
    "I0924 10:50:12.715279 122828 optimizer.h:202] == Running pass: x",
    "* daemon not running; starting now at tcp:5037 *",
    "adb: warning: something: happened",
    "E [vsi_nn_graph.c:compute_node:10]failed: x: y",
    "[INFO] fastdeploy/runtime/runtime.cc(354)::CreateLiteBackend\tRuntime initialized.",
    "[I  8/ 9  3: 7: 5. 42 pattern_matcher.cc:108] detected 12 subgraph",
    "11-23 02:22:10.835  1234  1234 I Paddle-Lite: message",
    " - dims {1,3,224,224}",
    "digraph G {",
    "DetectionResult: [xmin, ymin, xmax, ymax, score, label_id]",
    "\u{1b}[0m",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_printed_block_is_read_back((graph, clustering) in graph_and_clustering()) {
        let report = parse(&print(&graph, &clustering));
        assert_same(only_block(&report), &graph, &clustering);
        prop_assert!(only_block(&report).complete);
        prop_assert_eq!(only_block(&report).labels, Some(LabelStyle::Underscored));
        prop_assert_eq!(report.diagnostics, []);
    }

    #[test]
    fn old_labels_are_read_back((graph, clustering) in graph_and_clustering()) {
        let dot_style = DotStyle { labels: LabelStyle::Bare, ..DotStyle::default() };
        let report = parse(&print_block(&graph, &clustering, BlockStyle::WithOperators, dot_style));
        assert_same(only_block(&report), &graph, &clustering);
        prop_assert!(only_block(&report).complete);
    }

    #[test]
    fn a_block_without_operator_lines_is_read_from_its_dot((graph, clustering) in graph_and_clustering()) {
        let report = parse(&print_block(&graph, &clustering, BlockStyle::DotOnly, DotStyle::default()));
        assert_same(only_block(&report), &graph, &clustering);
        prop_assert!(only_block(&report).complete);
    }

    #[test]
    fn foreign_lines_indentation_and_line_ends_do_not_matter(
        (graph, clustering) in graph_and_clustering(),
        noise in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(NOISE.to_vec())), 0..12),
        (indent, crlf) in (0..5_usize, any::<bool>()),
        (capacity, terminated) in (1..300_usize, any::<bool>()),
    ) {
        let text = print(&graph, &clustering);
        let mut lines: Vec<Vec<u8>> = text.split_inclusive(|&b| b == b'\n').map(|l| l[..l.len() - 1].to_vec()).collect();
        if !terminated {
            lines.pop();
        }
        for line in &mut lines {
            if !line.is_empty() {
                *line = [vec![b' '; indent], line.clone()].concat();
            }
        }
        for (at, foreign) in noise {
            let at = at.index(lines.len());
            lines.insert(at, foreign.as_bytes().to_vec());
        }
        let log = lines.join(if crlf { &b"\r\n"[..] } else { b"\n" });
        let report = parse(&log);
        assert_same(only_block(&report), &graph, &clustering);
        prop_assert!(only_block(&report).complete);
        let chunked = std::io::BufReader::with_capacity(capacity, log.as_slice());
        let streamed = parse_reader(chunked, &Limits::default()).unwrap();
        assert_same(only_block(&streamed), &graph, &clustering);
        prop_assert_eq!(streamed.diagnostics, report.diagnostics);
        prop_assert_eq!(streamed.lines, report.lines);
    }

    #[test]
    fn a_prefix_on_every_line_is_taken_off(
        (graph, clustering) in graph_and_clustering(),
        prefix in prop::sample::select(vec!["board_1  | ", "[    9.123456] ", "2026-11-23T19:00:09 ", "11-23 02:22:10.835  1234  1234 I demo: ", "\u{1b}[32m> \u{1b}[0m"]),
    ) {
        let text = print(&graph, &clustering);
        let mut log = Vec::new();
        for (number, line) in text.split_inclusive(|&b| b == b'\n').enumerate() {
            log.extend(prefix.replace('9', &(number % 10).to_string()).into_bytes());
            log.extend(line);
        }
        assert_same(only_block(&parse(&log)), &graph, &clustering);
    }

    #[test]
    fn a_line_torn_apart_is_put_together(
        (graph, clustering) in graph_and_clustering(),
        at in any::<prop::sample::Index>(),
        foreign in prop::sample::select(vec![&NOISE[0..1], &NOISE[1..2], &NOISE[5..6], &NOISE[0..2]]),
    ) {
        let text = print(&graph, &clustering);
        let at = at.index(text.len());
        let torn = [&text[..at], foreign.join("\n").as_bytes(), b"\n", &text[at..]].concat();
        // Only the announcing lines have no second telling.
        let announced = |text: &[u8]| text.windows(18).filter(|w| w.starts_with(b"subgraph clusters:") || *w == b"subgraph operators").count();
        prop_assume!(announced(&torn) == 2 && torn.windows(12).any(|w| w == b"\ndigraph G {") && torn.windows(10).any(|w| w == b"\n} // end "));
        let in_a_marker = text[..at].iter().rev().take_while(|&&b| b != b'\n').count() > 0
            && { let start = text[..at].iter().rposition(|&b| b == b'\n').map_or(0, |p| p + 1); text[start..].starts_with(b"subgraph ") || text[start..].starts_with(b"digraph") };
        prop_assume!(!in_a_marker);
        assert_same(only_block(&parse(&torn)), &graph, &clustering);
    }

    #[test]
    fn an_operator_line_torn_apart_is_put_together_without_a_dot(at in 0..100_usize) {
        let lines = "feed:feed:x\nconv2d:x,w:y\nrelu:y:z\nfetch:z:fetch\n\n";
        let at = at % (lines.len() - 2);
        let log = format!("subgraph operators: \n{}{}\n{}", &lines[..at], NOISE[0], &lines[at..]);
        let (report, whole) = (parse(log.as_bytes()), parse(lines.as_bytes()));
        prop_assert_eq!(only_block(&report).ops.records(), only_block(&whole).ops.records());
    }

    #[test]
    fn a_log_cut_anywhere_gives_the_ops_so_far_or_all((graph, clustering) in graph_and_clustering(), at in any::<prop::sample::Index>()) {
        let text = print(&graph, &clustering);
        let report = parse(&text[..at.index(text.len())]);
        for block in &report.blocks {
            prop_assert_eq!(block.ops.records(), graph.records());
        }
        // A whole block before it is preferred.
        let twice = [&text[..], &text[..at.index(text.len())]].concat();
        assert_same(parse(&twice).chosen().unwrap(), &graph, &clustering);
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        parse(&bytes);
    }

    #[test]
    fn arbitrary_pieces_of_blocks_do_no_harm(
        (graph, clustering) in graph_and_clustering(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..8),
        bytes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let text = print(&graph, &clustering);
        let mut log: Vec<u8> = cuts.iter().flat_map(|(a, b)| {
            let (a, b) = (a.index(text.len()), b.index(text.len()));
            text[a.min(b)..a.max(b)].to_vec()
        }).collect();
        for (at, byte) in bytes {
            if !log.is_empty() {
                let at = at.index(log.len());
                log[at] = byte;
            }
        }
        let report = parse(&log);
        for diagnostic in report.diagnostics {
            prop_assert!(diagnostic.line >= 1 && diagnostic.line <= report.lines.max(1));
        }
    }
}

#[test]
fn the_operator_lines_alone_are_a_block() {
    let lines = "feed:feed:x\nconv2d:x,w:y\nfetch:y:fetch\n";
    for log in [
        format!("subgraph operators: \n{lines}\n"),
        format!("subgraph operators:\n{lines}"),
        format!("noise\nsubgraph operators: \r\n{}", lines.replace('\n', "\r\n")),
        lines.to_owned(),
        format!("\n  {}", lines.replace('\n', "\n  ")),
    ] {
        let report = parse(log.as_bytes());
        let block = only_block(&report);
        assert_eq!(block.ops.op_count(), 3, "{log}");
        assert!(block.complete && block.logged_clustering.is_none(), "{log}");
    }
}

#[test]
fn of_several_blocks_the_last_complete_one_is_chosen_and_any_can_be_picked() {
    let block = |op: &str, end: &str| format!("subgraph operators: \nfeed:feed:x\n{op}:x:y\n{end}");
    let log = [block("relu", "\n"), block("tanh", "fetch:y:fetch\n\n"), block("sigmoid", "")].concat();
    let report = parse(log.as_bytes());
    let second_type = |block: &Block| block.ops.records()[1].op_type.to_string();
    assert_eq!(report.blocks.iter().map(second_type).collect::<Vec<_>>(), ["relu", "tanh", "sigmoid"]);
    assert_eq!(second_type(report.chosen().unwrap()), "tanh");
    assert_eq!(second_type(report.pick(1).unwrap()), "relu");
    assert_eq!(report.pick(4).unwrap_err().to_string(), "find block 4 in the log: it holds 3, counted from 1");
    assert!(report.pick(0).is_err());
    assert_eq!(report.blocks[2].first_line, 10);
}

#[test]
fn the_dot_wins_over_operator_lines_that_disagree() {
    let graph = OpGraph::from_records(
        parse(b"subgraph operators: \nfeed:feed:x\nrelu:x:y\n\n").blocks[0].ops.records().to_vec(),
    );
    let text = String::from_utf8(print(&graph, &Clustering::default())).unwrap().replace("relu:x:y", "relu:x:z");
    let report = parse(text.as_bytes());
    assert_eq!(only_block(&report).ops.records(), graph.records());
    assert!(!only_block(&report).complete);
    assert!(report.diagnostics.iter().any(|d| d.severity == Severity::Error && d.message.contains("relu:x:z")));
}

#[test]
fn a_name_that_an_op_reads_twice_runs_into_its_neighbour_in_the_line() {
    // As opt 2.13rc0 printed it for a concat of a tensor and the same tensor behind a removed fake quantization.
    let block = b"subgraph clusters: 0\ndigraph G {\n   node_7[label=\"a\"]\n   node_8[label=\"b\"]\n   node_9[label=\"c\"]\n   \
node_6[label=\"concat_0_op\" shape=\"box\" style=\"filled\" color=\"black\" fillcolor=\"white\"]\n   node_7->node_6\n   \
node_8->node_6\n   node_7->node_6\n   node_6->node_9\n} // end G\nsubgraph operators: \nconcat:ab,a:c\n\n";
    let report = parse(block);
    assert_eq!(report.diagnostics, []);
    assert!(only_block(&report).complete);
    assert_eq!(only_block(&report).ops.records()[0].to_string(), "concat:a,b,a:c");
}

#[test]
fn a_damaged_dot_leaves_the_operator_lines() {
    let graph = OpGraph::from_records(
        parse(b"subgraph operators: \nfeed:feed:x\nrelu:x:y\n\n").blocks[0].ops.records().to_vec(),
    );
    let text = String::from_utf8(print(&graph, &Clustering::default())).unwrap();
    let without_a_node: Vec<&str> = text.lines().filter(|line| !line.contains("label=\"x\"")).collect();
    let report = parse(without_a_node.join("\n").as_bytes());
    assert_eq!(only_block(&report).ops.records(), graph.records());
    assert_eq!(only_block(&report).logged_clustering, Some(Clustering::default()), "the labels are still there");
    assert!(report.diagnostics.iter().any(|d| d.severity == Severity::Error && d.message.contains("damaged")));
}

#[test]
fn the_number_of_clusters_is_checked() {
    let log = "subgraph clusters: 2\ndigraph G {\n   node_1[label=\"relu_0_op_subgraph_0\" shape=\"box\" style=\"filled\" color=\"black\" fillcolor=\"red\"]\n} // end G\nsubgraph operators: \nrelu::\n\n";
    let report = parse(log.as_bytes());
    assert_eq!(only_block(&report).clusters_line, Some(2));
    assert_eq!(report.diagnostics[0].to_string(), "line 1: warning: `subgraph clusters: 2` but the DOT shows 1");
}

#[test]
fn a_log_without_a_block_says_where_it_comes_from() {
    let error = parse(b"[I 11/23  2:22: 1.374 x.cc:1 F] detected 1 subgraph\n").chosen().unwrap_err();
    insta::assert_snapshot!(error);
}

#[test]
fn a_block_beyond_the_limit_is_cut_and_said_so() {
    let lines = "relu:x:x\n".repeat(100);
    let limits = Limits { block_bytes: 200, ..Limits::default() };
    let report = parse_reader(format!("subgraph operators: \n{lines}\n").as_bytes(), &limits).unwrap();
    assert!(!only_block(&report).complete);
    assert!(report.diagnostics.iter().any(|d| d.message.contains("larger than the limit")));
}

#[test]
fn an_old_label_that_two_types_could_have_is_settled_by_the_operator_lines() {
    let mut lines: Vec<String> = (0..60).map(|n| format!("relu:t{n}:t{}\n", n + 1)).collect();
    lines.push("relu6:t60:t61\n".into());
    let plain = parse(format!("subgraph operators: \n{}\n", lines.concat()).as_bytes());
    let graph = &only_block(&plain).ops;
    let all = Clustering::form(graph, &graph.ops().collect());
    let dot_style = DotStyle { labels: LabelStyle::Bare, ..DotStyle::default() };
    let report = parse(&print_block(graph, &all, BlockStyle::WithOperators, dot_style));
    assert_same(only_block(&report), graph, &all);
    assert_eq!(report.diagnostics, []);

    let dot_only = parse(&print_block(graph, &all, BlockStyle::DotOnly, dot_style));
    assert!(dot_only.diagnostics[0].message.contains("`relu60` can be read in several ways"));
}

#[test]
fn complaints_about_a_damaged_log_are_bounded() {
    let report = parse("subgraph clusters: 1\ndigraph G {\n".repeat(30_000).as_bytes());
    assert!(report.diagnostics.len() <= 10_000);
    assert!(report.diagnostics.iter().any(|d| d.message.contains("nothing is reported from here on")));
}

#[test]
fn the_block_of_a_loop_body_is_pointed_out() {
    let log = "subgraph operators: \nfeed:feed:x\nrelu:x:y\nfetch:y:fetch\n\nsubgraph operators: \nrelu:a:b\n\n";
    let report = parse(log.as_bytes());
    assert_eq!(report.chosen().unwrap().first_line, 6);
    let note = &report.diagnostics[0];
    assert_eq!((note.line, note.severity), (6, Severity::Warning));
    assert!(note.message.contains("block 1 has"), "{note}");
}

#[test]
fn marks_of_windows_are_taken_off_or_explained() {
    assert_eq!(
        only_block(&parse(b"\xef\xbb\xbffeed:feed:x\r\nrelu:x:y  \r\n")).ops.records()[1].to_string(),
        "relu:x:y"
    );
    assert_eq!(only_block(&parse(b"\xef\xbb\xbfsubgraph operators: \r\nfeed:feed:x\r\n")).ops.op_count(), 1);
    let utf16: Vec<u8> = "\u{feff}subgraph operators: \n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(parse(&utf16).diagnostics[0].message.contains("PowerShell"));
}

#[test]
fn clusters_of_another_visit_order_are_taken_from_the_dot_and_pointed_out() {
    let graph =
        OpGraph::from_records(parse(b"subgraph operators: \nrelu:x:y\nrelu:y:z\n\n").blocks[0].ops.records().to_vec());
    let apart = Clustering::from_clusters(graph.ops().map(|op| vec![op])).unwrap();
    let report = parse(&print(&graph, &apart));
    assert_same(only_block(&report), &graph, &apart);
    assert!(report.diagnostics[0].message.contains("visiting the ops in this order"));
}
