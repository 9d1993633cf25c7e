//! The op that a line which matches nothing probably meant.

use op_graph::{OpGraph, OpId, OpRecord};

use super::Entry;

/// So many ops are compared letter by letter.
const MOST_COMPARED: usize = 16;

/// Longer lines are not compared letter by letter.
const LONGEST_COMPARED: usize = 2000;

/// The op whose record is nearest to an entry: by shared names and type first, then by edit distance.
pub(super) fn nearest_op(graph: &OpGraph, entry: &Entry) -> Option<OpId> {
    let wanted = normal_record(entry);
    let mut ranked: Vec<(usize, OpId)> = graph.ops().map(|op| (likeness(&wanted, graph.record(op)), op)).collect();
    ranked.sort_by_key(|&(likeness, op)| (std::cmp::Reverse(likeness), op));
    let best = ranked.first()?.0;
    let line = cut(wanted.to_line());
    ranked
        .into_iter()
        .take_while(|&(likeness, _)| likeness == best)
        .take(MOST_COMPARED)
        .map(|(_, op)| (strsim::generic_levenshtein(&line, &cut(graph.record(op).to_line())), op))
        .min()
        .map(|(_, op)| op)
}

fn cut(mut line: Vec<u8>) -> Vec<u8> {
    line.truncate(LONGEST_COMPARED);
    line
}

/// The entry as it was probably meant: without stray blanks and marks.
fn normal_record(entry: &Entry) -> OpRecord {
    let strip = |name: &op_graph::Name| {
        let bytes = name.as_bytes();
        bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii().into()
    };
    OpRecord {
        op_type: strip(&entry.op_type),
        inputs: entry.inputs.iter().map(strip).collect(),
        outputs: entry.outputs.iter().map(strip).collect(),
    }
}

fn likeness(wanted: &OpRecord, record: &OpRecord) -> usize {
    let same_type = wanted.op_type == record.op_type;
    let nearly = wanted.op_type.as_bytes().eq_ignore_ascii_case(record.op_type.as_bytes());
    let shared = |a: &[op_graph::Name], b: &[op_graph::Name]| a.iter().filter(|name| b.contains(name)).count();
    let names = shared(&wanted.outputs, &record.outputs) + shared(&wanted.inputs, &record.inputs);
    4 * names + 3 * usize::from(same_type) + 2 * usize::from(nearly && !same_type)
}
