//! What [`Model::lite_program`](crate::Model::lite_program) yields: everything a simulator needs to run the model.

use std::collections::BTreeMap;

use op_graph::{Clustering, Name, OpGraph, OpId, OpSet, TensorId};

use crate::{Arguments, Attr, DType, TensorData};

/// Steps (threshold / 127) by argument name, one entry a variable of that argument, in its order.
///
/// An entry is none where the variable has no scale, one step for an activation, and one step per channel for a weight.
pub type Scales = BTreeMap<String, Vec<Option<Vec<f32>>>>;

/// The program as Paddle Lite has it when it prints `subgraph operators:`.
#[derive(Clone, Debug)]
pub struct LiteProgram {
    /// The operator records in log order.
    pub graph: OpGraph,
    /// The ops, with the same order and positions as in `graph`.
    pub ops: Vec<LiteOp>,
    /// The order in which Paddle Lite visits the ops to form clusters: by creation, so that the convolutions and products that the
    /// passes on old quantization formats re-create come last, whatever their place in the log (spec/paddle-lite.md C3).
    pub visit_order: Vec<OpId>,
    /// The constants that an op reads: filters, biases, folded constants.
    pub weights: BTreeMap<Name, Weight>,
    /// One entry a tensor version of `graph`, at its position.
    pub tensors: Vec<Tensor>,
    /// The names of the inputs, by the column of their `feed`.
    pub feeds: Vec<Name>,
    /// The names of the outputs, by the column of their `fetch`.
    pub fetches: Vec<Name>,
}

impl LiteProgram {
    /// The clusters that Paddle Lite forms when it may send the `marked` ops to the NPU.
    pub fn clustering(&self, marked: &OpSet) -> Clustering {
        Clustering::form_in_order(&self.graph, marked, self.visit_order.iter().copied())
    }

    /// What is known of a tensor version of `graph`.
    pub fn tensor(&self, tensor: TensorId) -> &Tensor {
        &self.tensors[tensor.index()]
    }
}

/// One op, with its quantization as Paddle Lite's passes left it.
#[derive(Clone, Debug, PartialEq)]
pub struct LiteOp {
    /// The op type.
    pub op_type: String,
    /// The variables it reads.
    pub inputs: Arguments,
    /// The variables it writes.
    pub outputs: Arguments,
    /// The attributes, without the scales.
    pub attrs: BTreeMap<String, Attr>,
    /// The steps of its inputs.
    pub input_scales: Scales,
    /// The steps of its outputs.
    pub output_scales: Scales,
    /// Must a kernel on the CPU compute in int8 (spec/paddle-lite.md C6)?
    pub enable_int8: bool,
    /// The width of the codes; 8 where the model says nothing.
    pub bit_length: i32,
}

impl LiteOp {
    /// Is it quantized on the NPU: has it at least one input scale and one output scale (spec/paddle-lite.md C4)?
    pub fn is_quantized(&self) -> bool {
        let any = |scales: &Scales| scales.values().flatten().any(Option::is_some);
        any(&self.input_scales) && any(&self.output_scales)
    }

    /// The name of the first variable of an input argument.
    pub fn input(&self, argument: &str) -> Option<&Name> {
        self.inputs.get(argument)?.first()
    }

    /// The name of the first variable of an output argument.
    pub fn output(&self, argument: &str) -> Option<&Name> {
        self.outputs.get(argument)?.first()
    }

    /// The steps of an input variable: one for an activation, one per channel for a weight.
    pub fn input_scale(&self, argument: &str, index: usize) -> Option<&[f32]> {
        self.input_scales.get(argument)?.get(index)?.as_deref()
    }

    /// The steps of an output variable.
    pub fn output_scale(&self, argument: &str, index: usize) -> Option<&[f32]> {
        self.output_scales.get(argument)?.get(index)?.as_deref()
    }
}

/// A constant that an op reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    /// The sizes, outermost first.
    pub dims: Vec<usize>,
    /// The elements; int8 codes where `scales` is given.
    pub data: TensorData,
    /// How codes become values, where the constant is quantized.
    pub scales: Option<WeightScales>,
}

/// How the codes of a weight become values: value = code · step.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightScales {
    /// One step for the whole tensor, or one per channel of `axis`.
    pub steps: Vec<f32>,
    /// The dimension that `steps` runs along: 0 for a convolution's filter, 1 otherwise (spec/paddle-lite.md D).
    pub axis: usize,
}

/// What is known of a tensor version before anything runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// The sizes, −1 where only the input decides; of a weight, the exact sizes. Empty where nothing is known.
    pub dims: Vec<i64>,
    /// The element type; none where the program does not say.
    pub dtype: Option<DType>,
    /// Is it a constant, as weights are?
    pub persistable: bool,
    /// The step as its producer has it, else as its first consumer has it; none where not quantized per tensor.
    pub scale: Option<f32>,
}
