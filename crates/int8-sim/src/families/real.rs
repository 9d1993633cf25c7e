//! NNAdapter operations whose arithmetic on the device is not known: the real function of the dequantized inputs, rounded to
//! nearest even (`docs/fidelity.md`, "Assumed").

use std::{fmt, sync::Arc};

use crate::{
    Data, Fault, Kernel, Quant, Refusal, RefusalClass, Tensor,
    cluster::{Converter, OperandId},
    kernel::Table,
    npu::{Constant, NpuOperation, Operand, Precision, ZeroPoints, unsupported_types},
    rules,
};

/// The element type of an operation's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputType {
    /// That of the first input.
    Same,
    /// Whole numbers of 32 bit, and truth values.
    Int32,
    /// Whole numbers of 64 bit, for which the device has no tensor.
    Int64,
    /// Real values.
    Float32,
}

/// What is known of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// NNAdapter's name.
    pub name: &'static str,
    /// How its operands get their zero points.
    pub zero_points: ZeroPoints,
    /// The element type of what it gives.
    pub output: OutputType,
    /// Does an output without a scale take the input's?
    pub hands_scale_on: bool,
    /// Does it only move elements, so that codes change by the change of scale alone?
    pub moves: bool,
}

impl Known {
    /// An operation that keeps its input's type and zero point.
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, zero_points: ZeroPoints::FromInput, output: OutputType::Same, hands_scale_on: false, moves: false }
    }

    /// The same as one that only moves elements.
    pub(crate) const fn moving(self) -> Self {
        Self { moves: true, ..self }
    }

    /// The same with another rule for zero points.
    pub(crate) const fn zero_points(self, zero_points: ZeroPoints) -> Self {
        Self { zero_points, ..self }
    }

    /// The same with another output type.
    pub(crate) const fn output(self, output: OutputType) -> Self {
        Self { output, ..self }
    }

    /// The same with an output that takes the input's scale.
    pub(crate) const fn hands_scale_on(self) -> Self {
        Self { hands_scale_on: true, ..self }
    }
}

/// One result of an operation as a function of real values.
pub struct RealOperation {
    known: Known,
    /// Which of the op's results it is.
    result: usize,
    function: Arc<dyn Kernel>,
}

impl fmt::Debug for RealOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} result {}", self.known.name, self.result)
    }
}

impl NpuOperation for RealOperation {
    fn name(&self) -> &'static str {
        self.known.name
    }

    fn zero_points(&self) -> ZeroPoints {
        self.known.zero_points
    }

    fn hands_scale_on(&self) -> bool {
        self.known.hands_scale_on
    }

    fn kernel(&self, inputs: &[&Operand], outputs: &[&Operand]) -> Result<Arc<dyn Kernel>, String> {
        let quantized = |operand: &Operand| matches!(operand.precision, Precision::UInt8(_));
        let real = |operand: &Operand| operand.precision == Precision::Float32;
        let codes = inputs.iter().any(|operand| quantized(operand));
        let mixed = codes && inputs.iter().chain(outputs).any(|operand| real(operand));
        let unlike = self.known.output == OutputType::Same && codes != quantized(outputs[0]);
        if mixed || unlike {
            return Err(unsupported_types(self.known.name, &[inputs, outputs].concat()));
        }
        let to = match outputs[0].precision {
            Precision::UInt8(quant) => Some(quant),
            _ => None,
        };
        let moved = to.filter(|_| self.known.moves);
        let inputs = inputs.iter().map(|operand| Source::of(operand, moved)).collect();
        Ok(Arc::new(OnOperands { inputs, to, function: self.function.clone() }))
    }
}

/// Where the real values of an operand come from.
enum Source {
    Constant(Tensor),
    Codes(Quant),
    /// Codes that take the output's quantization and stay codes.
    Moved(Table),
    Numbers,
}

impl Source {
    /// `moved` is the output's quantization where the operation only moves codes.
    fn of(operand: &Operand, moved: Option<Quant>) -> Self {
        match (operand.constant.as_deref(), &operand.precision) {
            (Some(constant), precision) => {
                let data = match (constant, precision.quant()) {
                    (Constant::F32(values), _) => Data::F32(values.clone()),
                    (Constant::I32(values), _) => Data::I32(values.clone()),
                    (Constant::I8(codes), Some(quant)) => {
                        Data::F32(codes.iter().map(|&code| quant.value(code) as f32).collect())
                    }
                    (Constant::I8(codes), None) => Data::I32(codes.iter().copied().map(i32::from).collect()),
                };
                Self::Constant(Tensor::new(operand.shape.clone(), data))
            }
            (None, &Precision::UInt8(quant)) => match moved {
                Some(to) => Self::Moved(Table::new(|code| rules::npu::rescale(code, quant, to))),
                None => Self::Codes(quant),
            },
            _ => Self::Numbers,
        }
    }
}

