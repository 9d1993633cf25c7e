//! The DOT of a block: nodes with complete names and exact edges, whatever the names hold (spec/paddle-lite.md A2, A3).

use std::collections::HashMap;

use memchr::{memchr, memmem};
use op_graph::{LabelStyle, Name, OpRecord, timvx_supported};

use crate::{Diagnostic, diagnostic::excerpt};

/// No more of what does not fit together is reported one by one.
const MOST_ERRORS: usize = 10;

/// A line between `digraph G {` and `} // end G`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DotLine {
    /// A node; ops are boxes, tensors are not.
    Node { id: u64, label: Vec<u8>, is_op: bool },
    /// An edge.
    Edge { from: u64, to: u64 },
}

/// Reads a line of the DOT; none where it is not one.
pub(super) fn read_dot_line(line: &[u8]) -> Option<DotLine> {
    let rest = line.trim_ascii_start().strip_prefix(b"node_")?;
    let (id, rest) = read_number(rest)?;
    if let Some(rest) = rest.strip_prefix(b"->node_") {
        let (to, rest) = read_number(rest)?;
        return rest.trim_ascii().is_empty().then_some(DotLine::Edge { from: id, to });
    }
    // Names are not escaped: the label ends where what Paddle Lite prints behind it begins.
    let rest = rest.strip_prefix(b"[label=\"")?.trim_ascii_end().strip_suffix(b"\"]")?;
    let (label, is_op) = match memmem::rfind(rest, b"\" shape=\"box\" ") {
        Some(end) if is_fill(&rest[end..]) => (&rest[..end], true),
        _ => (rest, false),
    };
    Some(DotLine::Node { id, label: label.to_vec(), is_op })
}

/// Finds a line of the DOT at the end of a line that begins with something else.
pub(super) fn find_dot_line(line: &[u8]) -> Option<DotLine> {
    memmem::find_iter(line, b"node_").take(4).find_map(|at| read_dot_line(&line[at..]))
}

fn is_fill(attributes: &[u8]) -> bool {
    memmem::find(attributes, b" fillcolor=\"").is_some_and(|at| memchr(b'"', &attributes[at + 12..]).is_none())
}

fn read_number(text: &[u8]) -> Option<(u64, &[u8])> {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let number = std::str::from_utf8(&text[..end]).ok()?.parse().ok()?;
    Some((number, &text[end..]))
}

/// An op of the DOT; inputs and outputs are in the order of the edges.
#[derive(Clone, Debug, Default)]
pub(super) struct DotOp {
    /// The label without its cluster: type and number.
    pub(super) label: Vec<u8>,
    pub(super) cluster: Option<u64>,
    pub(super) inputs: Vec<Name>,
    pub(super) outputs: Vec<Name>,
}

impl DotOp {
    /// What an operator line says behind the type's colon.
    pub(super) fn line_tail(&self) -> Vec<u8> {
        let record = OpRecord { op_type: Name::from(""), inputs: self.inputs.clone(), outputs: self.outputs.clone() };
        record.to_log_line()[1..].to_vec()
    }
}

/// A DOT read to its end: its ops in the order of their ids, in which Paddle Lite numbers and prints them.
#[derive(Clone, Debug, Default)]
pub(super) struct DotGraph {
    pub(super) ops: Vec<DotOp>,
    pub(super) style: LabelStyle,
}

/// The DOT as it comes in, line by line.
#[derive(Clone, Debug, Default)]
pub(super) struct DotText {
    nodes: HashMap<u64, (Vec<u8>, bool)>,
    edges: Vec<(usize, u64, u64)>,
    repeated_ids: Vec<(usize, u64)>,
}

