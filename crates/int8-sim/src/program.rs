//! What the simulator asks of a program beside what `paddle-model` offers: attributes by type, constants as numbers, versions of names.

use op_graph::{Name, OpId, TensorId};
use paddle_model::{Attr, LiteOp, LiteProgram, TensorData, Weight};

/// Typed access to an op's attributes.
pub(crate) trait Attributes {
    /// An integer.
    fn int(&self, name: &str) -> Option<i64>;
    /// A real number.
    fn float(&self, name: &str) -> Option<f32>;
    /// A truth value.
    fn flag(&self, name: &str) -> Option<bool>;
    /// A text.
    fn text(&self, name: &str) -> Option<&str>;
    /// Integers.
    fn ints(&self, name: &str) -> Option<Vec<i64>>;
    /// Real numbers.
    fn floats(&self, name: &str) -> Option<Vec<f32>>;
    /// Integers that are sizes.
    fn sizes(&self, name: &str) -> Option<Vec<usize>> {
        self.ints(name)?.into_iter().map(|value| usize::try_from(value).ok()).collect()
    }
}

impl Attributes for LiteOp {
    fn int(&self, name: &str) -> Option<i64> {
        self.attrs.get(name)?.as_int()
    }

    fn float(&self, name: &str) -> Option<f32> {
        match self.attrs.get(name)? {
            Attr::Float(value) => Some(*value),
            Attr::Float64(value) => Some(*value as f32),
            attr => attr.as_int().map(|value| value as f32),
        }
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.int(name).map(|value| value != 0)
    }

    fn text(&self, name: &str) -> Option<&str> {
        match self.attrs.get(name)? {
            Attr::String(text) => text.as_str(),
            _ => None,
        }
    }

    fn ints(&self, name: &str) -> Option<Vec<i64>> {
        match self.attrs.get(name)? {
            Attr::Ints(values) => Some(values.iter().map(|&value| i64::from(value)).collect()),
            Attr::Longs(values) => Some(values.clone()),
            attr => attr.as_int().map(|value| vec![value]),
        }
    }

    fn floats(&self, name: &str) -> Option<Vec<f32>> {
        match self.attrs.get(name)? {
            Attr::Floats(values) => Some(values.clone()),
            Attr::Float(value) => Some(vec![*value]),
            _ => None,
        }
    }
}

/// The version of a name that an op reads.
pub(crate) fn read_version(program: &LiteProgram, op: OpId, name: &Name) -> Option<TensorId> {
    program.graph.inputs(op).into_iter().find(|&tensor| program.graph.tensor_name(tensor) == name)
}

/// The version of a name that an op writes.
pub(crate) fn written_version(program: &LiteProgram, op: OpId, name: &Name) -> Option<TensorId> {
    program.graph.outputs(op).into_iter().find(|&tensor| program.graph.tensor_name(tensor) == name)
}

/// The output arguments that carry an op's results; others (`XShape`, `Mask`, running means) only serve training.
pub(crate) fn result_arguments(op: &LiteOp) -> Vec<&'static str> {
    /// Ops with several results, or one under a name of its own.
    const NAMED: &[(&str, &[&str])] = &[
        ("argsort", &["Out", "Indices"]),
        ("box_coder", &["OutputBox"]),
        ("multiclass_nms3", &["Out", "Index", "NmsRoisNum"]),
        ("prior_box", &["Boxes", "Variances"]),
        ("top_k", &["Out", "Indices"]),
        ("top_k_v2", &["Out", "Indices"]),
        ("yolo_box", &["Boxes", "Scores"]),
    ];
    let named = NAMED.iter().find(|(op_type, _)| op.op_type == *op_type);
    let usual = || ["Out", "Output", "Y"].into_iter().find(|argument| op.outputs.contains_key(*argument));
    named.map_or_else(|| usual().into_iter().collect(), |(_, arguments)| arguments.to_vec())
}

/// The variables that hold an op's results.
pub(crate) fn results(op: &LiteOp) -> Vec<&Name> {
    result_arguments(op).iter().filter_map(|argument| op.outputs.get(*argument)).flatten().collect()
}

/// A constant's real values: codes times steps where it is quantized.
pub(crate) fn real_values(weight: &Weight) -> Option<Vec<f32>> {
    let inner = |axis: usize| weight.dims.get(axis + 1..).map_or(1, |dims| dims.iter().product::<usize>());
    match (&weight.data, &weight.scales) {
        (TensorData::Float32(values), _) => Some(values.clone()),
        (TensorData::Int8(codes), Some(scales)) => {
            let inner = inner(scales.axis);
            let step = |at: usize| scales.steps[at / inner % scales.steps.len().max(1)];
            Some(codes.iter().enumerate().map(|(at, &code)| f32::from(code) * step(at)).collect())
        }
        (TensorData::Int32(values), _) => Some(values.iter().map(|&value| value as f32).collect()),
        (TensorData::Int64(values), _) => Some(values.iter().map(|&value| value as f32).collect()),
        _ => None,
    }
}