impl Source {
    fn constant(self) -> Option<Tensor> {
        match self {
            Self::Constant(tensor) => Some(tensor),
            _ => None,
        }
    }
}

/// Dequantizes what is quantized, computes, and quantizes where the output is.
struct OnOperands {
    inputs: Vec<Source>,
    to: Option<Quant>,
    function: Arc<dyn Kernel>,
}

impl Kernel for OnOperands {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let mut variables = inputs.iter();
        let mut next = || variables.next().ok_or_else(|| Fault::new("an operand is missing"));
        let mut values = Vec::with_capacity(self.inputs.len());
        for source in &self.inputs {
            values.push(match source {
                Source::Constant(tensor) => tensor.clone(),
                Source::Numbers => (*next()?).clone(),
                Source::Moved(table) => table.run(&[next()?])?,
                Source::Codes(quant) => {
                    let x = next()?;
                    let codes = x.as_codes().ok_or_else(|| Fault::new("an input holds no 8-bit codes"))?;
                    Tensor::from_f32(x.shape().to_vec(), codes.iter().map(|&code| quant.value(code) as f32).collect())
                }
            });
        }
        let result = self.function.run(&values.iter().collect::<Vec<_>>())?;
        let (Some(to), Some(values)) = (self.to, result.as_f32()) else { return Ok(result) };
        let codes = values.iter().map(|&value| rules::npu::quantize_real(f64::from(value), to)).collect();
        Ok(Tensor::from_codes(result.shape().to_vec(), codes))
    }
}

/// Converts an op to one operation a result, which computes what the op's CPU kernel does.
pub(crate) fn convert(converter: &mut Converter<'_>, known: Known) -> Result<(), Refusal> {
    let Some(kind) = super::kind_of(&converter.lite().op_type) else {
        return Err(converter.refuse(RefusalClass::NoKernel, "the op has no kernel to take the function from"));
    };
    let kernels = (kind.cpu)(&converter.cpu_op());
    let kernels = kernels.map_err(|text| converter.refuse(RefusalClass::Unsupported, text))?;
    let mut inputs = Vec::new();
    for &argument in kind.inputs {
        for index in 0..converter.input_count(argument) {
            if converter.constant(argument, index).is_none() {
                inputs.push(converter.input(argument, index)?);
            }
        }
    }
    let argument = converter.result_argument();
    for (result, function) in kernels.into_iter().enumerate() {
        let known_values = inputs.iter().map(|&input| Source::of(converter.operand(input), None).constant());
        if let Some(values) = known_values.collect::<Option<Vec<Tensor>>>() {
            let value = function.run(&values.iter().collect::<Vec<_>>());
            let value = value.map_err(|fault| converter.refuse(RefusalClass::Unsupported, fault.to_string()))?;
            bind_constant(converter, argument, result, &value);
            continue;
        }
        let operation = RealOperation { known, result, function };
        let output = converter.emit_nth(operation, inputs.clone(), argument, result);
        match known.output {
            OutputType::Same => {}
            OutputType::Int32 => converter.retype(output, Precision::Int32),
            OutputType::Int64 => converter.retype(output, Precision::Int64),
            OutputType::Float32 => converter.retype(output, Precision::Float32),
        }
    }
    Ok(())
}

/// Adds an operation that computes `function` and gives the op's first result.
pub(crate) fn emit(converter: &mut Converter<'_>, known: Known, function: Arc<dyn Kernel>, inputs: Vec<OperandId>) {
    let argument = converter.result_argument();
    converter.emit_nth(RealOperation { known, result: 0, function }, inputs, argument, 0);
}

/// What depends on no variable is folded into a constant (spec/paddle-lite.md D, the driver's constant folding).
pub(crate) fn bind_constant(converter: &mut Converter<'_>, argument: &str, result: usize, value: &Tensor) {
    let (precision, constant) = match value.data() {
        Data::F32(values) => (Precision::Float32, Constant::F32(values.clone())),
        Data::I8(codes) => (Precision::Int8 { scale: 0.0 }, Constant::I8(codes.clone())),
        Data::I32(values) => (Precision::Int32, Constant::I32(values.clone())),
        Data::I64(values) => (Precision::Int64, Constant::I32(values.iter().map(|&value| value as i32).collect())),
    };
    let operand = converter.value(value.shape().to_vec(), precision, constant);
    converter.bind_output(argument, result, operand);
}
