//! What is searched: the ops of a model as Paddle Lite lists them, from a log, a model, or both.

use std::fmt;

use op_graph::{Clustering, OpGraph, OpId, OpRecord, OpSet, Placement, Support};
use paddle_model::LiteProgram;
use trial_store::Lever;

use crate::PipelineError;

/// The subject of a search.
#[derive(Clone)]
pub struct Subject {
    /// Ops and tensors, in log order.
    pub graph: OpGraph,
    /// The ops that may run on the NPU.
    pub candidates: OpSet,
    /// The model behind the ops, where one was given.
    pub program: Option<LiteProgram>,
    /// What a placement does with its ops.
    pub lever: Lever,
}

impl Subject {
    /// The clusters that Paddle Lite forms under a placement: in the order the model tells, else in that of the log.
    pub fn clustering(&self, placement: &Placement) -> Clustering {
        let marked = match self.lever {
            Lever::Cpu => self.candidates.difference(placement),
            Lever::Float => self.candidates.clone(),
        };
        match &self.program {
            Some(program) => program.clustering(&marked),
            None => Clustering::form(&self.graph, &marked),
        }
    }

    /// From a log alone.
    pub fn from_log(graph: OpGraph, support: Support) -> Self {
        Self { candidates: support.ops(&graph), graph, program: None, lever: Lever::Cpu }
    }

    /// From a model alone.
    pub fn from_model(program: LiteProgram, support: Support) -> Self {
        let (candidates, graph) = (support.ops(&program.graph), program.graph.clone());
        Self { candidates, graph, program: Some(program), lever: Lever::Cpu }
    }

    /// From a model and its log, which must show the same ops. The log decides the order, for it decides the clustering.
    ///
    /// # Errors
    /// When they disagree: the first differing ops.
    pub fn from_both(program: LiteProgram, logged: &OpGraph, support: Support) -> Result<Self, PipelineError> {
        match Disagreement::first(&program.graph, logged) {
            Some(disagreement) => Err(PipelineError::Disagreement(Box::new(disagreement))),
            None => Ok(Self::from_model(program, support)),
        }
    }
}

/// The first place where a model and a log differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// Position in the op list, from 0.
    pub position: usize,
    /// The model's op there; none where the model has fewer.
    pub model: Option<OpRecord>,
    /// The log's op there.
    pub log: Option<OpRecord>,
}

impl Disagreement {
    /// Compares two op lists, inputs and outputs as sets (spec/measured.md: their order differs between builds).
    pub fn first(model: &OpGraph, log: &OpGraph) -> Option<Self> {
        let record =
            |graph: &OpGraph, index: usize| (index < graph.op_count()).then(|| graph.record(OpId::new(index)).clone());
        (0..model.op_count().max(log.op_count()))
            .map(|position| Self { position, model: record(model, position), log: record(log, position) })
            .find(|here| here.model.as_ref().map(canonical) != here.log.as_ref().map(canonical))
    }
}

fn canonical(record: &OpRecord) -> OpRecord {
    let mut record = record.clone();
    record.inputs.sort_unstable();
    record.outputs.sort_unstable();
    record
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |record: &Option<OpRecord>| record.as_ref().map_or("no op".to_owned(), ToString::to_string);
        write!(f, "op {} is `{}` in the model and `{}` in the log", self.position, show(&self.model), show(&self.log))
    }
}
