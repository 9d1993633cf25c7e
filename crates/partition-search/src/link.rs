//! From a score to the noise power behind it, as far as a score can tell (spec/search.md "LINK").

use crate::ctx::Ctx;
use crate::judge::Judged;

/// Relative error of an observation that no noise disturbs: what the additive model cannot explain.
const MODEL_ERROR: f64 = 0.03;
/// Extra error of an observation at either end of the scale.
const CLAMPED_ERROR: f64 = 2.0;
/// How many standard deviations above the threshold a score must be to be seen to pass after a few looks.
const CLEARANCE: f64 = 1.3;
/// The slope between log odds of a score and ln(power), before a model is fitted to it.
const USUAL_SLOPE: f64 = 1.7;
/// How near the bottom of the scale an observation still counts.
const NEAR_BOTTOM: f64 = 0.985;

/// The scale of scores: what all-CPU reaches, what is enough, where scores bottom out. All turned so that higher is better.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) reference: f64,
    pub(crate) threshold: f64,
    /// The all-NPU score; where that was refused, the bottom.
    pub(crate) floor: f64,
    /// The bottom's distance from the reference, in tolerances.
    deepest: f64,
    /// The standard deviation of a score.
    pub(crate) sigma: f64,
    /// The noise power of the outputs at which scores cross the threshold, where trials measure it.
    power_allowed: Option<f64>,
    /// That of all-NPU.
    power_floor: Option<f64>,
}

/// How bad a placement is, on the two scales a score can stand for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    /// Log odds between all-CPU and the bottom: proportional to ln(power) for a score that is a sigmoid of decibels; 0 at the threshold.
    pub(crate) odds: f64,
    /// Distance from all-CPU in tolerances: the power itself where losses add up; 1 at the threshold.
    pub(crate) drop: f64,
    /// The relative error of the power.
    pub(crate) error: f64,
    /// The part of it that repeats would reduce.
    pub(crate) noise: f64,
}

impl Link {
    /// The scale of this problem; `None` if scores do not tell enough to have one.
    pub(crate) fn of(ctx: &Ctx) -> Option<Self> {
        let ledger = ctx.ledger();
        let problem = &ledger.problem;
        let limit = problem.threshold?;
        let sign = if ledger.lower_is_better() { -1.0 } else { 1.0 };
        let scores = || ledger.records.iter().filter_map(|record| record.judged?.score);
        let given =
            |answer: Option<crate::Answer>| answer.and_then(|a| a.score).filter(|s| s.is_finite()).map(|s| sign * s);
        let threshold = sign * limit.value;
        let highest = scores().fold(f64::NEG_INFINITY, f64::max);
        let lowest = scores().fold(f64::INFINITY, f64::min);
        let reference = given(problem.all_cpu).unwrap_or(highest);
        if !(reference > threshold && lowest < threshold) {
            return None;
        }
        let range = reference - lowest;
        let chance = match problem.chance {
            Some(chance) => sign * chance,
            None if sign > 0.0 && (0.0..=1.0).contains(&lowest) && reference <= 1.0 => 0.0,
            None => lowest - 0.05 * range,
        };
        let tolerance = reference - threshold;
        let bottom = chance.min(lowest - 1e-3 * range);
        let floor = given(problem.all_npu).unwrap_or(lowest);
        let sigma = ledger.judge.sigma().unwrap_or(0.0);
        let deepest = (reference - bottom) / tolerance;
        let power_floor = problem.all_npu.and_then(|answer| answer.error_power);
        let link = Self { reference, threshold, floor, deepest, sigma, power_allowed: None, power_floor };
        let judged: Vec<Judged> = ledger.records.iter().filter_map(|record| record.judged).collect();
        Some(Self { power_allowed: link.power_at_threshold(&judged), ..link })
    }

