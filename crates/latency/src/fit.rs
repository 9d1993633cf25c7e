//! Rates from timed work: least squares of the logarithms, held near what was believed before, outliers down-weighted.

use crate::{Features, model::time};

const N: usize = Features::COUNT;

/// The rates of the CPU and those of the NPU, each of which share a factor: how fast the chip is.
const GROUPS: [std::ops::Range<usize>; 2] = [0..4, 4..N];

/// How far a chip's overall speed and how far single rates are expected to lie from the prior, and measurements from the model;
/// standard deviations of natural logarithms.
const SPEED: f64 = 3.0;
const RATE: f64 = 0.5;
const NOISE: f64 = 0.3;

/// More than enough where it converges at all; steps are limited besides.
const ROUNDS: usize = 60;

/// The logarithms of the rates that fit the samples, features with milliseconds.
pub(crate) fn fit(prior: &[f64; N], samples: &[([f64; N], f64)]) -> [f64; N] {
    let precision = prior_precision();
    let mut rates = *prior;
    for _ in 0..ROUNDS {
        let mut matrix = precision;
        let mut right = [0.0; N];
        for (row, right) in precision.iter().zip(&mut right) {
            *right = row.iter().zip(rates.iter().zip(prior)).map(|(p, (rate, prior))| p * (prior - rate)).sum();
        }
        for (features, ms) in samples {
            let (estimate, parts) = time(&rates, features);
            let sum = estimate.total_ms();
            if !(sum > 0.0 && *ms > 0.0) {
                continue;
            }
            let residual = (ms / sum).ln();
            // Cauchy's weight: a sample far off counts for little.
            let weight = 1.0 / (1.0 + (residual / (2.0 * NOISE)).powi(2)) / (NOISE * NOISE);
            for i in 0..N {
                right[i] += weight * parts[i] / sum * residual;
                for j in 0..N {
                    matrix[i][j] += weight * parts[i] * parts[j] / (sum * sum);
                }
            }
        }
        let step = solve(matrix, right);
        for (rate, step) in rates.iter_mut().zip(step) {
            *rate += step.clamp(-1.0, 1.0);
        }
        if step.iter().all(|step| step.abs() < 1e-9) {
            break;
        }
    }
    rates
}

/// The inverse of the covariance `RATE²·I + SPEED²·11ᵀ` of each group.
fn prior_precision() -> [[f64; N]; N] {
    let mut precision = [[0.0; N]; N];
    for group in GROUPS {
        let shared = SPEED * SPEED / (RATE * RATE + group.len() as f64 * SPEED * SPEED);
        for i in group.clone() {
            for j in group.clone() {
                precision[i][j] = (f64::from(u8::from(i == j)) - shared) / (RATE * RATE);
            }
        }
    }
    precision
}

/// Gaussian elimination of a symmetric positive definite system.
fn solve(mut matrix: [[f64; N]; N], mut right: [f64; N]) -> [f64; N] {
    for pivot in 0..N {
        let row = matrix[pivot];
        for below in pivot + 1..N {
            let factor = matrix[below][pivot] / row[pivot];
            for (to, from) in matrix[below].iter_mut().zip(row).skip(pivot) {
                *to -= factor * from;
            }
            right[below] -= factor * right[pivot];
        }
    }
    for pivot in (0..N).rev() {
        let known: f64 = (pivot + 1..N).map(|at| matrix[pivot][at] * right[at]).sum();
        right[pivot] = (right[pivot] - known) / matrix[pivot][pivot];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_that_made_the_samples_are_found_again_though_one_sample_is_far_off() {
        let prior = [0.0; N];
        let twice: f64 = 2.0;
        let feature = |at: usize| std::array::from_fn(|i| if i == at { 3.0 } else { 1.0 });
        let made = |at: usize| (feature(at), time(&[twice.ln(); N], &feature(at)).0.total_ms());
        let mut samples: Vec<([f64; N], f64)> = (0..N).map(made).collect();
        samples.push((feature(0), 1e4));
        for rate in fit(&prior, &samples) {
            assert!((rate.exp() - twice).abs() < 0.2, "{rate}");
        }
    }

    #[test]
    fn nothing_measured_leaves_the_prior() {
        let prior = std::array::from_fn(|at| at as f64);
        assert_eq!(fit(&prior, &[]), prior);
    }
}
