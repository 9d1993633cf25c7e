//! The greatest absolute difference from the baseline's outputs, over all outputs.

use super::{Family, single};
use crate::{Bounds, Direction, Error, Info, Metric, Need, PerOutput, Power, Sample, Unit};

pub(super) const FAMILY: Family = single!("max_abs", MaxAbs);

const RANGE: Bounds = Bounds::new(0.0, f64::INFINITY);

struct MaxAbs;

impl Metric for MaxAbs {
    type Tally = PerOutput<Power>;

    fn info(&self) -> Info {
        Info {
            name: "max_abs".into(),
            summary: "greatest absolute difference from the baseline's outputs".into(),
            direction: Direction::LowerIsBetter,
            unit: Unit::Output,
            needs: &[Need::Baseline],
            range: RANGE,
        }
    }

    fn measure(&self, sample: &Sample<'_>) -> Result<Self::Tally, Error> {
        let pairs = sample.output_pairs("max_abs")?;
        Ok(PerOutput(pairs.iter().map(|(a, b)| Power::between(a.data, b.data)).collect()))
    }

    fn score(&self, tally: &Self::Tally) -> Option<f64> {
        tally.worst(Direction::LowerIsBetter, |power| Some(power.max_abs))
    }

    fn bounds(&self, tally: &Self::Tally, _missing: usize) -> Bounds {
        tally.worst_bounds(Direction::LowerIsBetter, RANGE, |power| Bounds::new(power.max_abs, f64::INFINITY))
    }
}
