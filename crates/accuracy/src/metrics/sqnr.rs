//! SQNR: signal to quantization noise ratio against the baseline's outputs, in dB, of the worst output.

use super::{Family, single};
use crate::{Bounds, Direction, Error, Info, Metric, Need, PerOutput, Power, SQNR_CAP, Sample, Unit};

pub(super) const FAMILY: Family = single!("sqnr", Sqnr);

struct Sqnr;

impl Metric for Sqnr {
    type Tally = PerOutput<Power>;

    fn info(&self) -> Info {
        Info {
            name: "sqnr".into(),
            summary: "power of the baseline's output over that of the difference, of the worst output".into(),
            direction: Direction::HigherIsBetter,
            unit: Unit::Decibel,
            needs: &[Need::Baseline],
            range: Bounds::new(-SQNR_CAP, SQNR_CAP),
        }
    }

    fn measure(&self, sample: &Sample<'_>) -> Result<Self::Tally, Error> {
        let pairs = sample.output_pairs("sqnr")?;
        Ok(PerOutput(pairs.iter().map(|(a, b)| Power::between(a.data, b.data)).collect()))
    }

    fn score(&self, tally: &Self::Tally) -> Option<f64> {
        tally.worst(Direction::HigherIsBetter, |power| Some(power.sqnr_db()))
    }
}
