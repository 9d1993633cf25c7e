//! `FuseMatMulAddIntoFullyConnected`: a product with constant weights and the add of a constant become one operation.

use std::sync::Arc;

use super::conv_add::real_values;
use crate::{
    cluster::{Model, Operation},
    families::{
        conv::FullyConnected,
        elementwise::{Binary, Elementwise},
        matmul::{MatMul, transposed_operand},
    },
    npu::{Constant, Operand, Precision},
    rules,
};

pub(super) fn fuse(model: &mut Model) {
    let mut at = 0;
    while at < model.operations.len() {
        if let Some((add, weight, bias)) = fused(model, at) {
            let (weight, bias) = (model.add(weight), model.add(bias));
            let add = model.operations.remove(add);
            let matmul = &mut model.operations[at];
            let mut origins = matmul.origins.clone();
            origins.extend(add.origins);
            let inputs = vec![matmul.inputs[0], weight, bias];
            *matmul = Operation { kind: Arc::new(FullyConnected), inputs, outputs: add.outputs, origins };
        }
        at += 1;
    }
}

/// The position of the add that goes with the product at `at`, and the weights and bias that result.
fn fused(model: &Model, at: usize) -> Option<(usize, Operand, Operand)> {
    let matmul = &model.operations[at];
    let kind = matmul.as_kind::<MatMul>().filter(|kind| !kind.transpose_x)?;
    let [x, y] = [0, 1].map(|input| &model.operands[matmul.inputs[input]]);
    let output = &model.operands[matmul.outputs[0]];
    if y.constant.is_none() || y.shape.len() != 2 || x.constant.is_some() {
        return None;
    }
    let add = model.only_reader(matmul.outputs[0])?;
    let operation = &model.operations[add];
    if *operation.as_kind::<Elementwise>()? != Elementwise(Binary::Add) || operation.inputs[0] != matmul.outputs[0] {
        return None;
    }
    let weight = if kind.transpose_y { y.clone() } else { transposed_operand(y) };
    let units = weight.shape[0];
    let addend = real_values(&model.operands[operation.inputs[1]])?;
    if addend.len() != units {
        return None;
    }
    let (precision, constant) = match (&x.precision, &y.precision, &output.precision) {
        (Precision::Int8 { scale }, weights, Precision::Int8 { .. }) => {
            let weights = match weights {
                Precision::Int8PerChannel(scales) => scales.to_vec(),
                weights => vec![weights.quant()?.scale],
            };
            let step = scale * rules::stack::folded_linear_bias_step(&weights);
            let codes = addend.iter().map(|&bias| rules::stack::folded_bias(bias, step)).collect();
            (Precision::Int32, Constant::I32(codes))
        }
        (Precision::Float32, Precision::Float32, Precision::Float32) => (Precision::Float32, Constant::F32(addend)),
        _ => return None,
    };
    let bias = Operand { shape: vec![units], precision, constant: Some(Arc::new(constant)) };
    Some((add, weight, bias))
}
