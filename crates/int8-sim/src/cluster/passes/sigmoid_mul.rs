//! `FuseSigmoidMulIntoSwish`: x·sigmoid(x) becomes one operation.

use std::sync::Arc;

use crate::{
    cluster::{Model, Operation},
    families::{
        activation::{Activation, Function},
        elementwise::{Binary, Elementwise},
    },
};

pub(super) fn fuse(model: &mut Model) {
    let mut at = 0;
    while at < model.operations.len() {
        if let Some(mul) = product_behind(model, at) {
            let mul = model.operations.remove(mul);
            let sigmoid = &mut model.operations[at];
            let mut origins = sigmoid.origins.clone();
            origins.extend(mul.origins);
            let kind = Arc::new(Activation(Function::Swish));
            *sigmoid = Operation { kind, inputs: sigmoid.inputs.clone(), outputs: mul.outputs, origins };
        }
        at += 1;
    }
}

/// The position of the product of the sigmoid at `at` with its own input.
fn product_behind(model: &Model, at: usize) -> Option<usize> {
    let sigmoid = &model.operations[at];
    sigmoid.as_kind::<Activation>().filter(|activation| activation.0 == Function::Sigmoid)?;
    let reader = model.only_reader(sigmoid.outputs[0])?;
    let mul = &model.operations[reader];
    let is_product = *mul.as_kind::<Elementwise>()? == Elementwise(Binary::Mul);
    (is_product && mul.inputs.contains(&sigmoid.inputs[0])).then_some(reader)
}
