//! Matrix products: `mul`, `matmul`, `matmul_v2`.

use std::sync::Arc;

use paddle_model::{LiteOp, TensorData};

use super::{
    OpKind,
    conv::{FloatEpilogue, FloatLinear, FullyConnected, IntegerLinear, LiteEpilogue},
    linear::product,
    real::{self, Known},
};
use crate::{
    Kernel, Refusal,
    cluster::Converter,
    cpu::CpuOp,
    npu::{Constant, NpuOperation, Operand, Precision, ZeroPoints},
    program::Attributes,
};

/// The NNAdapter operation `MAT_MUL`; with a constant second operand and a following add it becomes `FULLY_CONNECTED`.
#[derive(Clone, Copy, Debug)]
pub struct MatMul {
    pub(crate) transpose_x: bool,
    pub(crate) transpose_y: bool,
}

impl NpuOperation for MatMul {
    fn name(&self) -> &'static str {
        "MAT_MUL"
    }

    fn zero_points(&self) -> ZeroPoints {
        ZeroPoints::Middle
    }

    fn kernel(&self, inputs: &[&Operand], outputs: &[&Operand]) -> Result<Arc<dyn Kernel>, String> {
        let &[x, y] = inputs else { return Err("a matrix product needs two operands".into()) };
        if self.transpose_x || y.shape.len() != 2 || y.constant.is_none() {
            return Err("MAT_MUL has kernels for a constant, two-dimensional second operand only".into());
        }
        // As a fully connected op without bias.
        let weight = if self.transpose_y { (*y).clone() } else { transposed_operand(y) };
        let units = weight.shape[0];
        let (precision, zeros) = match x.precision {
            Precision::Float32 => (Precision::Float32, Constant::F32(vec![0.0; units])),
            _ => (Precision::Int32, Constant::I32(vec![0; units])),
        };
        let bias = Operand { shape: vec![units], precision, constant: Some(Arc::new(zeros)) };
        FullyConnected.kernel(&[x, &weight, &bias], outputs)
    }
}

/// A constant [rows, cols] as [cols, rows].
pub(crate) fn transposed_operand(operand: &Operand) -> Operand {
    let [rows, cols] = [operand.shape[0], operand.shape[1]];
    let constant = operand.constant.as_deref().map(|constant| {
        Arc::new(match constant {
            Constant::F32(values) => Constant::F32(transposed(values, rows, cols)),
            Constant::I8(codes) => Constant::I8(transposed(codes, rows, cols)),
            Constant::I32(values) => Constant::I32(transposed(values, rows, cols)),
        })
    });
    Operand { shape: vec![cols, rows], precision: operand.precision.clone(), constant }
}

pub(super) fn transposed<T: Copy>(x: &[T], rows: usize, cols: usize) -> Vec<T> {
    (0..rows * cols).map(|at| x[at % rows * cols + at / rows]).collect()
}

/// The op types.
pub(crate) const OPS: &[OpKind] =
    &[OpKind { types: &["mul", "matmul", "matmul_v2"], inputs: &["X", "Y"], cpu, npu: Some(convert) }];

/// Are the operands transposed?
fn transposes(op: &LiteOp) -> [bool; 2] {
    let flag = |names: [&str; 2]| names.iter().find_map(|name| op.flag(name)).unwrap_or(false);
    [flag(["trans_x", "transpose_X"]), flag(["trans_y", "transpose_Y"])]
}

fn convert(converter: &mut Converter<'_>) -> Result<(), Refusal> {
    let [transpose_x, transpose_y] = transposes(converter.lite());
    if converter.constant("Y", 0).is_none() {
        return real::convert(converter, Known::new("MAT_MUL").zero_points(ZeroPoints::Middle));
    }
    let (x, y) = (converter.input("X", 0)?, converter.input("Y", 0)?);
    converter.emit(MatMul { transpose_x, transpose_y }, vec![x, y], "Out");
    Ok(())
}

fn cpu(op: &CpuOp<'_>) -> Result<Vec<Arc<dyn Kernel>>, String> {
    let [transpose_x, transpose_y] = transposes(op.op());
    let Some(weight) = op.constant("Y") else {
        if op.op().op_type == "mul" {
            return Err("mul needs a constant second operand".into());
        }
        let alpha = op.op().float("alpha").unwrap_or(1.0);
        return Ok(vec![product(op, [transpose_x, transpose_y], alpha)]);
    };
    let &[rows, cols] = weight.dims.as_slice() else {
        return Err(format!("a matrix product with weights of {:?} has no kernel", weight.dims));
    };
    if transpose_x {
        return Err("a matrix product of a transposed input and weights has no kernel".into());
    }
    let units = if transpose_y { rows } else { cols };
    if op.int8 {
        let (TensorData::Int8(codes), Some(scales)) = (&weight.data, &weight.scales) else {
            return Err("the weights of an int8 matrix product are not 8-bit".into());
        };
        let codes = if transpose_y { codes.clone() } else { transposed(codes, rows, cols) };
        let input = op.input_step("X").ok_or("an int8 matrix product needs the scale of its input")?;
        let epilogue = LiteEpilogue::new(input, &scales.steps, &[], units);
        return Ok(vec![Arc::new(IntegerLinear::new(&codes, units, 0, 0, epilogue))]);
    }
    let values = op.real_constant("Y").ok_or("the weights have no real values")?;
    let values = values.as_f32().unwrap_or_default();
    let values = if transpose_y { values.to_vec() } else { transposed(values, rows, cols) };
    let epilogue = FloatEpilogue::new(Vec::new(), |x: f32| x);
    Ok(vec![Arc::new(FloatLinear::new(&values, units, epilogue))])
}
