//! Products that have no fast kernel: of two variable tensors, `fc`, and transposed convolution.

use std::sync::Arc;

use super::{
    OpKind,
    matmul::transposed,
    real::{self, Known},
    unary::fused,
};
use crate::{
    Data, Fault, Kernel, Refusal, RefusalClass, Tensor,
    cluster::Converter,
    cpu::CpuOp,
    math::{broadcast, matmul::multiply_float},
    npu::ZeroPoints,
    operands::{filled, kernel, numbers},
    program::Attributes,
};

const XY: &[&str] = &["X", "Y"];
const FC: &[&str] = &["Input", "W", "Bias"];
const CONV: &[&str] = &["Input", "Filter", "Bias"];

/// The op types.
pub(crate) const OPS: &[OpKind] = &[
    OpKind { types: &["bmm"], inputs: XY, cpu: |op| Ok(vec![product(op, [false; 2], 1.0)]), npu: None },
    OpKind {
        types: &["fc"],
        inputs: FC,
        cpu: fully_connected,
        npu: Some(|converter| real::convert(converter, Known::new("FULLY_CONNECTED").zero_points(ZeroPoints::Middle))),
    },
    OpKind { types: &["conv2d_transpose"], inputs: CONV, cpu: conv_transpose, npu: Some(convert_conv_transpose) },
    OpKind { types: &["depthwise_conv2d_transpose"], inputs: CONV, cpu: conv_transpose, npu: None },
];

/// The real values of a tensor, of which 8-bit codes have this step.
fn values(x: &Tensor, step: Option<f32>) -> Vec<f64> {
    let step = step.filter(|_| x.as_codes().is_some()).map_or(1.0, f64::from);
    numbers(x).into_iter().map(|value| value * step).collect()
}

/// The product of the last two axes, the others broadcast; a vector counts as a row on the left and a column on the right.
pub(super) fn product(op: &CpuOp<'_>, [transpose_x, transpose_y]: [bool; 2], alpha: f32) -> Arc<dyn Kernel> {
    let steps = ["X", "Y"].map(|argument| op.input_step(argument));
    kernel(op, XY, move |given| {
        let (x, y) = (given.one("X")?, given.one("Y")?);
        let fault = || Fault(format!("cannot multiply {:?} and {:?}", x.shape(), y.shape()));
        let (mut a, mut b) = (x.shape().to_vec(), y.shape().to_vec());
        let (row, column) = (a.len() == 1, b.len() == 1);
        if row {
            a.insert(0, 1);
        }
        if column {
            b.push(1);
        }
        let (Some((a_batch, &[a_rows, a_cols])), Some((b_batch, &[b_rows, b_cols]))) =
            (a.split_last_chunk::<2>(), b.split_last_chunk::<2>())
        else {
            return Err(fault());
        };
        let [m, k] = if transpose_x { [a_cols, a_rows] } else { [a_rows, a_cols] };
        let [b_k, n] = if transpose_y { [b_cols, b_rows] } else { [b_rows, b_cols] };
        let rank = a_batch.len().max(b_batch.len());
        let (a_batch, b_batch) = (broadcast::aligned(a_batch, rank, None), broadcast::aligned(b_batch, rank, None));
        let batch = broadcast::common(&a_batch, &b_batch).filter(|_| k == b_k).ok_or_else(fault)?;
        // Which matrix of each operand meets which.
        let count = |batch: &[usize]| (0..batch.iter().product::<usize>()).collect::<Vec<usize>>();
        let pairs = broadcast::zip((&count(&a_batch), &a_batch), (&count(&b_batch), &b_batch), |a, b| (a, b));
        let singles = |x: &Tensor, step| values(x, step).into_iter().map(|value| value as f32).collect::<Vec<f32>>();
        let (x, y) = (singles(x, steps[0]), singles(y, steps[1]));
        let mut out = Vec::with_capacity(pairs.len() * m * n);
        for (a, b) in pairs {
            let (x, y) = (&x[a * m * k..][..m * k], &y[b * k * n..][..k * n]);
            let x = if transpose_x { transposed(x, k, m) } else { x.to_vec() };
            let y = if transpose_y { transposed(y, n, k) } else { y.to_vec() };
            let mut product = vec![0.0; m * n];
            if k > 0 {
                multiply_float(&x, &y, [m, k, n], &mut product);
            }
            out.extend(product.into_iter().map(|value| value * alpha));
        }
        let mut shape = batch;
        shape.extend((!row).then_some(m));
        shape.extend((!column).then_some(n));
        if shape.is_empty() {
            shape.push(1);
        }
        filled(shape, Data::F32(out))
    })
}

