//! Changes of element type: quantize, dequantize, and a change of scale.

use std::sync::Arc;

use crate::{
    Kernel,
    kernel::{Table, ToCodes, ToReals},
    npu::{NpuOperation, Operand, Precision, ZeroPoints, unsupported_types},
    rules,
};

/// TIM-VX's `DataConvert`, which NNAdapter's QUANTIZE and DEQUANTIZE become.
#[derive(Clone, Copy, Debug)]
pub struct DataConvert;

impl NpuOperation for DataConvert {
    fn name(&self) -> &'static str {
        "DATA_CONVERT"
    }

    fn zero_points(&self) -> ZeroPoints {
        ZeroPoints::Untouched
    }

    fn kernel(&self, inputs: &[&Operand], outputs: &[&Operand]) -> Result<Arc<dyn Kernel>, String> {
        match (&inputs[0].precision, &outputs[0].precision) {
            (&Precision::UInt8(from), &Precision::UInt8(to)) => {
                Ok(Arc::new(Table::new(|code| rules::npu::rescale(code, from, to))))
            }
            (Precision::Float32, &Precision::UInt8(to)) => {
                Ok(Arc::new(ToCodes(move |value| rules::npu::quantize(value, to))))
            }
            (&Precision::UInt8(from), Precision::Float32) => {
                Ok(Arc::new(ToReals(move |code| rules::npu::dequantize(code, from))))
            }
            _ => Err(unsupported_types(self.name(), &[inputs[0], outputs[0]])),
        }
    }
}

/// Moves the codes of a tensor under another quantization, or none where the two are the same.
pub(crate) fn rescaling(from: &Precision, to: &Precision) -> Option<Table> {
    let (from, to) = (from.quant()?, to.quant()?);
    let table = Table::new(|code| rules::npu::moved(code, from, to));
    (!table.is_identity()).then_some(table)
}
