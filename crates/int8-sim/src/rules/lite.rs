//! Where Paddle Lite's arithmetic on the CPU differs from plain arithmetic (spec/paddle-lite.md E).

use crate::math::round::{between, ties_away, ties_to_even_f32};

/// A float to a symmetric code: times the reciprocal of the scale, half away from zero, never -128 (`calib`).
#[inline(always)]
pub fn quantize(value: f32, scale: f32) -> i8 {
    round_half_away(value * (1.0 / scale))
}

/// The same on the x86 machine of the recordings: ties to even (`backends/x86/math/calib.cc`).
#[inline(always)]
pub fn quantize_to_even(value: f32, scale: f32) -> i8 {
    ties_to_even_f32(between(value * (1.0 / scale), -127.0, 127.0)) as i8
}

/// Rounds half away from zero and clamps to -127..=127.
#[inline(always)]
pub fn round_half_away(code: f32) -> i8 {
    ties_away(between(code, -127.0, 127.0)) as i8
}

/// A symmetric code to a float.
#[inline(always)]
pub fn dequantize(code: i8, scale: f32) -> f32 {
    f32::from(code) * scale
}
