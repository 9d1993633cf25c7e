//! Batch normalization at inference: an affine map of each channel.

use std::sync::Arc;

use super::{
    OpKind,
    real::{self, Known},
};
use crate::{
    Fault, Kernel, Tensor,
    cpu::CpuOp,
    kernel::reals,
    program::{Attributes, real_values},
};

/// The op types; on the NPU only what the driver could not fold into a convolution, with its parameters in float.
pub(crate) const OPS: &[OpKind] = &[OpKind {
    types: &["batch_norm", "sync_batch_norm"],
    inputs: &["X"],
    cpu: |op| Ok(vec![Arc::new(Affine::of(op)?)]),
    npu: Some(|converter| real::convert(converter, Known::new("BATCH_NORMALIZATION"))),
}];

/// `x·a[c] + b[c]`.
struct Affine {
    factors: Vec<f32>,
    offsets: Vec<f32>,
}

impl Affine {
    fn of(op: &CpuOp<'_>) -> Result<Self, String> {
        let values = |argument: &str| {
            let values = op.constant(argument).and_then(real_values);
            values.ok_or_else(|| format!("batch_norm needs a constant `{argument}`"))
        };
        let (scale, bias, mean, variance) = (values("Scale")?, values("Bias")?, values("Mean")?, values("Variance")?);
        let epsilon = op.op().float("epsilon").unwrap_or(1e-5);
        let factors: Vec<f32> = scale.iter().zip(&variance).map(|(s, v)| s / (v + epsilon).sqrt()).collect();
        let offsets = bias.iter().zip(mean.iter().zip(&factors)).map(|(b, (m, f))| b - m * f).collect();
        Ok(Self { factors, offsets })
    }
}

impl Kernel for Affine {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, values) = reals(inputs, 0)?;
        let channels = x.shape().get(1).copied().unwrap_or(0);
        if channels != self.factors.len() {
            return Err(Fault(format!("batch_norm over {} channels cannot take {:?}", self.factors.len(), x.shape())));
        }
        let plane: usize = x.shape()[2..].iter().product();
        let mut out = Vec::with_capacity(values.len());
        for (at, plane) in values.chunks_exact(plane.max(1)).enumerate() {
            let (factor, offset) = (self.factors[at % channels], self.offsets[at % channels]);
            out.extend(plane.iter().map(|value| value * factor + offset));
        }
        Ok(Tensor::from_f32(x.shape().to_vec(), out))
    }
}
