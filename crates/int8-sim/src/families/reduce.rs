//! Means over axes.

use std::sync::Arc;

use paddle_model::LiteOp;

use super::OpKind;
use crate::{
    Fault, Kernel, Quant, Tensor,
    kernel::{codes, reals},
    npu::{NpuOperation, Operand, Precision, unsupported_types},
    program::Attributes,
    rules,
};

/// The NNAdapter operation `REDUCE_MEAN`; negative axes count from the end.
#[derive(Clone, Debug)]
pub struct ReduceMean {
    pub(crate) axes: Vec<i64>,
    pub(crate) keep_dims: bool,
}

impl NpuOperation for ReduceMean {
    fn name(&self) -> &'static str {
        "REDUCE_MEAN"
    }

    fn kernel(&self, inputs: &[&Operand], outputs: &[&Operand]) -> Result<Arc<dyn Kernel>, String> {
        match (&inputs[0].precision, &outputs[0].precision) {
            (&Precision::UInt8(from), &Precision::UInt8(to)) => Ok(Arc::new(OnCodes { mean: self.clone(), from, to })),
            (Precision::Float32, Precision::Float32) => Ok(Arc::new(OnReals(self.clone()))),
            _ => Err(unsupported_types(self.name(), &[inputs[0], outputs[0]])),
        }
    }
}

impl ReduceMean {
    /// Sums lines: the output's shape, the number of elements a line, and the sums.
    fn sums<T: Copy, S: Copy + Default + std::ops::AddAssign>(
        &self,
        x: &[T],
        shape: &[usize],
        widen: impl Fn(T) -> S,
    ) -> Result<(Vec<usize>, usize, Vec<S>), Fault> {
        let rank = shape.len() as i64;
        let mut reduced = vec![false; shape.len()];
        for &axis in &self.axes {
            let axis = if axis < 0 { axis + rank } else { axis };
            *usize::try_from(axis)
                .ok()
                .and_then(|axis| reduced.get_mut(axis))
                .ok_or_else(|| Fault(format!("axis {axis} is not one of {shape:?}")))? = true;
        }
        let kept = |keep_ones: bool| -> Vec<usize> {
            shape
                .iter()
                .zip(&reduced)
                .filter_map(|(&extent, &out)| if out { keep_ones.then_some(1) } else { Some(extent) })
                .collect()
        };
        let full = kept(true);
        let count = shape.iter().product::<usize>() / full.iter().product::<usize>().max(1);
        let mut sums = vec![S::default(); full.iter().product()];
        for (flat, &value) in x.iter().enumerate() {
            let (mut rest, mut at, mut stride) = (flat, 0, 1);
            for (&extent, &kept) in shape.iter().zip(&full).rev() {
                at += rest % extent * usize::from(kept != 1) * stride;
                rest /= extent;
                stride *= kept;
            }
            sums[at] += widen(value);
        }
        let mut out = kept(self.keep_dims);
        if out.is_empty() {
            out.push(1);
        }
        Ok((out, count, sums))
    }
}

/// The mean of real values.
pub(crate) struct OnReals(pub(crate) ReduceMean);

impl Kernel for OnReals {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, values) = reals(inputs, 0)?;
        let (shape, count, sums) = self.0.sums(values, x.shape(), |value| value)?;
        Ok(Tensor::from_f32(shape, sums.into_iter().map(|sum: f32| sum / count as f32).collect()))
    }
}

/// The mean of the NPU's codes.
struct OnCodes {
    mean: ReduceMean,
    from: Quant,
    to: Quant,
}

impl Kernel for OnCodes {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, codes) = codes(inputs, 0)?;
        let (shape, count, sums) = self.mean.sums(codes, x.shape(), |code| i64::from(self.from.offset(code)))?;
        let out = sums.into_iter().map(|sum| rules::npu::mean(sum, count, self.from, self.to)).collect();
        Ok(Tensor::from_codes(shape, out))
    }
}

/// The op type.
pub(crate) const OPS: &[OpKind] = &[OpKind {
    types: &["reduce_mean"],
    inputs: &["X"],
    cpu: |op| {
        let rank = op.input_shape("X").map_or(0, <[usize]>::len);
        Ok(vec![Arc::new(OnReals(mean_of(op.op(), rank)))])
    },
    npu: Some(|converter| {
        let x = converter.input("X", 0)?;
        let rank = converter.operand(x).shape.len();
        let mean = mean_of(converter.lite(), rank);
        let mean = ReduceMean { axes: rules::stack::axes_by_output_rank(&mean.axes, rank, mean.keep_dims), ..mean };
        converter.emit(mean, vec![x], "Out");
        Ok(())
    }),
}];

/// The axes of an op, all of them where it says so.
fn mean_of(op: &LiteOp, rank: usize) -> ReduceMean {
    let all = op.flag("reduce_all").unwrap_or(false);
    let named = op.ints("dim").filter(|axes| !axes.is_empty() && !all);
    let axes = named.unwrap_or_else(|| (0..rank as i64).collect());
    ReduceMean { axes, keep_dims: op.flag("keep_dim").unwrap_or(false) }
}
