//! Mean squared difference from the baseline's outputs, of the worst output.

use super::{Family, single};
use crate::{Bounds, Direction, Error, Info, Mean, Metric, Need, PerOutput, Power, Sample, Unit};

pub(super) const FAMILY: Family = single!("mse", Mse);

const RANGE: Bounds = Bounds::new(0.0, f64::INFINITY);

struct Mse;

impl Metric for Mse {
    type Tally = PerOutput<Mean>;

    fn info(&self) -> Info {
        Info {
            name: "mse".into(),
            summary: "mean squared difference from the baseline's output, of the worst output".into(),
            direction: Direction::LowerIsBetter,
            unit: Unit::SquaredOutput,
            needs: &[Need::Baseline],
            range: RANGE,
        }
    }

    fn measure(&self, sample: &Sample<'_>) -> Result<Self::Tally, Error> {
        let pairs = sample.output_pairs("mse")?;
        let of = |values, reference| Mean::of_sample(Power::between(values, reference).mean_noise());
        Ok(PerOutput(pairs.iter().map(|(a, b)| of(a.data, b.data)).collect()))
    }

    fn score(&self, tally: &Self::Tally) -> Option<f64> {
        tally.worst(Direction::LowerIsBetter, Mean::value)
    }

    fn bounds(&self, tally: &Self::Tally, missing: usize) -> Bounds {
        tally.worst_bounds(Direction::LowerIsBetter, RANGE, |mean| mean.bounds(missing, RANGE))
    }
}
