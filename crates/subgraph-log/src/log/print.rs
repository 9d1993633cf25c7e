//! A block as Paddle Lite prints it, to make logs from graphs.

use op_graph::{Clustering, DotStyle, OpGraph, dot};

/// Which version's block is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BlockStyle {
    /// With operator lines: v2.10 to develop, by the labels that the [`DotStyle`] has.
    #[default]
    WithOperators,
    /// `subgraphs: N` and the DOT alone: up to v2.9.
    DotOnly,
}

/// Prints a block, byte for byte as Paddle Lite does for this graph and these clusters (spec/paddle-lite.md A2, A3), the
/// clusters being numbered in their order.
pub fn print_block(graph: &OpGraph, clustering: &Clustering, style: BlockStyle, dot_style: DotStyle) -> Vec<u8> {
    let announcement = match style {
        BlockStyle::WithOperators => format!("subgraph clusters: {}\n", clustering.len()),
        BlockStyle::DotOnly => format!("subgraphs: {}\n", clustering.len()),
    };
    let mut text = announcement.into_bytes();
    text.extend(dot(graph, clustering, dot_style));
    if style == BlockStyle::WithOperators {
        text.extend(b"subgraph operators: \n");
        for record in graph.records() {
            text.extend(record.to_log_line());
            text.push(b'\n');
        }
        text.push(b'\n');
    }
    text
}
