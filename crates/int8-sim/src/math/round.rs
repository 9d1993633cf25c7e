//! Rounding in forms that compile to a few vector instructions on any machine, where the standard library calls a function.

/// Adding it to a number below 2^51 in size leaves no fraction bits, so the sum is rounded by the default mode of IEEE 754; the
/// low bits of the sum are then the rounded number.
const SHIFT: f64 = 6_755_399_441_055_744.0;

/// The same below 2^22.
const SHIFT_F32: f32 = 12_582_912.0;

/// To the nearest integer, ties to even; exact for |value| < 2^51.
#[inline(always)]
pub(crate) fn ties_to_even(value: f64) -> f64 {
    (value + SHIFT) - SHIFT
}

/// The same as an integer, for |value| < 2^31.
#[inline(always)]
pub(crate) fn ties_to_even_i32(value: f64) -> i32 {
    (value + SHIFT).to_bits() as i32
}

/// To the nearest integer, ties to even, for |value| < 2^22.
#[inline(always)]
pub(crate) fn ties_to_even_f32(value: f32) -> i32 {
    (value + SHIFT_F32).to_bits().wrapping_sub(SHIFT_F32.to_bits()) as i32
}

/// To the nearest integer, ties away from zero, for |value| < 2^22.
#[inline(always)]
pub(crate) fn ties_away(value: f32) -> i32 {
    let rest = value - ((value + SHIFT_F32) - SHIFT_F32);
    ties_to_even_f32(value) + i32::from(rest == 0.5 && value > 0.0) - i32::from(rest == -0.5 && value < 0.0)
}

/// The number within bounds; the lower one where it is none.
#[inline(always)]
pub(crate) fn between(value: f32, low: f32, high: f32) -> f32 {
    // In this form each line is one vector instruction.
    let value = if value > low { value } else { low };
    if value < high { value } else { high }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_equal_the_standard_library(numerator in -4_000_000i64..4_000_000, shift in 0u32..6, tiny in -1i32..2) {
            // Ties, their neighbours and whole numbers.
            let value = numerator as f64 / f64::from(1u32 << shift);
            let value = if tiny == 0 { value } else { f64::from_bits(value.to_bits().wrapping_add_signed(i64::from(tiny))) };
            if value.is_finite() {
                prop_assert_eq!(ties_to_even(value), value.round_ties_even());
                prop_assert_eq!(f64::from(ties_to_even_i32(value)), value.round_ties_even());
                let single = value as f32;
                prop_assert_eq!(ties_to_even_f32(single) as f32, single.round_ties_even());
                prop_assert_eq!(ties_away(single) as f32, single.round());
            }
        }
    }
}
