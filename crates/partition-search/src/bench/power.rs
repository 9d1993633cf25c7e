//! Oracles whose score is a function of the noise power at the output.

use super::families::OP_TYPES;
use crate::UnitSet;
use crate::rng::Rng;

/// Noise power an op adds: lognormal(0, 2) with an effect of its type.
fn op_powers(n: usize, rng: &mut Rng) -> Vec<f64> {
    let effects: Vec<f64> = (0..OP_TYPES).map(|_| rng.lognormal(0.0, 0.7)).collect();
    (0..n).map(|_| rng.lognormal(0.0, 2.0) * effects[rng.below(OP_TYPES)]).collect()
}

/// Scales powers so that 1 is the threshold: between what the best k−1 and the best k ops leave.
fn threshold_between(before: f64, after: f64) -> f64 {
    before.powf(0.4) * after.powf(0.6)
}

/// Independent noise powers; the k largest are the optimum.
pub(super) struct Powers {
    weights: Vec<f64>,
}

impl Powers {
    pub(super) fn new(n: usize, k: usize, rng: &mut Rng) -> Self {
        let mut weights = op_powers(n, rng);
        let mut sorted = weights.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let left = |moved: usize| sorted[moved..].iter().sum::<f64>();
        let scale = threshold_between(left(k - 1), left(k).max(1e-9));
        for w in &mut weights {
            *w /= scale;
        }
        Self { weights }
    }

    pub(super) fn weights(&self) -> &[f64] {
        &self.weights
    }

    pub(super) fn power(&self, set: &UnitSet) -> f64 {
        self.weights.iter().enumerate().filter(|(op, _)| !set.contains(*op)).map(|(_, w)| w).sum()
    }
}

/// Noise through a graph: gains, amplification on the NPU, requantization where an input crosses.
pub(super) struct Dag {
    inputs: Vec<Vec<usize>>,
    gain: Vec<f64>,
    amplify: Vec<f64>,
    added: Vec<f64>,
    requantize: Vec<f64>,
    scale: f64,
    reference: usize,
}

impl Dag {
    pub(super) fn new(n: usize, k: usize, crossing: f64, rng: &mut Rng) -> Self {
        let inputs = (0..n)
            .map(|op| {
                let mut list = Vec::new();
                if op > 0 && rng.uniform() < 0.9 {
                    list.push(op - 1);
                }
                if op > 1 && rng.uniform() < 0.2 {
                    list.push(op.saturating_sub(2 + rng.below(7)));
                }
                if list.is_empty() && op > 0 {
                    list.push(op - 1);
                }
                list
            })
            .collect();
        let spread = if n > 200 { 0.01 } else { 0.03 };
        let mut dag = Self {
            inputs,
            gain: (0..n).map(|_| rng.lognormal(0.0, 0.1).clamp(0.7, 1.35)).collect(),
            amplify: (0..n).map(|_| rng.exponential(spread).min(0.1)).collect(),
            added: op_powers(n, rng),
            requantize: (0..n).map(|_| crossing * rng.lognormal(0.0, 0.6)).collect(),
            scale: 1.0,
            reference: k,
        };
        // Crossings can make the best k no better than the best k−1; then the threshold is set one size further up.
        let (mut size, mut before, mut after) = (k, f64::NAN, f64::NAN);
        while size <= n && (after.is_nan() || after >= 0.98 * before) {
            before = best_of_size(n, size - 1, |set| dag.power(set));
            after = best_of_size(n, size, |set| dag.power(set));
            size += 1;
        }
        dag.reference = size - 1;
        dag.scale = threshold_between(before, after.max(1e-9));
        dag
    }

    pub(super) fn reference(&self) -> usize {
        self.reference
    }

    pub(super) fn power(&self, set: &UnitSet) -> f64 {
        let mut noise: Vec<f64> = Vec::with_capacity(self.inputs.len());
        for (op, inputs) in self.inputs.iter().enumerate() {
            let on_cpu = set.contains(op);
            let mean = inputs.iter().map(|&i| noise[i]).sum::<f64>() / inputs.len().max(1) as f64;
            let mut v = self.gain[op] * mean;
            if !on_cpu {
                v = v * (1.0 + self.amplify[op]) + self.added[op];
            }
            if inputs.iter().any(|&i| set.contains(i) != on_cpu) {
                v += self.requantize[op];
            }
            noise.push(v);
        }
        noise.last().copied().unwrap_or(0.0) / self.scale
    }

    /// What each op's own noise is worth at the output.
    pub(super) fn importance(&self) -> Vec<f64> {
        let n = self.inputs.len();
        let mut worth = vec![0.0; n];
        worth[n - 1] = 1.0;
        for op in (0..n).rev() {
            let share = worth[op] * self.gain[op] * (1.0 + self.amplify[op]) / self.inputs[op].len().max(1) as f64;
            self.inputs[op].iter().for_each(|&i| worth[i] += share);
        }
        (0..n).map(|op| worth[op] * self.added[op] / self.scale).collect()
    }
}

/// Error vectors in 16 dimensions that partly cancel; the power is the squared length of their sum.
pub(super) struct Vectors {
    errors: Vec<[f64; 16]>,
    scale: f64,
    reference: usize,
}

impl Vectors {
    pub(super) fn new(n: usize, k: usize, rng: &mut Rng) -> Self {
        let powers = op_powers(n, rng);
        let errors = powers
            .iter()
            .map(|w| {
                let mut e: [f64; 16] = std::array::from_fn(|_| rng.normal());
                let length = e.iter().map(|x| x * x).sum::<f64>().sqrt();
                for x in &mut e {
                    *x *= w.sqrt() / length;
                }
                e
            })
            .collect();
        let mut vectors = Self { errors, scale: 1.0, reference: k };
        let before = best_of_size(n, k - 1, |set| vectors.power(set));
        let after = best_of_size(n, k, |set| vectors.power(set));
        vectors.scale = threshold_between(before, after.max(1e-9));
        vectors
    }

    pub(super) fn reference(&self) -> usize {
        self.reference
    }

    pub(super) fn power(&self, set: &UnitSet) -> f64 {
        let mut sum = [0.0; 16];
        for (op, error) in self.errors.iter().enumerate() {
            if !set.contains(op) {
                sum.iter_mut().zip(error).for_each(|(s, e)| *s += e);
            }
        }
        sum.iter().map(|s| s * s).sum::<f64>() / self.scale
    }

    /// How much the power falls when an op moves alone.
    pub(super) fn importance(&self) -> Vec<f64> {
        let n = self.errors.len();
        let nothing = UnitSet::empty(n);
        let whole = self.power(&nothing);
        (0..n).map(|op| whole - self.power(&nothing.with([op]))).collect()
    }
}

/// The least power that a set of this size leaves, by greedy choice and swaps until none helps.
fn best_of_size(n: usize, size: usize, power: impl Fn(&UnitSet) -> f64) -> f64 {
    let mut set = UnitSet::empty(n);
    let best_addition = |set: &UnitSet| {
        (0..n).filter(|&op| !set.contains(op)).map(|op| (power(&set.with([op])), op)).min_by(|a, b| a.0.total_cmp(&b.0))
    };
    for _ in 0..size {
        if let Some((_, op)) = best_addition(&set) {
            set.insert(op);
        }
    }
    let mut least = power(&set);
    for _ in 0..4 {
        let before = least;
        for op in set.iter().collect::<Vec<_>>() {
            let rest = set.without([op]);
            if let Some((p, other)) = best_addition(&rest)
                && p < least
            {
                least = p;
                set = rest.with([other]);
            }
        }
        if least >= before {
            break;
        }
    }
    least
}
