//! Normalizations by statistics of the tensor itself: layer, instance and group norm, local response, L2, log-softmax.

use std::sync::Arc;

use super::{
    OpKind,
    real::{self, Known},
    softmax::along_axis,
};
use crate::{
    Fault, Kernel, Refusal, RefusalClass, Tensor,
    cluster::Converter,
    cpu::CpuOp,
    npu::ZeroPoints,
    operands::{Given, axis_of, kernel, numbers, typed},
    program::Attributes,
};

const X: &[&str] = &["X"];
const AFFINE: &[&str] = &["X", "Scale", "Bias"];

/// The op types.
pub(crate) const OPS: &[OpKind] = &[
    OpKind { types: &["layer_norm"], inputs: AFFINE, cpu: |op| Ok(layer_norm(op)), npu: Some(convert_layer_norm) },
    OpKind {
        types: &["instance_norm"],
        inputs: AFFINE,
        cpu: |op| Ok(vec![grouped(op, Groups::Channels)]),
        npu: Some(|converter| real::convert(converter, Known::new("INSTANCE_NORMALIZATION"))),
    },
    OpKind {
        types: &["group_norm"],
        inputs: AFFINE,
        cpu: |op| {
            let groups = op.op().int("groups").and_then(|groups| usize::try_from(groups).ok());
            Ok(vec![grouped(op, Groups::Number(groups.ok_or("group_norm needs `groups`")?))])
        },
        npu: None,
    },
    OpKind { types: &["lrn"], inputs: X, cpu: |op| Ok(local_response(op)), npu: None },
    OpKind { types: &["norm"], inputs: X, cpu: |op| Ok(l2(op)), npu: Some(convert_norm) },
    OpKind {
        types: &["log_softmax"],
        inputs: X,
        cpu: |op| {
            let axis = op.op().int("axis").unwrap_or(-1);
            Ok(vec![kernel(op, X, move |given| {
                along(given, axis, |line| {
                    let max = line.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let sum: f64 = line.iter().map(|value| (value - max).exp()).sum();
                    for value in line.iter_mut() {
                        *value -= max + sum.ln();
                    }
                })
            })])
        },
        npu: Some(|converter| real::convert(converter, Known::new("LOG_SOFTMAX").zero_points(ZeroPoints::OutputZero))),
    },
];

/// Applies `f` to each line of `X` along an axis.
fn along(given: &Given<'_>, axis: i64, f: impl FnMut(&mut [f64])) -> Result<Tensor, Fault> {
    let x = given.one("X")?;
    let mut values = numbers(x);
    along_axis(&mut values, x.shape(), axis, f)?;
    typed(x, x.shape().to_vec(), values)
}

/// Mean 0 and variance 1.
fn standardize(values: &mut [f64], epsilon: f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    let factor = (variance + epsilon).sqrt().recip();
    for value in values.iter_mut() {
        *value = (*value - mean) * factor;
    }
}

/// The factor or offset at a position, where there are such.
fn parameter(given: &Given<'_>, name: &str, size: usize) -> Result<Option<Vec<f64>>, Fault> {
    match given.numbers(name) {
        Some(values) if values.len() != size => {
            Err(Fault(format!("`{name}` holds {} value(s) instead of {size}", values.len())))
        }
        values => Ok(values),
    }
}

fn layer_norm(op: &CpuOp<'_>) -> Vec<Arc<dyn Kernel>> {
    let epsilon = op.op().float("epsilon").map_or(1e-5, f64::from);
    let begin = op.op().int("begin_norm_axis").unwrap_or(1);
    vec![kernel(op, AFFINE, move |given| {
        let x = given.one("X")?;
        let begin = axis_of(begin, x.shape().len())?;
        let size: usize = x.shape()[begin..].iter().product();
        let (scale, bias) = (parameter(given, "Scale", size)?, parameter(given, "Bias", size)?);
        let mut values = numbers(x);
        for line in values.chunks_exact_mut(size.max(1)) {
            standardize(line, epsilon);
            for (at, value) in line.iter_mut().enumerate() {
                let (scale, bias) = (scale.as_ref().map_or(1.0, |s| s[at]), bias.as_ref().map_or(0.0, |b| b[at]));
                *value = *value * scale + bias;
            }
        }
        typed(x, x.shape().to_vec(), values)
    })]
}

