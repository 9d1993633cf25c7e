//! Top-k: the share of labels among the k best classes.

use super::Family;
use crate::{AnyMetric, Bounds, Direction, Error, IGNORED, Info, Metric, Need, Ratio, Sample, Unit};

pub(super) const FAMILY: Family = Family { pattern: "topK (top1, top5, …)", usual: &["top1", "top3"], parse };

fn parse(name: &str) -> Option<Box<dyn AnyMetric>> {
    let k: usize = name.strip_prefix("top")?.parse().ok().filter(|&k| k > 0)?;
    Some(Box::new(TopK { k }))
}

struct TopK {
    k: usize,
}

impl TopK {
    fn name(&self) -> String {
        format!("top{}", self.k)
    }
}

impl Metric for TopK {
    type Tally = Ratio;

    fn info(&self) -> Info {
        Info {
            name: self.name(),
            summary: match self.k {
                1 => "share of labels that are the best class".into(),
                k => format!("share of labels among the {k} best classes"),
            },
            direction: Direction::HigherIsBetter,
            unit: Unit::Share,
            needs: &[Need::Labels, Need::Classes],
            range: Bounds::new(0.0, 1.0),
        }
    }

    fn measure(&self, sample: &Sample<'_>) -> Result<Ratio, Error> {
        let (trial, truth) = sample.classes_and_truth(&self.name())?;
        if trial.depth < self.k {
            return Err(Error::Depth { metric: self.name(), sample: sample.index, depth: trial.depth });
        }
        let hits = trial.ranks().zip(truth);
        Ok(Ratio::of_sample(hits.map(|(ranks, &label)| (label != IGNORED).then(|| ranks[..self.k].contains(&label)))))
    }

    fn score(&self, tally: &Ratio) -> Option<f64> {
        tally.value()
    }

    fn bounds(&self, tally: &Ratio, missing: usize) -> Bounds {
        tally.bounds(missing)
    }
}
