//! A block: what was gathered of it, made into a graph and checked against itself.

use std::collections::{BTreeMap, HashMap};

use op_graph::{Clustering, LabelStyle, Name, OpGraph, OpId, OpRecord};

use super::{
    collect::{DotExtent, End, Gathered},
    dot::{DotGraph, DotOp},
    operators::read_operators,
};
use crate::{Diagnostic, diagnostic::excerpt};

/// No more lines of one kind are reported one by one.
const MOST_REPORTS: usize = 10;

/// The clusters of larger graphs are not formed again for comparison.
const MOST_CLUSTERED: usize = 20_000;

/// One print of Paddle Lite's subgraph detector: the ops of a graph and the clusters it formed.
#[derive(Clone, Debug)]
pub struct Block {
    /// All ops in the order of the operator lines.
    pub ops: OpGraph,
    /// The clusters that the DOT shows; none without a usable DOT.
    pub logged_clustering: Option<Clustering>,
    /// The N of `subgraph clusters: N`; none where that line is missing.
    pub clusters_line: Option<usize>,
    /// How the DOT labels its ops, which tells old versions of Paddle Lite from new ones; none without a DOT.
    pub labels: Option<LabelStyle>,
    /// The first line of the block in the log, from 1.
    pub first_line: usize,
    /// Its last line.
    pub last_line: usize,
    /// Is nothing of the block missing, as far as it tells?
    pub complete: bool,
}

/// Makes a block of what was gathered; none where that holds no op.
pub(super) fn assemble(mut gathered: Gathered) -> (Option<Block>, Vec<Diagnostic>) {
    let mut diagnostics = std::mem::take(&mut gathered.diagnostics);
    let dot = gathered.dot.take().filter(|dot| !dot.ops.is_empty());
    let read = match dot {
        Some(dot) => from_dot(&gathered, dot, &mut diagnostics),
        None => from_lines(&gathered, &gathered.boxes, &mut diagnostics),
    };
    if read.records.is_empty() {
        diagnostics.push(Diagnostic::warning(gathered.first_line, "the block that begins here holds no operator"));
        return (None, diagnostics);
    }
    if let (Some(count), Some(clustering)) = (gathered.clusters_line, &read.clustering)
        && count != clustering.len()
    {
        let message = format!("`subgraph clusters: {count}` but the DOT shows {}", clustering.len());
        diagnostics.push(Diagnostic::warning(gathered.first_line, message));
    }
    let ops = OpGraph::from_records(read.records);
    if let Some(clustering) = &read.clustering
        && ops.op_count() <= MOST_CLUSTERED
        && Clustering::form(&ops, &clustering.ops()) != *clustering
    {
        let message = "the clusters are not those that visiting the ops in this order gives: Paddle Lite visits the convolutions and products of \
             old quantization formats last, and up to v2.11 every op in random order, so clusters of other placements are estimates";
        diagnostics.push(Diagnostic::warning(gathered.first_line, message));
    }
    let block = Block {
        ops,
        logged_clustering: read.clustering,
        clusters_line: gathered.clusters_line,
        labels: read.labels,
        first_line: gathered.first_line,
        last_line: gathered.last_line,
        complete: read.complete && gathered.end != End::Cut,
    };
    (Some(block), diagnostics)
}

struct Read {
    records: Vec<OpRecord>,
    clustering: Option<Clustering>,
    labels: Option<LabelStyle>,
    complete: bool,
}

/// Reads the ops from the operator lines, and the clusters from the labels of a damaged DOT.
fn from_lines(gathered: &Gathered, boxes: &[DotOp], diagnostics: &mut Vec<Diagnostic>) -> Read {
    let lines = gathered.operators.iter().map(|(number, line)| (*number, line.as_slice()));
    let records = read_operators(lines, diagnostics);
    let labelled = clusters_by_label(&records, boxes);
    if gathered.dot_extent != DotExtent::Nothing {
        let clusters = if labelled.is_some() { "from its labels" } else { "nowhere" };
        let message =
            format!("the DOT is not usable: taking the ops from the operator lines, and the clusters {clusters}");
        diagnostics.push(Diagnostic::warning(gathered.first_line, message));
    }
    let ends_in_fetch = records.last().is_some_and(|record| record.op_type == "fetch");
    let complete = gathered.end == End::Terminated || ends_in_fetch;
    if !complete && !records.is_empty() {
        let message = "neither an empty line nor a `fetch` ends the operators: the block may be cut short";
        diagnostics.push(Diagnostic::warning(gathered.last_line, message));
    }
    let (clustering, labels) = labelled.unzip();
    Read { records, clustering, labels, complete }
}

