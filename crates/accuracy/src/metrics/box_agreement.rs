//! Box agreement: how far the decoded boxes are the baseline's.

use super::Family;
use crate::{
    AnyMetric, Bounds, BoxLabel, Direction, Error, Info, Mean, Metric, Need, Sample, Unit,
    boxes::{by_score, match_greedily},
};

pub(super) const FAMILY: Family = Family {
    pattern: "box_agreementIOU (box_agreement50, box_agreement90)",
    usual: &["box_agreement50", "box_agreement90"],
    parse,
};

fn parse(name: &str) -> Option<Box<dyn AnyMetric>> {
    let percent: u32 = name.strip_prefix("box_agreement")?.parse().ok().filter(|p| (1..=100).contains(p))?;
    Some(Box::new(BoxAgreement { percent }))
}

/// Mean over samples of 2·matched / (boxes of the trial + boxes of the baseline); 1 where neither has any. A box is
/// matched by one of the same class at the wanted overlap.
struct BoxAgreement {
    percent: u32,
}

impl BoxAgreement {
    fn name(&self) -> String {
        format!("box_agreement{}", self.percent)
    }
}

impl Metric for BoxAgreement {
    type Tally = Mean;

    fn info(&self) -> Info {
        Info {
            name: self.name(),
            summary: format!("share of boxes that the baseline has too, same class, at IoU .{:02}", self.percent),
            direction: Direction::HigherIsBetter,
            unit: Unit::Share,
            needs: &[Need::Baseline, Need::Boxes],
            range: Bounds::new(0.0, 1.0),
        }
    }

    fn measure(&self, sample: &Sample<'_>) -> Result<Mean, Error> {
        let name = self.name();
        let trial = by_score(sample.boxes(&sample.trial, &name)?);
        let baseline = sample.baseline.as_ref().ok_or_else(|| sample.missing(&name, "the baseline's outputs"))?;
        let baseline: Vec<BoxLabel> = by_score(sample.boxes(baseline, &name)?)
            .into_iter()
            .map(|d| BoxLabel { rect: d.rect, class: d.class })
            .collect();
        let all = trial.len() + baseline.len();
        if all == 0 {
            return Ok(Mean::of_sample(1.0));
        }
        let matched = match_greedily(&trial, &baseline, f64::from(self.percent) / 100.0, true);
        let hits = matched.iter().filter(|(_, hit)| *hit).count();
        Ok(Mean::of_sample(2.0 * hits as f64 / all as f64))
    }

    fn score(&self, tally: &Mean) -> Option<f64> {
        tally.value()
    }

    fn bounds(&self, tally: &Mean, missing: usize) -> Bounds {
        tally.bounds(missing, Bounds::new(0.0, 1.0))
    }
}
