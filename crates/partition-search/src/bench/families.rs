//! The oracle families and their parameters (spec/search.md "Oracle families").

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::power::{Dag, Powers, Vectors};
use crate::UnitSet;
use crate::rng::Rng;

/// All-CPU score.
pub(super) const REFERENCE: f64 = 0.75;
/// How far a passing score may be below it.
pub(super) const TOLERANCE: f64 = 0.01;
pub(super) const THRESHOLD: f64 = REFERENCE - TOLERANCE;
/// The score of a model that knows nothing.
pub(super) const CHANCE: f64 = 0.001;
/// The score of `conj_hard` with a culprit missing.
const HARD_BOTTOM: f64 = 0.2;
pub(super) const OP_TYPES: usize = 13;
/// The ops that clauses of `andor` are drawn from, per culprit: so few that some are in two. The share of clauses that are content with
/// either of two ops. With these the rivals need the calls that the spec states for them.
const ANDOR_POOL: usize = 4;
const ANDOR_EITHER: f64 = 0.5;

/// What kind of trouble the NPU has with a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// k culprits; the score is at its bottom unless all are on the CPU.
    ConjHard,
    /// k culprits, each costing at least 1.2 tolerances; small losses elsewhere.
    ConjSoft,
    /// k consecutive culprits, half the time at the tail.
    Region,
    /// All ops of one type.
    Optype,
    /// k clauses, half of which are content with either of two ops; an op can be in several.
    Andor,
    /// Every op adds noise power.
    Noisepower,
    /// Noise through a graph, with gains and requantization at crossings.
    Noisedag,
    /// The same with crossings that weigh about as much as ops.
    Boundary,
    /// Error vectors that partly cancel.
    Nonmono,
    /// Culprits in pairs that share a loss: moving either of them alone shows nothing.
    Pairs,
    /// The score is saturated at the bottom unless all culprits but one are on the CPU.
    Saturated,
    /// All ops of one type, of 13, and the search is told the types.
    Types,
}

/// Every family, in the order of the tables.
pub const FAMILIES: &[Family] = &[
    Family::ConjHard,
    Family::ConjSoft,
    Family::Region,
    Family::Optype,
    Family::Andor,
    Family::Noisepower,
    Family::Noisedag,
    Family::Boundary,
    Family::Nonmono,
    Family::Pairs,
    Family::Saturated,
    Family::Types,
];

impl Family {
    /// The name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConjHard => "conj_hard",
            Self::ConjSoft => "conj_soft",
            Self::Region => "region",
            Self::Optype => "optype",
            Self::Andor => "andor",
            Self::Noisepower => "noisepower",
            Self::Noisedag => "noisedag",
            Self::Boundary => "boundary",
            Self::Nonmono => "nonmono",
            Self::Pairs => "pairs",
            Self::Saturated => "saturated",
            Self::Types => "types",
        }
    }

    /// The family of that name.
    pub fn named(name: &str) -> Option<Self> {
        FAMILIES.iter().copied().find(|family| family.name() == name)
    }
}

/// How a placement turns into a score.
pub(super) enum Model {
    /// Clauses, each with its loss in tolerances while it is not met, and small losses per op on the NPU.
    Clauses { clauses: Vec<Clause>, small: Vec<f64>, bottom: Option<f64> },
    /// Independent noise powers.
    Powers(Powers),
    /// Noise through a graph.
    Dag(Dag),
    /// Error vectors.
    Vectors(Vectors),
}

/// A trouble that some ops make together.
pub(super) struct Clause {
    ops: Vec<usize>,
    /// In tolerances.
    loss: f64,
    /// Whether all of the ops have to be on the CPU to cure it, or any of them.
    all: bool,
}

impl Clause {
    fn is_met(&self, set: &UnitSet) -> bool {
        let mut on_cpu = self.ops.iter().map(|&op| set.contains(op));
        if self.all { on_cpu.all(|cured| cured) } else { on_cpu.any(|cured| cured) }
    }
}

impl Model {
    pub(super) fn score(&self, set: &UnitSet) -> f64 {
        match self {
            Self::Clauses { clauses, small, bottom } => {
                let loss: f64 = clauses.iter().filter(|clause| !clause.is_met(set)).map(|clause| clause.loss).sum();
                if let (Some(bottom), true) = (bottom, loss > 0.0) {
                    return *bottom;
                }
                let drift: f64 = small.iter().enumerate().filter(|(op, _)| !set.contains(*op)).map(|(_, s)| s).sum();
                (REFERENCE - TOLERANCE * (loss + drift)).max(CHANCE)
            }
            Self::Powers(powers) => score_of(powers.power(set)),
            Self::Dag(dag) => score_of(dag.power(set)),
            Self::Vectors(vectors) => score_of(vectors.power(set)),
        }
    }

    /// The noise power of the outputs, where the model has one (1 at the threshold).
    pub(super) fn power(&self, set: &UnitSet) -> Option<f64> {
        match self {
            Self::Clauses { .. } => None,
            Self::Powers(powers) => Some(powers.power(set)),
            Self::Dag(dag) => Some(dag.power(set)),
            Self::Vectors(vectors) => Some(vectors.power(set)),
        }
    }
}

/// A sigmoid of the total noise in dB that is at the threshold for power 1.
fn score_of(power: f64) -> f64 {
    if power <= 0.0 {
        return REFERENCE;
    }
    REFERENCE / (1.0 + ((REFERENCE / THRESHOLD - 1.0).ln() + 4.0 * power.log10()).exp())
}

