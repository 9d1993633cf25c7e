//! Pixel accuracy: the share of labelled pixels whose class is right.

use super::{Family, single};
use crate::{Bounds, Direction, Error, IGNORED, Info, Metric, Need, Ratio, Sample, Unit};

pub(super) const FAMILY: Family = single!("pixel_accuracy", PixelAccuracy);

struct PixelAccuracy;

impl Metric for PixelAccuracy {
    type Tally = Ratio;

    fn info(&self) -> Info {
        Info {
            name: "pixel_accuracy".into(),
            summary: "share of labelled pixels whose class is right".into(),
            direction: Direction::HigherIsBetter,
            unit: Unit::Share,
            needs: &[Need::Labels, Need::Classes],
            range: Bounds::new(0.0, 1.0),
        }
    }

    fn measure(&self, sample: &Sample<'_>) -> Result<Ratio, Error> {
        let (trial, truth) = sample.classes_and_truth("pixel_accuracy")?;
        let hits = trial.best().zip(truth);
        Ok(Ratio::of_sample(hits.map(|(class, &label)| (label != IGNORED).then_some(class == label))))
    }

    fn score(&self, tally: &Ratio) -> Option<f64> {
        tally.value()
    }

    fn bounds(&self, tally: &Ratio, missing: usize) -> Bounds {
        tally.bounds(missing)
    }
}
