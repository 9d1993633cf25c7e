//! Pooling over windows.

use std::sync::Arc;

use paddle_model::LiteOp;

use super::OpKind;
use crate::{
    Fault, Kernel, Quant, RefusalClass, Tensor,
    kernel::{Table, codes, reals},
    math::window::Window,
    npu::{NpuOperation, Operand, Precision, unsupported_types},
    program::Attributes,
    rules,
};

/// How a window becomes one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// The largest.
    Max,
    /// The sum over the window's size.
    Average {
        /// Divide by the part of the window inside the input (Paddle's `exclusive`; the driver never asks the NPU for it).
        inside_only: bool,
    },
}

/// Where the windows lie.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Placing {
    /// One window over everything.
    Global,
    /// As given.
    Windows(Window),
    /// As many windows as output elements (NNAdapter turns them into one kernel and stride:
    /// `convert_adaptive_pool2d_into_pool2d.cc`).
    Adaptive([usize; 2]),
}

impl Placing {
    pub(crate) fn window(&self, [height, width]: [usize; 2]) -> Window {
        match self {
            Self::Global => Window::global(height, width),
            Self::Windows(window) => window.clone(),
            Self::Adaptive(output) => {
                let stride = |input: usize, output: usize| (input / output.max(1)).max(1);
                let strides = [stride(height, output[0]), stride(width, output[1])];
                let size = |input: usize, output: usize, stride: usize| {
                    input.saturating_sub(output.saturating_sub(1) * stride).max(1)
                };
                let size = [size(height, output[0], strides[0]), size(width, output[1], strides[1])];
                Window { size, strides, pads: [0; 4], ceil: false }
            }
        }
    }
}

/// The NNAdapter operations `MAX_POOL_2D` and `AVERAGE_POOL_2D`.
#[derive(Clone, Debug)]
pub struct Pool {
    pub(crate) reduction: Reduction,
    pub(crate) placing: Placing,
}

impl NpuOperation for Pool {
    fn name(&self) -> &'static str {
        if self.reduction == Reduction::Max { "MAX_POOL_2D" } else { "AVERAGE_POOL_2D" }
    }

    fn kernel(&self, inputs: &[&Operand], outputs: &[&Operand]) -> Result<Arc<dyn Kernel>, String> {
        match (&inputs[0].precision, &outputs[0].precision) {
            (&Precision::UInt8(from), &Precision::UInt8(to)) => {
                let rescaled = Table::new(|code| rules::npu::quantize_real(from.value(code), to));
                let (reduction, placing) = (self.reduction, self.placing.clone());
                Ok(Arc::new(OnCodes { reduction, placing, from, to, rescaled }))
            }
            (Precision::Float32, Precision::Float32) => {
                let reduction = match self.reduction {
                    Reduction::Max => Reduction::Max,
                    Reduction::Average { .. } => Reduction::Average { inside_only: false },
                };
                Ok(Arc::new(OnReals { reduction, placing: self.placing.clone() }))
            }
            _ => Err(unsupported_types(self.name(), &[inputs[0], outputs[0]])),
        }
    }
}

/// The four extents of a pooled tensor.
fn extents(x: &Tensor) -> Result<[usize; 4], Fault> {
    if x.shape().len() == 4 { Ok(x.nchw()) } else { Err(Fault(format!("pooling cannot take {:?}", x.shape()))) }
}

/// Pooling of real values.
pub(crate) struct OnReals {
    pub(crate) reduction: Reduction,
    pub(crate) placing: Placing,
}

impl Kernel for OnReals {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, values) = reals(inputs, 0)?;
        let [batch, channels, height, width] = extents(x)?;
        let window = self.placing.window([height, width]);
        let [out_h, out_w] = window.output_size(height, width);
        let out = match self.reduction {
            Reduction::Max => window.fold(values, [height, width], f32::NEG_INFINITY, f32::max),
            Reduction::Average { inside_only } => {
                let mut sums = window.fold(values, [height, width], 0.0, |sum, x| sum + x);
                divide(&mut sums, &counts(&window, [height, width], inside_only));
                sums
            }
        };
        Ok(Tensor::from_f32(vec![batch, channels, out_h, out_w], out))
    }
}

/// What each window's sum is divided by, for one plane.
fn counts(window: &Window, [height, width]: [usize; 2], inside_only: bool) -> Vec<usize> {
    let [out_h, out_w] = window.output_size(height, width);
    if !inside_only {
        return vec![window.size[0] * window.size[1]; out_h * out_w];
    }
    let count = |oy, ox| window.inside(oy, 0, height).len() * window.inside(ox, 1, width).len();
    (0..out_h).flat_map(|oy| (0..out_w).map(move |ox| count(oy, ox))).collect()
}

fn divide(sums: &mut [f32], counts: &[usize]) {
    for sums in sums.chunks_exact_mut(counts.len().max(1)) {
        for (sum, &count) in sums.iter_mut().zip(counts) {
            *sum /= count.max(1) as f32;
        }
    }
}

/// Pooling of the NPU's codes (spec/numerics.md).
struct OnCodes {
    reduction: Reduction,
    placing: Placing,
    from: Quant,
    to: Quant,
    /// The code of the largest element as it leaves a max pool.
    rescaled: Table,
}

