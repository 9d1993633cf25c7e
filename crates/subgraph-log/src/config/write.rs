//! Writes a placement as a config that Paddle Lite reads as exactly that placement, or says which op it cannot.

use std::{collections::HashSet, fmt};

use op_graph::{Name, OpGraph, OpId, OpRecord, OpSet, Placement};

use super::{Entry, OpIndex, PartitionConfig};

/// How a config is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Write the type alone where the placement holds all ops of that type.
    pub compact: bool,
}

/// A config, matched back against the graph: it selects exactly the placement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenConfig {
    /// The bytes of `subgraph.txt`.
    pub text: Vec<u8>,
    /// Its lines.
    pub lines: Vec<WrittenLine>,
}

/// A line of a written config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenLine {
    /// The line without its end.
    pub text: Vec<u8>,
    /// The ops it selects, all of them in the placement.
    pub ops: Vec<OpId>,
}

/// An op of the placement that no line can select without selecting others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inexpressible {
    /// The op.
    pub op: OpId,
    /// Its record.
    pub record: OpRecord,
    /// The ops outside the placement that every possible line selects as well; empty where there is no possible line.
    pub also_selected: Vec<OpId>,
}

/// Why a placement cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Some of its ops cannot be told from others.
    #[error("write the partition config: {}", list(.0))]
    Inexpressible(Vec<Inexpressible>),
    /// The placement holds ops that the graph does not have.
    #[error("write the partition config: the placement holds op {op}, the graph has {count}")]
    NoSuchOp {
        /// The op's position.
        op: usize,
        /// How many ops there are.
        count: usize,
    },
    /// The written text does not select the placement; this is a defect of the writer.
    #[error("write the partition config: matched back, it does not select the placement (a defect of the writer)")]
    NotTheSame,
}

impl fmt::Display for Inexpressible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { op, record, also_selected } = self;
        write!(f, "op {} `{record}` ", op.index())?;
        match also_selected[..] {
            [] => write!(f, "has a type that the config cannot hold (it has no way to write `-`, `:` or a line end)"),
            [first, ..] => write!(
                f,
                "cannot be told from {} other op(s), such as op {}: names with `-`, `:` or `,` cannot be written",
                also_selected.len(),
                first.index()
            ),
        }
    }
}

