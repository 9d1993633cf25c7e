//! `FuseConv2DAddIntoConv2D`: an add of a constant, one value a channel, becomes the convolution's bias.

use std::sync::Arc;

use crate::{
    cluster::Model,
    families::{
        conv::Convolution,
        elementwise::{Binary, Elementwise},
    },
    npu::{Constant, Operand, Precision},
    rules,
};

pub(super) fn fuse(model: &mut Model) {
    let mut at = 0;
    while at < model.operations.len() {
        if let Some((add, bias)) = folded(model, at) {
            let bias = model.add(bias);
            let add = model.operations.remove(add);
            let conv = &mut model.operations[at];
            conv.inputs[2] = bias;
            conv.outputs = add.outputs;
            conv.origins.extend(add.origins);
        }
        at += 1;
    }
}

/// The position of an add that goes into the convolution at `at`, and the bias that results.
fn folded(model: &Model, at: usize) -> Option<(usize, Operand)> {
    let conv = &model.operations[at];
    let channels = conv.as_kind::<Convolution>().filter(|conv| !conv.relu)?.geometry.out_channels;
    let add = model.only_reader(conv.outputs[0])?;
    let operation = &model.operations[add];
    if *operation.as_kind::<Elementwise>()? != Elementwise(Binary::Add) || operation.inputs[0] != conv.outputs[0] {
        return None;
    }
    let addend = real_values(&model.operands[operation.inputs[1]])?;
    if addend.len() != channels {
        return None;
    }
    let [x, filter, bias] = [0, 1, 2].map(|input| &model.operands[conv.inputs[input]]);
    let constant = match bias.constant.as_deref()? {
        Constant::I32(codes) => {
            let input = x.precision.quant()?.scale;
            let weights = match &filter.precision {
                Precision::Int8PerChannel(scales) => scales.to_vec(),
                precision => vec![precision.quant()?.scale; channels],
            };
            let step = |channel: usize| input * weights[channel];
            let sums = codes.iter().zip(&addend).enumerate();
            let fold = |(at, (&code, &addend)): (usize, (&i32, &f32))| {
                rules::stack::folded_bias(code as f32 * step(at) + addend, step(at))
            };
            Constant::I32(sums.map(fold).collect())
        }
        Constant::F32(values) => Constant::F32(values.iter().zip(&addend).map(|(a, b)| a + b).collect()),
        Constant::I8(_) => return None,
    };
    Some((add, Operand { constant: Some(Arc::new(constant)), ..bias.clone() }))
}

/// The real values of a constant operand.
pub(super) fn real_values(operand: &Operand) -> Option<Vec<f32>> {
    match operand.constant.as_deref()? {
        Constant::F32(values) => Some(values.clone()),
        Constant::I8(codes) => {
            let scale = operand.precision.quant()?.scale;
            Some(codes.iter().map(|&code| f32::from(code) * scale).collect())
        }
        Constant::I32(_) => None,
    }
}
