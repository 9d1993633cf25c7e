//! One comparison: a model under a partition config, through Paddle Lite and through us.

use std::{collections::BTreeSet, fmt, path::Path};

use op_graph::{Clustering, OpGraph, OpRecord, OpSet, Support};
use paddle_model::LiteProgram;
use subgraph_log::{Block, PartitionConfig, WriteError};

use crate::{Answer, Opt, OptError, Subject};

/// What is forced to the CPU, and how Paddle Lite is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forcing {
    /// Nothing; Paddle Lite gets no partition config.
    Nothing,
    /// A text made by hand or chance: what it forces is for the matcher to say.
    Text(Vec<u8>),
    /// A placement: our writer makes the text, and exactly these ops must be forced.
    Placement(OpSet),
}

/// Where Paddle Lite and we disagree.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Difference {
    /// Paddle Lite prints no block, and the model promises one.
    NoBlock {
        /// How `opt` ended and the last of what it printed.
        answer: String,
    },
    /// Paddle Lite prints a block for a model that we expect it to refuse.
    NotRefused {
        /// Why we expect that.
        expected: String,
    },
    /// The log is misread: a block is incomplete, or its text contradicts itself.
    Log {
        /// What the parser noticed.
        noticed: String,
    },
    /// The ops, their order or their tensors differ at this position.
    Op {
        /// The position in the list.
        at: usize,
        /// What Paddle Lite lists there.
        theirs: Option<OpRecord>,
        /// What we derive from the model.
        ours: Option<OpRecord>,
    },
    /// Paddle Lite sends an op to the NPU that we take for unsupported.
    Support {
        /// Such an op.
        theirs: OpRecord,
    },
    /// The config forces other ops than our matcher says.
    Forced {
        /// The ops that only Paddle Lite forces.
        only_theirs: Vec<OpRecord>,
        /// The ops that only our matcher forces.
        only_ours: Vec<OpRecord>,
    },
    /// The config that we wrote forces other ops than it was written for.
    Written {
        /// The ops that it forces and should not.
        too_many: Vec<OpRecord>,
        /// The ops that it should force and does not.
        too_few: Vec<OpRecord>,
    },
    /// Our writer fails in a way that is not the placement's fault.
    Writer {
        /// What it says.
        ours: String,
    },
    /// The clusters differ as set partitions.
    Clusters {
        /// Paddle Lite's, as positions in the list.
        theirs: Clustering,
        /// Ours.
        ours: Clustering,
    },
}

/// The outcome of one comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The text that Paddle Lite was given; none where nothing was forced.
    pub config: Option<Vec<u8>>,
    /// Whether Paddle Lite refused the model before the partition, as we expect.
    pub refused: bool,
    /// Whether Paddle Lite itself orders the ops of this model now so and now so, and never as we do; then clusters are not compared.
    pub unstable_order: bool,
    /// How many ops were forced that the NPU would have taken.
    pub forced: usize,
    /// How many ops of the placement no line can express.
    pub inexpressible: usize,
    /// Where the two disagree.
    pub differences: Vec<Difference>,
}

/// Asks Paddle Lite, and compares its answer with ours; `scratch` as in [`Opt::run`].
///
/// # Errors
/// When Paddle Lite cannot be asked.
pub fn compare(opt: &Opt, subject: &Subject, forcing: &Forcing, scratch: &Path) -> Result<Comparison, OptError> {
    let (forcing, inexpressible) = match (forcing, &subject.derived) {
        (Forcing::Placement(placement), Ok(program)) => match writable(&program.graph, placement) {
            Ok(written) => written,
            Err(error) => {
                let differences = vec![Difference::Writer { ours: error.to_string() }];
                return Ok(Comparison { differences, ..Comparison::default() });
            }
        },
        (forcing, _) => (Written::of(forcing), 0),
    };
    let mut comparison = Comparison { config: forcing.text.clone(), inexpressible, ..Comparison::default() };
    match (&subject.derived, ask(opt, subject, forcing.text.as_deref(), scratch)?) {
        (Err(_), Reply::NoBlock(_)) => comparison.refused = true,
        (Ok(_), Reply::NoBlock(answer)) => comparison.differences.push(Difference::NoBlock { answer }),
        (Err(expected), _) => comparison.differences.push(Difference::NotRefused { expected: expected.clone() }),
        (Ok(program), Reply::Block(block)) => compare_block(&block, program, &forcing, &mut comparison),
        (Ok(_), Reply::UnstableOrder(block)) => {
            comparison.unstable_order = true;
            compare_forced(&block, &block.ops, &forcing, &mut comparison);
        }
    }
    Ok(comparison)
}

