//! `scale` (x·a + b) and `dropout` at inference, which is a scale.

use std::sync::Arc;

use paddle_model::LiteOp;

use super::{
    OpKind,
    elementwise::{Binary, Elementwise},
};
use crate::{
    Fault, Kernel, Refusal, Tensor,
    cluster::{Converter, OperandId},
    kernel::{MapReals, input},
    npu::{Constant, Precision},
    operands::{is_integral, numbers, typed},
    program::Attributes,
    rules,
};

/// The op types.
pub(crate) const OPS: &[OpKind] = &[
    OpKind {
        types: &["scale"],
        inputs: &["X"],
        cpu: |op| {
            let (factor, offset) = factor_and_offset(op.op());
            Ok(vec![Arc::new(Affine { factor, offset })])
        },
        npu: Some(convert_scale),
    },
    OpKind {
        types: &["dropout"],
        inputs: &["X"],
        cpu: |op| {
            let factor = kept_share(op.op());
            Ok(vec![Arc::new(MapReals(move |x: f32| x * factor))])
        },
        npu: Some(|converter| {
            let x = converter.input("X", 0)?;
            let factor = constant(converter, x, "X", kept_share(converter.lite()));
            converter.emit(Elementwise(Binary::Mul), vec![x, factor], "Out");
            Ok(())
        }),
    },
];

/// x·factor + offset, of whole numbers as well (shape arithmetic).
struct Affine {
    factor: f32,
    offset: f32,
}

impl Kernel for Affine {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let &Self { factor, offset } = self;
        let x = input(inputs, 0)?;
        if is_integral(x) {
            let values = numbers(x).into_iter().map(|value| value * f64::from(factor) + f64::from(offset)).collect();
            return typed(x, x.shape().to_vec(), values);
        }
        MapReals(move |x: f32| x * factor + offset).run(inputs)
    }
}

/// The factor, and the offset added after it.
fn factor_and_offset(op: &LiteOp) -> (f32, f32) {
    let (factor, offset) = (op.float("scale").unwrap_or(1.0), op.float("bias").unwrap_or(0.0));
    let after = op.flag("bias_after_scale").unwrap_or(true);
    (factor, if after { offset } else { offset * factor })
}

/// What a dropout multiplies with at inference.
fn kept_share(op: &LiteOp) -> f32 {
    if op.text("dropout_implementation") == Some("upscale_in_train") {
        1.0
    } else {
        1.0 - op.float("dropout_prob").unwrap_or(0.5)
    }
}

/// A number as the driver writes it: for a quantized op the code ±1 with the number's size as scale
/// (spec/paddle-lite.md D, quirk of `scale`).
fn constant(converter: &mut Converter<'_>, x: OperandId, argument: &str, value: f32) -> OperandId {
    let rank = converter.operand(x).shape.len();
    let shape = vec![1; rank];
    if converter.input_step(argument, 0).is_some() {
        let code = if value > 0.0 { 1 } else { -1 };
        converter.value(shape, Precision::Int8 { scale: value.abs() }, Constant::I8(vec![code]))
    } else {
        converter.value(shape, Precision::Float32, Constant::F32(vec![value]))
    }
}

fn convert_scale(converter: &mut Converter<'_>) -> Result<(), Refusal> {
    let x = converter.input("X", 0)?;
    let op = converter.lite();
    if rules::stack::is_identity_scale(op) {
        converter.bind_output("Out", 0, x);
        return Ok(());
    }
    let (factor, offset) = factor_and_offset(op);
    let mut value = x;
    if (factor - 1.0).abs() > 1e-5 {
        let factor = constant(converter, x, "X", factor);
        value = converter.emit(Elementwise(Binary::Mul), vec![value, factor], "Out");
    }
    if offset.abs() > 1e-5 {
        let offset = constant(converter, x, "X", offset);
        converter.emit(Elementwise(Binary::Add), vec![value, offset], "Out");
    }
    Ok(())
}
