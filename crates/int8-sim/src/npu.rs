//! The NNAdapter operations that a cluster becomes, and their operands, as TIM-VX's driver sees them (spec/paddle-lite.md D).

use std::{any::Any, fmt, sync::Arc};

use crate::{Kernel, Quant};

/// The element type of an operand.
#[derive(Clone, Debug, PartialEq)]
pub enum Precision {
    /// Real values.
    Float32,
    /// Symmetric 8-bit codes, before the driver's conversion to u8; the driver has no tensor of this type.
    Int8 {
        /// The step; 0 where the op carries no scale.
        scale: f32,
    },
    /// The driver's u8 codes.
    UInt8(Quant),
    /// Per-channel symmetric weights.
    Int8PerChannel(Arc<[f32]>),
    /// Biases, indices, shapes.
    Int32,
    /// Indices; the driver has no tensor of this type.
    Int64,
}

impl Precision {
    /// The quantization of an 8-bit per-tensor type.
    pub fn quant(&self) -> Option<Quant> {
        match self {
            Self::Int8 { scale } => Some(Quant::symmetric(*scale)),
            Self::UInt8(quant) => Some(*quant),
            _ => None,
        }
    }
}

/// The value of a constant operand, flat, the last axis fastest.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// Real values.
    F32(Vec<f32>),
    /// 8-bit codes.
    I8(Vec<i8>),
    /// Accumulator codes, indices.
    I32(Vec<i32>),
}

/// One tensor of a cluster.
#[derive(Clone, Debug)]
pub struct Operand {
    /// Outermost axis first.
    pub shape: Vec<usize>,
    /// The element type.
    pub precision: Precision,
    /// The value, where it does not depend on the model's inputs.
    pub constant: Option<Arc<Constant>>,
}

/// How the driver's symmetric-to-asymmetric pass chooses an operation's zero points
/// (`convert_quantization_symm_to_asymm.cc`; spec/paddle-lite.md D).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZeroPoints {
    /// u8 128 for every 8-bit operand that has none yet.
    Middle,
    /// As `Middle`, then the output takes the first input's.
    FromInput,
    /// u8 0 for the output.
    OutputZero,
    /// The pass leaves the operands as they are (quantize, dequantize).
    Untouched,
}

/// One operation of a cluster.
pub trait NpuOperation: Any + fmt::Debug + Send + Sync {
    /// NNAdapter's name of it, e.g. `CONV_2D`.
    fn name(&self) -> &'static str;

    /// How its operands get their zero points.
    fn zero_points(&self) -> ZeroPoints {
        ZeroPoints::FromInput
    }

    /// Does an 8-bit output without a scale of its own take the input's?
    fn hands_scale_on(&self) -> bool {
        false
    }

    /// Prepares the kernel of the output; its inputs are the operation's variable inputs, in order.
    ///
    /// # Errors
    /// A text that says why the driver refuses these operand types, or that no kernel exists for them.
    fn kernel(&self, inputs: &[&Operand], outputs: &[&Operand]) -> Result<Arc<dyn Kernel>, String>;
}

/// The text of an operation that meets operand types it has no kernel for.
pub(crate) fn unsupported_types(name: &str, operands: &[&Operand]) -> String {
    let types: Vec<String> = operands.iter().map(|operand| format!("{:?}", operand.precision)).collect();
    format!("{name} does not take the data types {}", types.join(", "))
}