/// The clusters that the labels tell, where each op has one and no label is left over.
fn clusters_by_label(records: &[OpRecord], boxes: &[DotOp]) -> Option<(Clustering, LabelStyle)> {
    let cluster_of: HashMap<&[u8], Option<u64>> = boxes.iter().map(|op| (op.label.as_slice(), op.cluster)).collect();
    [LabelStyle::Underscored, LabelStyle::Bare].into_iter().find_map(|style| {
        let mut counts: HashMap<&Name, usize> = HashMap::new();
        let mut clusters: BTreeMap<u64, Vec<OpId>> = BTreeMap::new();
        for (index, record) in records.iter().enumerate() {
            let count = counts.entry(&record.op_type).or_insert(0);
            let number = match style {
                LabelStyle::Underscored => format!("_{count}_op"),
                LabelStyle::Bare => count.to_string(),
            };
            *count += 1;
            let label = [record.op_type.as_bytes(), number.as_bytes()].concat();
            if let Some(cluster) = cluster_of.get(label.as_slice())? {
                clusters.entry(*cluster).or_default().push(OpId::new(index));
            }
        }
        let all_used = records.len() == boxes.len();
        all_used.then(|| Some((Clustering::from_clusters(clusters.into_values()).ok()?, style)))?
    })
}

fn from_dot(gathered: &Gathered, dot: DotGraph, diagnostics: &mut Vec<Diagnostic>) -> Read {
    let tails: Vec<Vec<u8>> = dot.ops.iter().map(DotOp::line_tail).collect();
    let types_told = types_of_matching_lines(gathered, &tails);
    let (op_types, doubts) = dot.op_types(types_told.as_deref());
    let line_of = |op: usize| gathered.operators.get(op).map_or(gathered.first_line, |(number, _)| *number);
    diagnostics
        .extend(doubts.into_iter().take(MOST_REPORTS).map(|doubt| Diagnostic::warning(gathered.first_line, doubt)));

    let lines: Vec<Vec<u8>> =
        op_types.iter().zip(&tails).map(|(op_type, tail)| [op_type.as_bytes(), b":", tail].concat()).collect();
    let check = CrossCheck::new(gathered, &lines);
    if gathered.dot_extent != DotExtent::Ended && !check.unexpected.is_empty() {
        return from_lines(gathered, &dot.ops, diagnostics);
    }
    check.report(gathered, &lines, diagnostics);

    let order = check.order(lines.len());
    if !order.is_sorted() {
        let message = "the operator lines stand in another order than the DOT's nodes: taking that of the lines";
        diagnostics.push(Diagnostic::warning(line_of(0), message));
    }
    let is_confirmed = check.missing.is_empty() && check.unexpected.is_empty();
    let complete = is_confirmed || (gathered.is_legacy && gathered.dot_extent == DotExtent::Ended);
    let mut dot_ops: Vec<_> = dot.ops.into_iter().map(Some).collect();
    let mut clusters: BTreeMap<u64, Vec<OpId>> = BTreeMap::new();
    let mut records = Vec::with_capacity(order.len());
    for (position, &op) in order.iter().enumerate() {
        let Some(dot_op) = dot_ops[op].take() else { continue };
        if let Some(cluster) = dot_op.cluster {
            clusters.entry(cluster).or_default().push(OpId::new(position));
        }
        records.push(OpRecord { op_type: op_types[op].clone(), inputs: dot_op.inputs, outputs: dot_op.outputs });
    }
    let clustering = Clustering::from_clusters(clusters.into_values()).ok();
    Read { records, clustering, labels: Some(dot.style), complete }
}

