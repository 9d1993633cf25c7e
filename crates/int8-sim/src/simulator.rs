//! The simulator: a program, prepared once, that runs under any placement.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, btree_map::Entry},
    sync::{Arc, Mutex, PoisonError},
};

use op_graph::Clustering;
use paddle_model::LiteProgram;
use rayon::prelude::*;

use crate::{
    Config, Fault, Refusal, RefusalClass, Sample, Tensor,
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

    /// The computations that a placement asks for, each by a number of its own: what two placements share has the same number.
    ///
    /// # Errors
    /// What the stack answers where it does not run the placement.
    pub fn computations(&self, config: &Config) -> Result<BTreeSet<u32>, Refusal> {
        Ok(self.reachable(&self.plan(config)?.outputs).into_keys().collect())
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
        let schedule = self.schedule(wanted);
        samples.par_iter().map(|sample| self.run_sample(&schedule, sample)).collect()
    }

    pub(crate) fn plan(&self, config: &Config) -> Result<Plan, Refusal> {
        let mut arena = self.arena.lock().unwrap_or_else(PoisonError::into_inner);
        lower(&self.program, &self.shapes, &mut arena, config)
    }

    /// The wanted nodes and what they depend on.
    fn reachable(&self, wanted: &[NodeId]) -> BTreeMap<NodeId, Arc<Node>> {
        let arena = self.arena.lock().unwrap_or_else(PoisonError::into_inner);
        let mut nodes: BTreeMap<NodeId, Arc<Node>> = BTreeMap::new();
        let mut open = wanted.to_vec();
        while let Some(id) = open.pop() {
            if let Entry::Vacant(entry) = nodes.entry(id) {
                let node = entry.insert(arena.get(id).clone());
                open.extend(&node.inputs);
            }
        }
        nodes
    }

    /// What the wanted nodes depend on, in an order in which each step comes after its inputs.
    fn schedule(&self, wanted: &[NodeId]) -> Schedule {
        let mut nodes = self.reachable(wanted);
        merge_stages(&mut nodes, wanted);
        let positions: HashMap<NodeId, usize> = nodes.keys().enumerate().map(|(at, &id)| (id, at)).collect();
        let place = |ids: &[NodeId]| ids.iter().filter_map(|id| positions.get(id).copied()).collect::<Vec<_>>();
        let outputs = place(wanted);
        let step = |(id, node): (NodeId, Arc<Node>)| Step { id, inputs: place(&node.inputs), node };
        Schedule { steps: nodes.into_iter().map(step).collect(), outputs }
    }

    /// Computes what the cache does not have, from the outputs backwards.
    fn run_sample(&self, schedule: &Schedule, sample: &Sample) -> Result<Vec<Tensor>, Refusal> {
        let Schedule { steps, outputs } = schedule;
        let mut known: Vec<Option<Arc<Tensor>>> = vec![None; steps.len()];
        // How many wanted steps still read each one.
        let mut readers = vec![0usize; steps.len()];
        for &output in outputs {
            readers[output] += 1;
        }
        for (at, step) in steps.iter().enumerate().rev().filter(|(_, step)| !step.is_feed()) {
            if readers[at] == 0 {
                continue;
            }
            known[at] = self.cache.get(sample.id(), step.id);
            if known[at].is_none() {
                step.inputs.iter().for_each(|&input| readers[input] += 1);
            }
        }
        for (at, step) in steps.iter().enumerate() {
            if readers[at] == 0 || known[at].is_some() {
                continue;
            }
            step.inputs.iter().for_each(|&input| readers[input] -= 1);
            let last = step.sole_first().filter(|&input| readers[input] == 0).and_then(|input| known[input].take());
            let tensor = Arc::new(match last.map(Arc::try_unwrap) {
                Some(Ok(own)) => step.run_in_place(own, &known)?,
                Some(Err(shared)) => step.run(sample, Some(&shared), &known)?,
                None => step.run(sample, None, &known)?,
            });
            step.inputs.iter().filter(|&&input| readers[input] == 0).for_each(|&input| known[input] = None);
            if step.node.kernel.as_ref().is_some_and(|kernel| kernel.is_worth_keeping(&tensor)) {
                self.cache.insert(sample.id(), step.id, &tensor);
            }
            known[at] = Some(tensor);
        }
        let outputs: Vec<Arc<Tensor>> = outputs.iter().filter_map(|&output| known[output].clone()).collect();
        drop(known);
        Ok(outputs.into_iter().map(Arc::unwrap_or_clone).collect())
    }
}