fn list(ops: &[Inexpressible]) -> String {
    ops.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Writes one exact line for each op of the placement, in log order.
///
/// Names that the config cannot hold are left out of a line where the rest still selects nothing but ops of the placement. An
/// empty placement is a single line end, since an empty file crashes Paddle Lite.
///
/// # Errors
/// When an op cannot be expressed, or is not in the graph.
pub fn write(graph: &OpGraph, placement: &Placement) -> Result<WrittenConfig, WriteError> {
    write_with(graph, placement, WriteOptions::default())
}

/// As [`write`](write()), with options.
///
/// # Errors
/// As [`write`](write()).
pub fn write_with(graph: &OpGraph, placement: &Placement, options: WriteOptions) -> Result<WrittenConfig, WriteError> {
    if let Some(op) = placement.iter().find(|op| op.index() >= graph.op_count()) {
        return Err(WriteError::NoSuchOp { op: op.index(), count: graph.op_count() });
    }
    let index = OpIndex::new(graph);
    let mut lines: Vec<WrittenLine> = Vec::new();
    let mut inexpressible = Vec::new();
    let mut written = OpSet::new();
    let mut texts = HashSet::new();
    for op in placement.iter() {
        if options.compact && written.contains(op) {
            continue;
        }
        match line_for(&index, op, placement, options) {
            Ok(line) => {
                written.extend(line.ops.iter().copied());
                if texts.insert(line.text.clone()) {
                    lines.push(line);
                }
            }
            Err(also_selected) => {
                inexpressible.push(Inexpressible { op, record: graph.record(op).clone(), also_selected });
            }
        }
    }
    if !inexpressible.is_empty() {
        return Err(WriteError::Inexpressible(inexpressible));
    }
    let mut text: Vec<u8> = lines.iter().flat_map(|line| line.text.iter().copied().chain([b'\n'])).collect();
    if text.is_empty() {
        text.push(b'\n');
    }
    if PartitionConfig::parse(&text).forced(graph) != *placement {
        return Err(WriteError::NotTheSame);
    }
    Ok(WrittenConfig { text, lines })
}

/// The line for an op, or the ops outside the placement that it would select.
fn line_for(
    index: &OpIndex<'_>,
    op: OpId,
    placement: &Placement,
    options: WriteOptions,
) -> Result<WrittenLine, Vec<OpId>> {
    let record = index.graph.record(op);
    if !is_writable(&record.op_type) || record.op_type.as_bytes().is_empty() {
        return Err(Vec::new());
    }
    if options.compact {
        let of_type = index.of_type(&record.op_type);
        if of_type.iter().all(|&op| placement.contains(op)) {
            return Ok(WrittenLine { text: record.op_type.as_bytes().to_vec(), ops: of_type.to_vec() });
        }
    }
    // More names select fewer ops, so if the line of all writable names is not exact, none is.
    let writable = |names: &[Name]| names.iter().filter(|name| is_writable_name(name)).cloned().collect();
    let written = OpRecord {
        op_type: record.op_type.clone(),
        inputs: writable(&record.inputs),
        outputs: writable(&record.outputs),
    };
    let text = written.to_line();
    let ops = index.matching(&Entry::parse(1, &text));
    let (inside, outside): (Vec<OpId>, Vec<OpId>) = ops.into_iter().partition(|&op| placement.contains(op));
    if outside.is_empty() { Ok(WrittenLine { text, ops: inside }) } else { Err(outside) }
}

fn is_writable(text: &Name) -> bool {
    !text.as_bytes().iter().any(|b| matches!(b, b'\n' | b'-' | b':'))
}

fn is_writable_name(name: &Name) -> bool {
    is_writable(name) && !name.as_bytes().is_empty() && !name.as_bytes().contains(&b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(records: &[(&str, &[&str], &[&str])]) -> OpGraph {
        let names = |names: &[&str]| names.iter().map(|&name| name.into()).collect();
        let record = |&(op_type, inputs, outputs): &(&str, &[&str], &[&str])| OpRecord {
            op_type: op_type.into(),
            inputs: names(inputs),
            outputs: names(outputs),
        };
        OpGraph::from_records(records.iter().map(record).collect())
    }

    fn ops(indices: &[usize]) -> Placement {
        indices.iter().map(|&index| OpId::new(index)).collect()
    }

    fn text(graph: &OpGraph, indices: &[usize], compact: bool) -> String {
        let written = write_with(graph, &ops(indices), WriteOptions { compact }).unwrap();
        String::from_utf8(written.text).unwrap()
    }

    #[test]
    fn each_op_gets_the_line_of_the_log() {
        let graph = graph(&[("feed", &["feed"], &["x"]), ("conv2d", &["x", "w"], &["y"]), ("relu", &["y"], &["z"])]);
        assert_eq!(text(&graph, &[1, 2], false), "conv2d:x,w:y\nrelu:y:z\n");
        assert_eq!(text(&graph, &[1], true), "conv2d\n");
        assert_eq!(text(&graph, &[], false), "\n");
    }

    #[test]
    fn types_are_compacted_only_where_all_their_ops_are_meant() {
        let graph = graph(&[("relu", &["x"], &["a"]), ("relu", &["a"], &["b"]), ("tanh", &["b"], &["c"])]);
        assert_eq!(text(&graph, &[0, 2], true), "relu:x:a\ntanh\n");
        assert_eq!(text(&graph, &[0, 1, 2], true), "relu\ntanh\n");
    }

    #[test]
    fn names_that_cannot_be_written_are_left_out_where_the_rest_is_unique() {
        let graph = graph(&[("relu", &["a-b"], &["c"]), ("relu", &["c"], &["d:0"]), ("relu", &["d:0"], &["e,f"])]);
        assert_eq!(text(&graph, &[0], false), "relu::c\n");
        assert_eq!(text(&graph, &[1], false), "relu:c:\n");
        assert_eq!(text(&graph, &[0, 1, 2], false), "relu::c\nrelu:c:\nrelu::\n");
        let error = write(&graph, &ops(&[2])).unwrap_err();
        let WriteError::Inexpressible(list) = error else { panic!("{error}") };
        assert_eq!((list[0].op, list[0].also_selected.len()), (OpId::new(2), 2));
    }

    #[test]
    fn a_type_that_cannot_be_written_is_reported() {
        let graph = graph(&[("odd-type", &["x"], &["a"])]);
        assert!(write(&graph, &ops(&[0])).unwrap_err().to_string().contains("op 0 `odd-type:x:a` has a type"));
    }

    #[test]
    fn a_placement_of_another_graph_is_refused() {
        let graph = graph(&[("relu", &["x"], &["a"])]);
        assert_eq!(write(&graph, &ops(&[3])), Err(WriteError::NoSuchOp { op: 3, count: 1 }));
    }

    #[test]
    fn two_ops_of_one_record_share_their_line() {
        let graph = graph(&[("relu", &["x"], &["x"]), ("relu", &["x"], &["x"])]);
        assert_eq!(text(&graph, &[0, 1], false), "relu:x:x\n");
        assert!(write(&graph, &ops(&[1])).is_err());
    }
}
