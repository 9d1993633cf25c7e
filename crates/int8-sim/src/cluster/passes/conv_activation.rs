//! `FuseConv2DActivationIntoConv2D` and `UnpackOpFusion`: a relu or relu6 behind a convolution is taken in and put out again,
//! after which the convolution writes in the activation's scale. The device's compiler then merges a relu for good.

use std::sync::Arc;

use crate::{
    cluster::Model,
    families::{
        activation::{Activation, Function},
        conv::Convolution,
    },
};

pub(super) fn fuse(model: &mut Model) {
    for function in [Function::Relu, Function::Relu6] {
        let mut at = 0;
        while at < model.operations.len() {
            if let Some(activation) = activation_behind(model, at, function) {
                take_in(model, at, activation, function);
            }
            at += 1;
        }
    }
}

/// The position of the activation that is the only reader of the convolution at `at`.
fn activation_behind(model: &Model, at: usize, function: Function) -> Option<usize> {
    let conv = &model.operations[at];
    conv.as_kind::<Convolution>().filter(|conv| !conv.relu)?;
    let reader = model.only_reader(conv.outputs[0])?;
    let activation = model.operations[reader].as_kind::<Activation>()?;
    (activation.0 == function).then_some(reader)
}

fn take_in(model: &mut Model, at: usize, activation: usize, function: Function) {
    let output = model.operations[activation].outputs[0];
    if function == Function::Relu {
        let removed = model.operations.remove(activation);
        let conv = &mut model.operations[at];
        if let Some(kind) = conv.as_kind::<Convolution>() {
            conv.kind = Arc::new(Convolution { relu: true, ..kind.clone() });
        }
        conv.outputs = removed.outputs;
        conv.origins.extend(removed.origins);
    } else {
        let between = model.operations[at].outputs[0];
        model.operands[between].precision = model.operands[output].precision.clone();
    }
}
