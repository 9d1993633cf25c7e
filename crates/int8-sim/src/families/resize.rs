//! Nearest and bilinear resizing of the last two axes.

use std::sync::Arc;

use paddle_model::LiteOp;

use super::OpKind;
use crate::{
    Fault, Kernel, Quant, RefusalClass, Tensor,
    buffers::Element,
    kernel::{Table, codes, reals},
    math::simd,
    npu::{NpuOperation, Operand, Precision, unsupported_types},
    operands::kernel,
    program::Attributes,
    rules,
};

/// How output pixels map to input pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coordinates {
    /// `i·in/out`
    Asymmetric,
    /// `(i + ½)·in/out - ½`
    HalfPixel,
    /// `i·(in - 1)/(out - 1)`
    AlignCorners,
}

impl Coordinates {
    /// The two neighbours of an output position and the weight of the second.
    fn linear(self, index: usize, input: usize, output: usize) -> (usize, usize, f64) {
        let (i, ratio) = (index as f64, input as f64 / output as f64);
        let at = match self {
            Self::Asymmetric => i * ratio,
            Self::HalfPixel => ((i + 0.5) * ratio - 0.5).max(0.0),
            Self::AlignCorners if output > 1 => i * (input - 1) as f64 / (output - 1) as f64,
            Self::AlignCorners => 0.0,
        };
        let low = (at as usize).min(input - 1);
        let high = (low + 1).min(input - 1);
        (low, high, at - low as f64)
    }
}

/// The extent of the output.
#[derive(Clone, Debug, PartialEq)]
pub enum Size {
    /// Height and width.
    Fixed([usize; 2]),
    /// Factors of the input's.
    Scaled([f32; 2]),
}

impl Size {
    pub(crate) fn of(&self, [height, width]: [usize; 2]) -> [usize; 2] {
        match self {
            Self::Fixed(size) => *size,
            Self::Scaled([y, x]) => [(height as f32 * y) as usize, (width as f32 * x) as usize],
        }
    }
}

/// The NNAdapter operations `RESIZE_NEAREST` and `RESIZE_LINEAR`.
#[derive(Clone, Debug)]
pub struct Resize {
    pub(crate) size: Size,
    pub(crate) align_corners: bool,
    /// Bilinear, with these coordinates where corners are not aligned; nearest where it is none.
    pub(crate) linear: Option<Coordinates>,
}

impl NpuOperation for Resize {
    fn name(&self) -> &'static str {
        if self.linear.is_some() { "RESIZE_LINEAR" } else { "RESIZE_NEAREST" }
    }

    fn kernel(&self, inputs: &[&Operand], outputs: &[&Operand]) -> Result<Arc<dyn Kernel>, String> {
        match (&inputs[0].precision, &outputs[0].precision) {
            (&Precision::UInt8(from), &Precision::UInt8(to)) => {
                Ok(Arc::new(OnCodes { resize: self.clone(), from, to }))
            }
            (Precision::Float32, Precision::Float32) => Ok(Arc::new(OnReals(self.clone()))),
            _ => Err(unsupported_types(self.name(), &[inputs[0], outputs[0]])),
        }
    }
}

impl Resize {
    /// The coordinates a bilinear resize uses.
    fn coordinates(&self) -> Coordinates {
        if self.align_corners { Coordinates::AlignCorners } else { self.linear.unwrap_or(Coordinates::Asymmetric) }
    }

    /// Resizes every plane: `pick(x)` for nearest; for bilinear `real(x)` blended with its neighbours, then `finish`.
    fn planes<T: Copy, U: Element>(
        &self,
        x: &[T],
        shape: &[usize],
        pick: impl Fn(T) -> U,
        real: impl Fn(T) -> f64,
        finish: impl Fn(f64) -> U + Copy,
    ) -> Result<(Vec<usize>, Vec<U>), Fault> {
        let &[batch, channels, height, width] = shape else {
            return Err(Fault(format!("resizing cannot take {shape:?}")));
        };
        let [out_h, out_w] = self.size.of([height, width]);
        if height * width == 0 || out_h * out_w == 0 {
            return Err(Fault(format!("cannot resize {shape:?} to {out_h}×{out_w}")));
        }
        let mut out = U::buffer(batch * channels * out_h * out_w);
        let planes = x.chunks_exact(height * width).zip(out.chunks_exact_mut(out_h * out_w));
        if self.linear.is_some() {
            let coordinates = self.coordinates();
            let columns: Vec<_> = (0..out_w).map(|index| coordinates.linear(index, width, out_w)).collect();
            let rows: Vec<_> = (0..out_h).map(|index| coordinates.linear(index, height, out_h)).collect();
            let mut stretched = vec![0.0; height * out_w];
            for (plane, out) in planes {
                for (row, stretched) in plane.chunks_exact(width).zip(stretched.chunks_exact_mut(out_w)) {
                    for (value, &(left, right, dx)) in stretched.iter_mut().zip(&columns) {
                        *value = blend(real(row[left]), real(row[right]), dx);
                    }
                }
                for (out, &(top, bottom, dy)) in out.chunks_exact_mut(out_w).zip(&rows) {
                    simd::both(
                        out,
                        &stretched[top * out_w..][..out_w],
                        &stretched[bottom * out_w..][..out_w],
                        #[inline(always)]
                        move |top, bottom| finish(blend(top, bottom, dy)),
                    );
                }
            }
        } else {
            let index = |at, input, output| rules::npu::nearest_index(at, input, output, self.align_corners);
            let columns: Vec<_> = (0..out_w).map(|at| index(at, width, out_w).min(width - 1)).collect();
            for (plane, out) in planes {
                for (oy, out) in out.chunks_exact_mut(out_w).enumerate() {
                    let row = &plane[index(oy, height, out_h).min(height - 1) * width..][..width];
                    for (out, &column) in out.iter_mut().zip(&columns) {
                        *out = pick(row[column]);
                    }
                }
            }
        }
        Ok((vec![batch, channels, out_h, out_w], out))
    }
}

