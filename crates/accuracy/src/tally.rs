//! Mergeable partial results: what a metric keeps of the samples it has seen.

use crate::{Bounds, Direction};

/// Equal outputs have this SQNR, and silence with noise its negative, in dB: scores are stored and subtracted, which
/// infinities do not survive. Far beyond the 144 dB that float32 can express.
pub const SQNR_CAP: f64 = 200.0;

/// What a metric keeps of some samples; of two disjoint sets of samples, merging gives what it keeps of both.
pub trait Tally: Clone + Send + Sync + 'static {
    /// Adds what was seen after `self`.
    fn merge(&mut self, later: Self);
}

/// Hits among countable positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ratio {
    /// Positions that are right.
    pub hits: u64,
    /// Positions that count.
    pub of: u64,
    /// The most positions that a single sample has.
    pub most_per_sample: u64,
}

impl Ratio {
    /// Counts one sample's positions; `None` is a position that does not count.
    pub fn of_sample(hits: impl Iterator<Item = Option<bool>>) -> Self {
        let mut tally = Self::default();
        for hit in hits {
            tally.most_per_sample += 1;
            tally.of += u64::from(hit.is_some());
            tally.hits += u64::from(hit == Some(true));
        }
        tally
    }

    /// Hits per counted position; `None` where nothing counts.
    pub fn value(&self) -> Option<f64> {
        (self.of > 0).then(|| self.hits as f64 / self.of as f64)
    }

    /// Exact ends when as many further samples, of at most as many positions, are all wrong or all right.
    pub fn bounds(&self, missing: usize) -> Bounds {
        let more = self.most_per_sample.saturating_mul(missing as u64);
        let of = self.of.saturating_add(more);
        if of == 0 {
            return Bounds::new(0.0, 1.0);
        }
        Bounds::new(self.hits as f64 / of as f64, self.hits.saturating_add(more) as f64 / of as f64)
    }
}

impl Tally for Ratio {
    fn merge(&mut self, later: Self) {
        self.hits += later.hits;
        self.of += later.of;
        self.most_per_sample = self.most_per_sample.max(later.most_per_sample);
    }
}

/// The mean of one number per sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    /// Sum of the samples' numbers.
    pub sum: f64,
    /// How many samples.
    pub samples: u64,
}

impl Mean {
    /// One sample's number.
    pub fn of_sample(value: f64) -> Self {
        Self { sum: value, samples: 1 }
    }

    /// The mean; `None` without samples.
    pub fn value(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.sum / self.samples as f64)
    }

    /// The ends when each missing sample's number lies within `range`.
    pub fn bounds(&self, missing: usize, range: Bounds) -> Bounds {
        let samples = self.samples as f64 + missing as f64;
        if missing == 0 || samples == 0.0 {
            return self.value().map_or(range, Bounds::exactly);
        }
        let end = |each: f64| (self.sum + each * missing as f64) / samples;
        Bounds::new(end(range.low), end(range.high))
    }
}

impl Tally for Mean {
    fn merge(&mut self, later: Self) {
        self.sum += later.sum;
        self.samples += later.samples;
    }
}

/// Power of a reference signal and of the difference from it, summed over values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Power {
    /// Sum of the squared reference.
    pub signal: f64,
    /// Sum of the squared difference.
    pub noise: f64,
    /// How many values.
    pub values: u64,
    /// The least reference value.
    pub low: f32,
    /// The greatest reference value.
    pub high: f32,
    /// The greatest absolute difference.
    pub max_abs: f64,
}

impl Power {
    /// The power in `reference` and in the difference of `values` from it.
    pub fn between(values: &[f32], reference: &[f32]) -> Self {
        let mut power = Self {
            signal: 0.0,
            noise: 0.0,
            values: values.len() as u64,
            low: f32::INFINITY,
            high: f32::NEG_INFINITY,
            max_abs: 0.0,
        };
        for (&value, &reference) in values.iter().zip(reference) {
            let difference = f64::from(value) - f64::from(reference);
            power.signal += f64::from(reference) * f64::from(reference);
            power.noise += difference * difference;
            power.low = power.low.min(reference);
            power.high = power.high.max(reference);
            power.max_abs = power.max_abs.max(difference.abs());
        }
        power
    }

    /// Signal to noise ratio in dB, within ±[`SQNR_CAP`].
    pub fn sqnr_db(&self) -> f64 {
        decibels(self.signal, self.noise)
    }

    /// Mean squared difference; 0 without values.
    pub fn mean_noise(&self) -> f64 {
        if self.values == 0 { 0.0 } else { self.noise / self.values as f64 }
    }
}

impl Tally for Power {
    fn merge(&mut self, later: Self) {
        self.signal += later.signal;
        self.noise += later.noise;
        self.values += later.values;
        self.low = self.low.min(later.low);
        self.high = self.high.max(later.high);
        self.max_abs = self.max_abs.max(later.max_abs);
    }
}

/// `signal` over `noise` in dB, within the cap.
pub(crate) fn decibels(signal: f64, noise: f64) -> f64 {
    if noise == 0.0 { SQNR_CAP } else { (10.0 * (signal / noise).log10()).clamp(-SQNR_CAP, SQNR_CAP) }
}

/// One tally per output of the model. The score of a model is that of its worst output: a head that joins boxes and
/// probabilities must not hide the ruin of one behind the other (spec/models.md).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PerOutput<T>(pub Vec<T>);

impl<T: Tally> PerOutput<T> {
    /// The worst of the outputs' values; `None` where an output has none or there are no outputs.
    pub fn worst(&self, direction: Direction, value: impl Fn(&T) -> Option<f64>) -> Option<f64> {
        let values: Option<Vec<f64>> = self.0.iter().map(value).collect();
        values?.into_iter().reduce(|a, b| direction.worse(a, b))
    }

    /// The ends of the worst value, from the ends of each; `none` where there are no outputs yet.
    pub fn worst_bounds(&self, direction: Direction, none: Bounds, bounds: impl Fn(&T) -> Bounds) -> Bounds {
        self.0
            .iter()
            .map(bounds)
            .reduce(|a, b| Bounds::new(direction.worse(a.low, b.low), direction.worse(a.high, b.high)))
            .unwrap_or(none)
    }
}

impl<T: Tally> Tally for PerOutput<T> {
    fn merge(&mut self, later: Self) {
        let mut later = later.0.into_iter();
        for (mine, theirs) in self.0.iter_mut().zip(&mut later) {
            mine.merge(theirs);
        }
        self.0.extend(later);
    }
}
