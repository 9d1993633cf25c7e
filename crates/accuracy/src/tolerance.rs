//! How much may be lost: a threshold, or a drop from the baseline.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Bounds, Direction, Error};

/// Scores that differ by less, relative to the threshold, are equal: `0.96 - 0.01` is not exactly `0.95`.
const ROUNDING: f64 = 1e-12;

/// What a user accepts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tolerance {
    /// The score must reach this, whatever the baseline's.
    Threshold(f64),
    /// The score may be this much worse than the baseline's.
    MaxDrop(Drop),
}

/// How far a score may fall (or, where lower is better, rise).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drop {
    /// In the score's own unit.
    Absolute(f64),
    /// As a share of the baseline's score: 0.01 is 1 %.
    Relative(f64),
}

/// The score that has to be met.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The score.
    pub value: f64,
    /// Which side of it is good.
    pub direction: Direction,
}

impl Tolerance {
    /// Reads an absolute threshold: `0.99`, or `99%` for the same.
    ///
    /// # Errors
    /// When it is not a finite number.
    pub fn parse_threshold(text: &str) -> Result<Self, Error> {
        let (number, percent) = number(text, "threshold", "0.99 or 99%")?;
        Ok(Self::Threshold(if percent { number / 100.0 } else { number }))
    }

    /// Reads a maximal drop: `0.5` in the score's unit, or `1%` of the baseline's score.
    ///
    /// # Errors
    /// When it is not a finite number, or negative.
    pub fn parse_max_drop(text: &str) -> Result<Self, Error> {
        let example = "0.01 or 1%, not negative";
        let (number, percent) = number(text, "drop", example)?;
        if number < 0.0 {
            return Err(Error::Tolerance { text: text.into(), what: "drop", example });
        }
        Ok(Self::MaxDrop(if percent { Drop::Relative(number / 100.0) } else { Drop::Absolute(number) }))
    }

    /// The score to meet, given the baseline's.
    ///
    /// # Errors
    /// When a drop is taken from a score that is not finite.
    pub fn resolve(&self, direction: Direction, baseline: f64) -> Result<Threshold, Error> {
        let drop = match *self {
            Self::Threshold(value) => return Ok(Threshold { value, direction }),
            Self::MaxDrop(_) if !baseline.is_finite() => return Err(Error::Baseline { baseline }),
            Self::MaxDrop(Drop::Absolute(drop)) => drop,
            Self::MaxDrop(Drop::Relative(share)) => share * baseline.abs(),
        };
        let value = match direction {
            Direction::HigherIsBetter => baseline - drop,
            Direction::LowerIsBetter => baseline + drop,
        };
        Ok(Threshold { value, direction })
    }

    /// Whether the baseline's score is needed to resolve it.
    pub fn needs_baseline(&self) -> bool {
        matches!(self, Self::MaxDrop(_))
    }
}

/// As [`Tolerance::parse_threshold`] and [`Tolerance::parse_max_drop`] read it, without saying which.
impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Threshold(value) | Self::MaxDrop(Drop::Absolute(value)) => write!(f, "{value}"),
            Self::MaxDrop(Drop::Relative(share)) => write!(f, "{}%", share * 100.0),
        }
    }
}

impl Threshold {
    /// Whether a score meets it. NaN never does; a score that misses it by rounding alone does.
    pub fn passes(&self, score: f64) -> bool {
        score == self.value || self.margin(score) >= -ROUNDING * self.value.abs().max(1.0)
    }

    /// By how much a score is better; negative where it fails.
    pub fn margin(&self, score: f64) -> f64 {
        self.direction.gain(score, self.value)
    }

    /// Whether every score within the bounds passes, or every one fails; `None` while both can happen.
    pub fn decide(&self, bounds: Bounds) -> Option<bool> {
        let low = self.passes(bounds.low);
        (low == self.passes(bounds.high)).then_some(low)
    }
}

fn number(text: &str, what: &'static str, example: &'static str) -> Result<(f64, bool), Error> {
    let trimmed = text.trim();
    let (digits, percent) = match trimmed.strip_suffix('%') {
        Some(digits) => (digits.trim_end(), true),
        None => (trimmed, false),
    };
    match digits.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok((number, percent)),
        _ => Err(Error::Tolerance { text: text.into(), what, example }),
    }
}
