//! Convolution and fully connected: integer products with a bias, and their float forms.

use std::sync::Arc;

use paddle_model::{LiteOp, TensorData};

use super::OpKind;
use crate::{
    Fault, Kernel, Quant, Refusal, RefusalClass, Tensor,
    cluster::Converter,
    cpu::CpuOp,
    kernel::{codes, reals},
    math::{
        conv::Conv2d,
        matmul::{FloatWeights, IntegerWeights},
    },
    npu::{Constant, NpuOperation, Operand, Precision, ZeroPoints, unsupported_types},
    program::{Attributes, real_values},
    rules,
};

/// The NNAdapter operation `CONV_2D`: input, filter (OIHW) and bias; with `relu` the driver's compiler merges the
/// following relu and skips the code between them (spec/numerics.md, chains).
#[derive(Clone, Debug)]
pub struct Convolution {
    pub(crate) geometry: Conv2d,
    pub(crate) relu: bool,
}

impl NpuOperation for Convolution {
    fn name(&self) -> &'static str {
        if self.relu { "CONV_2D+RELU" } else { "CONV_2D" }
    }

    fn zero_points(&self) -> ZeroPoints {
        ZeroPoints::Middle
    }

    fn kernel(&self, inputs: &[&Operand], outputs: &[&Operand]) -> Result<Arc<dyn Kernel>, String> {
        let &[x, filter, bias] = inputs else { return Err("a convolution needs input, filter and bias".into()) };
        let refusal = || unsupported_types(self.name(), &[x, filter, bias, outputs[0]]);
        let geometry = self.geometry.clone();
        match (&x.precision, filter.constant.as_deref(), bias.constant.as_deref(), &outputs[0].precision) {
            (&Precision::UInt8(from), Some(Constant::I8(w)), Some(Constant::I32(bias)), &Precision::UInt8(to)) => {
                let epilogue = NpuEpilogue::new(from, &filter.precision, to, bias, self.relu).ok_or_else(refusal)?;
                let zero = filter.precision.quant().map_or(0, |quant| quant.zero_point);
                Ok(Arc::new(IntegerConvolution::new(geometry, w, zero, from.zero_point, epilogue)))
            }
            (Precision::Float32, Some(Constant::F32(w)), Some(Constant::F32(bias)), Precision::Float32) => {
                let relu = self.relu;
                let epilogue =
                    FloatEpilogue { bias: bias.clone(), activation: move |x: f32| if relu { x.max(0.0) } else { x } };
                Ok(Arc::new(FloatConvolution::new(geometry, w, epilogue)))
            }
            _ => Err(refusal()),
        }
    }
}

/// The NNAdapter operation `FULLY_CONNECTED`: input `[.., k]`, weights `[n, k]`, bias `[n]`.
#[derive(Clone, Copy, Debug)]
pub struct FullyConnected;

impl NpuOperation for FullyConnected {
    fn name(&self) -> &'static str {
        "FULLY_CONNECTED"
    }

    fn zero_points(&self) -> ZeroPoints {
        ZeroPoints::Middle
    }

    fn kernel(&self, inputs: &[&Operand], outputs: &[&Operand]) -> Result<Arc<dyn Kernel>, String> {
        let &[x, weight, bias] = inputs else { return Err("fully connected needs input, weights and bias".into()) };
        let refusal = || unsupported_types(self.name(), &[x, weight, bias, outputs[0]]);
        let rows = weight.shape.first().copied().unwrap_or(1);
        match (&x.precision, weight.constant.as_deref(), bias.constant.as_deref(), &outputs[0].precision) {
            (&Precision::UInt8(from), Some(Constant::I8(w)), Some(Constant::I32(bias)), &Precision::UInt8(to)) => {
                let epilogue = NpuEpilogue::new(from, &weight.precision, to, bias, false).ok_or_else(refusal)?;
                let zero = weight.precision.quant().map_or(0, |quant| quant.zero_point);
                let weights = IntegerWeights::pack(w, rows, zero);
                Ok(Arc::new(IntegerLinear { weights, zero_point: from.zero_point, epilogue }))
            }
            (Precision::Float32, Some(Constant::F32(w)), Some(Constant::F32(bias)), Precision::Float32) => {
                let epilogue = FloatEpilogue { bias: bias.clone(), activation: |x: f32| x };
                Ok(Arc::new(FloatLinear { weights: FloatWeights::pack(w, rows), epilogue }))
            }
            _ => Err(refusal()),
        }
    }
}

