//! Early decision inside a trial: samples in the order that decides soonest, until no further one can change the verdict.

use accuracy::{Power, Tensor};
use backend::{Prepared, Trouble};
use dataset::{Error, Scorer};

/// The telling order, with a scorer whose samples are in it.
pub(super) struct Early {
    order: Vec<usize>,
    scorer: Scorer,
}

/// What a trial that may stop early gave.
pub(super) enum Decided {
    /// It was run to its last sample.
    Whole(f64),
    /// The verdict was certain after so many samples.
    Soon { pass: bool, samples: usize },
}

/// Why it gave nothing.
pub(super) enum Failed {
    Run(Trouble),
    Score(Error),
}

impl Early {
    /// Orders the samples by how much the outputs on the NPU differ from the baseline's, the most first: those decide soonest.
    pub(super) fn new(scorer: &Scorer, baseline: &[Tensor], npu: &[Tensor]) -> Result<Self, Error> {
        let mut errors: Vec<(f64, usize)> =
            (0..scorer.dataset().len()).map(|sample| (error(baseline, npu, sample), sample)).collect();
        errors.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let order: Vec<usize> = errors.into_iter().map(|(_, sample)| sample).collect();
        let dataset = scorer.dataset().select(&order)?;
        let mut ordered = Scorer::new(dataset, Some(&scorer.metric().name), Some(scorer.tolerance()))?;
        let outputs: Option<Vec<Tensor>> = baseline.iter().map(|output| output.select(&order)).collect();
        ordered.set_baseline(outputs.unwrap_or_default())?;
        Ok(Self { order, scorer: ordered })
    }

    /// The samples, the most telling first.
    pub(super) fn order(&self) -> &[usize] {
        &self.order
    }

    /// Runs samples until the verdict is certain.
    pub(super) fn run(&self, prepared: &mut dyn Prepared, batch: usize) -> Result<Decided, Failed> {
        let mut partial = self.scorer.start().map_err(Failed::Score)?;
        for batch in self.order.chunks(batch.max(1)) {
            let run = prepared.run(batch).map_err(Failed::Run)?;
            partial.add(&run.outputs).map_err(Failed::Score)?;
            if let Some(pass) = partial.decision().filter(|_| partial.seen() < self.order.len()) {
                return Ok(Decided::Soon { pass, samples: partial.seen() });
            }
        }
        partial.score().map(Decided::Whole).map_err(Failed::Score)
    }
}

/// Noise power of one sample, relative to the sample's own signal.
fn error(baseline: &[Tensor], npu: &[Tensor], sample: usize) -> f64 {
    let pairs = baseline.iter().zip(npu).filter_map(|(a, b)| Some((a.sample(sample)?, b.sample(sample)?)));
    pairs.map(|(a, b)| -accuracy::Power::sqnr_db(&Power::between(b.data, a.data))).sum()
}
