//! Where the NPU's arithmetic differs from plain arithmetic (spec/numerics.md: measured on single ops).

use crate::{
    Quant,
    math::round::{between, ties_to_even, ties_to_even_f32, ties_to_even_i32},
};

/// Every result is clamped to the u8 range, 0..=255, which is -128..=127 in the codes kept here.
#[inline]
pub fn saturate(code: f64) -> i8 {
    code.clamp(-128.0, 127.0) as i32 as i8
}

/// Rounding is to nearest, ties to even, unless a rule says otherwise.
#[inline]
pub fn nearest_even(value: f64) -> f64 {
    ties_to_even(value)
}

/// Nearest, ties toward zero: average pooling with a 2×2 window, and the mean over axes.
#[inline]
pub fn nearest_ties_toward_zero(value: f64) -> f64 {
    let truncated = value.trunc();
    if (value - truncated).abs() > 0.5 { truncated + value.signum() } else { truncated }
}

/// A multiplier as the hardware holds it: `bits` significant mantissa bits, the rest cut off.
pub fn truncated_multiplier(multiplier: f64, bits: u32) -> f64 {
    let dropped = 53 - bits;
    f64::from_bits(multiplier.to_bits() >> dropped << dropped)
}

/// Convolution and fully connected, per-tensor weights: the multiplier `s_in·s_w/s_out` keeps 16 bits.
pub fn convolution_multiplier(input: f32, weight: f32, output: f32) -> f64 {
    truncated_multiplier(f64::from(input) * f64::from(weight) / f64::from(output), 16)
}

/// Convolution with per-channel int8 weights runs on a shader path whose multiplier is not cut.
pub fn per_channel_convolution_multiplier(input: f32, weight: f32, output: f32) -> f64 {
    f64::from(input) * f64::from(weight) / f64::from(output)
}

/// A sum of products to a code: scaled, rounded half to even, and only then moved by the zero point.
#[inline(always)]
pub fn requantize_sum(sum: f64, multiplier: f64, zero_point: i32) -> i8 {
    // The bounds are whole numbers, so it is the same to clamp before rounding.
    let (low, high) = (f64::from(-128 - zero_point), f64::from(127 - zero_point));
    let scaled = sum * multiplier;
    let scaled = if scaled > low { scaled } else { low };
    let scaled = if scaled < high { scaled } else { high };
    (ties_to_even_i32(scaled) + zero_point) as i8
}

/// A change of scale (requantization, concat, transpose, slice, relu): the multiplier `s_in/s_out` keeps 15 bits.
pub fn rescale_multiplier(input: f32, output: f32) -> f64 {
    truncated_multiplier(f64::from(input) / f64::from(output), 15)
}

/// The product of two tensors: the multiplier `s_a·s_b/s_out` keeps 17 bits.
pub fn product_multiplier(a: f32, b: f32, output: f32) -> f64 {
    truncated_multiplier(f64::from(a) * f64::from(b) / f64::from(output), 17)
}

/// A code under another quantization.
pub fn rescale(code: i8, from: Quant, to: Quant) -> i8 {
    let multiplier = rescale_multiplier(from.scale, to.scale);
    saturate(nearest_even(f64::from(from.offset(code)) * multiplier) + f64::from(to.zero_point))
}

/// Relu, and codes that concat, transpose and slice move: the scaled value is rounded to 8 fraction bits before it is rounded to
/// a code (docs/fidelity.md, "Double rounding").
pub fn moved(code: i8, from: Quant, to: Quant) -> i8 {
    let scaled = f64::from(from.offset(code)) * rescale_multiplier(from.scale, to.scale);
    saturate(nearest_even(to_eighth_bit(scaled)) + f64::from(to.zero_point))
}

/// A value in output codes with 8 fraction bits.
fn to_eighth_bit(value: f64) -> f64 {
    nearest_even(value * 256.0) / 256.0
}

/// Relu6 is a change of scale like relu, but out of a table: where its kink lies between two nodes, it is cut short.
pub fn relu6(code: i8, from: Quant, to: Quant) -> i8 {
    let multiplier = rescale_multiplier(from.scale, to.scale);
    let cap = 6.0 / f64::from(to.scale);
    let node = |q: i32| to_eighth_bit((f64::from(q) * multiplier).clamp(0.0, cap));
    saturate(nearest_even(between_nodes(node, from.offset(code))) + f64::from(to.zero_point))
}

/// A float to a code: in float32, by the float32 reciprocal of the scale, rounded after the zero point is added.
#[inline(always)]
pub fn quantize(value: f32, to: Quant) -> i8 {
    // The device's zero point counts from 0, so the sum is rounded with 128 more than the one kept here.
    unsigned(value * (1.0 / to.scale) + (to.zero_point + 128) as f32)
}

