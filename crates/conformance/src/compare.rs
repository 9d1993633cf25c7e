//! One comparison: a model under a partition config, through Paddle Lite and through us.

use std::{fmt, path::Path};

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The text that Paddle Lite was given; none where nothing was forced.
    pub config: Option<Vec<u8>>,
    /// Whether Paddle Lite refused the model before the partition, as we expect.
    pub refused: bool,
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
                return Ok(Comparison { config: None, refused: false, forced: 0, inexpressible: 0, differences });
            }
        },
        (forcing, _) => (Written::of(forcing), 0),
    };
    let answer = opt.run(&subject.files, forcing.text.as_deref(), scratch)?;
    let mut comparison =
        Comparison { config: forcing.text.clone(), refused: false, forced: 0, inexpressible, differences: Vec::new() };
    let report = subgraph_log::parse(&answer.log);
    match (report.chosen(), &subject.derived) {
        (Err(_), Err(_)) => comparison.refused = true,
        (Err(_), Ok(_)) => comparison.differences.push(Difference::NoBlock { answer: describe(&answer) }),
        (Ok(_), Err(expected)) => comparison.differences.push(Difference::NotRefused { expected: expected.clone() }),
        (Ok(block), Ok(program)) => compare_block(block, program, &forcing, &mut comparison),
    }
    Ok(comparison)
}

/// A config as it goes to Paddle Lite, with the placement that it was written for.
struct Written {
    text: Option<Vec<u8>>,
    placement: Option<OpSet>,
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
            Ok(config) => return Ok((Written { text: Some(config.text), placement: Some(placement) }, left_out)),
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
    let differences = &mut comparison.differences;
    let Some(theirs) = block.logged_clustering.as_ref().filter(|_| block.complete) else {
        let noticed = format!("the block in lines {} to {} is not complete", block.first_line, block.last_line);
        differences.push(Difference::Log { noticed });
        return;
    };
    if let Some(at) = block.first_difference(graph.records()) {
        let record = |records: &[OpRecord]| records.get(at).cloned();
        differences.push(Difference::Op { at, theirs: record(block.ops.records()), ours: record(graph.records()) });
        return; // positions mean different ops from here on
    }
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
    if let Some(wanted) = forcing.placement.as_ref().map(|placement| placement.intersection(&supported))
        && wanted != forced
    {
        let (too_many, too_few) = (records(forced.difference(&wanted)), records(wanted.difference(&forced)));
        differences.push(Difference::Written { too_many, too_few });
    }
    let ours = program.clustering(&on_npu);
    if ours != *theirs {
        differences.push(Difference::Clusters { theirs: theirs.clone(), ours });
    }
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