/// A model, how much each op matters (for priors), and the size of the best known passing set.
pub(super) struct Made {
    pub(super) model: Model,
    pub(super) importance: Vec<f64>,
    pub(super) reference: usize,
    /// The type of each op, where the search is told.
    pub(super) classes: Option<Vec<usize>>,
}

/// Makes an oracle of `n` ops with `k` culprits.
pub(super) fn make(family: Family, n: usize, k: usize, rng: &mut Rng) -> Made {
    let k = k.clamp(1, n);
    match family {
        Family::ConjHard => clauses(n, singles(&rng.choose(n, k), |_| 1.0), Some(HARD_BOTTOM), false, rng),
        Family::ConjSoft => {
            let culprits = rng.choose(n, k);
            let ops = singles(&culprits, |_| rng.lognormal(0.9, 0.5).max(1.2));
            clauses(n, ops, None, true, rng)
        }
        Family::Region => {
            let first = if rng.uniform() < 0.5 { n - k } else { rng.below(n - k + 1) };
            let ops = singles(&(first..first + k).collect::<Vec<_>>(), |_| 1.05 + rng.exponential(1.0));
            clauses(n, ops, None, false, rng)
        }
        Family::Optype => {
            let ops = singles(&rng.choose(n, k), |_| 1.05 + rng.exponential(0.7));
            clauses(n, ops, None, false, rng)
        }
        Family::Andor => {
            let pool = rng.choose(n, (ANDOR_POOL * k).min(n));
            let draw = |rng: &mut Rng| {
                let first = pool[rng.below(pool.len())];
                let second = (rng.uniform() < ANDOR_EITHER).then(|| pool[rng.below(pool.len())]);
                let ops = std::iter::once(first).chain(second.filter(|&op| op != first)).collect();
                Clause { ops, loss: 1.05 + rng.exponential(1.0), all: false }
            };
            let list: Vec<Clause> = (0..k).map(|_| draw(rng)).collect();
            let bottom = (rng.uniform() < 0.5).then_some(HARD_BOTTOM);
            let reference = fewest_that_meet(&list);
            Made { reference, ..clauses(n, list, bottom, false, rng) }
        }
        Family::Pairs => {
            let ops = rng.choose(n, k);
            let pair = |pair: &[usize]| Clause { ops: pair.to_vec(), loss: 1.05 + rng.exponential(1.0), all: true };
            let list = ops.chunks(2).map(pair).collect();
            clauses(n, list, None, false, rng)
        }
        Family::Types => {
            let types: Vec<usize> = (0..n).map(|_| rng.below(OP_TYPES)).collect();
            let bad = types[rng.below(n)];
            let culprits: Vec<usize> = (0..n).filter(|&op| types[op] == bad).collect();
            let bottom = (rng.uniform() < 0.5).then_some(HARD_BOTTOM);
            let ops = singles(&culprits, |_| 1.05 + rng.exponential(0.7));
            Made { classes: Some(types), ..clauses(n, ops, bottom, false, rng) }
        }
        Family::Saturated => {
            let ops = singles(&rng.choose(n, k), |_| 40.0 + rng.exponential(20.0));
            clauses(n, ops, None, false, rng)
        }
        Family::Noisepower => {
            let powers = Powers::new(n, k, rng);
            let (importance, reference) = (powers.weights().to_vec(), k);
            Made { model: Model::Powers(powers), importance, reference, classes: None }
        }
        Family::Noisedag | Family::Boundary => {
            let dag = Dag::new(n, k, if family == Family::Boundary { 1.0 } else { 0.15 }, rng);
            let (importance, reference) = (dag.importance(), dag.reference());
            Made { model: Model::Dag(dag), importance, reference, classes: None }
        }
        Family::Nonmono => {
            let vectors = Vectors::new(n, k, rng);
            let (importance, reference) = (vectors.importance(), vectors.reference());
            Made { model: Model::Vectors(vectors), importance, reference, classes: None }
        }
    }
}

fn singles(ops: &[usize], mut loss: impl FnMut(usize) -> f64) -> Vec<Clause> {
    ops.iter().map(|&op| Clause { ops: vec![op], loss: loss(op), all: true }).collect()
}

fn clauses(n: usize, clauses: Vec<Clause>, bottom: Option<f64>, drift: bool, rng: &mut Rng) -> Made {
    let mut small: Vec<f64> = (0..n).map(|_| if drift { rng.lognormal(-6.0, 1.0) } else { 0.0 }).collect();
    let sum: f64 = small.iter().sum();
    if sum > 0.5 {
        for s in &mut small {
            *s *= 0.5 / sum;
        }
    }
    // Ops that do not matter are ranked at random below those that do.
    let mut importance: Vec<f64> = (0..n).map(|_| 1e-3 * rng.uniform()).collect();
    for clause in &clauses {
        for &op in &clause.ops {
            importance[op] += clause.loss / clause.ops.len() as f64;
        }
    }
    let reference = clauses.iter().map(|clause| if clause.all { clause.ops.len() } else { 1 }).sum();
    Made { model: Model::Clauses { clauses, small, bottom }, importance, reference, classes: None }
}

/// The size of the smallest set that meets every clause; the clauses have few ops.
fn fewest_that_meet(clauses: &[Clause]) -> usize {
    let ops: BTreeSet<usize> = clauses.iter().flat_map(|clause| clause.ops.iter().copied()).collect();
    let bit = |op: &usize| 1_u32 << ops.iter().position(|other| other == op).unwrap_or_default();
    let masks: Vec<u32> = clauses.iter().map(|clause| clause.ops.iter().map(bit).sum()).collect();
    let meets = |set: &u32| masks.iter().all(|mask| mask & set != 0);
    (0..1_u32 << ops.len()).filter(meets).map(u32::count_ones).min().unwrap_or_default() as usize
}
