//! SQNR: signal to quantization noise ratio against the baseline's outputs, in dB, of the worst output.

use super::{Family, single};
use crate::{Bounds, Direction, Error, Info, Metric, Need, PerOutput, Power, Sample, Unit};

pub(super) const FAMILY: Family = single!("sqnr", Sqnr);

/// Equal outputs have this SQNR, and silence with noise its negative, in dB: scores are stored and subtracted, which
/// infinities do not survive. Far beyond the 144 dB that float32 can express.
pub const SQNR_CAP: f64 = 200.0;

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
        tally.worst(Direction::HigherIsBetter, |power| Some(decibels(power.signal, power.noise)))
    }
}

/// `signal` over `noise` in dB, within the cap.
pub(super) fn decibels(signal: f64, noise: f64) -> f64 {
    if noise == 0.0 { SQNR_CAP } else { (10.0 * (signal / noise).log10()).clamp(-SQNR_CAP, SQNR_CAP) }
}