impl DotText {
    pub(super) fn push(&mut self, number: usize, line: DotLine) {
        match line {
            DotLine::Node { id, label, is_op } => {
                if self.nodes.insert(id, (label, is_op)).is_some() {
                    self.repeated_ids.push((number, id));
                }
            }
            DotLine::Edge { from, to } => self.edges.push((number, from, to)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.edges.is_empty()
    }

    /// Links nodes and edges. Anything that does not fit together is told in `diagnostics`, and then there are only the ops
    /// with their labels.
    pub(super) fn link(self, diagnostics: &mut Vec<Diagnostic>) -> Result<DotGraph, Vec<DotOp>> {
        let repeated = |(line, id)| Diagnostic::error(line, format!("`node_{id}` is there twice: the DOT is damaged"));
        let mut errors: Vec<Diagnostic> = self.repeated_ids.into_iter().take(MOST_ERRORS).map(repeated).collect();
        let mut op_ids: Vec<u64> = self.nodes.iter().filter(|(_, node)| node.1).map(|(&id, _)| id).collect();
        op_ids.sort_unstable();
        let position: HashMap<u64, usize> = op_ids.iter().enumerate().map(|(at, &id)| (id, at)).collect();
        let mut ops: Vec<DotOp> = op_ids.iter().map(|id| split_cluster(&self.nodes[id].0)).collect();
        let tensors: HashMap<u64, Name> = self
            .nodes
            .iter()
            .filter(|(_, node)| !node.1)
            .map(|(&id, node)| (id, Name::from(node.0.as_slice())))
            .collect();
        for (line, from, to) in self.edges {
            match (position.get(&from), tensors.get(&from), position.get(&to), tensors.get(&to)) {
                (Some(&op), _, _, Some(tensor)) => ops[op].outputs.push(tensor.clone()),
                (_, Some(tensor), Some(&op), _) => ops[op].inputs.push(tensor.clone()),
                _ if errors.len() < MOST_ERRORS => errors.push(Diagnostic::error(
                    line,
                    format!(
                        "`node_{from}->node_{to}` does not join an op and a tensor that are there: the DOT is damaged"
                    ),
                )),
                _ => {}
            }
        }
        let style = if ops.iter().all(|op| read_underscored(&op.label).is_some()) {
            LabelStyle::Underscored
        } else {
            LabelStyle::Bare
        };
        let is_whole = errors.is_empty();
        diagnostics.extend(errors);
        if is_whole { Ok(DotGraph { ops, style }) } else { Err(ops) }
    }
}

/// Takes `_subgraph_<I>` off an op's label.
fn split_cluster(label: &[u8]) -> DotOp {
    let split = memmem::rfind(label, b"_subgraph_").and_then(|at| {
        let (cluster, rest) = read_number(&label[at + b"_subgraph_".len()..])?;
        rest.is_empty().then_some((&label[..at], cluster))
    });
    match split {
        Some((label, cluster)) => DotOp { label: label.to_vec(), cluster: Some(cluster), ..DotOp::default() },
        None => DotOp { label: label.to_vec(), ..DotOp::default() },
    }
}

/// Reads `type_<K>_op` as type and K.
fn read_underscored(label: &[u8]) -> Option<(&[u8], usize)> {
    let label = label.strip_suffix(b"_op")?;
    let split = memchr::memrchr(b'_', label).filter(|&at| at > 0)?;
    Some((&label[..split], read_count(&label[split + 1..])?))
}

fn read_count(digits: &[u8]) -> Option<usize> {
    let canonical = digits == b"0" || (!digits.is_empty() && digits[0] != b'0');
    let all_digits = digits.iter().all(u8::is_ascii_digit);
    (canonical && all_digits).then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
}

/// The ways to read `type<K>`: digits at the end may belong to the type.
fn read_bare(label: &[u8]) -> impl Iterator<Item = (&[u8], usize)> {
    let digits = label.iter().rev().take(20).take_while(|b| b.is_ascii_digit()).count();
    let shortest_type = (label.len() - digits).max(1);
    (shortest_type..label.len()).filter_map(|split| Some((&label[..split], read_count(&label[split..])?)))
}

impl DotGraph {
    /// The type of each op. The K of a label counts the ops of its type in printed order, which tells `relu6` + 0 from
    /// `relu` + 60; `types` (of the operator lines, where they match the ops one to one) settle what is left.
    ///
    /// An op whose K does not fit gets the reading that fits best, and a message.
    pub(super) fn op_types(&self, types: Option<&[&[u8]]>) -> (Vec<Name>, Vec<String>) {
        let mut counts: HashMap<&[u8], usize> = HashMap::new();
        let mut op_types = Vec::with_capacity(self.ops.len());
        let mut doubts = Vec::new();
        for (index, op) in self.ops.iter().enumerate() {
            let readings: Vec<(&[u8], usize)> = match self.style {
                LabelStyle::Underscored => read_underscored(&op.label).into_iter().collect(),
                LabelStyle::Bare => read_bare(&op.label).collect(),
            };
            let told = types.and_then(|types| readings.iter().find(|(op_type, _)| *op_type == types[index]));
            let fitting: Vec<_> =
                readings.iter().filter(|(t, count)| counts.get(t).copied().unwrap_or(0) == *count).collect();
            let plausible = |(t, _): &&&(&[u8], usize)| counts.contains_key(t) || timvx_supported(&Name::from(*t));
            if told.is_none() && fitting.iter().filter(plausible).count() > 1 {
                doubts.push(format!("the label `{}` can be read in several ways", excerpt(&op.label)));
            }
            // A type that has been seen before is likelier than a new one.
            let best = told.or_else(|| fitting.into_iter().max_by_key(|reading| reading.1));
            if best.is_none_or(|(t, count)| counts.get(t).copied().unwrap_or(0) != *count) {
                doubts.push(format!("the number in the label `{}` does not follow on", excerpt(&op.label)));
            }
            match best.or(readings.last()) {
                Some(&(op_type, count)) => {
                    counts.insert(op_type, count.saturating_add(1));
                    op_types.push(Name::from(op_type));
                }
                None => op_types.push(Name::from(op.label.as_slice())),
            }
        }
        (op_types, doubts)
    }
}
