//! Every computation that any placement asked for, each once: equal computations of equal inputs are one node, so an
//! activation's key can never name another.

use std::{collections::HashMap, sync::Arc};

use op_graph::OpId;

use crate::Kernel;

/// A node, by its position; the inputs of a node come before it.
pub(crate) type NodeId = u32;

/// What a node computes, up to its inputs; floats by their bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Work {
    /// The `usize`th tensor of the sample.
    Feed(usize),
    /// Float to int8 on the CPU.
    Quantize { step: u32, nearest_even: bool },
    /// Int8 to float on the CPU.
    Dequantize { step: u32 },
    /// A cluster's output with a zero point, handed back to Lite.
    HandBack { zero_point: i32 },
    /// The result of an op on the CPU.
    Cpu { op: OpId, result: usize, int8: bool },
    /// An operation on the NPU: its name, the Paddle ops behind it, and the types of its operands.
    Npu { name: &'static str, origins: Vec<OpId>, types: String },
}

/// One node.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) work: Work,
    /// None for a feed.
    pub(crate) kernel: Option<Arc<dyn Kernel>>,
    pub(crate) inputs: Vec<NodeId>,
}

/// All nodes.
#[derive(Default)]
pub(crate) struct Arena {
    nodes: Vec<Arc<Node>>,
    ids: HashMap<(Work, Vec<NodeId>), NodeId>,
    kernels: HashMap<Work, Arc<dyn Kernel>>,
}

impl Arena {
    /// The node of this work on these inputs; the kernel is prepared where no equal work has one.
    pub(crate) fn node<E>(
        &mut self,
        work: Work,
        inputs: Vec<NodeId>,
        prepare: impl FnOnce() -> Result<Arc<dyn Kernel>, E>,
    ) -> Result<NodeId, E> {
        let key = (work, inputs);
        if let Some(&id) = self.ids.get(&key) {
            return Ok(id);
        }
        let kernel = match (&key.0, self.kernels.get(&key.0)) {
            (Work::Feed(_), _) => None,
            (_, Some(kernel)) => Some(kernel.clone()),
            (work, None) => {
                let kernel = prepare()?;
                self.kernels.insert(work.clone(), kernel.clone());
                Some(kernel)
            }
        };
        let id = self.nodes.len() as NodeId;
        self.nodes.push(Arc::new(Node { work: key.0.clone(), kernel, inputs: key.1.clone() }));
        self.ids.insert(key, id);
        Ok(id)
    }

    /// A node.
    pub(crate) fn get(&self, id: NodeId) -> &Arc<Node> {
        &self.nodes[id as usize]
    }
}

impl Work {
    /// The Paddle op it stems from, where it does from one.
    pub(crate) fn op(&self) -> Option<OpId> {
        match self {
            Self::Cpu { op, .. } => Some(*op),
            Self::Npu { origins, .. } => origins.first().copied(),
            _ => None,
        }
    }
}
