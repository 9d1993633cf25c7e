//! Element-wise functions of two tensors, with broadcasting.

use std::sync::Arc;

use super::{
    OpKind,
    layout::{Reshape, TargetShape},
};
use crate::{
    Fault, Kernel, Quant, Refusal, Tensor,
    cluster::{Converter, OperandId},
    kernel::{Stage, codes, reals},
    math::broadcast,
    npu::{Constant, NpuOperation, Operand, Precision, ZeroPoints, unsupported_types},
    operands::{is_integral, typed},
    program::Attributes,
    rules,
};

/// A function of two elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// a + b
    Add,
    /// a - b
    Sub,
    /// a·b
    Mul,
    /// a / b
    Div,
    /// max(a, b)
    Max,
    /// min(a, b)
    Min,
}

impl Binary {
    /// The function's value.
    #[inline]
    pub(crate) fn value(self, a: f32, b: f32) -> f32 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Max => a.max(b),
            Self::Min => a.min(b),
        }
    }

    /// The function's value of whole numbers.
    fn whole(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => (a / b).trunc(),
            Self::Max => a.max(b),
            Self::Min => a.min(b),
        }
    }
}

/// The NNAdapter operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elementwise(pub Binary);

impl NpuOperation for Elementwise {
    fn name(&self) -> &'static str {
        match self.0 {
            Binary::Add => "ADD",
            Binary::Sub => "SUB",
            Binary::Mul => "MUL",
            Binary::Div => "DIV",
            Binary::Max => "MAX",
            Binary::Min => "MIN",
        }
    }

    fn zero_points(&self) -> ZeroPoints {
        ZeroPoints::Middle
    }

    fn kernel(&self, inputs: &[&Operand], outputs: &[&Operand]) -> Result<Arc<dyn Kernel>, String> {
        let constants = Constants::of(inputs);
        match (&inputs[0].precision, &inputs[1].precision, &outputs[0].precision) {
            (&Precision::UInt8(a), &Precision::UInt8(b), &Precision::UInt8(to)) => {
                Ok(Arc::new(OnCodes { function: self.0, a, b, to, constants }))
            }
            (Precision::Float32, Precision::Float32, Precision::Float32) => {
                Ok(Arc::new(OnReals { function: self.0, constants, axis: None }))
            }
            _ => Err(unsupported_types(self.name(), &[inputs[0], inputs[1], outputs[0]])),
        }
    }
}

/// The operand that is constant, if one is.
#[derive(Default)]
pub(crate) struct Constants {
    a: Option<Tensor>,
    b: Option<Tensor>,
}

impl Constants {
    fn of(inputs: &[&Operand]) -> Self {
        let constant = |operand: &Operand| match operand.constant.as_deref()? {
            Constant::F32(values) => Some(Tensor::from_f32(operand.shape.clone(), values.clone())),
            Constant::I8(codes) => Some(Tensor::from_codes(operand.shape.clone(), codes.clone())),
            Constant::I32(_) => None,
        };
        Self { a: constant(inputs[0]), b: constant(inputs[1]) }
    }

    /// The two operands, of which the variable ones come from `inputs` in order.
    fn operands<'a>(&'a self, inputs: &[&'a Tensor]) -> Result<[&'a Tensor; 2], Fault> {
        let mut inputs = inputs.iter().copied();
        let mut next = |constant: &'a Option<Tensor>| constant.as_ref().or_else(|| inputs.next());
        match (next(&self.a), next(&self.b)) {
            (Some(a), Some(b)) => Ok([a, b]),
            _ => Err(Fault::new("an operand is missing")),
        }
    }
}

/// Aligns two shapes and names the common one.
fn fit(a: &Tensor, b: &Tensor, axis: Option<usize>) -> Result<[Vec<usize>; 3], Fault> {
    let rank = a.shape().len().max(b.shape().len());
    let (a, b) = (broadcast::aligned(a.shape(), rank, axis), broadcast::aligned(b.shape(), rank, axis));
    let common = broadcast::common(&a, &b).ok_or_else(|| Fault(format!("shapes {a:?} and {b:?} do not broadcast")))?;
    Ok([a, b, common])
}

