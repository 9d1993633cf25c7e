//! What becomes of the sums of a convolution or a linear layer.

use crate::{
    Quant, Tensor,
    buffers::Element,
    families::activation::Function,
    kernel::{Quantize, Stage},
    npu::Precision,
    rules,
};

/// A sum of products of codes; both forms hold the same whole number.
pub(crate) trait Accumulator: Copy + Send + Sync {
    /// As float64, which holds it exactly.
    fn wide(self) -> f64;
    /// As float32, rounded.
    fn single(self) -> f32;
}

impl Accumulator for i32 {
    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn single(self) -> f32 {
        self as f32
    }
}

impl Accumulator for f32 {
    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn single(self) -> f32 {
        self
    }
}

/// What becomes of sums of one type.
pub(crate) trait Epilogue<A>: Send + Sync {
    /// The element type of the output.
    type Out: Element;

    /// Finishes the sums of output channels from `first` on, each of `pixels` sums; to be inlined into what is compiled for an
    /// instruction set.
    fn channels(&self, first: usize, pixels: usize, sums: &[A], out: &mut [Self::Out]);

    /// Finishes one sum of each output channel.
    fn column(&self, sums: &[A], out: &mut [Self::Out]);

    /// Wraps the finished elements.
    fn tensor(shape: Vec<usize>, out: Vec<Self::Out>) -> Tensor;
}

/// What becomes of sums of codes, whichever type holds them.
pub(crate) trait SumsEpilogue:
    Epilogue<i32, Out = Self::Finished> + Epilogue<f32, Out = Self::Finished>
{
    /// The element type of the output.
    type Finished: Element;

    /// Itself with a following stage; none where it cannot take that over.
    fn with_stage(&self, _stage: &Stage) -> Option<Extended> {
        None
    }
}

/// An epilogue that took over a stage.
pub(crate) enum Extended {
    Reals(LiteEpilogue),
    Codes(LiteCodes),
}

/// `out = f(sum, constants)` with the constants of each channel.
#[inline(always)]
fn each_channel<A: Copy, T, C: Copy>(
    pixels: usize,
    sums: &[A],
    out: &mut [T],
    constants: impl Iterator<Item = C>,
    f: impl Fn(A, C) -> T + Copy,
) {
    let planes = sums.chunks_exact(pixels).zip(out.chunks_exact_mut(pixels));
    for ((sums, out), constants) in planes.zip(constants) {
        for (out, &sum) in out.iter_mut().zip(sums) {
            *out = f(sum, constants);
        }
    }
}

/// The NPU's: integer bias, multiplier, rounding, zero point.
pub(crate) struct NpuEpilogue {
    bias: Vec<f64>,
    multipliers: Vec<f64>,
    rounding: Rounding,
}

/// What all channels of an output share.
#[derive(Clone, Copy)]
struct Rounding {
    zero_point: i32,
    /// The least sum: zero where a relu is merged.
    floor: f64,
}

impl Rounding {
    #[inline(always)]
    fn code(self, sum: impl Accumulator, bias: f64, multiplier: f64) -> i8 {
        let sum = sum.wide() + bias;
        let sum = if sum < self.floor { self.floor } else { sum };
        rules::npu::requantize_sum(sum, multiplier, self.zero_point)
    }
}

impl NpuEpilogue {
    /// None where the weights have no form the device multiplies.
    pub(crate) fn new(from: Quant, weight: &Precision, to: Quant, bias: &[i32], relu: bool) -> Option<Self> {
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
        let bias = bias.iter().copied().map(f64::from).collect();
        let rounding = Rounding { zero_point: to.zero_point, floor: if relu { 0.0 } else { f64::MIN } };
        Some(Self { bias, multipliers, rounding })
    }
}

impl<A: Accumulator> Epilogue<A> for NpuEpilogue {
    type Out = i8;

    #[inline(always)]
    fn channels(&self, first: usize, pixels: usize, sums: &[A], out: &mut [i8]) {
        let rounding = self.rounding;
        let factors = self.bias[first..].iter().zip(&self.multipliers[first..]);
        each_channel(pixels, sums, out, factors, move |sum, (&bias, &multiplier)| rounding.code(sum, bias, multiplier));
    }

