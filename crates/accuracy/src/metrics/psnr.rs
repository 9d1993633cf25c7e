//! PSNR: the baseline's range, squared, over the mean squared difference, in dB, of the worst output.

use super::{Family, single};
use crate::{Bounds, Direction, Error, Info, Metric, Need, PerOutput, Power, SQNR_CAP, Sample, Unit, tally::decibels};

pub(super) const FAMILY: Family = single!("psnr", Psnr);

struct Psnr;

impl Metric for Psnr {
    type Tally = PerOutput<Power>;

    fn info(&self) -> Info {
        Info {
            name: "psnr".into(),
            summary: "squared range of the baseline's output over the mean squared difference, of the worst output"
                .into(),
            direction: Direction::HigherIsBetter,
            unit: Unit::Decibel,
            needs: &[Need::Baseline],
            range: Bounds::new(-SQNR_CAP, SQNR_CAP),
        }
    }

    fn measure(&self, sample: &Sample<'_>) -> Result<Self::Tally, Error> {
        let pairs = sample.output_pairs("psnr")?;
        Ok(PerOutput(pairs.iter().map(|(a, b)| Power::between(a.data, b.data)).collect()))
    }

    fn score(&self, tally: &Self::Tally) -> Option<f64> {
        tally.worst(Direction::HigherIsBetter, |power| {
            let range = if power.values == 0 { 0.0 } else { f64::from(power.high) - f64::from(power.low) };
            Some(decibels(range * range, power.mean_noise()))
        })
    }
}