/// Between two neighbours.
#[inline(always)]
fn blend(first: f64, second: f64, share: f64) -> f64 {
    first * (1.0 - share) + second * share
}

/// Resizing of real values.
pub(crate) struct OnReals(pub(crate) Resize);

impl Kernel for OnReals {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, values) = reals(inputs, 0)?;
        let (shape, out) = self.0.planes(values, x.shape(), |value| value, f64::from, |value| value as f32)?;
        Ok(Tensor::from_f32(shape, out))
    }
}

/// Resizing of the NPU's codes (spec/numerics.md).
struct OnCodes {
    resize: Resize,
    from: Quant,
    to: Quant,
}

impl Kernel for OnCodes {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, codes) = codes(inputs, 0)?;
        let multiplier = rules::npu::rescale_multiplier(self.from.scale, self.to.scale);
        let (from, zero_point) = (self.from, self.to.zero_point);
        let rescaled = Table::new(|code| rules::npu::rescale(code, from, self.to));
        let real = |code: i8| f64::from(from.offset(code));
        let (shape, out) = self.resize.planes(
            codes,
            x.shape(),
            |code| rescaled.get(code),
            real,
            #[inline(always)]
            move |offset| rules::npu::requantize_sum(offset, multiplier, zero_point),
        )?;
        Ok(Tensor::from_codes(shape, out))
    }
}

const RESIZE: &[&str] = &["X", "OutSize", "SizeTensor", "Scale"];

/// The op types.
pub(crate) const OPS: &[OpKind] = &[OpKind {
    types: &["nearest_interp", "nearest_interp_v2", "bilinear_interp", "bilinear_interp_v2"],
    inputs: RESIZE,
    cpu: |op| {
        if !computed_size(op.op()) {
            return Ok(vec![Arc::new(OnReals(resize_of(op.op())?))]);
        }
        let (align_corners, linear) = interpolation_of(op.op());
        Ok(vec![kernel(op, RESIZE, move |given| {
            let size = given.integers("SizeTensor").or(given.integers("OutSize"));
            let factors = given.numbers("Scale");
            let size = match (size.as_deref(), factors.as_deref()) {
                (Some(&[height, width]), _) if height > 0 && width > 0 => {
                    Size::Fixed([height as usize, width as usize])
                }
                (_, Some(&[y, x])) => Size::Scaled([y as f32, x as f32]),
                (_, Some(&[both])) => Size::Scaled([both as f32; 2]),
                _ => return Err(Fault::new("a resize needs two sizes")),
            };
            OnReals(Resize { size, align_corners, linear }).run(&[given.one("X")?])
        })])
    },
    npu: Some(|converter| {
        let resize = resize_of(converter.lite());
        let mut resize = resize.map_err(|text| converter.refuse(RefusalClass::Unsupported, text))?;
        let x = converter.input("X", 0)?;
        let input = converter.operand(x).shape.get(2..4).map_or([0; 2], |size| [size[0], size[1]]);
        if resize.linear.is_some() {
            resize.linear = Some(rules::stack::device_coordinates(input, resize.size.of(input)));
        }
        converter.emit(resize, vec![x], "Out");
        Ok(())
    }),
}];

/// What an op resizes to and how.
fn resize_of(op: &LiteOp) -> Result<Resize, String> {
    if computed_size(op) {
        return Err("a resize to a computed size".into());
    }
    let fixed = |name: &str| op.int(name).and_then(|size| usize::try_from(size).ok()).filter(|&size| size > 0);
    let size = match (op.floats("scale").as_deref(), fixed("out_h"), fixed("out_w")) {
        (Some(&[y, x]), ..) if y > 0.0 && x > 0.0 => Size::Scaled([y, x]),
        (Some(&[both]), ..) if both > 0.0 => Size::Scaled([both, both]),
        (_, Some(height), Some(width)) => Size::Fixed([height, width]),
        _ => return Err("a resize needs `scale` or `out_h` and `out_w`".into()),
    };
    let (align_corners, linear) = interpolation_of(op);
    Ok(Resize { size, align_corners, linear })
}

/// Does the size come from a tensor?
fn computed_size(op: &LiteOp) -> bool {
    RESIZE[1..].iter().any(|name| op.inputs.get(*name).is_some_and(|names| !names.is_empty()))
}

/// Are the corners aligned, and which pixels does a linear interpolation blend?
fn interpolation_of(op: &LiteOp) -> (bool, Option<Coordinates>) {
    let linear = op
        .op_type
        .starts_with("bilinear")
        .then(|| if op.int("align_mode").unwrap_or(1) == 0 { Coordinates::HalfPixel } else { Coordinates::Asymmetric });
    (op.flag("align_corners").unwrap_or(false), linear)
}
