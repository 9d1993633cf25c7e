//! Softmax over one axis.

use std::sync::Arc;

use super::OpKind;
use crate::{
    Fault, Kernel, Quant, Tensor,
    kernel::{codes, reals},
    npu::{NpuOperation, Operand, Precision, ZeroPoints, unsupported_types},
    program::Attributes,
    rules,
};

/// The NNAdapter operation; a negative axis counts from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Softmax {
    /// The axis summed over.
    pub axis: i64,
}

impl NpuOperation for Softmax {
    fn name(&self) -> &'static str {
        "SOFTMAX"
    }

    fn zero_points(&self) -> ZeroPoints {
        ZeroPoints::OutputZero
    }

    fn kernel(&self, inputs: &[&Operand], outputs: &[&Operand]) -> Result<Arc<dyn Kernel>, String> {
        match (&inputs[0].precision, &outputs[0].precision) {
            (&Precision::UInt8(from), &Precision::UInt8(to)) => Ok(Arc::new(OnCodes { axis: self.axis, from, to })),
            (Precision::Float32, Precision::Float32) => Ok(Arc::new(OnReals { axis: self.axis })),
            _ => Err(unsupported_types(self.name(), &[inputs[0], outputs[0]])),
        }
    }
}

/// Applies `f` to each line along `axis`, gathered into a buffer and scattered back.
pub(super) fn along_axis<T: Copy>(
    x: &mut [T],
    shape: &[usize],
    axis: i64,
    mut f: impl FnMut(&mut [T]),
) -> Result<(), Fault> {
    let axis = if axis < 0 { axis + shape.len() as i64 } else { axis };
    let extent = usize::try_from(axis).ok().and_then(|axis| shape.get(axis).copied());
    let extent = extent.ok_or_else(|| Fault(format!("axis {axis} is not one of {shape:?}")))?;
    let inner: usize = shape[axis as usize + 1..].iter().product();
    let mut line = Vec::with_capacity(extent);
    for block in x.chunks_exact_mut(extent * inner) {
        for column in 0..inner {
            line.clear();
            line.extend(block[column..].iter().step_by(inner));
            f(&mut line);
            for (to, &from) in block[column..].iter_mut().step_by(inner).zip(&line) {
                *to = from;
            }
        }
    }
    Ok(())
}

/// Softmax of real values in float32, the maximum subtracted first.
pub(crate) struct OnReals {
    pub(crate) axis: i64,
}

impl Kernel for OnReals {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, values) = reals(inputs, 0)?;
        let mut out = values.to_vec();
        along_axis(&mut out, x.shape(), self.axis, |line| {
            let max = line.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mut sum = 0.0;
            for value in line.iter_mut() {
                *value = (*value - max).exp();
                sum += *value;
            }
            for value in line {
                *value /= sum;
            }
        })?;
        Ok(Tensor::from_f32(x.shape().to_vec(), out))
    }
}

/// Softmax of the NPU's codes: the real function, rounded to nearest even (spec/numerics.md).
struct OnCodes {
    axis: i64,
    from: Quant,
    to: Quant,
}

impl Kernel for OnCodes {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, codes) = codes(inputs, 0)?;
        let mut out = codes.to_vec();
        let mut terms = Vec::new();
        along_axis(&mut out, x.shape(), self.axis, |line| {
            let max = line.iter().copied().max().unwrap_or_default();
            terms.clear();
            terms.extend(line.iter().map(|&code| ((self.from.value(code)) - self.from.value(max)).exp()));
            let sum: f64 = terms.iter().sum();
            for (code, term) in line.iter_mut().zip(&terms) {
                *code = rules::npu::quantize_real(term / sum, self.to);
            }
        })?;
        Ok(Tensor::from_codes(x.shape().to_vec(), out))
    }
}

/// The op type.
pub(crate) const OPS: &[OpKind] = &[OpKind {
    types: &["softmax"],
    inputs: &["X"],
    cpu: |op| Ok(vec![Arc::new(OnReals { axis: op.op().int("axis").unwrap_or(-1) })]),
    npu: Some(|converter| {
        let axis = converter.lite().int("axis").unwrap_or(-1);
        let x = converter.input("X", 0)?;
        converter.check_quantized_input("X", x, "Out")?;
        converter.emit(Softmax { axis }, vec![x], "Out");
        Ok(())
    }),
}];
