//! What a line that matches nothing probably meant.

use op_graph::{Name, OpGraph, OpId, OpRecord};

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

/// The op type that is nearest to one that does not exist, if it is near enough to be meant.
pub(super) fn nearest_type<'a>(types: impl Iterator<Item = &'a Name>, wanted: &Name) -> Option<&'a Name> {
    let wanted = stripped(wanted).as_bytes().to_ascii_lowercase();
    let alphabet = |b: &&u8| b.is_ascii_alphanumeric() || **b == b'_';
    let wanted: Vec<u8> = wanted.iter().filter(alphabet).copied().collect();
    if wanted.len() > LONGEST_COMPARED {
        return None;
    }
    let near = |known: &&Name| strsim::generic_levenshtein(&wanted, &known.as_bytes().to_vec());
    types.map(|known| (near(&known), known)).min().filter(|&(distance, _)| 3 * distance <= wanted.len()).map(|(_, t)| t)
}

fn cut(mut line: Vec<u8>) -> Vec<u8> {
    line.truncate(LONGEST_COMPARED);
    line
}

/// The entry as it was probably meant: without stray blanks and marks.
fn normal_record(entry: &Entry) -> OpRecord {
    OpRecord {
        op_type: stripped(&entry.op_type),
        inputs: entry.inputs.iter().map(stripped).collect(),
        outputs: entry.outputs.iter().map(stripped).collect(),
    }
}

fn stripped(name: &Name) -> Name {
    let bytes = name.as_bytes();
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii().into()
}

fn likeness(wanted: &OpRecord, record: &OpRecord) -> usize {
    let same_type = wanted.op_type == record.op_type;
    let nearly = wanted.op_type.as_bytes().eq_ignore_ascii_case(record.op_type.as_bytes());
    let shared = |a: &[Name], b: &[Name]| a.iter().filter(|name| b.contains(name)).count();
    let names = shared(&wanted.outputs, &record.outputs) + shared(&wanted.inputs, &record.inputs);
    4 * names + 3 * usize::from(same_type) + 2 * usize::from(nearly && !same_type)
}
