//! From a trial's outputs to a score and a verdict: dataset, metric, tolerance and baseline brought together.

use accuracy::{
    Answer, AnyMetric, Bounds, Info, Need, Power, Prediction, SQNR_CAP, Sample, Tally, Tensor, Threshold, Tolerance,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Dataset, Error, defaults};

/// Scores trials on a dataset with one metric, against one tolerance.
pub struct Scorer {
    dataset: Dataset,
    metric: Box<dyn AnyMetric>,
    tolerance: Tolerance,
    baseline: Option<Baseline>,
}

struct Baseline {
    outputs: Vec<Tensor>,
    predictions: Option<Vec<Prediction>>,
    score: f64,
    threshold: Threshold,
}

/// What a trial is worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The metric's score.
    pub score: f64,
    /// Whether it meets the threshold.
    pub passes: bool,
    /// How far the outputs are from the baseline's.
    pub error: OutputError,
}

/// The distance of a trial's outputs from the baseline's: a continuous signal where a score is a coarse one
/// (spec/search.md).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputError {
    /// Power of the difference over power of the baseline's output, mean over the outputs; 0 for equal outputs. Errors
    /// of independent ops add up in it.
    pub power: f64,
    /// SQNR of each output in dB, within ±[`SQNR_CAP`].
    pub sqnr_db: Vec<f64>,
}

impl Scorer {
    /// A scorer with the given metric and tolerance, each else the description's, else the task's default.
    ///
    /// A tolerance of the description belongs to its metric: with another metric, that metric's default holds.
    ///
    /// # Errors
    /// When the metric is unknown, needs what the dataset does not have, or has no default tolerance.
    pub fn new(dataset: Dataset, metric: Option<&str>, tolerance: Option<Tolerance>) -> Result<Self, Error> {
        let name = metric.unwrap_or_else(|| dataset.metric());
        let own_tolerance = dataset.tolerance().filter(|_| name == dataset.metric());
        let metric = accuracy::metric(name)?;
        let info = metric.info();
        let refuse = |reason: &str| Error::Metric { metric: info.name.clone(), reason: reason.into() };
        if info.needs(Need::Labels) && !dataset.has_labels() {
            return Err(refuse("it needs labels; name their file in `[labels]` of the data description"));
        }
        let decodes = |boxes: bool| {
            dataset.decoder().is_some_and(|decoder| matches!(decoder, crate::Decode::GridLtrb(_)) == boxes)
        };
        if info.needs(Need::Classes) && !decodes(false) {
            return Err(refuse("it needs classes, which this task does not have"));
        }
        if info.needs(Need::Boxes) && !decodes(true) {
            return Err(refuse("it needs boxes; describe the head in `[decode]` of the data description"));
        }
        let tolerance = tolerance
            .or(own_tolerance)
            .or_else(|| defaults::tolerance(&info))
            .ok_or_else(|| refuse("no threshold is good for every model; name one with `threshold` or `max_drop`"))?;
        Ok(Self { dataset, metric, tolerance, baseline: None })
    }

    /// The samples that trials are scored on.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The metric's name, direction and unit.
    pub fn metric(&self) -> Info {
        self.metric.info()
    }

    /// What may be lost.
    pub fn tolerance(&self) -> Tolerance {
        self.tolerance
    }

    /// The score to meet; known once the baseline is.
    pub fn threshold(&self) -> Option<Threshold> {
        self.baseline.as_ref().map(|baseline| baseline.threshold)
    }

    /// The baseline's score; known once the baseline is.
    pub fn baseline_score(&self) -> Option<f64> {
        self.baseline.as_ref().map(|baseline| baseline.score)
    }

    /// Takes the baseline's outputs, each `[samples, …]`, and scores them; a metric that compares with the baseline
    /// compares it with itself. It passes unless the threshold is absolute and out of the model's reach.
    ///
    /// # Errors
    /// When the outputs do not fit the dataset, or hold NaN.
    pub fn set_baseline(&mut self, outputs: Vec<Tensor>) -> Result<Evaluation, Error> {
        self.check_count(&outputs)?;
        let predictions = self.dataset.decode(&outputs)?;
        let direction = self.metric.info().direction;
        // The threshold may depend on the score, which may depend on the baseline itself.
        let unresolved = Threshold { value: f64::NAN, direction };
        self.baseline = Some(Baseline { outputs, predictions, score: f64::NAN, threshold: unresolved });
        let resolved = self.evaluate_baseline();
        if resolved.is_err() {
            self.baseline = None;
        }
        resolved
    }

    fn evaluate_baseline(&mut self) -> Result<Evaluation, Error> {
        let direction = self.metric.info().direction;
        let (score, error) = {
            let baseline = self.baseline()?;
            let samples = self.samples(0, &baseline.outputs, baseline.predictions.as_deref())?;
            (self.metric.evaluate(&samples)?, output_error(&samples)?)
        };
        let threshold = self.tolerance.resolve(direction, score)?;
        if let Some(baseline) = &mut self.baseline {
            (baseline.score, baseline.threshold) = (score, threshold);
        }
        Ok(Evaluation { score, passes: threshold.passes(score), error })
    }