/// Lets nodes take over the stages behind them where nobody else reads what lies between: the last node of such a chain then
/// computes all of it.
fn merge_stages(nodes: &mut BTreeMap<NodeId, Arc<Node>>, wanted: &[NodeId]) {
    let mut readers: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
    for (&id, node) in &*nodes {
        node.inputs.iter().for_each(|&input| readers.entry(input).or_default().push(id));
    }
    for first in nodes.keys().copied().collect::<Vec<_>>() {
        let Some(mut node) = nodes.get(&first).cloned() else { continue };
        let mut last = first;
        while let Some(&[reader]) = readers.get(&last).map(Vec::as_slice)
            && !wanted.contains(&last)
            && let Some(stage) = nodes.get(&reader).and_then(|reader| reader.kernel.as_ref()?.stage())
            && let Some(kernel) = node.kernel.as_ref().and_then(|kernel| kernel.with_stage(&stage))
        {
            nodes.remove(&last);
            last = reader;
            node = Arc::new(Node { kernel: Some(kernel), work: node.work.clone(), inputs: node.inputs.clone() });
        }
        nodes.insert(last, node);
    }
}

/// The steps to some nodes, ready to run sample after sample.
struct Schedule {
    steps: Vec<Step>,
    /// The positions of the nodes wanted.
    outputs: Vec<usize>,
}

struct Step {
    id: NodeId,
    /// The positions of its inputs.
    inputs: Vec<usize>,
    node: Arc<Node>,
}

impl Step {
    fn is_feed(&self) -> bool {
        matches!(self.node.work, Work::Feed(_))
    }

    /// The first input, where it is no other input too.
    fn sole_first(&self) -> Option<usize> {
        let (&first, rest) = self.inputs.split_first()?;
        (!rest.contains(&first)).then_some(first)
    }

    /// Runs on known tensors, the first of which may be given apart.
    fn run(&self, sample: &Sample, first: Option<&Tensor>, known: &[Option<Arc<Tensor>>]) -> Result<Tensor, Refusal> {
        match (&self.node.work, &self.node.kernel) {
            (Work::Feed(column), _) => sample.tensors().get(*column).cloned().ok_or_else(|| {
                let count = sample.tensors().len();
                let text = format!("a sample has {count} tensor(s), the program reads input {column}");
                Refusal::run(RefusalClass::Malformed, None, text)
            }),
            (work, Some(kernel)) => {
                let known = self.inputs.iter().filter_map(|&input| known[input].as_deref());
                let inputs: Vec<&Tensor> = first.into_iter().chain(known).collect();
                kernel.run(&inputs).map_err(|fault| Self::refusal(work, &fault))
            }
            (work, None) => Err(Refusal::run(RefusalClass::NoKernel, work.op(), "no kernel was prepared")),
        }
    }

    /// Runs with a first input that nobody else reads.
    fn run_in_place(&self, first: Tensor, known: &[Option<Arc<Tensor>>]) -> Result<Tensor, Refusal> {
        let Node { work, kernel, .. } = &*self.node;
        let missing = || Refusal::run(RefusalClass::NoKernel, work.op(), "no kernel was prepared");
        let rest: Vec<&Tensor> = self.inputs[1..].iter().filter_map(|&input| known[input].as_deref()).collect();
        let run = kernel.as_ref().ok_or_else(missing)?.run_in_place(first, &rest);
        run.map_err(|fault| Self::refusal(work, &fault))
    }

    fn refusal(work: &Work, fault: &Fault) -> Refusal {
        Refusal::run(RefusalClass::Malformed, work.op(), fault.to_string())
    }
}