/// A code to a float: `f32(q)·f32(s)`.
#[inline(always)]
pub fn dequantize(code: i8, from: Quant) -> f32 {
    from.offset(code) as f32 * from.scale
}

/// A real value to a code: exact value over scale, rounded half to even, then the zero point.
pub fn quantize_real(value: f64, to: Quant) -> i8 {
    saturate(nearest_even(value / f64::from(to.scale)) + f64::from(to.zero_point))
}

/// A value in the device's own codes, rounded to the nearest, ties to even.
#[inline(always)]
fn unsigned(code: f32) -> i8 {
    (ties_to_even_f32(between(code, 0.0, 255.0)) - 128) as i8
}

/// Sum and difference are computed in float32: first operand, zero point, second operand, each product and sum rounded in
/// turn; then to the nearest code. In this order all recorded sums are exact, in the order of spec/numerics.md one is not.
#[inline(always)]
pub fn add(a: f32, b: f32, a_factor: f32, b_factor: f32, zero_point: f32) -> i8 {
    unsigned(a * a_factor + zero_point + b * b_factor)
}

/// A quotient is computed in float32 throughout and rounded after the zero point is added.
#[inline(always)]
pub fn divide(a: f32, b: f32, output_scale: f32, zero_point: f32) -> i8 {
    unsigned(a / b / output_scale + zero_point)
}

/// Leaky relu's negative side: `f32(q·α)` first, then the 15-bit multiplier.
pub fn leaky_relu(code: i8, alpha: f32, from: Quant, to: Quant) -> i8 {
    let q = from.offset(code);
    if q >= 0 {
        return rescale(code, from, to);
    }
    let scaled = f64::from(q as f32 * alpha) * rescale_multiplier(from.scale, to.scale);
    saturate(nearest_even(scaled) + f64::from(to.zero_point))
}

/// Sigmoid, hard sigmoid, hard swish and mish come out of a table whose nodes hold 8 fraction bits of an output code
/// (docs/fidelity.md, "Tables").
pub fn table(function: impl Fn(f64) -> f64, code: i8, from: Quant, to: Quant) -> i8 {
    let node = |q: i32| to_eighth_bit(function(f64::from(q) * f64::from(from.scale)) / f64::from(to.scale));
    saturate(nearest_even(between_nodes(node, from.offset(code))) + f64::from(to.zero_point))
}

/// A table's value: its nodes divide each octave of |q|, the zero-point-subtracted code, into 16, and between them the value is
/// linear. Below 32 every code is a node; above, the kink of a hard function or a curve is cut short.
fn between_nodes(node: impl Fn(i32) -> f64, q: i32) -> f64 {
    const SEGMENTS: i32 = 16;
    let width = ((1 << q.unsigned_abs().max(1).ilog2()) / SEGMENTS).max(1);
    let inner = q / width * width;
    if inner == q {
        return node(q);
    }
    let (low, high) = (node(inner), node(inner + width * q.signum()));
    low + (high - low) * f64::from((q - inner).abs()) / f64::from(width)
}

/// Average pooling rounds ties to even, but toward zero for a 2×2 window. The driver asks for `PoolType::AVG`, whose divisor
/// is the whole window, padding included (spec/paddle-lite.md E).
pub fn average(sum: i32, window: [usize; 2], from: Quant, to: Quant) -> i8 {
    let mean = f64::from(sum) / (window[0] * window[1]) as f64;
    let scaled = mean * (f64::from(from.scale) / f64::from(to.scale));
    let rounded = if window == [2, 2] { nearest_ties_toward_zero(scaled) } else { nearest_even(scaled) };
    saturate(rounded + f64::from(to.zero_point))
}

/// Average pooling over the part of the window inside the input (`PoolType::AVG_ANDROID`, which the driver never asks for)
/// rounds down.
pub fn average_inside(sum: i32, count: usize, from: Quant, to: Quant) -> i8 {
    let scaled = f64::from(sum) / count as f64 * (f64::from(from.scale) / f64::from(to.scale));
    saturate(scaled.floor() + f64::from(to.zero_point))
}

/// The mean over axes rounds ties toward zero.
pub fn mean(sum: i64, count: usize, from: Quant, to: Quant) -> i8 {
    let scaled = sum as f64 / count as f64 * (f64::from(from.scale) / f64::from(to.scale));
    saturate(nearest_ties_toward_zero(scaled) + f64::from(to.zero_point))
}

/// Nearest-neighbour source index; half-pixel centres have no effect.
pub fn nearest_index(index: usize, input: usize, output: usize, align_corners: bool) -> usize {
    if align_corners && output > 1 {
        ((index * (input - 1)) as f64 / (output - 1) as f64 + 0.5) as usize
    } else {
        index * input / output
    }
}