/// The device normalizes over the last axis only (`converter/layer_normalization.cc`).
fn convert_layer_norm(converter: &mut Converter<'_>) -> Result<(), Refusal> {
    let begin = converter.lite().int("begin_norm_axis").unwrap_or(1);
    let x = converter.input("X", 0)?;
    let last = converter.operand(x).shape.len() as i64 - 1;
    if begin != last && begin != -1 {
        return Err(converter.refuse(RefusalClass::Unsupported, "layer_norm takes the last axis only"));
    }
    real::convert(converter, Known::new("LAYER_NORMALIZATION"))
}

/// Which channels share their statistics.
#[derive(Clone, Copy)]
enum Groups {
    Channels,
    Number(usize),
}

fn grouped(op: &CpuOp<'_>, groups: Groups) -> Arc<dyn Kernel> {
    let epsilon = op.op().float("epsilon").map_or(1e-5, f64::from);
    kernel(op, AFFINE, move |given| {
        let x = given.one("X")?;
        let &[batch, channels, ref plane @ ..] = x.shape() else {
            return Err(Fault(format!("{:?} has no channels", x.shape())));
        };
        let groups = match groups {
            Groups::Channels => channels,
            Groups::Number(groups) => groups,
        };
        if groups == 0 || !channels.is_multiple_of(groups) || x.is_empty() {
            return Err(Fault(format!("cannot normalize {:?} in {groups} group(s)", x.shape())));
        }
        let plane: usize = plane.iter().product();
        let (scale, bias) = (parameter(given, "Scale", channels)?, parameter(given, "Bias", channels)?);
        let mut values = numbers(x);
        for group in values.chunks_exact_mut(x.len() / (batch * groups)) {
            standardize(group, epsilon);
        }
        for (at, value) in values.iter_mut().enumerate() {
            let channel = at / plane % channels;
            let (scale, bias) = (scale.as_ref().map_or(1.0, |s| s[channel]), bias.as_ref().map_or(0.0, |b| b[channel]));
            *value = *value * scale + bias;
        }
        typed(x, x.shape().to_vec(), values)
    })
}

/// x / (k + alpha·Σ x²)^beta over the `n` channels around each.
fn local_response(op: &CpuOp<'_>) -> Vec<Arc<dyn Kernel>> {
    let lite = op.op();
    let float = |name: &str, default: f64| lite.float(name).map_or(default, f64::from);
    let size = lite.int("n").and_then(|n| usize::try_from(n).ok()).unwrap_or(5);
    let (k, alpha, beta) = (float("k", 1.0), float("alpha", 1e-4), float("beta", 0.75));
    vec![kernel(op, X, move |given| {
        along(given, 1, |line| {
            let squares: Vec<f64> = line.iter().map(|value| value * value).collect();
            for (at, value) in line.iter_mut().enumerate() {
                let from = at.saturating_sub((size.max(1) - 1) / 2);
                let to = (at + size / 2 + 1).min(squares.len());
                let sum: f64 = squares[from..to].iter().sum();
                *value /= (k + alpha * sum).powf(beta);
            }
        })
    })]
}

/// x / √(Σ x² + epsilon) along an axis.
fn l2(op: &CpuOp<'_>) -> Vec<Arc<dyn Kernel>> {
    let axis = op.op().int("axis").unwrap_or(-1);
    let epsilon = op.op().float("epsilon").map_or(1e-10, f64::from);
    vec![kernel(op, X, move |given| {
        along(given, axis, |line| {
            let norm = (line.iter().map(|value| value * value).sum::<f64>() + epsilon).sqrt();
            for value in line.iter_mut() {
                *value /= norm;
            }
        })
    })]
}

fn convert_norm(converter: &mut Converter<'_>) -> Result<(), Refusal> {
    if converter.lite().float("epsilon").unwrap_or(1e-10) < 1e-12 {
        return Err(converter.refuse(RefusalClass::Unsupported, "norm with an epsilon under 1e-12"));
    }
    real::convert(converter, Known::new("LP_NORMALIZATION"))
}
