//! Element-wise functions of one tensor: relu and its kin, sigmoid, tanh, swish, exponential.

use std::sync::Arc;

use paddle_model::LiteOp;

use super::OpKind;
use crate::{
    Fault, Kernel, Quant, Refusal, RefusalClass, Tensor,
    cluster::Converter,
    kernel::{MapReals, Stage, Table},
    npu::{NpuOperation, Operand, Precision, ZeroPoints, unsupported_types},
    program::Attributes,
    rules,
};

/// A function of each element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// max(x, 0)
    Relu,
    /// min(max(x, 0), 6)
    Relu6,
    /// x, or alpha·x below zero
    LeakyRelu(f32),
    /// x·clamp(alpha·x + beta, 0, 1)
    HardSwish {
        /// The slope.
        alpha: f32,
        /// The offset.
        beta: f32,
    },
    /// clamp(alpha·x + beta, 0, 1)
    HardSigmoid {
        /// The slope.
        alpha: f32,
        /// The offset.
        beta: f32,
    },
    /// 1 / (1 + e^-x)
    Sigmoid,
    /// x·sigmoid(x)
    Swish,
    /// x·tanh(ln(1 + e^x))
    Mish,
    /// tanh(x)
    Tanh,
    /// e^x
    Exp,
}

impl Function {
    /// The function's value.
    pub(crate) fn value(self, x: f64) -> f64 {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        match self {
            Self::Relu => x.max(0.0),
            Self::Relu6 => x.clamp(0.0, 6.0),
            Self::LeakyRelu(alpha) => {
                if x < 0.0 {
                    x * f64::from(alpha)
                } else {
                    x
                }
            }
            Self::HardSwish { alpha, beta } => x * (f64::from(alpha) * x + f64::from(beta)).clamp(0.0, 1.0),
            Self::HardSigmoid { alpha, beta } => (f64::from(alpha) * x + f64::from(beta)).clamp(0.0, 1.0),
            Self::Sigmoid => sigmoid(x),
            Self::Swish => x * sigmoid(x),
            Self::Mish => x * x.exp().ln_1p().tanh(),
            Self::Tanh => x.tanh(),
            Self::Exp => x.exp(),
        }
    }

    /// The function's value in float32, as Paddle Lite's CPU kernels compute it.
    #[inline(always)]
    pub(crate) fn single(self, x: f32) -> f32 {
        let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
        match self {
            Self::Relu => x.max(0.0),
            Self::Relu6 => x.clamp(0.0, 6.0),
            Self::LeakyRelu(alpha) => {
                if x < 0.0 {
                    x * alpha
                } else {
                    x
                }
            }
            Self::HardSwish { alpha, beta } => x * (alpha * x + beta).clamp(0.0, 1.0),
            Self::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
            Self::Sigmoid => sigmoid(x),
            Self::Swish => x * sigmoid(x),
            Self::Mish => x * x.exp().ln_1p().tanh(),
            Self::Tanh => x.tanh(),
            Self::Exp => x.exp(),
        }
    }

    /// What the NPU answers for a code (spec/numerics.md).
    pub(crate) fn npu_code(self, code: i8, from: Quant, to: Quant) -> i8 {
        match self {
            Self::Relu => rules::npu::moved(code.max(from.zero_point as i8), from, to),
            Self::LeakyRelu(alpha) => rules::npu::leaky_relu(code, alpha, from, to),
            Self::Relu6 => rules::npu::relu6(code, from, to),
            Self::Sigmoid | Self::HardSigmoid { .. } | Self::HardSwish { .. } | Self::Mish => {
                rules::npu::table(|x| self.value(x), code, from, to)
            }
            _ => rules::npu::quantize_real(self.value(from.value(code)), to),
        }
    }
}

/// The NNAdapter operation.
#[derive(Clone, Copy, Debug)]
pub struct Activation(pub Function);

impl NpuOperation for Activation {
    fn name(&self) -> &'static str {
        match self.0 {
            Function::Relu => "RELU",
            Function::Relu6 => "RELU6",
            Function::LeakyRelu(_) => "LEAKY_RELU",
            Function::HardSwish { .. } => "HARD_SWISH",
            Function::HardSigmoid { .. } => "HARD_SIGMOID",
            Function::Sigmoid => "SIGMOID",
            Function::Swish => "SWISH",
            Function::Mish => "MISH",
            Function::Tanh => "TANH",
            Function::Exp => "EXP",
        }
    }

    fn zero_points(&self) -> ZeroPoints {
        if self.0 == Function::Sigmoid { ZeroPoints::OutputZero } else { ZeroPoints::FromInput }
    }

    fn kernel(&self, inputs: &[&Operand], outputs: &[&Operand]) -> Result<Arc<dyn Kernel>, String> {
        let function = self.0;
        match (&inputs[0].precision, &outputs[0].precision) {
            (Precision::UInt8(from), Precision::UInt8(to)) => {
                Ok(Arc::new(Table::new(|code| function.npu_code(code, *from, *to))))
            }
            (Precision::Float32, Precision::Float32) => Ok(on_reals(function)),
            _ => Err(unsupported_types(self.name(), &[inputs[0], outputs[0]])),
        }
    }
}

