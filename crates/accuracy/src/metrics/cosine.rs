//! Cosine similarity with the baseline's outputs: mean over samples, of the worst output.

use super::{Family, single};
use crate::{Bounds, Direction, Error, Info, Mean, Metric, Need, PerOutput, Sample, Unit};

pub(super) const FAMILY: Family = single!("cosine", Cosine);

const RANGE: Bounds = Bounds::new(-1.0, 1.0);

struct Cosine;

impl Metric for Cosine {
    type Tally = PerOutput<Mean>;

    fn info(&self) -> Info {
        Info {
            name: "cosine".into(),
            summary: "mean cosine between a sample's output and the baseline's, of the worst output".into(),
            direction: Direction::HigherIsBetter,
            unit: Unit::None,
            needs: &[Need::Baseline],
            range: RANGE,
        }
    }

    fn measure(&self, sample: &Sample<'_>) -> Result<Self::Tally, Error> {
        let pairs = sample.output_pairs("cosine")?;
        Ok(PerOutput(pairs.iter().map(|(a, b)| Mean::of_sample(cosine(a.data, b.data))).collect()))
    }

    fn score(&self, tally: &Self::Tally) -> Option<f64> {
        tally.worst(Direction::HigherIsBetter, Mean::value)
    }

    fn bounds(&self, tally: &Self::Tally, missing: usize) -> Bounds {
        tally.worst_bounds(Direction::HigherIsBetter, RANGE, |mean| mean.bounds(missing, RANGE))
    }
}

/// 1 where both are zero, 0 where one is.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    if a == b {
        return 1.0;
    }
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
    let lengths = dot(a, a).sqrt() * dot(b, b).sqrt();
    if lengths > 0.0 { (dot(a, b) / lengths).clamp(-1.0, 1.0) } else { 0.0 }
}
