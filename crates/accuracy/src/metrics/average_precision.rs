//! Average precision of detections: the area under the precision-recall curve, all points (spec/models.md).

use std::collections::BTreeMap;

use super::Family;
use crate::{
    AnyMetric, Bounds, Direction, Error, Info, Metric, Need, Sample, Tally, Unit,
    boxes::{by_score, match_greedily},
};

pub(super) const AGNOSTIC: Family = Family {
    pattern: "apIOU (ap50, ap75, ap50:95)",
    usual: &["ap50", "ap50:95"],
    parse: |name| parse(name.strip_prefix("ap")?, false),
};

pub(super) const PER_CLASS: Family = Family {
    pattern: "mapIOU (map50, map50:95)",
    usual: &["map50", "map50:95"],
    parse: |name| parse(name.strip_prefix("map")?, true),
};

/// The step between the overlaps of a list, in percent (as in the COCO benchmark).
const LIST_STEP: u32 = 5;

fn parse(overlaps: &str, per_class: bool) -> Option<Box<dyn AnyMetric>> {
    let percent = |text: &str| text.parse::<u32>().ok().filter(|p| (1..=100).contains(p));
    let overlaps = match overlaps.split_once(':') {
        Some((first, last)) => (percent(first)?, percent(last)?),
        None => (percent(overlaps)?, percent(overlaps)?),
    };
    (overlaps.0 <= overlaps.1).then(|| Box::new(AveragePrecision { overlaps, per_class }) as Box<dyn AnyMetric>)
}

/// Mean over IoU thresholds, and over classes where they count, of the area under the precision-recall curve.
struct AveragePrecision {
    /// First and last IoU threshold, in percent.
    overlaps: (u32, u32),
    /// Whether a match must have the right class; else all objects are of one class.
    per_class: bool,
}

/// What was found of one class at one IoU threshold.
#[derive(Clone, Default)]
pub(super) struct Found {
    labels: u64,
    /// Each detection's score and whether it is true.
    detections: Vec<(f32, bool)>,
}

/// By class, then by IoU threshold in percent.
#[derive(Clone, Default)]
pub(super) struct Matches(BTreeMap<(u32, u32), Found>);

impl Tally for Matches {
    fn merge(&mut self, later: Self) {
        for (key, theirs) in later.0 {
            let mine = self.0.entry(key).or_default();
            mine.labels += theirs.labels;
            mine.detections.extend(theirs.detections);
        }
    }
}

impl AveragePrecision {
    fn name(&self) -> String {
        let prefix = if self.per_class { "map" } else { "ap" };
        match self.overlaps {
            (first, last) if first == last => format!("{prefix}{first}"),
            (first, last) => format!("{prefix}{first}:{last}"),
        }
    }
}

impl Metric for AveragePrecision {
    type Tally = Matches;

    fn info(&self) -> Info {
        let of = if self.per_class {
            "mean over classes of the average precision"
        } else {
            "average precision over all classes as one"
        };
        let at = match self.overlaps {
            (first, last) if first == last => format!("IoU .{first:02}"),
            (first, last) => format!("IoU .{first:02} to .{last:02} in steps of .05"),
        };
        Info {
            name: self.name(),
            summary: format!("{of}, at {at}"),
            direction: Direction::HigherIsBetter,
            unit: Unit::Share,
            needs: &[Need::Labels, Need::Boxes],
            range: Bounds::new(0.0, 1.0),
        }
    }

    fn measure(&self, sample: &Sample<'_>) -> Result<Matches, Error> {
        let detections = sample.boxes(&sample.trial, &self.name())?;
        if let Some(index) = detections.iter().position(|d| d.score.is_nan()) {
            let what = format!("the scores of the boxes of sample {}", sample.index);
            return Err(Error::NotFinite { what, index, value: f64::NAN });
        }
        let detections = by_score(detections);
        let labels = sample.true_boxes(&self.name())?;
        let class_of = |class: u32| if self.per_class { class } else { 0 };
        let mut matches = Matches::default();
        for percent in (self.overlaps.0..=self.overlaps.1).step_by(LIST_STEP as usize) {
            for label in labels {
                matches.0.entry((class_of(label.class), percent)).or_default().labels += 1;
            }
            let matched = match_greedily(&detections, labels, f64::from(percent) / 100.0, self.per_class);
            for (detection, found) in detections.iter().zip(matched) {
                matches.0.entry((class_of(detection.class), percent)).or_default().detections.push(found);
            }
        }
        Ok(matches)
    }

    /// Classes that no label has do not count, as in COCO.
    fn score(&self, tally: &Matches) -> Option<f64> {
        let areas: Vec<f64> = tally.0.values().filter(|found| found.labels > 0).map(area).collect();
        (!areas.is_empty()).then(|| areas.iter().sum::<f64>() / areas.len() as f64)
    }
}

/// The area under the curve whose precision at a recall is the best precision at that recall or beyond.
fn area(found: &Found) -> f64 {
    let mut sorted = found.detections.clone();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut hits = 0u64;
    let precisions: Vec<(bool, f64)> = sorted
        .iter()
        .enumerate()
        .map(|(i, &(_, hit))| {
            hits += u64::from(hit);
            (hit, hits as f64 / (i + 1) as f64)
        })
        .collect();
    let mut best = 0.0f64;
    let mut sum = 0.0;
    for &(hit, precision) in precisions.iter().rev() {
        best = best.max(precision);
        if hit {
            sum += best;
        }
    }
    sum / found.labels as f64
}