    fn column(&self, sums: &[A], out: &mut [i8]) {
        for ((out, &sum), (&bias, &multiplier)) in out.iter_mut().zip(sums).zip(self.bias.iter().zip(&self.multipliers))
        {
            *out = self.rounding.code(sum, bias, multiplier);
        }
    }

    fn tensor(shape: Vec<usize>, out: Vec<i8>) -> Tensor {
        Tensor::from_codes(shape, out)
    }
}

impl SumsEpilogue for NpuEpilogue {
    type Finished = i8;
}

/// Paddle Lite's int8 kernels on ARM: `acc·(s_w[c]·s_in) + bias`, float out (spec/paddle-lite.md E); then what it took over from
/// the ops behind.
#[derive(Clone)]
pub(crate) struct LiteEpilogue {
    channels: Vec<LiteChannel>,
    function: Option<Function>,
}

#[derive(Clone, Copy)]
struct LiteChannel {
    factor: f32,
    bias: f32,
    /// The bias of an add behind, which is a sum of its own.
    addend: f32,
}

/// Adding it changes nothing, not even a zero's sign.
const NEUTRAL: f32 = -0.0;

impl LiteChannel {
    #[inline(always)]
    fn value(self, sum: impl Accumulator) -> f32 {
        (sum.single() * self.factor + self.bias) + self.addend
    }
}

impl LiteEpilogue {
    /// One factor an output channel; a missing bias is zero.
    pub(crate) fn new(input: f32, weights: &[f32], bias: &[f32], channels: usize) -> Self {
        let step = |channel: usize| weights[if weights.len() == channels { channel } else { 0 }];
        let bias = bias.iter().copied().chain(std::iter::repeat(0.0));
        let channel = |(channel, bias)| LiteChannel { factor: step(channel) * input, bias, addend: NEUTRAL };
        Self { channels: (0..channels).zip(bias).map(channel).collect(), function: None }
    }

    /// Itself with an addend or an activation, where it has none yet that comes later.
    fn extended(&self, stage: &Stage) -> Option<Self> {
        if self.function.is_some() {
            return None;
        }
        let mut extended = self.clone();
        match stage {
            Stage::AddChannels(addends) => {
                let is_free = self.channels.iter().all(|channel| channel.addend.to_bits() == NEUTRAL.to_bits());
                if !is_free || addends.len() != self.channels.len() {
                    return None;
                }
                extended.channels.iter_mut().zip(addends).for_each(|(channel, &addend)| channel.addend = addend);
            }
            Stage::Function(function) => extended.function = Some(*function),
            Stage::Quantize(_) => return None,
        }
        Some(extended)
    }

    /// Finishes the sums of channels from `first` on, and passes each value on to `last`.
    #[inline(always)]
    fn finish<A: Accumulator, T>(
        &self,
        first: usize,
        pixels: usize,
        sums: &[A],
        out: &mut [T],
        last: impl Fn(f32) -> T + Copy,
    ) {
        let channels = self.channels[first..].iter().copied();
        // A loop of its own for each function that is a few instructions.
        match self.function {
            None => each_value(pixels, sums, out, channels, last),
            Some(Function::Relu) => each_value(pixels, sums, out, channels, move |x| last(Function::Relu.single(x))),
            Some(Function::Relu6) => each_value(pixels, sums, out, channels, move |x| last(Function::Relu6.single(x))),
            Some(Function::LeakyRelu(alpha)) => {
                each_value(pixels, sums, out, channels, move |x| last(Function::LeakyRelu(alpha).single(x)));
            }
            Some(Function::HardSwish { alpha, beta }) => {
                each_value(pixels, sums, out, channels, move |x| last(Function::HardSwish { alpha, beta }.single(x)));
            }
            Some(Function::HardSigmoid { alpha, beta }) => {
                each_value(pixels, sums, out, channels, move |x| last(Function::HardSigmoid { alpha, beta }.single(x)));
            }
            Some(other) => each_value(pixels, sums, out, channels, move |x| last(other.single(x))),
        }
    }