/// Input [.., k] flattened from `in_num_col_dims` on, times W [k, n], plus a bias.
fn fully_connected(op: &CpuOp<'_>) -> Result<Vec<Arc<dyn Kernel>>, String> {
    let lite = op.op();
    let lead = lite.int("in_num_col_dims").and_then(|dims| usize::try_from(dims).ok()).unwrap_or(1);
    let activation = fused(lite.text("activation_type").unwrap_or_default())?;
    let step = op.input_step("Input");
    Ok(vec![kernel(op, FC, move |given| {
        let (x, w) = (given.one("Input")?, given.one("W")?);
        let &[k, n] = w.shape() else { return Err(Fault(format!("weights of {:?} are no matrix", w.shape()))) };
        let outer = x.shape().get(..lead).ok_or_else(|| Fault(format!("{:?} has no {lead} axes", x.shape())))?;
        let bias = given.numbers("Bias").filter(|bias| bias.len() == n).unwrap_or_else(|| vec![0.0; n]);
        if k == 0 || outer.iter().product::<usize>() * k != x.len() {
            return Err(Fault(format!("cannot multiply {:?} and {:?}", x.shape(), w.shape())));
        }
        let (values, weights) = (values(x, step), numbers(w));
        let mut out = Vec::with_capacity(values.len() / k * n);
        for row in values.chunks_exact(k) {
            for (column, bias) in bias.iter().enumerate() {
                let sum: f64 = row.iter().enumerate().map(|(at, value)| value * weights[at * n + column]).sum();
                out.push(activation(sum + bias) as f32);
            }
        }
        filled([outer, &[n]].concat(), Data::F32(out))
    })])
}

/// Where a transposed convolution puts its products.
struct Transposed {
    strides: [usize; 2],
    dilations: [usize; 2],
    /// Top, bottom, left, right, which are cut off.
    pads: [usize; 4],
    output_padding: [usize; 2],
    output_size: Option<[usize; 2]>,
    groups: usize,
}

fn transposed_of(op: &paddle_model::LiteOp) -> Result<Transposed, String> {
    let pair = |name: &str, default: [usize; 2]| match op.sizes(name).as_deref() {
        None | Some(&[]) => Ok(default),
        Some(&[a, b]) => Ok([a, b]),
        _ => Err(format!("`{name}` of a transposed convolution needs two values")),
    };
    if op.text("padding_algorithm").is_some_and(|algorithm| algorithm == "SAME") {
        return Err("`SAME` padding of a transposed convolution has no kernel".into());
    }
    let pads = match op.sizes("paddings").as_deref() {
        None => [0; 4],
        Some(&[y, x]) => [y, y, x, x],
        Some(&[top, bottom, left, right]) => [top, bottom, left, right],
        Some(other) => return Err(format!("paddings {other:?} of a transposed convolution")),
    };
    let output_size = pair("output_size", [0; 2])?;
    Ok(Transposed {
        strides: pair("strides", [1; 2])?,
        dilations: pair("dilations", [1; 2])?,
        pads: if op.text("padding_algorithm") == Some("VALID") { [0; 4] } else { pads },
        output_padding: pair("output_padding", [0; 2])?,
        output_size: (output_size != [0; 2]).then_some(output_size),
        groups: op.int("groups").and_then(|groups| usize::try_from(groups).ok()).filter(|&g| g > 0).unwrap_or(1),
    })
}

