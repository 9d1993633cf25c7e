//! Two fidelities: the score on the samples that tell most, on the scale of the score on all.

use accuracy::Tensor;
use dataset::{Error, Evaluation, Scorer};

/// Some samples, with both baselines on them.
pub(super) struct Few {
    samples: Vec<usize>,
    scorer: Scorer,
    cpu: f64,
    npu: Evaluation,
    /// The same on all samples.
    whole_cpu: f64,
    whole_npu: Evaluation,
}

/// Score and noise power on all samples, as some of them foretell.
pub(super) struct Foretold {
    pub(super) score: f64,
    pub(super) error_power: f64,
}

impl Few {
    /// These samples of `all`, which has its baseline; `None` where the baselines do not differ on them, so that they tell nothing.
    pub(super) fn new(
        all: &Scorer,
        samples: &[usize],
        (baseline, npu): (&[Tensor], &[Tensor]),
        whole_npu: Evaluation,
    ) -> Result<Option<Self>, Error> {
        let Some(whole_cpu) = all.baseline_score() else { return Ok(None) };
        let pick = |outputs: &[Tensor]| outputs.iter().map(|output| output.select(samples)).collect::<Option<Vec<_>>>();
        let (Some(baseline), Some(npu)) = (pick(baseline), pick(npu)) else { return Ok(None) };
        let dataset = all.dataset().select(samples)?;
        let mut scorer = Scorer::new(dataset, Some(&all.metric().name), Some(all.tolerance()))?;
        let cpu = scorer.set_baseline(baseline)?.score;
        let npu = scorer.evaluate(&npu)?;
        let differ = npu.score != cpu && npu.error.power > 0.0;
        Ok(differ.then(|| Self { samples: samples.to_vec(), scorer, cpu, npu, whole_cpu, whole_npu }))
    }

    pub(super) fn samples(&self) -> &[usize] {
        &self.samples
    }

    /// Both baselines are foretold as they are; between them the scale is taken to be even.
    pub(super) fn foretell(&self, outputs: &[Tensor]) -> Result<Foretold, Error> {
        let here = self.scorer.evaluate(outputs)?;
        let lost = (self.cpu - here.score) / (self.cpu - self.npu.score);
        let power = here.error.power / self.npu.error.power;
        Ok(Foretold {
            score: self.whole_cpu - lost * (self.whole_cpu - self.whole_npu.score),
            error_power: power * self.whole_npu.error.power,
        })
    }
}
