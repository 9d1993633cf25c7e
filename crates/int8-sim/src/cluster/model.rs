//! NNAdapter's model: operands, operations, and what the passes ask about them.

use std::{any::Any, sync::Arc};

use op_graph::OpId;

use crate::npu::{NpuOperation, Operand};

/// An operand, by its position.
pub(crate) type OperandId = usize;

/// One operation with its operands.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) kind: Arc<dyn NpuOperation>,
    pub(crate) inputs: Vec<OperandId>,
    pub(crate) outputs: Vec<OperandId>,
    /// The Paddle ops it came from.
    pub(crate) origins: Vec<OpId>,
}

impl Operation {
    /// The operation as one kind, where it is that.
    pub(crate) fn as_kind<K: NpuOperation>(&self) -> Option<&K> {
        (&*self.kind as &dyn Any).downcast_ref()
    }
}

/// One cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) operands: Vec<Operand>,
    /// In topological order.
    pub(crate) operations: Vec<Operation>,
    pub(crate) inputs: Vec<OperandId>,
    pub(crate) outputs: Vec<OperandId>,
}

impl Model {
    /// Adds an operand.
    pub(crate) fn add(&mut self, operand: Operand) -> OperandId {
        self.operands.push(operand);
        self.operands.len() - 1
    }

    /// The positions of the operations that read an operand.
    pub(crate) fn readers(&self, operand: OperandId) -> Vec<usize> {
        let reads = |(at, operation): (usize, &Operation)| operation.inputs.contains(&operand).then_some(at);
        self.operations.iter().enumerate().filter_map(reads).collect()
    }

    /// The one operation that reads an operand which is no output of the model: what a fusion may take in.
    pub(crate) fn only_reader(&self, operand: OperandId) -> Option<usize> {
        match self.readers(operand)[..] {
            [reader] if !self.outputs.contains(&operand) => Some(reader),
            _ => None,
        }
    }

    /// Is the operand's value known?
    pub(crate) fn is_constant(&self, operand: OperandId) -> bool {
        self.operands[operand].constant.is_some()
    }
}