/// The function on real values.
fn on_reals(function: Function) -> Arc<dyn Kernel> {
    Arc::new(OnReals { function, kernel: loop_of(function) })
}

struct OnReals {
    function: Function,
    kernel: Arc<dyn Kernel>,
}

impl Kernel for OnReals {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        self.kernel.run(inputs)
    }

    fn run_in_place(&self, first: Tensor, rest: &[&Tensor]) -> Result<Tensor, Fault> {
        self.kernel.run_in_place(first, rest)
    }

    fn stage(&self) -> Option<Stage> {
        Some(Stage::Function(self.function))
    }
}

/// Functions that are a few instructions get a loop of their own.
fn loop_of(function: Function) -> Arc<dyn Kernel> {
    match function {
        Function::Relu => Arc::new(MapReals(|x| Function::Relu.single(x))),
        Function::Relu6 => Arc::new(MapReals(|x| Function::Relu6.single(x))),
        Function::LeakyRelu(alpha) => Arc::new(MapReals(move |x| Function::LeakyRelu(alpha).single(x))),
        Function::HardSwish { alpha, beta } => {
            Arc::new(MapReals(move |x| Function::HardSwish { alpha, beta }.single(x)))
        }
        Function::HardSigmoid { alpha, beta } => {
            Arc::new(MapReals(move |x| Function::HardSigmoid { alpha, beta }.single(x)))
        }
        other => Arc::new(MapReals(move |x| other.single(x))),
    }
}

/// The op types.
pub(crate) const OPS: &[OpKind] = &[OpKind {
    types: &[
        "relu",
        "relu6",
        "leaky_relu",
        "hard_swish",
        "hard_sigmoid",
        "sigmoid",
        "swish",
        "silu",
        "mish",
        "tanh",
        "exp",
    ],
    inputs: &["X"],
    cpu: |op| {
        let function = function_of(op.op())?;
        Ok(vec![on_reals(function)])
    },
    npu: Some(convert),
}];

/// The function of an op, by its type and attributes.
fn function_of(op: &LiteOp) -> Result<Function, String> {
    let float = |name: &str, default: f32| op.float(name).unwrap_or(default);
    Ok(match op.op_type.as_str() {
        "relu" => Function::Relu,
        "relu6" => Function::Relu6,
        "leaky_relu" => Function::LeakyRelu(float("alpha", 0.02)),
        "hard_swish" => {
            let (threshold, scale, offset) = (float("threshold", 6.0), float("scale", 6.0), float("offset", 3.0));
            if threshold != scale {
                return Err(format!("hard_swish with threshold {threshold} and scale {scale} has no kernel"));
            }
            Function::HardSwish { alpha: 1.0 / threshold, beta: offset / threshold }
        }
        "hard_sigmoid" => Function::HardSigmoid { alpha: float("slope", 0.2), beta: float("offset", 0.5) },
        "sigmoid" => Function::Sigmoid,
        "swish" | "silu" => Function::Swish,
        "mish" => Function::Mish,
        "tanh" => Function::Tanh,
        "exp" => Function::Exp,
        other => return Err(format!("`{other}` is no activation")),
    })
}

fn convert(converter: &mut Converter<'_>) -> Result<(), Refusal> {
    let function = function_of(converter.lite());
    let function = function.map_err(|text| converter.refuse(RefusalClass::Unsupported, text))?;
    if let Function::HardSwish { alpha, beta } = function
        && ((alpha - 0.166_666).abs() >= 1e-5 || (beta - 0.5).abs() >= 1e-5)
    {
        let text = "hard_swish needs threshold 6, scale 6 and offset 3";
        return Err(converter.refuse(RefusalClass::Unsupported, text));
    }
    let x = converter.input("X", 0)?;
    converter.check_quantized_input("X", x, "Out")?;
    converter.emit(Activation(function), vec![x], "Out");
    Ok(())
}