/// On real values; shorter shapes are aligned at `axis`, else at the end.
pub(crate) struct OnReals {
    pub(crate) function: Binary,
    pub(crate) constants: Constants,
    pub(crate) axis: Option<usize>,
}

impl Kernel for OnReals {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let [a, b] = self.constants.operands(inputs)?;
        let function = self.function;
        if is_integral(a) {
            // Shape arithmetic.
            let (shape, values) = super::binary::broadcast(a, b, self.axis, |a, b| function.whole(a, b))?;
            return typed(a, shape, values);
        }
        let [a_shape, b_shape, shape] = fit(a, b, self.axis)?;
        let pair = [a, b];
        let ((_, a), (_, b)) = (reals(&pair, 0)?, reals(&pair, 1)?);
        let (a, b) = ((a, a_shape.as_slice()), (b, b_shape.as_slice()));
        let data = match function {
            Binary::Add => broadcast::zip(a, b, |a, b| a + b),
            Binary::Mul => broadcast::zip(a, b, |a, b| a * b),
            _ => broadcast::zip(a, b, move |a, b| function.value(a, b)),
        };
        Ok(Tensor::from_f32(shape, data))
    }

    fn run_in_place(&self, mut first: Tensor, rest: &[&Tensor]) -> Result<Tensor, Fault> {
        let other = if self.constants.a.is_some() { None } else { self.constants.b.as_ref().or(rest.first().copied()) };
        if let (Binary::Add | Binary::Mul, Some(b)) = (self.function, other)
            && let Ok([a_shape, b_shape, shape]) = fit(&first, b, self.axis)
            && let (Some(a), Some(b)) = (first.as_f32_mut(), b.as_f32())
            && a_shape == shape
        {
            let (a, b) = ((a, a_shape.as_slice()), (b, b_shape.as_slice()));
            match self.function {
                Binary::Add => broadcast::zip_in_place(a, b, |a, b| a + b),
                _ => broadcast::zip_in_place(a, b, |a, b| a * b),
            }
            return Ok(first.into_shape(shape));
        }
        self.run(&std::iter::once(&first).chain(rest.iter().copied()).collect::<Vec<_>>())
    }

    fn stage(&self) -> Option<Stage> {
        let (Binary::Add, None, Some(addend)) = (self.function, &self.constants.a, &self.constants.b) else {
            return None;
        };
        // To a tensor of four axes, as convolutions give.
        let [1, _, 1, 1] = broadcast::aligned(addend.shape(), 4, self.axis)[..] else { return None };
        Some(Stage::AddChannels(addend.as_f32()?.to_vec()))
    }
}

/// On the NPU's codes (spec/numerics.md).
struct OnCodes {
    function: Binary,
    a: Quant,
    b: Quant,
    to: Quant,
    constants: Constants,
}