/// What came of asking Paddle Lite.
enum Reply {
    /// No block; how it ended instead.
    NoBlock(String),
    /// A block: in the order that we derive, or with other ops.
    Block(Box<Block>),
    /// A block with the ops that we derive, in one of several orders that Paddle Lite has for them, none of them ours.
    UnstableOrder(Box<Block>),
}

/// Asks until the ops are ours: what passes on old quantization formats re-create is numbered in an order that can depend on heap
/// addresses, and so does which of two dropouts in a row is removed (docs/conformance.md).
fn ask(opt: &Opt, subject: &Subject, config: Option<&[u8]>, scratch: &Path) -> Result<Reply, OptError> {
    const MOST_LAYOUTS: usize = 12;
    /// Bytes by which one layout of the memory differs from the next; multiples of 16 mostly change nothing.
    const SHIFT: usize = 509;
    let mut answers: BTreeSet<Vec<OpRecord>> = BTreeSet::new();
    let mut layout = 0;
    loop {
        let answer = opt.run(&subject.files, config, scratch, &"x".repeat(SHIFT * layout))?;
        let report = subgraph_log::parse(&answer.log);
        let Ok(block) = report.chosen() else { return Ok(Reply::NoBlock(describe(&answer))) };
        let Ok(program) = &subject.derived else { return Ok(Reply::Block(block.clone().into())) };
        if !block.complete || block.first_difference(program.graph.records()).is_none() {
            return Ok(Reply::Block(block.clone().into()));
        }
        answers.insert(block.ops.records().to_vec());
        layout += 1;
        if layout == MOST_LAYOUTS {
            let block = Box::new(block.clone());
            let unstable = answers.len() > 1 && is_reordered(&block, program.graph.records());
            return Ok(if unstable { Reply::UnstableOrder(block) } else { Reply::Block(block) });
        }
    }
}

/// Are these the block's ops, but in another order?
fn is_reordered(block: &Block, records: &[OpRecord]) -> bool {
    let canonical = |records: &[OpRecord]| {
        let mut records = records.to_vec();
        for record in &mut records {
            record.inputs.sort_unstable();
            record.outputs.sort_unstable();
        }
        records.sort_unstable();
        records
    };
    block.first_difference(records).is_some() && canonical(block.ops.records()) == canonical(records)
}

/// A config as it goes to Paddle Lite, with the placement that it was written for.
struct Written {
    text: Option<Vec<u8>>,
    placement: Option<BTreeSet<OpRecord>>,
}

impl Written {
    fn of(forcing: &Forcing) -> Self {
        match forcing {
            Forcing::Nothing | Forcing::Placement(_) => Self { text: None, placement: None },
            Forcing::Text(text) => Self { text: Some(text.clone()), placement: None },
        }
    }
}

/// Writes what can be written of a placement, and tells how many ops were left out.
fn writable(graph: &OpGraph, placement: &OpSet) -> Result<(Written, usize), WriteError> {
    let mut placement = placement.clone();
    let mut left_out = 0;
    loop {
        match subgraph_log::write(graph, &placement) {
            Ok(config) => {
                let records = placement.iter().map(|op| graph.record(op).clone()).collect();
                return Ok((Written { text: Some(config.text), placement: Some(records) }, left_out));
            }
            Err(WriteError::Inexpressible(ops)) => {
                // Without these, others may lose the company that made them expressible: ask again.
                left_out += ops.iter().filter(|inexpressible| placement.remove(inexpressible.op)).count();
            }
            Err(error) => return Err(error),
        }
    }
}

fn compare_block(block: &Block, program: &LiteProgram, forcing: &Written, comparison: &mut Comparison) {
    let graph = &program.graph;
    if let Some(at) = block.first_difference(graph.records()).filter(|_| block.complete) {
        let record = |records: &[OpRecord]| records.get(at).cloned();
        let difference = Difference::Op { at, theirs: record(block.ops.records()), ours: record(graph.records()) };
        comparison.differences.push(difference);
        return; // positions mean different ops from here on
    }
    let Some(theirs) = compare_forced(block, graph, forcing, comparison) else { return };
    let ours = program.clustering(&theirs.ops());
    if ours != *theirs {
        comparison.differences.push(Difference::Clusters { theirs: theirs.clone(), ours });
    }
}

