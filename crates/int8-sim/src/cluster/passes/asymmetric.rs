//! `ConvertQuantizationSymmToAsymm`: per-tensor int8 operands become u8 with a zero point.

use crate::{
    Quant,
    cluster::{Model, OperandId},
    npu::{Precision, ZeroPoints},
    rules,
};

pub(super) fn convert(model: &mut Model) {
    for at in 0..model.operations.len() {
        let operation = model.operations[at].clone();
        let rule = operation.kind.zero_points();
        if rule == ZeroPoints::Untouched {
            continue;
        }
        for &input in &operation.inputs {
            make_unsigned(model, input, 0);
        }
        let zero_point = rules::stack::zero_point(rule, &model.operands[operation.inputs[0]].precision);
        for &output in &operation.outputs {
            make_unsigned(model, output, zero_point);
        }
    }
}

fn make_unsigned(model: &mut Model, operand: OperandId, zero_point: i32) {
    let precision = &mut model.operands[operand].precision;
    if let Precision::Int8 { scale } = *precision {
        *precision = Precision::UInt8(Quant { scale, zero_point });
    }
}