/// What becomes of the accumulators of one output channel.
pub(crate) trait Epilogue<A>: Send + Sync {
    /// The element type of the output.
    type Out: Copy;

    /// Finishes one channel's accumulators.
    fn channel(&self, channel: usize, accumulators: &[A], out: &mut Vec<Self::Out>);

    /// Wraps the finished elements.
    fn tensor(shape: Vec<usize>, out: Vec<Self::Out>) -> Tensor;
}

/// The NPU's: integer bias, multiplier, rounding, zero point.
pub(crate) struct NpuEpilogue {
    bias: Vec<i32>,
    multipliers: Vec<f64>,
    zero_point: f64,
    relu: bool,
}

impl NpuEpilogue {
    fn new(from: Quant, weight: &Precision, to: Quant, bias: &[i32], relu: bool) -> Option<Self> {
        let multipliers = match weight {
            Precision::UInt8(weight) => {
                vec![rules::npu::convolution_multiplier(from.scale, weight.scale, to.scale); bias.len()]
            }
            Precision::Int8PerChannel(scales) if scales.len() == bias.len() => scales
                .iter()
                .map(|&weight| rules::npu::per_channel_convolution_multiplier(from.scale, weight, to.scale))
                .collect(),
            _ => return None,
        };
        Some(Self { bias: bias.to_vec(), multipliers, zero_point: f64::from(to.zero_point), relu })
    }
}

impl Epilogue<i32> for NpuEpilogue {
    type Out = i8;

    fn channel(&self, channel: usize, accumulators: &[i32], out: &mut Vec<i8>) {
        let (bias, multiplier) = (self.bias[channel], self.multipliers[channel]);
        let floor = if self.relu { 0 } else { i32::MIN };
        out.extend(accumulators.iter().map(|&accumulator| {
            let accumulator = accumulator.wrapping_add(bias).max(floor);
            rules::npu::requantize_accumulator(accumulator, multiplier, self.zero_point)
        }));
    }

    fn tensor(shape: Vec<usize>, out: Vec<i8>) -> Tensor {
        Tensor::from_codes(shape, out)
    }
}

/// Float bias and activation on float accumulators.
pub(crate) struct FloatEpilogue<F> {
    pub(crate) bias: Vec<f32>,
    pub(crate) activation: F,
}

impl<F: Fn(f32) -> f32 + Send + Sync> Epilogue<f32> for FloatEpilogue<F> {
    type Out = f32;

    fn channel(&self, channel: usize, accumulators: &[f32], out: &mut Vec<f32>) {
        let bias = self.bias.get(channel).copied().unwrap_or_default();
        out.extend(accumulators.iter().map(|&accumulator| (self.activation)(accumulator + bias)));
    }

    fn tensor(shape: Vec<usize>, out: Vec<f32>) -> Tensor {
        Tensor::from_f32(shape, out)
    }
}

/// Checks an input against the filter's channels; batch, channels, height, width, output height, output width.
fn extents(geometry: &Conv2d, x: &Tensor, channels: usize) -> Result<[usize; 6], Fault> {
    let [batch, in_channels, height, width] = x.nchw();
    let [out_h, out_w] = geometry.output_size(height, width);
    if x.shape().len() != 4 || in_channels != channels || out_h == 0 || out_w == 0 {
        return Err(Fault(format!("a convolution over {channels} channels cannot take {:?}", x.shape())));
    }
    Ok([batch, in_channels, height, width, out_h, out_w])
}

/// A convolution on codes: depthwise in direct loops, else as a product of matrices.
pub(crate) struct IntegerConvolution<E> {
    geometry: Conv2d,
    weights: IntegerFilter,
    zero_point: i32,
    epilogue: E,
}

