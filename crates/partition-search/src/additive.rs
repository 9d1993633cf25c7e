//! The additive model: every group of atoms on the NPU adds a noise power; fitted to all observations (spec/search.md "IPF", "CALIB").

use crate::UnitSet;
use crate::link::Level;

/// Steps of the multiplicative fit.
const FIT_STEPS: usize = 150;
/// Slopes tried between level and ln(power).
const SLOPES: usize = 16;
const LEAST_SLOPE: f64 = 0.5;
const GREATEST_SLOPE: f64 = 3.5;
/// The slope that a sigmoid of decibels and a proportional loss have in common ground.
const USUAL_SLOPE: f64 = 1.3;

/// Atoms whose powers are not told apart yet.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Most suspicious first.
    pub(crate) members: Vec<usize>,
    /// Their noise power together; 1 is what the threshold allows in all.
    pub(crate) weight: f64,
}

/// A placement and its level.
#[derive(Clone, Debug)]
pub(crate) struct Observation {
    pub(crate) set: UnitSet,
    pub(crate) level: Level,
}

/// Groups, their powers, and the slope of the link.
#[derive(Clone, Debug)]
pub(crate) struct Additive {
    pub(crate) groups: Vec<Group>,
    pub(crate) slope: f64,
}

impl Additive {
    pub(crate) fn new(groups: Vec<Vec<usize>>) -> Self {
        let groups =
            groups.into_iter().filter(|g| !g.is_empty()).map(|members| Group { members, weight: 1.0 }).collect();
        Self { groups, slope: USUAL_SLOPE }
    }

    /// The power predicted with `set` on the CPU.
    pub(crate) fn power(&self, set: &UnitSet) -> f64 {
        self.groups.iter().map(|group| group.weight * on_npu(group, set)).sum()
    }

    /// Fits the powers with the slope as it is.
    pub(crate) fn fit(&mut self, observations: &[Observation]) {
        let shares = self.shares(observations);
        let mut weights: Vec<f64> = self.groups.iter().map(|group| group.weight.max(1e-9)).collect();
        iterate(&shares, observations, self.slope, &mut weights);
        for (group, weight) in self.groups.iter_mut().zip(weights) {
            group.weight = weight;
        }
    }

    /// Fits slope and powers.
    pub(crate) fn calibrate(&mut self, observations: &[Observation]) {
        let shares = self.shares(observations);
        let ratio = (GREATEST_SLOPE / LEAST_SLOPE).powf(1.0 / (SLOPES - 1) as f64);
        let mut best = (f64::INFINITY, self.slope, Vec::new());
        for step in 0..SLOPES {
            let slope = LEAST_SLOPE * ratio.powi(step as i32);
            let mut weights: Vec<f64> = self.groups.iter().map(|group| group.weight.max(1e-9)).collect();
            iterate(&shares, observations, slope, &mut weights);
            let loss = misfit(&shares, observations, slope, &weights) + 0.02 * (slope / USUAL_SLOPE).ln().abs();
            if loss < best.0 {
                best = (loss, slope, weights);
            }
        }
        self.slope = best.1;
        for (group, weight) in self.groups.iter_mut().zip(best.2) {
            group.weight = weight;
        }
    }

    /// The median of |ln(observed / predicted power)|.
    pub(crate) fn residual(&self, observations: &[Observation]) -> f64 {
        let mut residuals: Vec<f64> = observations
            .iter()
            .map(|o| (o.level.log / self.slope - self.power(&o.set).max(1e-12).ln()).abs())
            .collect();
        residuals.sort_by(f64::total_cmp);
        residuals.get(residuals.len() / 2).copied().unwrap_or(0.0)
    }

    fn shares(&self, observations: &[Observation]) -> Vec<Vec<f64>> {
        observations.iter().map(|o| self.groups.iter().map(|group| on_npu(group, &o.set)).collect()).collect()
    }
}

/// The share of a group that is on the NPU.
fn on_npu(group: &Group, set: &UnitSet) -> f64 {
    let on_cpu = group.members.iter().filter(|&&atom| set.contains(atom)).count();
    1.0 - on_cpu as f64 / group.members.len() as f64
}

fn iterate(shares: &[Vec<f64>], observations: &[Observation], slope: f64, weights: &mut [f64]) {
    let observed: Vec<f64> = observations.iter().map(|o| (o.level.log / slope).exp()).collect();
    let trust: Vec<f64> =
        observations.iter().zip(&observed).map(|(o, y)| 1.0 / (y * o.level.error * o.level.error)).collect();
    let pull: Vec<f64> =
        (0..weights.len()).map(|g| shares.iter().zip(&trust).map(|(share, t)| t * share[g]).sum()).collect();
    for _ in 0..FIT_STEPS {
        let mut push = vec![0.0; weights.len()];
        for ((share, y), t) in shares.iter().zip(&observed).zip(&trust) {
            let predicted: f64 = share.iter().zip(weights.iter()).map(|(s, w)| s * w).sum();
            let factor = t * y / predicted.max(1e-12);
            push.iter_mut().zip(share).for_each(|(p, s)| *p += factor * s);
        }
        for ((weight, push), pull) in weights.iter_mut().zip(&push).zip(&pull) {
            if *pull > 0.0 {
                *weight *= push / pull;
            }
        }
    }
}

fn misfit(shares: &[Vec<f64>], observations: &[Observation], slope: f64, weights: &[f64]) -> f64 {
    let total: f64 = shares
        .iter()
        .zip(observations)
        .map(|(share, o)| {
            let predicted: f64 = share.iter().zip(weights).map(|(s, w)| s * w).sum();
            ((o.level.log / slope - predicted.max(1e-12).ln()).abs() / o.level.error).min(60.0)
        })
        .sum();
    0.03 * total / observations.len().max(1) as f64
}
