//! What becomes of the sums of a convolution or a linear layer.

use crate::{Quant, Tensor, buffers::Element, math::simd::widest, npu::Precision, rules};

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

    /// Finishes the sums of output channels from `first` on, each of `pixels` sums.
    fn channels(&self, first: usize, pixels: usize, sums: &[A], out: &mut [Self::Out]);

    /// Finishes one sum of each output channel.
    fn column(&self, sums: &[A], out: &mut [Self::Out]);

    /// Wraps the finished elements.
    fn tensor(shape: Vec<usize>, out: Vec<Self::Out>) -> Tensor;
}

/// `out = f(sum, constants)` with the constants of each channel.
#[inline(always)]
fn each_channel<'a, A: Copy, T, C: Copy + 'a, D: Copy + 'a>(
    pixels: usize,
    sums: &[A],
    out: &mut [T],
    constants: impl Iterator<Item = (&'a C, &'a D)>,
    f: impl Fn(A, (C, D)) -> T + Copy,
) {
    widest(
        #[inline(always)]
        move || {
            let f = f;
            let planes = sums.chunks_exact(pixels).zip(out.chunks_exact_mut(pixels));
            for ((sums, out), (&first, &second)) in planes.zip(constants) {
                for (out, &sum) in out.iter_mut().zip(sums) {
                    *out = f(sum, (first, second));
                }
            }
        },
    );
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

    fn channels(&self, first: usize, pixels: usize, sums: &[A], out: &mut [i8]) {
        let rounding = self.rounding;
        let factors = self.bias[first..].iter().zip(&self.multipliers[first..]);
        each_channel(pixels, sums, out, factors, move |sum, (bias, multiplier)| rounding.code(sum, bias, multiplier));
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

/// Paddle Lite's int8 kernels on ARM: `acc·(s_w[c]·s_in) + bias`, float out (spec/paddle-lite.md E).
pub(crate) struct LiteEpilogue {
    factors: Vec<f32>,
    bias: Vec<f32>,
}

impl LiteEpilogue {
    /// One factor an output channel; a missing bias is zero.
    pub(crate) fn new(input: f32, weights: &[f32], mut bias: Vec<f32>, channels: usize) -> Self {
        let step = |channel: usize| weights[if weights.len() == channels { channel } else { 0 }];
        let factors = (0..channels).map(|channel| step(channel) * input).collect();
        bias.resize(channels, 0.0);
        Self { factors, bias }
    }
}

impl<A: Accumulator> Epilogue<A> for LiteEpilogue {
    type Out = f32;

    fn channels(&self, first: usize, pixels: usize, sums: &[A], out: &mut [f32]) {
        let factors = self.factors[first..].iter().zip(&self.bias[first..]);
        each_channel(pixels, sums, out, factors, |sum, (factor, bias)| sum.single() * factor + bias);
    }

    fn column(&self, sums: &[A], out: &mut [f32]) {
        for ((out, sum), (factor, bias)) in out.iter_mut().zip(sums).zip(self.factors.iter().zip(&self.bias)) {
            *out = sum.single() * factor + bias;
        }
    }

    fn tensor(shape: Vec<usize>, out: Vec<f32>) -> Tensor {
        Tensor::from_f32(shape, out)
    }
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

    fn channels(&self, first: usize, pixels: usize, sums: &[f32], out: &mut [f32]) {
        let activation = self.activation;
        let biases = self.bias.iter().chain(std::iter::repeat(&0.0)).skip(first);
        each_channel(pixels, sums, out, biases.zip(std::iter::repeat(&())), move |sum, (bias, ())| {
            activation(sum + bias)
        });
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