enum IntegerFilter {
    /// One kernel a channel; real numbers, since sums of a few 16-bit products are exact in them.
    Depthwise(Vec<f32>),
    Groups(Vec<IntegerWeights>),
}

impl<E> IntegerConvolution<E> {
    /// `weights` are OIHW codes with one zero point.
    pub(crate) fn new(geometry: Conv2d, weights: &[i8], weight_zero: i32, zero_point: i32, epilogue: E) -> Self {
        let window = geometry.kernel[0] * geometry.kernel[1];
        let groups = geometry.groups.max(1);
        let weights = if groups > 1 && weights.len() == groups * window && geometry.out_channels == groups {
            IntegerFilter::Depthwise(weights.iter().map(|&w| (i32::from(w) - weight_zero) as f32).collect())
        } else {
            let rows = geometry.out_channels / groups;
            let group = |weights: &[i8]| IntegerWeights::pack(weights, rows, weight_zero);
            IntegerFilter::Groups(weights.chunks_exact((weights.len() / groups).max(1)).map(group).collect())
        };
        Self { geometry, weights, zero_point, epilogue }
    }

    fn channels(&self) -> usize {
        match &self.weights {
            IntegerFilter::Depthwise(_) => self.geometry.groups,
            IntegerFilter::Groups(groups) => {
                let window = self.geometry.kernel[0] * self.geometry.kernel[1];
                groups.iter().map(|group| group.cols() / window).sum()
            }
        }
    }
}

impl<E: Epilogue<i32>> Kernel for IntegerConvolution<E> {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, codes) = codes(inputs, 0)?;
        let [batch, channels, height, width, out_h, out_w] = extents(&self.geometry, x, self.channels())?;
        let (plane, pixels) = (height * width, out_h * out_w);
        let mut out = Vec::with_capacity(batch * self.geometry.out_channels * pixels);
        for image in codes.chunks_exact(channels * plane) {
            match &self.weights {
                IntegerFilter::Depthwise(weights) => {
                    let window = self.geometry.kernel[0] * self.geometry.kernel[1];
                    let (mut offset, mut sums) = (vec![0.0; plane], vec![0.0; pixels]);
                    let mut accumulators = vec![0; pixels];
                    for (channel, (x, weights)) in
                        image.chunks_exact(plane).zip(weights.chunks_exact(window)).enumerate()
                    {
                        for (offset, &code) in offset.iter_mut().zip(x) {
                            *offset = (i32::from(code) - self.zero_point) as f32;
                        }
                        self.geometry.depthwise_plane(&offset, [height, width], weights, &mut sums);
                        for (accumulator, &sum) in accumulators.iter_mut().zip(&sums) {
                            *accumulator = sum as i32;
                        }
                        self.epilogue.channel(channel, &accumulators, &mut out);
                    }
                }
                IntegerFilter::Groups(groups) => {
                    let mut columns = Vec::new();
                    let mut channel = 0;
                    for (weights, x) in groups.iter().zip(image.chunks_exact(channels / groups.len() * plane)) {
                        let columns = if self.geometry.is_pointwise() {
                            x
                        } else {
                            self.geometry.columns(x, [height, width], self.zero_point as i8, &mut columns);
                            &columns
                        };
                        let mut accumulators = vec![0; weights.rows() * pixels];
                        weights.multiply(columns, pixels, self.zero_point, &mut accumulators);
                        for accumulators in accumulators.chunks_exact(pixels) {
                            self.epilogue.channel(channel, accumulators, &mut out);
                            channel += 1;
                        }
                    }
                }
            }
        }
        Ok(E::tensor(vec![batch, self.geometry.out_channels, out_h, out_w], out))
    }
}

/// A convolution on real values.
pub(crate) struct FloatConvolution<E> {
    geometry: Conv2d,
    depthwise: Option<Vec<f32>>,
    groups: Vec<FloatWeights>,
    channels: usize,
    epilogue: E,
}