fn conv_transpose(op: &CpuOp<'_>) -> Result<Vec<Arc<dyn Kernel>>, String> {
    let geometry = transposed_of(op.op())?;
    let step = op.input_step("Input");
    Ok(vec![kernel(op, CONV, move |given| {
        let (x, filter) = (given.one("Input")?, given.one("Filter")?);
        geometry.run(x, &values(x, step), filter, given.numbers("Bias"))
    })])
}

impl Transposed {
    /// Filter [in, out / groups, height, width]: every input element adds its filter to the output.
    fn run(&self, x: &Tensor, values: &[f64], filter: &Tensor, bias: Option<Vec<f64>>) -> Result<Tensor, Fault> {
        let fault = || Fault(format!("cannot convolve {:?} by {:?}", x.shape(), filter.shape()));
        let (&[batch, channels, height, width], &[in_channels, per_group, kernel_h, kernel_w]) =
            (x.shape(), filter.shape())
        else {
            return Err(fault());
        };
        let grown = |axis: usize, extent: usize, kernel: usize| {
            let whole = (extent.max(1) - 1) * self.strides[axis] + self.dilations[axis] * (kernel.max(1) - 1) + 1;
            let padded = whole.checked_sub(self.pads[2 * axis] + self.pads[2 * axis + 1]);
            padded.map(|size| size + self.output_padding[axis])
        };
        let own = [grown(0, height, kernel_h), grown(1, width, kernel_w)];
        let (Some(own_h), Some(own_w)) = (own[0], own[1]) else { return Err(fault()) };
        let [out_h, out_w] = self.output_size.unwrap_or([own_h, own_w]);
        if channels != in_channels || !channels.is_multiple_of(self.groups) || channels == 0 {
            return Err(fault());
        }
        let out_channels = per_group * self.groups;
        let bias = bias.filter(|bias| bias.len() == out_channels);
        let weights = numbers(filter);
        let mut out = vec![0.0f64; batch * out_channels * out_h * out_w];
        for (at, plane) in out.chunks_exact_mut((out_h * out_w).max(1)).enumerate() {
            plane.fill(bias.as_ref().map_or(0.0, |bias| bias[at % out_channels]));
        }
        for (at, &value) in values.iter().enumerate() {
            let (ix, iy, channel) = (at % width, at / width % height, at / (width * height) % channels);
            let sample = at / (width * height * channels);
            let group = channel / (channels / self.groups);
            for offset in 0..per_group * kernel_h * kernel_w {
                let (kx, ky, to) = (offset % kernel_w, offset / kernel_w % kernel_h, offset / (kernel_w * kernel_h));
                let y = (iy * self.strides[0] + ky * self.dilations[0]).checked_sub(self.pads[0]);
                let x = (ix * self.strides[1] + kx * self.dilations[1]).checked_sub(self.pads[2]);
                let (Some(y), Some(x)) = (y.filter(|&y| y < out_h), x.filter(|&x| x < out_w)) else { continue };
                let to = ((sample * out_channels + group * per_group + to) * out_h + y) * out_w + x;
                out[to] += value * weights[channel * per_group * kernel_h * kernel_w + offset];
            }
        }
        let data = out.into_iter().map(|value| value as f32).collect();
        filled(vec![batch, out_channels, out_h, out_w], Data::F32(data))
    }
}

/// The driver computes the extent of the output itself (`converter/conv2d_transpose.cc`).
fn convert_conv_transpose(converter: &mut Converter<'_>) -> Result<(), Refusal> {
    let geometry = transposed_of(converter.lite());
    let geometry = geometry.map_err(|text| converter.refuse(RefusalClass::Unsupported, text))?;
    if geometry.output_size.is_some() {
        return Err(converter.refuse(RefusalClass::Unsupported, "a transposed convolution with `output_size`"));
    }
    let x = converter.input("Input", 0)?;
    converter.check_quantized_input("Input", x, "Output")?;
    real::convert(converter, Known::new("CONV_2D_TRANSPOSE").zero_points(ZeroPoints::Middle))
}
