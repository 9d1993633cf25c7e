//! mIoU: intersection over union per class over all pixels of all images, averaged over the classes that occur.

use std::collections::BTreeMap;

use super::{Family, single};
use crate::{Bounds, Direction, Error, IGNORED, Info, Metric, Need, Sample, Tally, Unit};

pub(super) const FAMILY: Family = single!("miou", MeanIou);

struct MeanIou;

/// Pixels per class.
#[derive(Clone, Copy, Default)]
struct Pixels {
    both: u64,
    predicted: u64,
    labelled: u64,
}

/// Pixels of each class that occurs in a prediction or a label.
#[derive(Clone, Default)]
pub(super) struct Overlap(BTreeMap<u32, Pixels>);

impl Tally for Overlap {
    fn merge(&mut self, later: Self) {
        for (class, theirs) in later.0 {
            let mine = self.0.entry(class).or_default();
            mine.both += theirs.both;
            mine.predicted += theirs.predicted;
            mine.labelled += theirs.labelled;
        }
    }
}

impl Metric for MeanIou {
    type Tally = Overlap;

    fn info(&self) -> Info {
        Info {
            name: "miou".into(),
            summary: "mean intersection over union of the classes that occur in a prediction or a label".into(),
            direction: Direction::HigherIsBetter,
            unit: Unit::Share,
            needs: &[Need::Labels, Need::Classes],
            range: Bounds::new(0.0, 1.0),
        }
    }

    fn measure(&self, sample: &Sample<'_>) -> Result<Overlap, Error> {
        let (trial, truth) = sample.classes_and_truth("miou")?;
        let mut overlap = Overlap::default();
        for (class, &label) in trial.best().zip(truth).filter(|&(_, &label)| label != IGNORED) {
            overlap.0.entry(class).or_default().predicted += 1;
            let labelled = overlap.0.entry(label).or_default();
            labelled.labelled += 1;
            labelled.both += u64::from(class == label);
        }
        Ok(overlap)
    }

    fn score(&self, tally: &Overlap) -> Option<f64> {
        let ious = tally.0.values().map(|p| p.both as f64 / (p.predicted + p.labelled - p.both) as f64);
        (!tally.0.is_empty()).then(|| ious.sum::<f64>() / tally.0.len() as f64)
    }
}