    /// The noise power at which scores cross the threshold: between those of passing and failing trials, and where the score nearest to the
    /// threshold puts it.
    fn power_at_threshold(&self, judged: &[Judged]) -> Option<f64> {
        let measured = || judged.iter().filter_map(|judged| Some((judged, judged.error_power.filter(|p| *p > 0.0)?)));
        let of = |verdict| measured().filter(move |(judged, _)| judged.verdict == verdict).map(|(_, power)| power);
        let passing = of(crate::Verdict::Pass).fold(0.0, f64::max);
        let failing = of(crate::Verdict::Fail).fold(f64::INFINITY, f64::min);
        let near = measured().filter_map(|(judged, power)| Some((self.level(judged)?, power)));
        let (level, power) = near.min_by(|a, b| (a.0.odds.abs()).total_cmp(&b.0.odds.abs()))?;
        let guess = power * (-level.odds / USUAL_SLOPE).exp();
        Some(if passing < failing { guess.clamp(passing, failing) } else { (passing * failing).sqrt() })
    }

    /// Whether levels come from measured noise powers, which have no bottom and add up.
    pub(crate) fn is_measured(&self) -> bool {
        self.power_allowed.is_some()
    }

    /// The level of a judged placement; `None` if it has no score.
    pub(crate) fn level(&self, judged: &Judged) -> Option<Level> {
        let tolerance = self.reference - self.threshold;
        let deviation = judged.error / tolerance;
        if let (Some(allowed), Some(power)) = (self.power_allowed, judged.error_power.filter(|p| *p > 0.0)) {
            let drop = power / allowed;
            return Some(Level { odds: drop.ln(), drop, noise: 0.0, error: MODEL_ERROR });
        }
        let drop = (self.reference - judged.score?) / tolerance;
        let clamped = drop.clamp((0.7 * deviation).max(1e-4), NEAR_BOTTOM * self.deepest);
        let odds = clamped / (self.deepest - clamped);
        let penalty = if clamped == drop { 0.0 } else { CLAMPED_ERROR };
        Some(Level {
            odds: odds.ln() + (self.deepest - 1.0).ln(),
            drop: clamped,
            noise: deviation / clamped,
            error: MODEL_ERROR.hypot(deviation / clamped) + penalty,
        })
    }

    /// The distance of a score from all-CPU, in tolerances; `None` at the bottom of the scale, where it may be anything.
    pub(crate) fn loss(&self, judged: &Judged) -> Option<f64> {
        let loss = (self.reference - judged.score?) / (self.reference - self.threshold);
        (loss < NEAR_BOTTOM * self.deepest).then_some(loss.max(0.0))
    }

    /// The level that a placement needs to be seen to pass with a few looks: the threshold's, or somewhat better if there is noise.
    pub(crate) fn wanted(&self) -> Level {
        let tolerance = self.reference - self.threshold;
        let judged = Judged {
            verdict: crate::Verdict::Pass,
            score: Some(self.threshold + (CLEARANCE * self.sigma).min(0.5 * tolerance)),
            error: 0.0,
            error_power: None,
        };
        self.level(&judged).unwrap_or(Level { odds: 0.0, drop: 1.0, error: MODEL_ERROR, noise: 0.0 })
    }

    /// Whether a failing score is the one of having everything on the NPU: it tells nothing but that it failed.
    pub(crate) fn is_floor(&self, judged: &Judged) -> bool {
        self.is_near_floor(judged, 0.0)
    }

    /// The same for a score at most this share of the way to all-CPU's away.
    pub(crate) fn is_near_floor(&self, judged: &Judged, share: f64) -> bool {
        if let (Some(power), Some(floor)) = (judged.error_power, self.power_floor) {
            return (power - floor).abs() <= share.max(1e-9) * floor;
        }
        let near = |score: f64| (score - self.floor).abs() <= share * (self.reference - self.floor);
        judged.score.is_none_or(|score| near(score) || self.is_same(score, self.floor))
    }

    /// Whether a score is the one of having everything on the CPU.
    pub(crate) fn is_top(&self, judged: &Judged) -> bool {
        judged.score.is_none_or(|score| self.is_same(score, self.reference))
    }

    fn is_same(&self, a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * (self.reference - self.floor) + 4.3 * self.sigma
    }
}
