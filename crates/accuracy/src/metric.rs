//! What a metric is, and how one is run over samples, all at once or batch by batch.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Bounds, Error, Sample, Tally};

/// Which scores are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// As in top-1.
    HigherIsBetter,
    /// As in mean squared error.
    LowerIsBetter,
}

impl Direction {
    /// The worse of two scores.
    pub fn worse(self, a: f64, b: f64) -> f64 {
        match self {
            Self::HigherIsBetter => a.min(b),
            Self::LowerIsBetter => a.max(b),
        }
    }

    /// How much better `a` is than `b`; negative where it is worse.
    pub fn gain(self, a: f64, b: f64) -> f64 {
        match self {
            Self::HigherIsBetter => a - b,
            Self::LowerIsBetter => b - a,
        }
    }
}

/// What a score counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A share from 0 to 1.
    Share,
    /// Decibels.
    Decibel,
    /// The outputs' own unit.
    Output,
    /// The square of the outputs' own unit.
    SquaredOutput,
    /// A plain number.
    None,
}

impl Unit {
    /// What to print after the number, e.g. ` dB`.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Decibel => " dB",
            Self::Share | Self::Output | Self::SquaredOutput | Self::None => "",
        }
    }
}

/// Something that a metric cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// Labels.
    Labels,
    /// What the baseline answered.
    Baseline,
    /// Classes, decoded from the outputs.
    Classes,
    /// Boxes, decoded from the outputs.
    Boxes,
}

/// What there is to know of a metric before it is run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Info {
    /// As users write it.
    pub name: String,
    /// What it measures, in a few words.
    pub summary: String,
    /// Which scores are better.
    pub direction: Direction,
    /// What a score counts.
    pub unit: Unit,
    /// What it cannot do without.
    pub needs: &'static [Need],
    /// Between which values every score lies.
    pub range: Bounds,
}

impl Info {
    /// The score of an answer that could not be better.
    pub fn perfect(&self) -> f64 {
        match self.direction {
            Direction::HigherIsBetter => self.range.high,
            Direction::LowerIsBetter => self.range.low,
        }
    }

    /// Whether it cannot do without this.
    pub fn needs(&self, need: Need) -> bool {
        self.needs.contains(&need)
    }
}

/// A metric: one file in `metrics/` and one line in its list.
pub trait Metric: Send + Sync {
    /// What it keeps of the samples it has seen.
    type Tally: Tally;

    /// Its name, direction, unit and needs.
    fn info(&self) -> Info;

    /// What it keeps of one sample.
    ///
    /// # Errors
    /// When the sample lacks what it needs, shapes differ, or a value is NaN.
    fn measure(&self, sample: &Sample<'_>) -> Result<Self::Tally, Error>;

    /// The score of what was seen; `None` where nothing of it counts.
    fn score(&self, tally: &Self::Tally) -> Option<f64>;

    /// Between which values the score will lie once `missing` more samples are seen, `missing` > 0. A metric that
    /// cannot say keeps this default.
    fn bounds(&self, _tally: &Self::Tally, _missing: usize) -> Bounds {
        self.info().range
    }
}

/// A [`Metric`] of whatever tally.
pub trait AnyMetric: Send + Sync {
    /// Its name, direction, unit and needs.
    fn info(&self) -> Info;

    /// The score over samples.
    ///
    /// # Errors
    /// When there are no samples, one lacks what the metric needs, shapes differ, or a value is NaN.
    fn evaluate(&self, samples: &[Sample<'_>]) -> Result<f64, Error>;

    /// A run that takes its samples batch by batch.
    fn start(&self) -> Box<dyn Run + '_>;
}

/// A metric on its way through the samples.
pub trait Run: Send {
    /// Takes the next samples.
    ///
    /// # Errors
    /// When one lacks what the metric needs, shapes differ, or a value is NaN; nothing of the batch is then kept.
    fn add(&mut self, samples: &[Sample<'_>]) -> Result<(), Error>;

    /// How many samples were taken.
    fn seen(&self) -> usize;

    /// The score of the samples taken so far.
    ///
    /// # Errors
    /// When none was taken, or nothing in them counts.
    fn score(&self) -> Result<f64, Error>;

    /// Between which values the score over `total` samples will lie.
    fn bounds(&self, total: usize) -> Bounds;
}

struct Running<'m, M: Metric> {
    metric: &'m M,
    tally: Option<M::Tally>,
    seen: usize,
}

impl<M: Metric> Run for Running<'_, M> {
    fn add(&mut self, samples: &[Sample<'_>]) -> Result<(), Error> {
        // Measured in parallel, merged in order: floating-point sums must not depend on the number of threads.
        let tallies: Result<Vec<_>, Error> = samples.par_iter().map(|sample| self.metric.measure(sample)).collect();
        for tally in tallies? {
            match &mut self.tally {
                Some(mine) => mine.merge(tally),
                None => self.tally = Some(tally),
            }
        }
        self.seen += samples.len();
        Ok(())
    }

    fn seen(&self) -> usize {
        self.seen
    }

    fn score(&self) -> Result<f64, Error> {
        self.tally
            .as_ref()
            .and_then(|tally| self.metric.score(tally))
            .ok_or_else(|| Error::Empty { metric: self.metric.info().name })
    }

    fn bounds(&self, total: usize) -> Bounds {
        let missing = total.saturating_sub(self.seen);
        match (&self.tally, self.score()) {
            (_, Ok(score)) if missing == 0 => Bounds::exactly(score),
            (Some(tally), _) if missing > 0 => self.metric.bounds(tally, missing),
            _ => self.metric.info().range,
        }
    }
}

impl<M: Metric> AnyMetric for M {
    fn info(&self) -> Info {
        Metric::info(self)
    }

    fn evaluate(&self, samples: &[Sample<'_>]) -> Result<f64, Error> {
        let mut run = Running { metric: self, tally: None, seen: 0 };
        run.add(samples)?;
        run.score()
    }

    fn start(&self) -> Box<dyn Run + '_> {
        Box::new(Running { metric: self, tally: None, seen: 0 })
    }
}