    /// Scores a trial's outputs, each `[samples, …]`, on all samples.
    ///
    /// # Errors
    /// When there is no baseline yet, the outputs do not fit the dataset or the baseline's, or hold NaN.
    pub fn evaluate(&self, outputs: &[Tensor]) -> Result<Evaluation, Error> {
        let baseline = self.baseline()?;
        self.check_count(outputs)?;
        let predictions = self.dataset.decode(outputs)?;
        let samples = self.samples(0, outputs, predictions.as_deref())?;
        let error = output_error(&samples)?;
        let score = self.metric.evaluate(&samples)?;
        Ok(Evaluation { score, passes: baseline.threshold.passes(score), error })
    }

    /// Scores a trial whose outputs arrive batch by batch, so that it can be decided early.
    ///
    /// # Errors
    /// When there is no baseline yet.
    pub fn start(&self) -> Result<PartialScore<'_>, Error> {
        self.baseline()?;
        Ok(PartialScore { scorer: self, run: self.metric.start() })
    }

    fn baseline(&self) -> Result<&Baseline, Error> {
        self.baseline.as_ref().ok_or(Error::NoBaseline)
    }

    fn check_count(&self, outputs: &[Tensor]) -> Result<(), Error> {
        if outputs.is_empty() {
            return Err(Error::NoOutput { output: 0, count: 0 });
        }
        match outputs.iter().enumerate().find(|(_, tensor)| tensor.samples() != self.dataset.len()) {
            None => Ok(()),
            Some((output, tensor)) => Err(Error::Output {
                output,
                found: tensor.shape().to_vec(),
                expected: format!("{} samples along the first axis", self.dataset.len()),
            }),
        }
    }

    /// Samples from `first` on, as the metric sees them.
    fn samples<'a>(
        &'a self,
        first: usize,
        outputs: &'a [Tensor],
        predictions: Option<&'a [Prediction]>,
    ) -> Result<Vec<Sample<'a>>, Error> {
        let baseline = self.baseline()?;
        let count = outputs.first().map_or(0, Tensor::samples);
        let answer = |outputs: &'a [Tensor], predictions: Option<&'a [Prediction]>, i: usize| {
            let missing = || Error::NoSample { sample: i, count: outputs.first().map_or(0, Tensor::samples) };
            let outputs = outputs.iter().map(|t| t.sample(i)).collect::<Option<Vec<_>>>().ok_or_else(missing)?;
            Ok::<_, Error>(Answer { outputs, prediction: predictions.and_then(|p| p.get(i)) })
        };
        (0..count)
            .map(|i| {
                let index = first + i;
                Ok(Sample {
                    index,
                    trial: answer(outputs, predictions, i)?,
                    baseline: Some(answer(&baseline.outputs, baseline.predictions.as_deref(), index)?),
                    truth: self.dataset.truth(index),
                })
            })
            .collect()
    }
}

/// A trial on its way through the samples.
pub struct PartialScore<'s> {
    scorer: &'s Scorer,
    run: Box<dyn accuracy::Run + 's>,
}

impl PartialScore<'_> {
    /// Takes the outputs of the next samples, each `[samples, …]`.
    ///
    /// # Errors
    /// When they do not fit the dataset or the baseline's, hold NaN, or are of more samples than there are left.
    pub fn add(&mut self, outputs: &[Tensor]) -> Result<(), Error> {
        let predictions = self.decode(outputs)?;
        let samples = self.scorer.samples(self.run.seen(), outputs, predictions.as_deref())?;
        Ok(self.run.add(&samples)?)
    }

    /// Between which values the score over all samples will lie.
    pub fn bounds(&self) -> Bounds {
        self.run.bounds(self.scorer.dataset.len())
    }

    /// The verdict, once no missing sample can change it.
    pub fn decision(&self) -> Option<bool> {
        self.scorer.threshold()?.decide(self.bounds())
    }

    /// How many samples were taken.
    pub fn seen(&self) -> usize {
        self.run.seen()
    }

    /// The score of the samples taken so far.
    ///
    /// # Errors
    /// When nothing in them counts.
    pub fn score(&self) -> Result<f64, Error> {
        Ok(self.run.score()?)
    }

    fn decode(&self, outputs: &[Tensor]) -> Result<Option<Vec<Prediction>>, Error> {
        let dataset = &self.scorer.dataset;
        let (seen, count) = (self.run.seen(), outputs.first().map_or(0, Tensor::samples));
        if seen + count > dataset.len() {
            return Err(Error::NoSample { sample: seen + count - 1, count: dataset.len() });
        }
        dataset.decode(outputs)
    }
}

fn output_error(samples: &[Sample<'_>]) -> Result<OutputError, Error> {
    let powers = samples
        .par_iter()
        .map(|sample| {
            let pairs = sample.output_pairs("error power")?;
            Ok(pairs.iter().map(|(a, b)| Power::between(a.data, b.data)).collect::<Vec<_>>())
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let mut totals: Vec<Power> = Vec::new();
    for powers in powers {
        if totals.is_empty() {
            totals = powers;
        } else {
            totals.iter_mut().zip(powers).for_each(|(total, power)| total.merge(power));
        }
    }
    let sqnr_db: Vec<f64> = totals.iter().map(Power::sqnr_db).collect();
    // Through the capped decibels, so that a silent baseline gives a large number, not an infinite one.
    let relative = sqnr_db.iter().map(|&db| if db >= SQNR_CAP { 0.0 } else { 10f64.powf(-db / 10.0) });
    let power = relative.sum::<f64>() / (sqnr_db.len().max(1) as f64);
    Ok(OutputError { power, sqnr_db })
}
