//! Where Paddle Lite's arithmetic on the CPU differs from plain arithmetic (spec/paddle-lite.md E).

use crate::math::round::{ties_away, ties_to_even_f32};

/// A float to a symmetric code: times the reciprocal of the scale, half away from zero, never -128 (`calib`).
#[inline]
pub fn quantize(value: f32, scale: f32) -> i8 {
    round_half_away(value * (1.0 / scale))
}

/// The same on the x86 machine of the recordings: ties to even (`backends/x86/math/calib.cc`).
#[inline]
pub fn quantize_to_even(value: f32, scale: f32) -> i8 {
    ties_to_even_f32((value * (1.0 / scale)).clamp(-127.0, 127.0)) as i32 as i8
}

/// Rounds half away from zero and clamps to -127..=127.
#[inline]
pub fn round_half_away(code: f32) -> i8 {
    ties_away(code.clamp(-127.0, 127.0)) as i8
}

/// A symmetric code to a float.
#[inline]
pub fn dequantize(code: i8, scale: f32) -> f32 {
    f32::from(code) * scale
}