    /// Finishes one sum of each channel.
    fn finish_column<A: Accumulator, T>(&self, sums: &[A], out: &mut [T], last: impl Fn(f32) -> T) {
        for ((out, &sum), channel) in out.iter_mut().zip(sums).zip(&self.channels) {
            let value = channel.value(sum);
            *out = last(self.function.map_or(value, |function| function.single(value)));
        }
    }
}

/// `out = f(value)` of the sums of each channel.
#[inline(always)]
fn each_value<A: Accumulator, T>(
    pixels: usize,
    sums: &[A],
    out: &mut [T],
    channels: impl Iterator<Item = LiteChannel>,
    f: impl Fn(f32) -> T + Copy,
) {
    each_channel(
        pixels,
        sums,
        out,
        channels,
        #[inline(always)]
        move |sum: A, channel: LiteChannel| f(channel.value(sum)),
    );
}

impl<A: Accumulator> Epilogue<A> for LiteEpilogue {
    type Out = f32;

    #[inline(always)]
    fn channels(&self, first: usize, pixels: usize, sums: &[A], out: &mut [f32]) {
        self.finish(
            first,
            pixels,
            sums,
            out,
            #[inline(always)]
            |x| x,
        );
    }

    fn column(&self, sums: &[A], out: &mut [f32]) {
        self.finish_column(sums, out, |x| x);
    }

    fn tensor(shape: Vec<usize>, out: Vec<f32>) -> Tensor {
        Tensor::from_f32(shape, out)
    }
}

impl SumsEpilogue for LiteEpilogue {
    type Finished = f32;

    fn with_stage(&self, stage: &Stage) -> Option<Extended> {
        if let Stage::Quantize(calib) = stage {
            return Some(Extended::Codes(LiteCodes { reals: self.clone(), calib: *calib }));
        }
        self.extended(stage).map(Extended::Reals)
    }
}

/// The same with the calib behind it.
#[derive(Clone)]
pub(crate) struct LiteCodes {
    reals: LiteEpilogue,
    calib: Quantize,
}

impl<A: Accumulator> Epilogue<A> for LiteCodes {
    type Out = i8;

    #[inline(always)]
    fn channels(&self, first: usize, pixels: usize, sums: &[A], out: &mut [i8]) {
        let step = self.calib.step;
        if self.calib.nearest_even {
            self.reals.finish(
                first,
                pixels,
                sums,
                out,
                #[inline(always)]
                move |x| rules::lite::quantize_to_even(x, step),
            );
        } else {
            self.reals.finish(
                first,
                pixels,
                sums,
                out,
                #[inline(always)]
                move |x| rules::lite::quantize(x, step),
            );
        }
    }

    fn column(&self, sums: &[A], out: &mut [i8]) {
        self.reals.finish_column(sums, out, |x| self.calib.code(x));
    }

    fn tensor(shape: Vec<usize>, out: Vec<i8>) -> Tensor {
        Tensor::from_codes(shape, out)
    }
}

impl SumsEpilogue for LiteCodes {
    type Finished = i8;
}

/// Float bias and activation on float sums.
pub(crate) struct FloatEpilogue<F> {
    bias: Vec<f32>,
    activation: F,
}

impl<F> FloatEpilogue<F> {
    /// A missing bias is zero.
    pub(crate) fn new(bias: Vec<f32>, activation: F) -> Self {
        Self { bias, activation }
    }
}

impl<F: Fn(f32) -> f32 + Copy + Send + Sync> Epilogue<f32> for FloatEpilogue<F> {
    type Out = f32;

    #[inline(always)]
    fn channels(&self, first: usize, pixels: usize, sums: &[f32], out: &mut [f32]) {
        let activation = self.activation;
        let biases = self.bias.iter().chain(std::iter::repeat(&0.0)).skip(first);
        each_channel(pixels, sums, out, biases, move |sum, bias| activation(sum + bias));
    }

    fn column(&self, sums: &[f32], out: &mut [f32]) {
        for (channel, (out, &sum)) in out.iter_mut().zip(sums).enumerate() {
            *out = (self.activation)(sum + self.bias.get(channel).copied().unwrap_or_default());
        }
    }

    fn tensor(shape: Vec<usize>, out: Vec<f32>) -> Tensor {
        Tensor::from_f32(shape, out)
    }
}