impl Kernel for OnCodes {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, codes) = codes(inputs, 0)?;
        let [batch, channels, height, width] = extents(x)?;
        let window = self.placing.window([height, width]);
        let [out_h, out_w] = window.output_size(height, width);
        let out = match self.reduction {
            Reduction::Max => {
                let lowest = window.fold(codes, [height, width], i8::MIN, i8::max);
                self.rescaled.map(&lowest)
            }
            Reduction::Average { inside_only } => {
                let (from, to, zero) = (self.from, self.to, self.from.zero_point);
                let sums = window.fold(codes, [height, width], 0, move |sum, code| sum + i32::from(code) - zero);
                let counts = counts(&window, [height, width], true);
                let code = |(&sum, &count): (&i32, &usize)| {
                    if inside_only {
                        rules::npu::average_inside(sum, count, from, to)
                    } else {
                        rules::npu::average(sum, window.size, from, to)
                    }
                };
                sums.iter().zip(counts.iter().cycle()).map(code).collect()
            }
        };
        Ok(Tensor::from_codes(vec![batch, channels, out_h, out_w], out))
    }
}

/// The op type.
pub(crate) const OPS: &[OpKind] = &[OpKind {
    types: &["pool2d"],
    inputs: &["X"],
    cpu: |op| {
        let (reduction, placing) = pooling_of(op.op())?;
        if let Placing::Adaptive(size) = placing {
            return Ok(vec![Arc::new(AdaptiveOnReals { reduction, size })]);
        }
        Ok(vec![Arc::new(OnReals { reduction, placing })])
    },
    npu: Some(|converter| {
        let pooling = pooling_of(converter.lite());
        let (reduction, placing) = pooling.map_err(|text| converter.refuse(RefusalClass::Unsupported, text))?;
        let reduction = match reduction {
            Reduction::Max if matches!(placing, Placing::Adaptive(_)) => {
                return Err(converter.refuse(RefusalClass::Unsupported, "adaptive max pooling"));
            }
            Reduction::Max => Reduction::Max,
            Reduction::Average { .. } => Reduction::Average { inside_only: false },
        };
        let x = converter.input("X", 0)?;
        converter.emit(Pool { reduction, placing }, vec![x], "Out");
        Ok(())
    }),
}];

/// What an op pools and where.
fn pooling_of(op: &LiteOp) -> Result<(Reduction, Placing), String> {
    let reduction = match op.text("pooling_type") {
        Some("max") => Reduction::Max,
        Some("avg") => Reduction::Average { inside_only: op.flag("exclusive").unwrap_or(true) },
        other => return Err(format!("pooling type {other:?}")),
    };
    let size = op.sizes("ksize").and_then(|size| <[usize; 2]>::try_from(size).ok());
    let adaptive = op.flag("adaptive").unwrap_or(false);
    if op.flag("global_pooling").unwrap_or(false) || (adaptive && size == Some([1, 1])) {
        return Ok((reduction, Placing::Global));
    }
    let size =
        size.filter(|size| size.iter().all(|&extent| extent > 0)).ok_or("`ksize` of a pooling needs two sizes")?;
    if adaptive {
        return Ok((reduction, Placing::Adaptive(size)));
    }
    let strides = op.sizes("strides").and_then(|strides| <[usize; 2]>::try_from(strides).ok()).unwrap_or(size);
    let pads = match op.sizes("paddings").as_deref() {
        _ if op.text("padding_algorithm") == Some("VALID") => [0; 4],
        None => [0; 4],
        Some(&[y, x]) => [y, y, x, x],
        Some(&[top, bottom, left, right]) => [top, bottom, left, right],
        Some(other) => return Err(format!("paddings {other:?} of a pooling")),
    };
    if op.text("padding_algorithm") == Some("SAME") || strides.contains(&0) {
        return Err("`SAME` padding of a pooling has no kernel".into());
    }
    let ceil = op.flag("ceil_mode").unwrap_or(false);
    Ok((reduction, Placing::Windows(Window { size, strides, pads, ceil })))
}

/// Adaptive pooling on the CPU: window i spans `floor(i·in/out)` to `ceil((i + 1)·in/out)`.
struct AdaptiveOnReals {
    reduction: Reduction,
    size: [usize; 2],
}

impl Kernel for AdaptiveOnReals {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, values) = reals(inputs, 0)?;
        let [batch, channels, height, width] = extents(x)?;
        let [out_h, out_w] = self.size;
        let span = |at: usize, input: usize, output: usize| at * input / output..((at + 1) * input).div_ceil(output);
        let mut out = Vec::with_capacity(batch * channels * out_h * out_w);
        for plane in values.chunks_exact(height * width) {
            for oy in 0..out_h {
                for ox in 0..out_w {
                    let (rows, columns) = (span(oy, height, out_h), span(ox, width, out_w));
                    let count = rows.len() * columns.len();
                    let inside = rows.flat_map(|row| &plane[row * width..][columns.clone()]).copied();
                    out.push(match self.reduction {
                        Reduction::Max => inside.fold(f32::NEG_INFINITY, f32::max),
                        Reduction::Average { .. } => inside.sum::<f32>() / count as f32,
                    });
                }
            }
        }
        Ok(Tensor::from_f32(vec![batch, channels, out_h, out_w], out))
    }
}