impl Kernel for OnCodes {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let [a, b] = self.constants.operands(inputs)?;
        let [a_shape, b_shape, shape] = fit(a, b, None)?;
        let pair = [a, b];
        let ((_, a), (_, b)) = (codes(&pair, 0)?, codes(&pair, 1)?);
        let (a, b) = ((a, a_shape.as_slice()), (b, b_shape.as_slice()));
        let (a_zero, b_zero) = (self.a.zero_point as f32, self.b.zero_point as f32);
        // The device's zero point counts from 0, 128 more than the one kept here.
        let zero_point = (self.to.zero_point + 128) as f32;
        let offset = |code: i8, zero: f32| f32::from(code) - zero;
        let data = match self.function {
            Binary::Add | Binary::Sub => {
                let sign = if self.function == Binary::Add { 1.0 } else { -1.0 };
                let (a_factor, b_factor) = (self.a.scale / self.to.scale, sign * (self.b.scale / self.to.scale));
                broadcast::zip(a, b, move |a, b| {
                    rules::npu::add(offset(a, a_zero), offset(b, b_zero), a_factor, b_factor, zero_point)
                })
            }
            Binary::Mul => {
                let multiplier = rules::npu::product_multiplier(self.a.scale, self.b.scale, self.to.scale);
                let zero_point = self.to.zero_point;
                let (a_zero, b_zero) = (self.a.zero_point, self.b.zero_point);
                broadcast::zip(a, b, move |a, b| {
                    let product = (i32::from(a) - a_zero) * (i32::from(b) - b_zero);
                    rules::npu::requantize_sum(f64::from(product), multiplier, zero_point)
                })
            }
            Binary::Div => broadcast::zip(a, b, |a, b| {
                let (a, b) = (offset(a, a_zero) * self.a.scale, offset(b, b_zero) * self.b.scale);
                rules::npu::divide(a, b, self.to.scale, zero_point)
            }),
            Binary::Max | Binary::Min => broadcast::zip(a, b, |a, b| {
                let (a, b) = (self.a.value(a), self.b.value(b));
                rules::npu::quantize_real(if self.function == Binary::Max { a.max(b) } else { a.min(b) }, self.to)
            }),
        };
        Ok(Tensor::from_codes(shape, data))
    }
}

/// The op types.
pub(crate) const OPS: &[OpKind] = &[OpKind {
    types: &[
        "elementwise_add",
        "elementwise_sub",
        "elementwise_mul",
        "elementwise_div",
        "elementwise_max",
        "elementwise_min",
    ],
    inputs: &["X", "Y"],
    cpu: |op| {
        let function = function_of(&op.op().op_type)?;
        let axis = op.op().int("axis").and_then(|axis| usize::try_from(axis).ok());
        let constants = Constants { a: op.real_constant("X"), b: op.real_constant("Y") };
        Ok(vec![Arc::new(OnReals { function, constants, axis })])
    },
    npu: Some(convert),
}];

fn function_of(op_type: &str) -> Result<Binary, String> {
    Ok(match op_type {
        "elementwise_add" => Binary::Add,
        "elementwise_sub" => Binary::Sub,
        "elementwise_mul" => Binary::Mul,
        "elementwise_div" => Binary::Div,
        "elementwise_max" => Binary::Max,
        "elementwise_min" => Binary::Min,
        other => return Err(format!("`{other}` is no element-wise op")),
    })
}

fn convert(converter: &mut Converter<'_>) -> Result<(), Refusal> {
    let function = function_of(&converter.lite().op_type);
    let function = function.map_err(|text| converter.refuse(crate::RefusalClass::Unsupported, text))?;
    let axis = converter.lite().int("axis").and_then(|axis| usize::try_from(axis).ok());
    let (mut x, mut y) = (converter.input("X", 0)?, converter.input("Y", 0)?);
    let rank = converter.operand(x).shape.len().max(converter.operand(y).shape.len());
    x = unsqueezed(converter, "X", x, rank, axis)?;
    y = unsqueezed(converter, "Y", y, rank, axis)?;
    converter.emit(Elementwise(function), vec![x, y], "Out");
    Ok(())
}

/// The driver broadcasts operands of equal rank only: the shorter shape is filled up with ones, a constant in place, a variable
/// by an operation.
fn unsqueezed(
    converter: &mut Converter<'_>,
    argument: &str,
    operand: OperandId,
    rank: usize,
    axis: Option<usize>,
) -> Result<OperandId, Refusal> {
    let shape = converter.operand(operand).shape.clone();
    if shape.len() == rank {
        return Ok(operand);
    }
    let shape = broadcast::aligned(&shape, rank, axis);
    if let Some(weight) = converter.constant(argument, 0) {
        return converter.constant_operand(weight, shape);
    }
    let target = TargetShape::Dims(shape.iter().map(|&extent| extent as i64).collect());
    Ok(converter.emit_between(Reshape { shape: target }, vec![operand], shape, None))
}
