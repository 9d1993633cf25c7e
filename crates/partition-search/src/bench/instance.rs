//! One oracle of a family: seeded, with noise and refusals.

use serde::{Deserialize, Serialize};

use super::families::{self, Family, Model, THRESHOLD};
use super::prior::Prior;
use crate::rng::Rng;
use crate::{Answer, Problem, Threshold, UnitSet, Verdict};

/// Which placements the device refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusals {
    /// None.
    #[default]
    None,
    /// This share of all placements, at random.
    Random(f64),
    /// This share of the ops cannot move unless the next one moves too (spec/measured.md "What placements do").
    Partners(f64),
    /// This share of the ops cannot move alone: half of them need the next one, which needs them.
    Couples(f64),
    /// As `Partners`, but the partner is any op.
    FarPartners(f64),
}

/// An oracle with everything that makes it awkward.
pub struct Instance {
    /// The number of ops.
    pub n: usize,
    /// The size of the smallest passing set known.
    pub reference: usize,
    model: Model,
    importance: Vec<f64>,
    classes: Option<Vec<usize>>,
    /// `(a, b)`: a on the CPU needs b there.
    needs: Vec<(usize, usize)>,
    refused: f64,
    sigma: f64,
    seed: u64,
}

impl Instance {
    /// Makes the oracle of a seed: `n` ops, `k` culprits, noise `sigma` in tolerances.
    pub fn new(family: Family, n: usize, k: usize, sigma: f64, refusals: Refusals, seed: u64) -> Self {
        let mut rng = Rng::new(seed.wrapping_mul(0x1000_0001).wrapping_add(n as u64));
        let made = families::make(family, n, k, &mut rng);
        let (needs, refused) = refusals.draw(n, &mut rng);
        let sigma = sigma * families::TOLERANCE;
        Self {
            n,
            reference: made.reference,
            model: made.model,
            importance: made.importance,
            classes: made.classes,
            needs,
            refused,
            sigma,
            seed,
        }
    }

    /// The threshold of every family.
    pub fn threshold() -> Threshold {
        Threshold::at_least(THRESHOLD)
    }

    /// The true verdict.
    pub fn truth(&self, set: &UnitSet) -> Verdict {
        if self.is_refused(set) { Verdict::Unresolved } else { Self::threshold().judge(self.model.score(set)) }
    }

    /// The score without noise.
    pub fn score(&self, set: &UnitSet) -> f64 {
        self.model.score(set)
    }

    fn is_refused(&self, set: &UnitSet) -> bool {
        let size = set.len();
        if size == 0 || size == self.n {
            return false;
        }
        self.needs.iter().any(|&(a, b)| set.contains(a) && !set.contains(b))
            || self.refused > 0.0 && self.draw(set, 0).uniform() < self.refused
    }

    /// Randomness that belongs to a placement and a repeat.
    fn draw(&self, set: &UnitSet, repeat: u32) -> Rng {
        let mix = |hash: u64, unit: usize| Rng::new(hash ^ (unit as u64 + 1)).next();
        Rng::new(set.iter().fold(self.seed ^ u64::from(repeat) << 40, mix))
    }

    /// One trial. `graded` gives the score, else only the verdict; `power` adds the noise power where the family has one.
    pub fn answer(&self, set: &UnitSet, repeat: u32, graded: bool, power: bool) -> Answer {
        if self.is_refused(set) {
            return Answer::unresolved();
        }
        let noise = if self.sigma > 0.0 { self.sigma * self.draw(set, repeat + 1).normal() } else { 0.0 };
        let answer = Answer::scored(self.model.score(set) + noise, Self::threshold());
        let answer = if graded { answer } else { Answer::verdict(answer.verdict) };
        Answer { error_power: self.model.power(set).filter(|_| power), ..answer }
    }

    /// The problem as a caller would pose it, with both baselines known.
    pub fn problem(&self, prior: Prior, graded: bool, power: bool) -> Problem {
        let (full, empty) = (UnitSet::full(self.n), UnitSet::empty(self.n));
        let mut problem = Problem::new(self.n)
            .all_cpu(self.answer(&full, 0, graded, power))
            .all_npu(self.answer(&empty, 0, graded, power))
            .seed(self.seed);
        if graded {
            problem = problem.threshold(Self::threshold());
        }
        if let Some(classes) = &self.classes {
            problem = problem.classes(classes.clone());
        }
        match prior.draw(&self.importance, &mut Rng::new(self.seed ^ 0x9e37)) {
            Some(prior) => problem.prior(prior),
            None => problem,
        }
    }
}

impl Refusals {
    fn draw(self, n: usize, rng: &mut Rng) -> (Vec<(usize, usize)>, f64) {
        let firsts = |share: f64, rng: &mut Rng| {
            // Couples must not overlap: every second op is a candidate.
            let wanted = (share * n as f64).round() as usize;
            let mut firsts: Vec<usize> = (0..n / 2).map(|i| 2 * i).filter(|&i| i + 1 < n).collect();
            rng.shuffle(&mut firsts);
            firsts.truncate(wanted);
            firsts
        };
        match self {
            Self::None => (Vec::new(), 0.0),
            Self::Random(share) => (Vec::new(), share),
            Self::Partners(share) => (firsts(share, rng).into_iter().map(|i| (i, i + 1)).collect(), 0.0),
            Self::Couples(share) => {
                (firsts(share / 2.0, rng).into_iter().flat_map(|i| [(i, i + 1), (i + 1, i)]).collect(), 0.0)
            }
            Self::FarPartners(share) => {
                let list = rng.choose(n, 2 * ((share * n as f64) as usize).min(n / 2));
                (list.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect(), 0.0)
            }
        }
    }
}
