//! The simulator: a program, prepared once, that runs under any placement.

use std::{
    collections::{BTreeMap, HashMap, HashSet, btree_map::Entry},
    sync::{Arc, Mutex, PoisonError},
};

use op_graph::Clustering;
use paddle_model::LiteProgram;
use rayon::prelude::*;

use crate::{
    Config, Refusal, RefusalClass, Sample, Tensor,
    arena::{Arena, Node, NodeId, Work},
    cache::Cache,
    lower::{Plan, lower},
    shapes,
};

/// How the simulator works, not what it answers.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many bytes of activations of earlier runs are kept.
    pub cache_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache_bytes: 1 << 30 }
    }
}

/// Why a program cannot be simulated at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimError {
    /// The program has no input or no output.
    #[error("simulate a program without inputs or without outputs")]
    NothingToRun,
}

/// What a run gave.
#[derive(Clone, Debug)]
pub struct Run {
    /// The outputs of each sample, in the order of the program's fetches.
    pub outputs: Vec<Vec<Tensor>>,
    /// The clusters that took effect.
    pub clustering: Clustering,
}

/// A program that runs under any placement; work that placements share is done once.
pub struct Simulator {
    program: LiteProgram,
    shapes: Vec<Option<Vec<usize>>>,
    arena: Mutex<Arena>,
    cache: Cache,
}

impl Simulator {
    /// Prepares a program.
    ///
    /// # Errors
    /// When it has no inputs or no outputs.
    pub fn new(program: LiteProgram, options: Options) -> Result<Self, SimError> {
        if program.feeds.is_empty() || program.fetches.is_empty() {
            return Err(SimError::NothingToRun);
        }
        let shapes = shapes::infer(&program);
        Ok(Self { program, shapes, arena: Mutex::default(), cache: Cache::new(options.cache_bytes) })
    }

    /// The program.
    pub fn program(&self) -> &LiteProgram {
        &self.program
    }

    /// The shape of each tensor version for a batch of one, by its position; none where an op before it has no kernel.
    pub fn shapes(&self) -> &[Option<Vec<usize>>] {
        &self.shapes
    }

    /// The bytes of activations held at the moment.
    pub fn cached_bytes(&self) -> usize {
        self.cache.bytes()
    }

    /// The clusters a placement would form, or why the stack refuses it, without running anything.
    ///
    /// # Errors
    /// What the stack answers where it does not run the placement.
    pub fn check(&self, config: &Config) -> Result<Clustering, Refusal> {
        Ok(self.plan(config)?.clustering)
    }

    /// Runs the samples, in parallel.
    ///
    /// # Errors
    /// What the stack answers where it does not run the placement.
    pub fn run(&self, config: &Config, samples: &[Sample]) -> Result<Run, Refusal> {
        let plan = self.plan(config)?;
        Ok(Run { outputs: self.values(&plan.outputs, samples)?, clustering: plan.clustering })
    }

    /// What some nodes hold, by sample.
    pub(crate) fn values(&self, wanted: &[NodeId], samples: &[Sample]) -> Result<Vec<Vec<Tensor>>, Refusal> {
        let steps = self.steps(wanted);
        samples.par_iter().map(|sample| self.run_sample(wanted, &steps, sample)).collect()
    }

    pub(crate) fn plan(&self, config: &Config) -> Result<Plan, Refusal> {
        let mut arena = self.arena.lock().unwrap_or_else(PoisonError::into_inner);
        lower(&self.program, &self.shapes, &mut arena, config)
    }

    /// The nodes that those wanted depend on; ascending, and so each after its inputs.
    fn steps(&self, wanted: &[NodeId]) -> Vec<(NodeId, Arc<Node>)> {
        let arena = self.arena.lock().unwrap_or_else(PoisonError::into_inner);
        let mut steps: BTreeMap<NodeId, Arc<Node>> = BTreeMap::new();
        let mut open = wanted.to_vec();
        while let Some(id) = open.pop() {
            if let Entry::Vacant(entry) = steps.entry(id) {
                let node = entry.insert(arena.get(id).clone());
                open.extend(&node.inputs);
            }
        }
        steps.into_iter().collect()
    }

    /// Computes what the cache does not have, from the outputs backwards.
    fn run_sample(
        &self,
        outputs: &[NodeId],
        steps: &[(NodeId, Arc<Node>)],
        sample: &Sample,
    ) -> Result<Vec<Tensor>, Refusal> {
        let mut known: HashMap<NodeId, Arc<Tensor>> = HashMap::new();
        let mut wanted: HashSet<NodeId> = outputs.iter().copied().collect();
        for (id, node) in steps.iter().rev() {
            if !wanted.contains(id) {
                continue;
            }
            match self.cache.get(sample.id(), *id) {
                Some(tensor) => {
                    known.insert(*id, tensor);
                }
                None => wanted.extend(&node.inputs),
            }
        }
        for (id, node) in steps {
            if !wanted.contains(id) || known.contains_key(id) {
                continue;
            }
            let tensor = match (&node.work, &node.kernel) {
                (Work::Feed(column), _) => {
                    let tensor = sample.tensors().get(*column).cloned();
                    tensor.ok_or_else(|| {
                        let count = sample.tensors().len();
                        let text = format!("a sample has {count} tensor(s), the program reads input {column}");
                        Refusal::run(RefusalClass::Malformed, None, text)
                    })?
                }
                (work, Some(kernel)) => {
                    let inputs: Vec<&Tensor> =
                        node.inputs.iter().filter_map(|input| known.get(input).map(AsRef::as_ref)).collect();
                    kernel
                        .run(&inputs)
                        .map_err(|fault| Refusal::run(RefusalClass::Malformed, work.op(), fault.to_string()))?
                }
                (work, None) => return Err(Refusal::run(RefusalClass::NoKernel, work.op(), "no kernel was prepared")),
            };
            let tensor = Arc::new(tensor);
            if !matches!(node.work, Work::Feed(_)) {
                self.cache.insert(sample.id(), *id, tensor.clone());
            }
            known.insert(*id, tensor);
        }
        Ok(outputs.iter().filter_map(|id| known.get(id).map(|tensor| (**tensor).clone())).collect())
    }
}
