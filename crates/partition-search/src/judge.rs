//! From answers to verdicts: one look at a noise-free oracle, a sequential test at a noisy one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Answer, Noise, Problem, Threshold, Verdict};

/// Answers to one placement after which a verdict is forced.
const MOST_LOOKS: usize = 6;
/// Answers to the first placement whose repeat differed, so that the noise is known to within a factor of about two.
const FIRST_LOOKS: usize = 4;
/// Placements close to the threshold in one search, or so.
const LUCKY: f64 = 10.0;
/// Pairs of placements with the same score after which the oracle counts as free of noise.
const ENOUGH_COINCIDENCES: usize = 3;
/// Scores nearer to the threshold than this share of all-CPU's margin are repeated while the noise is unknown.
const CLOSE: f64 = 0.5;

/// The verdict on a placement, with what it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Pass, fail or unresolved.
    pub verdict: Verdict,
    /// The mean score, turned so that higher is better.
    pub score: Option<f64>,
    /// The standard error of that mean; 0 for an oracle without noise.
    pub error: f64,
    /// The mean noise power of the outputs against all-CPU.
    pub error_power: Option<f64>,
}

/// What the judge makes of the answers so far.
pub(crate) enum Ruling {
    Settled(Judged),
    Again,
}

/// Judges answers; learns the noise from repeats.
pub(crate) struct Judge {
    threshold: Option<Threshold>,
    noise: Noise,
    /// z of the stated error rate.
    z: f64,
    error_rate: f64,
    /// Squared deviations from the mean of their placement, and their degrees of freedom.
    squares: f64,
    freedom: usize,
    /// All-CPU's margin above the threshold: the scale on which a score is close to it.
    tolerance: f64,
    /// Scores of different placements, to notice that an oracle is exact without a repeat.
    seen: BTreeSet<u64>,
    coincidences: usize,
}

impl Judge {
    pub(crate) fn new(problem: &Problem) -> Self {
        let noise = match problem.noise {
            Noise::Sigma(0.0) | Noise::Flips(0.0) => Noise::None,
            noise => noise,
        };
        // Of the many placements near the threshold the smallest that seems to pass is taken: its error rate is that of the luckiest.
        let z = upper_quantile(problem.error_rate / LUCKY);
        Self {
            threshold: problem.threshold,
            noise,
            z,
            error_rate: problem.error_rate,
            squares: 0.0,
            freedom: 0,
            tolerance: 0.0,
            seen: BTreeSet::new(),
            coincidences: 0,
        }
    }

    /// Sets the scale of closeness from the all-CPU answer.
    pub(crate) fn calibrate(&mut self, all_cpu: &Answer) {
        if let (Some(threshold), Some(score)) = (self.threshold, all_cpu.score) {
            self.tolerance = threshold.margin(score).max(0.0);
        }
    }

    /// The standard deviation of one score, where it is known: given, or measured from repeats.
    pub(crate) fn sigma(&self) -> Option<f64> {
        match self.noise {
            Noise::Unknown | Noise::Flips(_) => None,
            Noise::None => Some(0.0),
            Noise::Sigma(sigma) if self.freedom == 0 => Some(sigma),
            // The given or first value counts as one more degree of freedom.
            Noise::Sigma(sigma) => Some(((self.squares + sigma * sigma) / (self.freedom + 1) as f64).sqrt()),
        }
    }

    pub(crate) fn is_noisy(&self) -> bool {
        matches!(self.noise, Noise::Sigma(_) | Noise::Flips(_))
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.noise == Noise::Unknown
    }

    /// The verdict that one answer alone would give.
    pub(crate) fn single(&self, answer: &Answer) -> Verdict {
        match (answer.verdict, self.threshold, answer.score) {
            (Verdict::Unresolved, _, _) => Verdict::Unresolved,
            (_, Some(threshold), Some(score)) => threshold.judge(score),
            (verdict, _, _) => verdict,
        }
    }

    /// Takes note of a repeat: equal scores mean no noise, different ones tell how much.
    pub(crate) fn learn(&mut self, answers: &[Answer]) {
        let scores: Vec<f64> = answers.iter().filter_map(|answer| answer.score).filter(|s| s.is_finite()).collect();
        let (Some((&last, before)), true) = (scores.split_last(), self.threshold.is_some()) else { return };
        if before.is_empty() {
            self.notice(last);
            return;
        }
        if matches!(self.noise, Noise::Flips(_)) {
            return;
        }
        let mean = before.iter().sum::<f64>() / before.len() as f64;
        // Welford's step: what the last score adds to the sum of squared deviations of its placement.
        let square = (last - mean).powi(2) * before.len() as f64 / scores.len() as f64;
        match self.noise {
            Noise::Unknown if square == 0.0 => self.noise = Noise::None,
            Noise::Unknown | Noise::None if square > 0.0 => self.noise = Noise::Sigma(square.sqrt()),
            Noise::Sigma(_) => {
                self.squares += square;
                self.freedom += 1;
            }
            _ => {}
        }
    }

    /// Different placements with the very same score: noise would have told them apart.
    fn notice(&mut self, score: f64) {
        self.coincidences += usize::from(!self.seen.insert(score.to_bits()));
        if self.noise == Noise::Unknown && self.coincidences >= ENOUGH_COINCIDENCES {
            self.noise = Noise::None;
        }
    }