/// The types of the operator lines, where those match the ops of the DOT one to one and in order.
fn types_of_matching_lines<'a>(gathered: &'a Gathered, tails: &[Vec<u8>]) -> Option<Vec<&'a [u8]>> {
    let op_type = |((_, line), tail): (&'a (usize, Vec<u8>), &Vec<u8>)| -> Option<&'a [u8]> {
        line.strip_suffix(tail.as_slice())?.strip_suffix(b":")
    };
    let same_count = gathered.operators.len() == tails.len();
    same_count.then(|| gathered.operators.iter().zip(tails).map(op_type).collect())?
}

/// The operator lines held against the lines that the DOT's ops would print.
struct CrossCheck {
    /// For each operator line the op it matches.
    matched: Vec<Option<usize>>,
    /// Ops without a line.
    missing: Vec<usize>,
    /// Lines without an op, by their position.
    unexpected: Vec<usize>,
}

impl CrossCheck {
    fn new(gathered: &Gathered, lines: &[Vec<u8>]) -> Self {
        // The K-th line of one text is the K-th op that prints it.
        let mut ops_of: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
        for (op, line) in lines.iter().enumerate().rev() {
            ops_of.entry(line).or_default().push(op);
        }
        let mut is_matched = vec![false; lines.len()];
        let mut matched = Vec::with_capacity(gathered.operators.len());
        for (_, line) in &gathered.operators {
            let op = ops_of.get_mut(line.as_slice()).and_then(Vec::pop);
            if let Some(op) = op {
                is_matched[op] = true;
            }
            matched.push(op);
        }
        let missing = (0..lines.len()).filter(|&op| !is_matched[op]).collect();
        let unexpected = (0..matched.len()).filter(|&position| matched[position].is_none()).collect();
        Self { matched, missing, unexpected }
    }

    fn report(&self, gathered: &Gathered, lines: &[Vec<u8>], diagnostics: &mut Vec<Diagnostic>) {
        for &position in self.unexpected.iter().take(MOST_REPORTS) {
            let (number, line) = &gathered.operators[position];
            let message = format!("`{}` does not agree with the DOT, which is taken", excerpt(line));
            diagnostics.push(Diagnostic::error(*number, message));
        }
        if gathered.is_legacy || self.missing.is_empty() {
            return;
        }
        if !gathered.has_header {
            let message = "there is no `subgraph operators:` behind the DOT: the ops are read from the DOT alone";
            diagnostics.push(Diagnostic::warning(gathered.last_line, message));
            return;
        }
        for &op in self.missing.iter().take(MOST_REPORTS) {
            let message = format!("the DOT has `{}`, the operator lines do not", excerpt(&lines[op]));
            diagnostics.push(Diagnostic::warning(gathered.last_line, message));
        }
    }

    /// The order of the ops: that of the lines where there is one for every op, else that of the DOT.
    fn order(&self, count: usize) -> Vec<usize> {
        if self.missing.is_empty() { self.matched.iter().flatten().copied().collect() } else { (0..count).collect() }
    }
}

impl Block {
    /// The ops that are in no cluster of the DOT; none where the clusters are not known.
    pub fn logged_cpu_ops(&self) -> Option<op_graph::OpSet> {
        let on_npu = self.logged_clustering.as_ref()?.ops();
        Some(self.ops.ops().filter(|&op| !on_npu.contains(op)).collect())
    }

    /// The position of the first op that differs from those of another list, inputs compared as sets
    /// (spec/paddle-lite.md A4); none where they are the same.
    pub fn first_difference(&self, records: &[OpRecord]) -> Option<usize> {
        let sorted = |names: &[Name]| {
            let mut names = names.to_vec();
            names.sort_unstable();
            names
        };
        let same = |a: &OpRecord, b: &OpRecord| {
            a.op_type == b.op_type && sorted(&a.inputs) == sorted(&b.inputs) && sorted(&a.outputs) == sorted(&b.outputs)
        };
        let own = self.ops.records();
        (0..own.len().max(records.len())).find(|&at| match (own.get(at), records.get(at)) {
            (Some(a), Some(b)) => !same(a, b),
            _ => true,
        })
    }
}