impl<E> FloatConvolution<E> {
    /// `weights` are OIHW.
    pub(crate) fn new(geometry: Conv2d, weights: &[f32], epilogue: E) -> Self {
        let window = geometry.kernel[0] * geometry.kernel[1];
        let group_count = geometry.groups.max(1);
        let rows = geometry.out_channels / group_count;
        let channels = weights.len() / (window * geometry.out_channels).max(1) * group_count;
        let is_depthwise = group_count > 1 && channels == group_count && rows == 1;
        let (depthwise, groups) = if is_depthwise {
            (Some(weights.to_vec()), Vec::new())
        } else {
            let chunk = (weights.len() / group_count).max(1);
            (None, weights.chunks_exact(chunk).map(|weights| FloatWeights::pack(weights, rows)).collect())
        };
        Self { geometry, depthwise, groups, channels, epilogue }
    }
}

impl<E: Epilogue<f32>> Kernel for FloatConvolution<E> {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, values) = reals(inputs, 0)?;
        let [batch, channels, height, width, out_h, out_w] = extents(&self.geometry, x, self.channels)?;
        let (plane, pixels) = (height * width, out_h * out_w);
        let mut out = Vec::with_capacity(batch * self.geometry.out_channels * pixels);
        for image in values.chunks_exact(channels * plane) {
            if let Some(weights) = &self.depthwise {
                let window = self.geometry.kernel[0] * self.geometry.kernel[1];
                let mut sums = vec![0.0; pixels];
                for (channel, (x, weights)) in image.chunks_exact(plane).zip(weights.chunks_exact(window)).enumerate() {
                    self.geometry.depthwise_plane(x, [height, width], weights, &mut sums);
                    self.epilogue.channel(channel, &sums, &mut out);
                }
            } else {
                let mut columns = Vec::new();
                let mut channel = 0;
                for (weights, x) in self.groups.iter().zip(image.chunks_exact(channels / self.groups.len() * plane)) {
                    let columns = if self.geometry.is_pointwise() {
                        x
                    } else {
                        self.geometry.columns(x, [height, width], 0.0, &mut columns);
                        &columns
                    };
                    let mut sums = vec![0.0; weights.rows() * pixels];
                    weights.multiply(columns, pixels, &mut sums);
                    for sums in sums.chunks_exact(pixels) {
                        self.epilogue.channel(channel, sums, &mut out);
                        channel += 1;
                    }
                }
            }
        }
        Ok(E::tensor(vec![batch, self.geometry.out_channels, out_h, out_w], out))
    }
}

/// Splits a tensor into rows of `cols`.
fn rows_of(x: &Tensor, cols: usize) -> Result<usize, Fault> {
    if cols == 0 || !x.len().is_multiple_of(cols) {
        return Err(Fault(format!("{:?} does not divide into rows of {cols}", x.shape())));
    }
    Ok(x.len() / cols)
}

/// The shape of a linear layer's output: the leading axes kept, the last replaced.
fn linear_shape(x: &Tensor, rows: usize, units: usize) -> Vec<usize> {
    let mut shape = x.shape().to_vec();
    shape.pop();
    if shape.iter().product::<usize>() != rows {
        shape = vec![rows];
    }
    shape.push(units);
    shape
}

/// `out[row, unit]` from `accumulators[unit, row]`.
fn transposed<T: Copy>(x: &[T], rows: usize, cols: usize) -> Vec<T> {
    (0..rows * cols).map(|at| x[at % cols * rows + at / cols]).collect()
}

/// A linear layer on codes.
pub(crate) struct IntegerLinear<E> {
    pub(crate) weights: IntegerWeights,
    pub(crate) zero_point: i32,
    pub(crate) epilogue: E,
}

impl<E: Epilogue<i32>> Kernel for IntegerLinear<E> {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, codes) = codes(inputs, 0)?;
        let rows = rows_of(x, self.weights.cols())?;
        let columns = transposed(codes, self.weights.cols(), rows);
        let mut accumulators = vec![0; self.weights.rows() * rows];
        self.weights.multiply(&columns, rows, self.zero_point, &mut accumulators);
        let mut out = Vec::with_capacity(accumulators.len());
        for (unit, accumulators) in accumulators.chunks_exact(rows).enumerate() {
            self.epilogue.channel(unit, accumulators, &mut out);
        }
        Ok(E::tensor(linear_shape(x, rows, self.weights.rows()), transposed(&out, rows, self.weights.rows())))
    }
}

