//! What a family gets to prepare an op for the CPU.

use op_graph::OpId;
use paddle_model::{LiteOp, LiteProgram, Weight};

use crate::{
    Tensor,
    program::{read_version, real_values},
};

/// An op that is to run on the CPU.
pub(crate) struct CpuOp<'a> {
    pub(crate) program: &'a LiteProgram,
    pub(crate) id: OpId,
    /// Must it compute in int8 (spec/paddle-lite.md C6)? Else in float, with its weights dequantized.
    pub(crate) int8: bool,
    /// The shapes of the tensor versions, where known.
    pub(crate) shapes: &'a [Option<Vec<usize>>],
}

impl<'a> CpuOp<'a> {
    /// The op itself.
    pub(crate) fn op(&self) -> &'a LiteOp {
        &self.program.ops[self.id.index()]
    }

    /// The constant bound to an input argument.
    pub(crate) fn constant(&self, argument: &str) -> Option<&'a Weight> {
        constant(self.program, self.id, argument, 0)
    }

    /// The real values of a constant, in its shape.
    pub(crate) fn real_constant(&self, argument: &str) -> Option<Tensor> {
        let weight = self.constant(argument)?;
        Some(Tensor::from_f32(weight.dims.clone(), real_values(weight)?))
    }

    /// The shape of the first variable of an input argument.
    pub(crate) fn input_shape(&self, argument: &str) -> Option<&'a [usize]> {
        let version = read_version(self.program, self.id, self.op().input(argument)?)?;
        self.shapes.get(version.index())?.as_deref()
    }

    /// The step of the first variable of an input argument.
    pub(crate) fn input_step(&self, argument: &str) -> Option<f32> {
        self.op().input_scale(argument, 0)?.first().copied()
    }
}

/// The constant that is the `index`th variable of an op's input argument; a variable that an op computes is none.
pub(crate) fn constant<'a>(program: &'a LiteProgram, op: OpId, argument: &str, index: usize) -> Option<&'a Weight> {
    let name = program.ops[op.index()].inputs.get(argument)?.get(index)?;
    let version = read_version(program, op, name)?;
    if program.graph.producer(version).is_some() { None } else { program.weights.get(name) }
}
