//! Thresholds and drops, as users write them.

#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use Direction::{HigherIsBetter, LowerIsBetter};
use accuracy::{Bounds, Direction, Drop, Threshold, Tolerance};
use proptest::prelude::*;

#[test]
fn thresholds_and_drops_are_read_as_written() {
    let threshold = |text| Tolerance::parse_threshold(text).ok();
    assert_eq!(threshold("0.99"), Some(Tolerance::Threshold(0.99)));
    assert_eq!(threshold(" 99% "), Some(Tolerance::Threshold(0.99)));
    assert_eq!(threshold("-3"), Some(Tolerance::Threshold(-3.0)));
    let drop = |text| Tolerance::parse_max_drop(text).ok();
    assert_eq!(drop("0.5"), Some(Tolerance::MaxDrop(Drop::Absolute(0.5))));
    assert_eq!(drop("1 %"), Some(Tolerance::MaxDrop(Drop::Relative(0.01))));
    assert_eq!(drop("0"), Some(Tolerance::MaxDrop(Drop::Absolute(0.0))));
    for text in ["", "%", "a", "1%%", "nan", "inf", "0,5", "1 2"] {
        assert_eq!((threshold(text), drop(text)), (None, None), "{text}");
    }
    assert_eq!(drop("-1"), None);
    let error = Tolerance::parse_max_drop("a bit").unwrap_err().to_string();
    assert_eq!(error, "read `a bit` as a drop: expected a number such as 0.01 or 1%, not negative");
}

#[test]
fn a_drop_counts_from_the_baseline_in_the_bad_direction() {
    let resolve = |text, direction, baseline| {
        Tolerance::parse_max_drop(text).unwrap().resolve(direction, baseline).unwrap().value
    };
    for (text, direction, baseline, expected) in [
        ("0.01", HigherIsBetter, 0.95, 0.94),
        ("10%", HigherIsBetter, 20.0, 18.0),
        ("10%", HigherIsBetter, -20.0, -22.0),
        ("0.5", LowerIsBetter, 2.0, 2.5),
        ("50%", LowerIsBetter, 2.0, 3.0),
    ] {
        assert!((resolve(text, direction, baseline) - expected).abs() < 1e-12, "{text} of {baseline}");
    }
    assert!(Tolerance::MaxDrop(Drop::Absolute(1.0)).resolve(HigherIsBetter, f64::NAN).is_err());
    let absolute = Tolerance::Threshold(0.9).resolve(HigherIsBetter, f64::NAN).unwrap();
    assert_eq!(absolute, Threshold { value: 0.9, direction: HigherIsBetter });
}

#[test]
fn a_score_on_the_threshold_passes_whatever_the_rounding() {
    for hundredths in 1..100u32 {
        let baseline = f64::from(hundredths) / 100.0;
        let threshold = Tolerance::parse_max_drop("0.01").unwrap().resolve(HigherIsBetter, baseline).unwrap();
        assert!(threshold.passes(f64::from(hundredths - 1) / 100.0), "{hundredths}");
        assert!(!threshold.passes(f64::from(hundredths - 1) / 100.0 - 1e-6), "{hundredths}");
    }
    let lower = Threshold { value: 0.5, direction: LowerIsBetter };
    assert!(lower.passes(0.5) && lower.passes(0.1) && !lower.passes(0.6) && !lower.passes(f64::NAN));
}

proptest! {
    #[test]
    fn a_decision_is_the_verdict_of_every_score_within_the_bounds(
        value in -2.0f64..2.0, low in -2.0f64..2.0, width in 0.0f64..2.0, at in 0.0f64..1.0, higher: bool,
    ) {
        let threshold = Threshold { value, direction: if higher { HigherIsBetter } else { LowerIsBetter } };
        let bounds = Bounds::new(low, low + width);
        match threshold.decide(bounds) {
            Some(verdict) => prop_assert_eq!(threshold.passes(low + width * at), verdict),
            None => prop_assert!(threshold.passes(bounds.low) != threshold.passes(bounds.high)),
        }
    }

    #[test]
    fn what_is_displayed_is_read_back(number in 0.0f64..100.0) {
        let threshold = Tolerance::Threshold(number);
        prop_assert_eq!(Tolerance::parse_threshold(&threshold.to_string()).unwrap(), threshold);
        let drop = Tolerance::MaxDrop(Drop::Absolute(number));
        prop_assert_eq!(Tolerance::parse_max_drop(&drop.to_string()).unwrap(), drop);
    }
}