/// A linear layer on real values.
pub(crate) struct FloatLinear<E> {
    pub(crate) weights: FloatWeights,
    pub(crate) epilogue: E,
}

impl<E: Epilogue<f32>> Kernel for FloatLinear<E> {
    fn run(&self, inputs: &[&Tensor]) -> Result<Tensor, Fault> {
        let (x, values) = reals(inputs, 0)?;
        let rows = rows_of(x, self.weights.cols())?;
        let columns = transposed(values, self.weights.cols(), rows);
        let mut sums = vec![0.0; self.weights.rows() * rows];
        self.weights.multiply(&columns, rows, &mut sums);
        let mut out = Vec::with_capacity(sums.len());
        for (unit, sums) in sums.chunks_exact(rows).enumerate() {
            self.epilogue.channel(unit, sums, &mut out);
        }
        Ok(E::tensor(linear_shape(x, rows, self.weights.rows()), transposed(&out, rows, self.weights.rows())))
    }
}

/// Paddle Lite's int8 kernels on ARM: `acc·(s_w[c]·s_in) + bias`, float out (spec/paddle-lite.md E).
pub(crate) struct LiteEpilogue {
    factors: Vec<f32>,
    bias: Vec<f32>,
}

impl LiteEpilogue {
    /// One factor an output channel; a missing bias is zero.
    pub(crate) fn new(input: f32, weights: &[f32], bias: Vec<f32>, channels: usize) -> Self {
        let step = |channel: usize| weights[if weights.len() == channels { channel } else { 0 }];
        let factors = (0..channels).map(|channel| step(channel) * input).collect();
        Self { factors, bias }
    }
}

impl Epilogue<i32> for LiteEpilogue {
    type Out = f32;

    fn channel(&self, channel: usize, accumulators: &[i32], out: &mut Vec<f32>) {
        let (factor, bias) = (self.factors[channel], self.bias.get(channel).copied().unwrap_or_default());
        out.extend(accumulators.iter().map(|&accumulator| accumulator as f32 * factor + bias));
    }

    fn tensor(shape: Vec<usize>, out: Vec<f32>) -> Tensor {
        Tensor::from_f32(shape, out)
    }
}

/// The op types.
pub(crate) const OPS: &[OpKind] =
    &[OpKind { types: &["conv2d", "depthwise_conv2d"], inputs: &["Input"], cpu, npu: Some(convert) }];

/// The geometry of an op over a filter of OIHW `dims` and an input of `height` × `width`, which only `SAME` padding needs.
fn geometry_of(op: &LiteOp, dims: &[usize], input: Option<[usize; 2]>) -> Result<Conv2d, String> {
    let &[out_channels, _, kernel_h, kernel_w] = dims else {
        return Err(format!("a filter of {dims:?} has no convolution"));
    };
    let pair = |name: &str| match op.sizes(name).as_deref() {
        Some(&[a, b]) => Ok([a, b]),
        None => Ok([1, 1]),
        _ => Err(format!("`{name}` of a convolution needs two values")),
    };
    let (strides, dilations) = (pair("strides")?, pair("dilations")?);
    let kernel = [kernel_h, kernel_w];
    let pads = match (op.text("padding_algorithm"), op.sizes("paddings").as_deref()) {
        (Some("VALID"), _) | (_, None) => [0; 4],
        (Some("SAME"), _) => {
            let input = input.ok_or("`SAME` padding needs the size of the input")?;
            let both = |axis: usize| {
                let out = input[axis].div_ceil(strides[axis]);
                ((out.max(1) - 1) * strides[axis] + kernel[axis]).saturating_sub(input[axis])
            };
            [both(0) / 2, both(0) - both(0) / 2, both(1) / 2, both(1) - both(1) / 2]
        }
        (_, Some(&[y, x])) => [y, y, x, x],
        (_, Some(&[top, bottom, left, right])) => [top, bottom, left, right],
        (_, Some(other)) => return Err(format!("paddings {other:?} of a convolution")),
    };
    let groups = op.int("groups").and_then(|groups| usize::try_from(groups).ok()).unwrap_or(1).max(1);
    let fits = strides.iter().chain(&dilations).chain(&kernel).all(|&value| value > 0)
        && out_channels > 0
        && out_channels.is_multiple_of(groups);
    if !fits {
        return Err(format!("a convolution of {dims:?} in {groups} groups with strides {strides:?}"));
    }
    Ok(Conv2d { kernel, strides, pads, dilations, groups, out_channels })
}

