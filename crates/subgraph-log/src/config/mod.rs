//! The partition config `subgraph.txt`: read and matched exactly as Paddle Lite does it (spec/paddle-lite.md B1).

mod lint;
mod nearest;
mod write;

use std::collections::HashMap;

use op_graph::{Name, OpGraph, OpId, OpRecord, OpSet};

pub use lint::lint;
pub use write::{Inexpressible, WriteError, WriteOptions, WrittenConfig, WrittenLine, write, write_with};

/// One entry: a type, and names that a matching op must have among its inputs and outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The line it stands on, from 1; several entries share a line where a `-` separates them.
    pub line: usize,
    /// The op type; no op has the empty one.
    pub op_type: Name,
    /// Names among the inputs; none matches any.
    pub inputs: Vec<Name>,
    /// Names among the outputs; none matches any.
    pub outputs: Vec<Name>,
    /// Fields behind the third, which Paddle Lite ignores.
    pub extra_fields: usize,
}

/// A partition config: what it forces is the union of what its entries match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionConfig {
    /// The entries in the order of the text.
    pub entries: Vec<Entry>,
}

/// Paddle Lite's `Split`: an empty piece at the end is dropped, and only there.
fn split(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let text_without_last = text.strip_suffix(&[separator]).unwrap_or(text);
    let pieces = if text.is_empty() { None } else { Some(text_without_last.split(move |&b| b == separator)) };
    pieces.into_iter().flatten()
}

impl PartitionConfig {
    /// Reads a config. Every text is one; what looks like a mistake, [`lint`] tells.
    pub fn parse(bytes: &[u8]) -> Self {
        let entries = split(bytes, b'\n')
            .enumerate()
            .flat_map(|(index, line)| {
                split(line, b'-').filter(|piece| !piece.is_empty()).map(move |piece| Entry::parse(index + 1, piece))
            })
            .collect();
        Self { entries }
    }

    /// The ops that the config forces to the CPU, whether or not the NPU would have taken them.
    pub fn forced(&self, graph: &OpGraph) -> OpSet {
        let index = OpIndex::new(graph);
        self.entries.iter().flat_map(|entry| index.matching(entry)).collect()
    }
}

impl Entry {
    /// Reads one entry, `type:in,in:out,out`.
    fn parse(line: usize, text: &[u8]) -> Self {
        let mut fields = split(text, b':');
        let op_type = fields.next().unwrap_or_default().into();
        let mut names = || split(fields.next().unwrap_or_default(), b',').map(Name::from).collect();
        let (inputs, outputs) = (names(), names());
        Self { line, op_type, inputs, outputs, extra_fields: fields.count() }
    }

    /// Does Paddle Lite force an op with this record because of this entry?
    pub fn matches(&self, record: &OpRecord) -> bool {
        let among = |listed: &[Name], linked: &[Name]| {
            listed.len() <= linked.len() && listed.iter().all(|name| linked.contains(name))
        };
        self.op_type == record.op_type && among(&self.inputs, &record.inputs) && among(&self.outputs, &record.outputs)
    }
}

/// The ops of a graph by type and by name, so that an entry is tried on few of them.
struct OpIndex<'a> {
    graph: &'a OpGraph,
    by_type: HashMap<&'a Name, Vec<OpId>>,
    by_input: HashMap<&'a Name, Vec<OpId>>,
    by_output: HashMap<&'a Name, Vec<OpId>>,
}

impl<'a> OpIndex<'a> {
    fn new(graph: &'a OpGraph) -> Self {
        let mut index = Self { graph, by_type: HashMap::new(), by_input: HashMap::new(), by_output: HashMap::new() };
        for (op, record) in graph.ops().zip(graph.records()) {
            index.by_type.entry(&record.op_type).or_default().push(op);
            for input in &record.inputs {
                index.by_input.entry(input).or_default().push(op);
            }
            for output in &record.outputs {
                index.by_output.entry(output).or_default().push(op);
            }
        }
        index
    }

    /// The ops that an entry matches, in log order.
    fn matching(&self, entry: &Entry) -> Vec<OpId> {
        let of_type = self.of_type(&entry.op_type);
        let with_inputs = entry.inputs.iter().map(|name| ops_of(&self.by_input, name));
        let with_outputs = entry.outputs.iter().map(|name| ops_of(&self.by_output, name));
        let fewest = with_inputs.chain(with_outputs).chain([of_type]).min_by_key(|ops| ops.len()).unwrap_or_default();
        let mut matching = fewest.to_vec();
        matching.retain(|&op| entry.matches(self.graph.record(op)));
        matching.dedup();
        matching
    }

    fn of_type(&self, op_type: &Name) -> &[OpId] {
        ops_of(&self.by_type, op_type)
    }
}

fn ops_of<'a>(index: &'a HashMap<&Name, Vec<OpId>>, name: &Name) -> &'a [OpId] {
    index.get(name).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str, separator: u8) -> Vec<&str> {
        split(text.as_bytes(), separator).map(|piece| std::str::from_utf8(piece).unwrap()).collect()
    }

    #[test]
    fn split_drops_an_empty_piece_at_the_end_and_only_there() {
        assert_eq!(pieces("", b','), Vec::<&str>::new());
        assert_eq!(pieces(",", b','), [""]);
        assert_eq!(pieces(",,", b','), ["", ""]);
        assert_eq!(pieces("a", b','), ["a"]);
        assert_eq!(pieces("a,", b','), ["a"]);
        assert_eq!(pieces(",a,,b", b','), ["", "a", "", "b"]);
    }

    fn forced(config: &str, records: &[&str]) -> Vec<usize> {
        let records = records.iter().map(|line| OpRecord::parse(line.as_bytes()).unwrap()).collect();
        let graph = OpGraph::from_records(records);
        PartitionConfig::parse(config.as_bytes()).forced(&graph).iter().map(OpId::index).collect()
    }

    #[test]
    fn entries_match_as_the_written_rules_say() {
        let records = ["feed:feed:x", "relu:x:a", "relu:a:b", "elementwise_add:a,b:c", "elementwise_add:c:d"];
        let cases: [(&str, &[usize]); 22] = [
            ("", &[]),
            ("\n", &[]),
            ("relu", &[1, 2]),
            ("relu:", &[1, 2]),
            ("relu::", &[1, 2]),
            ("relu:x", &[1]),
            ("relu::b", &[2]),
            ("relu:x:a\nrelu:a:b\nrelu:x:a\n", &[1, 2]),
            ("relu:x:a-relu:a:b", &[1, 2]),
            ("elementwise_add:b,a:c", &[3]),
            ("elementwise_add:c,c:d", &[]),
            ("elementwise_add:a,a:c", &[3]), // two names for two links, each of them there
            ("relu:x:a:anything:more", &[1]),
            ("relu:,:,", &[]),
            ("relu\r\n", &[]),
            (" relu", &[]),
            ("relu:x :a", &[]),
            ("Relu", &[]),
            ("# keep head-relu", &[1, 2]),
            ("feed", &[0]),
            ("\u{feff}relu\nrelu:a:b", &[2]),
            ("-relu:x:a-", &[1]),
        ];
        for (config, expected) in cases {
            assert_eq!(forced(config, &records), expected, "{config:?}");
        }
    }
}