    pub(crate) fn rule(&self, answers: &[Answer]) -> Ruling {
        if answers.iter().any(|answer| answer.verdict == Verdict::Unresolved) {
            return Ruling::Settled(Judged {
                verdict: Verdict::Unresolved,
                score: None,
                error: 0.0,
                error_power: None,
            });
        }
        let scores: Vec<f64> = answers.iter().filter_map(|answer| answer.score).filter(|s| s.is_finite()).collect();
        match self.threshold {
            Some(threshold) if scores.len() == answers.len() => self.rule_scores(threshold, answers, &scores),
            _ => self.rule_verdicts(answers),
        }
    }

    fn rule_verdicts(&self, answers: &[Answer]) -> Ruling {
        let passes = answers.iter().filter(|answer| self.single(answer) == Verdict::Pass).count();
        let fails = answers.len() - passes;
        if let Noise::Flips(rate) = self.noise {
            // Wald's sequential test between "true verdict pass" and "true verdict fail".
            let lead = ((1.0 - self.error_rate) / self.error_rate).ln() / ((1.0 - rate) / rate).ln();
            if (passes.abs_diff(fails) as f64) < lead.ceil() {
                return Ruling::Again;
            }
        }
        let verdict = if passes > fails { Verdict::Pass } else { Verdict::Fail };
        Ruling::Settled(Judged { verdict, score: None, error: 0.0, error_power: mean_power(answers) })
    }

    fn rule_scores(&self, threshold: Threshold, answers: &[Answer], scores: &[f64]) -> Ruling {
        let count = scores.len() as f64;
        let margin = scores.iter().map(|&score| threshold.margin(score)).sum::<f64>() / count;
        let told: f64 = answers.iter().map(|answer| answer.sigma.unwrap_or(0.0).powi(2)).sum::<f64>();
        let sigma = if answers.iter().all(|answer| answer.sigma.is_some()) {
            (told / count).sqrt()
        } else {
            self.sigma().unwrap_or(0.0)
        };
        let error = sigma / count.sqrt();
        let is_close = margin.abs() < CLOSE * self.tolerance;
        if self.noise == Noise::Unknown && is_close && answers.iter().any(|answer| answer.sigma.is_none()) {
            return Ruling::Again;
        }
        let verdict = match self.sequential(margin, error, scores.len()) {
            Some(true) => Verdict::Pass,
            Some(false) => Verdict::Fail,
            None => return Ruling::Again,
        };
        let sign = threshold.margin(1.0) - threshold.margin(0.0);
        let score = margin + threshold.value * sign;
        Ruling::Settled(Judged { verdict, score: Some(score), error, error_power: mean_power(answers) })
    }

    /// Whether a mean that is `margin` above the threshold, known to `error` after `looks` looks, passes; `None` asks for another look.
    ///
    /// A pass is claimed only at the stated error rate; a fail is cheaper, because a wrong one costs size and not correctness
    /// (spec/search.md "NOISY PASS").
    fn sequential(&self, margin: f64, error: f64, looks: usize) -> Option<bool> {
        if self.is_noisy() && self.freedom + 2 < FIRST_LOOKS && looks > 1 && looks < FIRST_LOOKS {
            return None;
        }
        if error == 0.0 {
            return Some(margin >= 0.0);
        }
        if margin >= self.z * error {
            return Some(true);
        }
        // With all looks taken the error would be this; what is unlikely to pass then fails now.
        let best_error = error * (looks as f64 / MOST_LOOKS as f64).sqrt();
        if margin < 0.5 * self.z * best_error || looks >= MOST_LOOKS {
            return Some(false);
        }
        None
    }
}

fn mean_power(answers: &[Answer]) -> Option<f64> {
    let powers: Vec<f64> =
        answers.iter().filter_map(|answer| answer.error_power).filter(|p| p.is_finite() && *p >= 0.0).collect();
    (!powers.is_empty()).then(|| powers.iter().sum::<f64>() / powers.len() as f64)
}

/// The z that a standard normal exceeds with this probability (Abramowitz and Stegun 26.2.23, error below 4.5e-4).
pub(crate) fn upper_quantile(probability: f64) -> f64 {
    let p = probability.clamp(1e-12, 0.5);
    let t = (-2.0 * p.ln()).sqrt();
    let top = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let bottom = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    t - top / bottom
}

/// Each value's rank as a quantile of the standard normal; equal values share the mean of theirs.
pub(crate) fn normal_scores(values: &[f64]) -> Vec<f64> {
    let n = values.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]).then(b.cmp(&a)));
    let mut scores = vec![0.0; n];
    let quantile = |rank: usize| {
        let above = 1.0 - (rank as f64 + 0.5) / n as f64;
        if above <= 0.5 { upper_quantile(above) } else { -upper_quantile(1.0 - above) }
    };
    let mut rank = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean = (rank..rank + equal.len()).map(quantile).sum::<f64>() / equal.len() as f64;
        for &i in equal {
            scores[i] = mean;
        }
        rank += equal.len();
    }
    scores
}
