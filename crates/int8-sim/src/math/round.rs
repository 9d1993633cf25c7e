//! Rounding in forms that compile to a few vector instructions on any machine, where the standard library calls a function.

/// To the nearest integer, ties to even; exact for |value| < 2^51.
#[inline]
pub(crate) fn ties_to_even(value: f64) -> f64 {
    // Adding 1.5·2^52 leaves no fraction bits, so the sum is rounded by the default mode of IEEE 754.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    (value + SHIFT) - SHIFT
}

/// To the nearest integer, ties to even; exact for |value| < 2^22.
#[inline]
pub(crate) fn ties_to_even_f32(value: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0;
    (value + SHIFT) - SHIFT
}

/// To the nearest integer, ties away from zero, for |value| < 2^31.
#[inline]
pub(crate) fn ties_away(value: f32) -> i32 {
    let whole = value as i32;
    let rest = value - whole as f32;
    whole + i32::from(rest >= 0.5) - i32::from(rest <= -0.5)
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
                let single = value as f32;
                prop_assert_eq!(ties_to_even_f32(single), single.round_ties_even());
                prop_assert_eq!(ties_away(single) as f32, single.round());
            }
        }
    }
}