/// Compares what the config forces in `graph`, whose ops are those of the block; returns the block's clusters.
fn compare_forced<'a>(
    block: &'a Block,
    graph: &OpGraph,
    forcing: &Written,
    comparison: &mut Comparison,
) -> Option<&'a Clustering> {
    let differences = &mut comparison.differences;
    let Some(theirs) = block.logged_clustering.as_ref().filter(|_| block.complete) else {
        let noticed = format!("the block in lines {} to {} is not complete", block.first_line, block.last_line);
        differences.push(Difference::Log { noticed });
        return None;
    };
    let supported = Support::TimVx.ops(graph);
    let on_npu = theirs.ops();
    if let Some(op) = on_npu.difference(&supported).iter().next() {
        differences.push(Difference::Support { theirs: graph.record(op).clone() });
    }
    let forced = supported.difference(&on_npu);
    comparison.forced = forced.len();
    let records = |ops: OpSet| -> Vec<OpRecord> { ops.iter().map(|op| graph.record(op).clone()).collect() };
    let ours = forcing.text.as_ref().map_or_else(OpSet::new, |text| PartitionConfig::parse(text).forced(graph));
    let ours = ours.intersection(&supported);
    if ours != forced {
        let (only_theirs, only_ours) = (records(forced.difference(&ours)), records(ours.difference(&forced)));
        differences.push(Difference::Forced { only_theirs, only_ours });
    }
    // By records, since the order of the block's ops need not be that of the graph which the placement is of.
    if let Some(placement) = &forcing.placement {
        let wanted: OpSet = supported.iter().filter(|&op| placement.contains(graph.record(op))).collect();
        if wanted != forced {
            let (too_many, too_few) = (records(forced.difference(&wanted)), records(wanted.difference(&forced)));
            differences.push(Difference::Written { too_many, too_few });
        }
    }
    Some(theirs)
}

/// The end of an answer without a block, to see what Paddle Lite took offence at.
fn describe(answer: &Answer) -> String {
    let log = String::from_utf8_lossy(&answer.log);
    let mut last: Vec<&str> = log.lines().rev().take(3).collect();
    last.reverse();
    format!("{:?} after: {}", answer.ending, last.join(" / "))
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |records: &[OpRecord]| records.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let one = |record: &Option<OpRecord>| record.as_ref().map_or("no op".into(), ToString::to_string);
        match self {
            Self::NoBlock { answer } => write!(f, "no block\n  Paddle Lite: {answer}\n  we: expect a block"),
            Self::NotRefused { expected } => {
                write!(f, "no refusal\n  Paddle Lite: prints a block\n  we: expect it to abort: {expected}")
            }
            Self::Log { noticed } => write!(f, "log\n  Paddle Lite: printed a block\n  we: {noticed}"),
            Self::Op { at, theirs, ours } => {
                write!(f, "op {at}\n  Paddle Lite: {}\n  we: {}", one(theirs), one(ours))
            }
            Self::Support { theirs } => {
                write!(f, "support\n  Paddle Lite: sends `{theirs}` to the NPU\n  we: take its type for unsupported")
            }
            Self::Forced { only_theirs, only_ours } => write!(
                f,
                "forced ops\n  only Paddle Lite forces: {}\n  only our matcher forces: {}",
                list(only_theirs),
                list(only_ours)
            ),
            Self::Written { too_many, too_few } => write!(
                f,
                "written config\n  Paddle Lite forces beyond the placement: {}\n  and leaves out: {}",
                list(too_many),
                list(too_few)
            ),
            Self::Writer { ours } => write!(f, "writer\n  we: {ours}"),
            Self::Clusters { theirs, ours } => {
                write!(f, "clusters\n  Paddle Lite: {:?}\n  we: {:?}", Positions(theirs), Positions(ours))
            }
        }
    }
}

/// A clustering as lists of positions.
struct Positions<'a>(&'a Clustering);

impl fmt::Debug for Positions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indices = |members: &Vec<op_graph::OpId>| members.iter().map(|op| op.index()).collect::<Vec<_>>();
        f.debug_list().entries(self.0.clusters().iter().map(indices)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of googlenet as two runs of `opt` had them.
    #[test]
    fn the_same_ops_in_another_order_are_told_from_other_ops() {
        let records = |lines: &[&str]| -> Vec<OpRecord> {
            lines.iter().map(|line| OpRecord::parse(line.as_bytes()).unwrap()).collect()
        };
        let (a, b) = (
            "conv2d:pool2d_9.tmp_0,conv2d_44.w_0:conv2d_44.tmp_0",
            "conv2d:relu_5.tmp_0,conv2d_39.w_0:conv2d_39.tmp_0",
        );
        let report = subgraph_log::parse(format!("subgraph operators: \n{a}\n{b}\n\n").as_bytes());
        let block = report.chosen().unwrap();
        assert!(!is_reordered(block, &records(&[a, b])));
        assert!(is_reordered(block, &records(&[b, a])));
        assert!(!is_reordered(block, &records(&[b])));
        assert!(!is_reordered(block, &records(&[b, b])));
    }
}
