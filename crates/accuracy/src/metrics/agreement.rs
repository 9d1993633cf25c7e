//! Agreement: the share of positions (samples or pixels) with the baseline's class.

use super::{Family, single};
use crate::{Bounds, Direction, Error, Info, Metric, Need, Ratio, Sample, Unit};

pub(super) const FAMILY: Family = single!("agreement", Agreement);

struct Agreement;

impl Metric for Agreement {
    type Tally = Ratio;

    fn info(&self) -> Info {
        Info {
            name: "agreement".into(),
            summary: "share of samples or pixels with the baseline's class".into(),
            direction: Direction::HigherIsBetter,
            unit: Unit::Share,
            needs: &[Need::Baseline, Need::Classes],
            range: Bounds::new(0.0, 1.0),
        }
    }

    fn measure(&self, sample: &Sample<'_>) -> Result<Ratio, Error> {
        let (trial, baseline) = sample.classes_and_baseline("agreement")?;
        Ok(Ratio::of_sample(trial.best().zip(baseline.best()).map(|(a, b)| Some(a == b))))
    }

    fn score(&self, tally: &Ratio) -> Option<f64> {
        tally.value()
    }

    fn bounds(&self, tally: &Ratio, missing: usize) -> Bounds {
        tally.bounds(missing)
    }
}