fn cpu(op: &CpuOp<'_>) -> Result<Vec<Arc<dyn Kernel>>, String> {
    let weight = op.constant("Filter").ok_or("a convolution needs a constant filter")?;
    let size = op.input_shape("Input").and_then(|shape| shape.get(2..4)).map(|size| [size[0], size[1]]);
    let geometry = geometry_of(op.op(), &weight.dims, size)?;
    let bias = op.real_constant("Bias").and_then(|bias| bias.as_f32().map(<[f32]>::to_vec)).unwrap_or_default();
    if op.int8 {
        let (TensorData::Int8(codes), Some(scales)) = (&weight.data, &weight.scales) else {
            return Err("the filter of an int8 convolution is not 8-bit".into());
        };
        let input = op.input_step("Input").ok_or("an int8 convolution needs the scale of its input")?;
        let epilogue = LiteEpilogue::new(input, &scales.steps, bias, geometry.out_channels);
        return Ok(vec![Arc::new(IntegerConvolution::new(geometry, codes, 0, 0, epilogue))]);
    }
    let values = op.real_constant("Filter").ok_or("the filter has no real values")?;
    let epilogue = FloatEpilogue { bias, activation: |x: f32| x };
    Ok(vec![Arc::new(FloatConvolution::new(geometry, values.as_f32().unwrap_or_default(), epilogue))])
}

fn convert(converter: &mut Converter<'_>) -> Result<(), Refusal> {
    let op = converter.lite();
    let x = converter.input("Input", 0)?;
    let Some(weight) = converter.constant("Filter", 0) else {
        return Err(converter.refuse(RefusalClass::Unsupported, "the filter is not constant"));
    };
    let size = converter.operand(x).shape.get(2..4).map(|size| [size[0], size[1]]);
    let geometry = geometry_of(op, &weight.dims, size);
    let geometry = geometry.map_err(|text| converter.refuse(RefusalClass::Unsupported, text))?;
    let filter = converter.input("Filter", 0)?;
    let channels = geometry.out_channels;
    let own_bias = converter.constant("Bias", 0).and_then(real_values);
    let steps: Option<Vec<f32>> = match &converter.operand(filter).precision {
        Precision::Int8 { scale } => Some(vec![*scale]),
        Precision::Int8PerChannel(scales) => Some(scales.to_vec()),
        _ => None,
    };
    let bias = if let Some(steps) = steps {
        converter.check_quantized_input("Input", x, "Output")?;
        let (Some(input), Some(_)) = (converter.input_step("Input", 0), converter.output_step("Output", 0)) else {
            let text = "missing the quant params of the input or the output of an int8 convolution";
            return Err(converter.refuse(RefusalClass::MissingScale, text));
        };
        let step = |channel: usize| input * steps[if steps.len() == channels { channel } else { 0 }];
        let bias = own_bias.unwrap_or_else(|| vec![0.0; channels]);
        let codes = bias.iter().enumerate().map(|(at, &bias)| rules::stack::truncated_bias(bias, step(at))).collect();
        converter.value(vec![channels], Precision::Int32, Constant::I32(codes))
    } else {
        if converter.operand(x).precision != Precision::Float32 {
            return Err(converter.refuse(RefusalClass::DataType, "a float filter meets an 8-bit input"));
        }
        let bias = own_bias.unwrap_or_else(|| vec![0.0; channels]);
        converter.value(vec![channels], Precision::Float32, Constant::F32(bias))
    };
    converter.emit(Convolution { geometry, relu: false }, vec![x, filter, bias], "Output");
    Ok(())
}
