//! The graph and its clusters as DOT: byte for byte as Paddle Lite prints it, or escaped so that Graphviz reads any name.

use std::collections::{BTreeMap, HashMap};

use crate::{Clustering, Name, OpGraph, OpId};

/// The fill colours of clusters, by cluster number modulo their count (spec/paddle-lite.md A2).
pub const CLUSTER_COLORS: [&str; 48] = [
    "red",
    "green",
    "cyan",
    "bisque3",
    "coral",
    "darkseagreen1",
    "goldenrod1",
    "darkorchid",
    "antiquewhite",
    "aquamarine",
    "azure",
    "bisque4",
    "blue2",
    "brown1",
    "burlywood1",
    "cadetblue1",
    "chartreuse1",
    "chocolate1",
    "coral1",
    "cornsilk",
    "crimson",
    "cyan4",
    "darkgoldenrod4",
    "darkolivegreen2",
    "darkorange2",
    "darkorchid2",
    "darkseagreen3",
    "darkslategray",
    "deeppink2",
    "deepskyblue2",
    "dodgerblue",
    "firebrick",
    "floralwhite",
    "gold1",
    "skyblue3",
    "indianred",
    "indigo",
    "lavenderblush2",
    "lightblue1",
    "lightsalmon3",
    "khaki1",
    "ivory4",
    "sandybrown",
    "olivedrab2",
    "turquoise4",
    "snow3",
    "sienna4",
    "salmon2",
];

/// How an op's label is built from its type and its number among the ops of that type (spec/paddle-lite.md A3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LabelStyle {
    /// `conv2d_3_op[_subgraph_1]`: v2.13-rc and develop.
    #[default]
    Underscored,
    /// `conv2d3[_subgraph_1]`: up to v2.12.
    Bare,
}

/// What a DOT is printed for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DotStyle {
    /// The form of op labels.
    pub labels: LabelStyle,
    /// Escape quotes, backslashes and line ends in names, and replace what is not UTF-8. Paddle Lite escapes nothing, so
    /// such a DOT differs from a log's wherever a name holds one of these.
    pub escaped: bool,
    /// The id of the first node: Paddle Lite's counter runs through the whole process.
    pub first_id: u64,
}

/// Prints the graph from `digraph G {` to `} // end G` and a line end.
///
/// Nodes are sorted by label, edges come op by op; all versions of a tensor are one node.
pub fn dot(graph: &OpGraph, clustering: &Clustering, style: DotStyle) -> Vec<u8> {
    let assignment = clustering.assignment(graph.op_count());
    let op_labels = op_labels(graph, &assignment, style.labels);
    let mut printer = Printer { style, next_id: style.first_id, nodes: BTreeMap::new(), edges: Vec::new() };
    let mut tensor_ids: HashMap<&Name, u64> = HashMap::new();
    for op in graph.ops() {
        let color = assignment[op.index()].map_or("white", |cluster| CLUSTER_COLORS[cluster % CLUSTER_COLORS.len()]);
        let op_id = printer.op(&op_labels[op.index()], color);
        let record = graph.record(op);
        for input in &record.inputs {
            let tensor_id = *tensor_ids.entry(input).or_insert_with(|| printer.tensor(input));
            printer.edges.push((tensor_id, op_id));
        }
        for output in &record.outputs {
            let tensor_id = *tensor_ids.entry(output).or_insert_with(|| printer.tensor(output));
            printer.edges.push((op_id, tensor_id));
        }
    }
    printer.finish()
}

fn op_labels(graph: &OpGraph, assignment: &[Option<usize>], style: LabelStyle) -> Vec<Vec<u8>> {
    let mut counts: HashMap<&Name, usize> = HashMap::new();
    let label = |op: OpId| {
        let op_type = &graph.record(op).op_type;
        let count = counts.entry(op_type).or_insert(0);
        let mut label = op_type.as_bytes().to_vec();
        label.extend(match style {
            LabelStyle::Underscored => format!("_{count}_op").into_bytes(),
            LabelStyle::Bare => count.to_string().into_bytes(),
        });
        *count += 1;
        if let Some(cluster) = assignment[op.index()] {
            label.extend(format!("_subgraph_{cluster}").into_bytes());
        }
        label
    };
    graph.ops().map(label).collect()
}

struct Printer {
    style: DotStyle,
    next_id: u64,
    /// Lines by label, ops before tensors where the two share one.
    nodes: BTreeMap<(Vec<u8>, bool, u64), Vec<u8>>,
    edges: Vec<(u64, u64)>,
}

impl Printer {
    fn op(&mut self, label: &[u8], color: &str) -> u64 {
        let attributes = format!("\" shape=\"box\" style=\"filled\" color=\"black\" fillcolor=\"{color}\"]");
        self.node(label, false, attributes.as_bytes())
    }

    fn tensor(&mut self, name: &Name) -> u64 {
        self.node(name.as_bytes(), true, b"\"]")
    }

    fn node(&mut self, label: &[u8], is_tensor: bool, end: &[u8]) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let mut line = format!("node_{id}[label=\"").into_bytes();
        if self.style.escaped {
            line.extend(escape(label).into_bytes());
        } else {
            line.extend(label);
        }
        line.extend(end);
        self.nodes.insert((label.to_vec(), is_tensor, id), line);
        id
    }

    fn finish(self) -> Vec<u8> {
        let mut text = b"digraph G {\n".to_vec();
        let mut push = |line: &[u8]| {
            text.extend(b"   ");
            text.extend(line);
            text.push(b'\n');
        };
        for line in self.nodes.values() {
            push(line);
        }
        for (from, to) in self.edges {
            push(format!("node_{from}->node_{to}").as_bytes());
        }
        text.extend(b"} // end G\n");
        text
    }
}

fn escape(name: &[u8]) -> String {
    let mut escaped = String::new();
    for c in String::from_utf8_lossy(name).chars() {
        match c {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            c => escaped.push(c),
        }
    }
    escaped
}
