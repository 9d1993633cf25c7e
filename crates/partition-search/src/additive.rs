//! The additive model: every group of atoms on the NPU adds a noise power; fitted to all observations (spec/search.md "IPF", "CALIB").

use crate::UnitSet;
use crate::link::Level;

/// Steps of the multiplicative fit.
const FIT_STEPS: usize = 150;
/// Slopes tried between log odds and ln(power), and how often the best one is refined.
const SLOPES: usize = 16;
const REFINEMENTS: usize = 24;
const LEAST_SLOPE: f64 = 0.5;
const GREATEST_SLOPE: f64 = 3.5;
/// The slope between a sigmoid of decibels and a proportional loss.
const USUAL_SLOPE: f64 = 1.3;

/// Amplifications tried, per atom in ln power, once there are enough observations.
const FADES: &[f64] = &[0.0, 0.005, 0.01, 0.02, 0.03, 0.045];
const ENOUGH_TO_FADE: usize = 5;
/// Atoms beyond which only the plain model is fitted, to decide in time.
const MOST_TO_FADE: usize = 4000;
/// Loss of a plain additive model below which nothing more elaborate is tried.
const WELL_FITTED: f64 = 0.003;
/// A power too small to matter, in units of what the threshold allows.
const NOTHING: f64 = 0.02;

/// How a level turns into a power.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// Losses add up: the power is the drop.
    Linear,
    /// ln(power) is the log odds over this slope.
    LogOdds(f64),
}

impl Scale {
    pub(crate) fn power(self, level: &Level) -> f64 {
        match self {
            Self::Linear => level.drop,
            Self::LogOdds(slope) => (level.odds / slope).exp(),
        }
    }
}

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

/// Groups, their powers, and the scale.
#[derive(Clone, Debug)]
pub(crate) struct Additive {
    pub(crate) groups: Vec<Group>,
    pub(crate) scale: Scale,
    /// How much (in ln power) each later atom on the CPU takes off what an earlier one adds: the NPU amplifies what passes through it.
    pub(crate) fade: f64,
    /// The power that every change of side in topological order adds.
    pub(crate) crossing: f64,
    /// The group of each atom.
    group_of: Vec<usize>,
}

impl Additive {
    pub(crate) fn new(groups: Vec<Vec<usize>>) -> Self {
        let groups: Vec<Group> =
            groups.into_iter().filter(|g| !g.is_empty()).map(|members| Group { members, weight: 1.0 }).collect();
        let n: usize = groups.iter().map(|group| group.members.len()).sum();
        let mut group_of = vec![usize::MAX; n];
        for (index, group) in groups.iter().enumerate() {
            for &atom in &group.members {
                if let Some(place) = group_of.get_mut(atom) {
                    *place = index;
                }
            }
        }
        Self { groups, scale: Scale::LogOdds(USUAL_SLOPE), fade: 0.0, crossing: 0.0, group_of }
    }

    /// Other groups on the same scale.
    pub(crate) fn regroup(&self, groups: Vec<Vec<usize>>) -> Self {
        Self { scale: self.scale, fade: self.fade, crossing: self.crossing, ..Self::new(groups) }
    }

    /// The power predicted with `set` on the CPU.
    pub(crate) fn power(&self, set: &UnitSet) -> f64 {
        if self.fade == 0.0 && self.crossing == 0.0 {
            return self.plain_power(set);
        }
        let shares = shares(&self.groups, set, self.fade);
        let crossings = shares.last().copied().unwrap_or(0.0);
        self.groups.iter().zip(&shares).map(|(group, share)| group.weight * share).sum::<f64>()
            + self.crossing * crossings
    }

    /// [`Additive::power`] where nothing fades and no crossing counts, without looking at what is on the NPU.
    fn plain_power(&self, set: &UnitSet) -> f64 {
        if self.group_of.len() != set.universe() {
            return self.groups.iter().map(|group| group.weight * on_npu(group, set)).sum();
        }
        let mut left: f64 = self.groups.iter().map(|group| group.weight).sum();
        for atom in set.iter() {
            if let Some(group) = self.groups.get(self.group_of[atom]) {
                left -= group.weight / group.members.len() as f64;
            }
        }
        left.max(0.0)
    }

    /// Fits the powers on the scale as it is; leaves them alone where they already fit exactly.
    pub(crate) fn fit(&mut self, observations: &[Observation]) {
        let data = Data::new(&self.groups, observations, self.fade);
        let weights = data.fit(self.scale, &self.weights());
        self.set_weights(&weights);
    }

    /// Fits scale and powers; the powers alone where the `measured` power is known as it is.
    pub(crate) fn calibrate(&mut self, observations: &[Observation], measured: bool) {
        self.fade = 0.0;
        self.crossing = 0.0;
        let mut start = self.weights();
        let data = Data::new(&self.groups, observations, 0.0);
        let try_scale = |scale: Scale| {
            let weights = data.fit(scale, &start);
            (data.loss(scale, &weights), scale, weights)
        };
        let mut best = try_scale(Scale::Linear);
        let mut sigmoid = (f64::INFINITY, USUAL_SLOPE);
        let mut consider = |slope: f64, sigmoid: &mut (f64, f64)| {
            let found = try_scale(Scale::LogOdds(slope));
            if found.0 < sigmoid.0 {
                *sigmoid = (found.0, slope);
            }
            if found.0 < best.0 {
                best = found;
            }
        };
        let (slopes, refinements) = if measured { (0, 0) } else { (SLOPES, REFINEMENTS) };
        let mut ratio = (GREATEST_SLOPE / LEAST_SLOPE).powf(1.0 / (SLOPES - 1) as f64);
        for step in 0..slopes {
            consider(LEAST_SLOPE * ratio.powi(step as i32), &mut sigmoid);
        }
        for _ in 0..refinements / 2 {
            ratio = ratio.sqrt();
            let middle = sigmoid.1;
            consider(middle * ratio, &mut sigmoid);
            consider(middle / ratio, &mut sigmoid);
        }
        let mut loss = best.0;
        // A crossing that weighs nothing stays so in a multiplicative fit; it needs a start.
        start
            .last_mut()
            .into_iter()
            .for_each(|crossing| *crossing = self.groups.iter().map(|g| g.weight).sum::<f64>() / 1000.0);
        for &fade in
            FADES.iter().take_while(|_| observations.len() > ENOUGH_TO_FADE && self.group_of.len() <= MOST_TO_FADE)
        {
            if loss < WELL_FITTED {
                break;
            }
            let data = Data::new(&self.groups, observations, fade);
            for factor in [0.8, 1.0, 1.25] {
                let scale = match best.1 {
                    Scale::LogOdds(slope) => Scale::LogOdds(slope * factor),
                    Scale::Linear => Scale::Linear,
                };
                let weights = data.fit(scale, &start);
                let found = data.loss(scale, &weights);
                if found < 0.9 * loss {
                    loss = found;
                    self.fade = fade;
                    best = (found, scale, weights);
                }
            }
        }
        self.scale = best.1;
        self.set_weights(&best.2);
    }

    /// The median of |ln(observed / predicted power)|.
    pub(crate) fn residual(&self, observations: &[Observation]) -> f64 {
        let mut residuals: Vec<f64> = observations
            .iter()
            .map(|o| (self.scale.power(&o.level) / self.power(&o.set).max(1e-12)).ln().abs())
            .collect();
        residuals.sort_by(f64::total_cmp);
        residuals.get(residuals.len() / 2).copied().unwrap_or(0.0)
    }

    /// The part of the residual that noise does not explain.
    pub(crate) fn unexplained(&self, observations: &[Observation]) -> f64 {
        Self::beyond_noise(self.residual(observations), observations)
    }

    /// The part of a residual that noise does not explain.
    pub(crate) fn beyond_noise(residual: f64, observations: &[Observation]) -> f64 {
        let mut noise: Vec<f64> = observations.iter().map(|o| o.level.noise).collect();
        noise.sort_by(f64::total_cmp);
        let noise = noise.get(noise.len() / 2).copied().unwrap_or(0.0);
        (residual.powi(2) - noise * noise).max(0.0).sqrt()
    }

    /// The greatest |observed / predicted − 1|.
    pub(crate) fn worst(&self, observations: &[Observation]) -> f64 {
        // A power next to nothing is not held to a share of itself.
        let misfit = |o: &Observation| {
            let predicted = self.power(&o.set);
            (self.scale.power(&o.level) - predicted).abs() / (predicted + NOTHING)
        };
        observations.iter().map(misfit).fold(0.0, f64::max)
    }

    /// Splits a group. Where a power was seen with `a` on the CPU, what it leaves for `b` is returned and taken; else `a` gets `part`.
    pub(crate) fn split(
        &mut self,
        group: usize,
        a: Vec<usize>,
        b: Vec<usize>,
        seen: Option<(&UnitSet, f64)>,
        part: f64,
    ) -> f64 {
        let whole = self.groups[group].weight;
        self.groups[group].weight = 0.0;
        let left = seen.map_or(whole * (1.0 - part), |(set, power)| power - self.power(set));
        let taken = left.clamp(1e-4 * whole, (1.0 - 1e-4) * whole);
        for &atom in &b {
            if let Some(place) = self.group_of.get_mut(atom) {
                *place = self.groups.len();
            }
        }
        self.groups[group] = Group { members: a, weight: whole - taken };
        self.groups.push(Group { members: b, weight: taken });
        left
    }

    /// Powers of the groups, then of a crossing.
    fn weights(&self) -> Vec<f64> {
        self.groups.iter().map(|group| group.weight.max(1e-9)).chain([self.crossing]).collect()
    }

    fn set_weights(&mut self, weights: &[f64]) {
        for (group, &weight) in self.groups.iter_mut().zip(weights) {
            group.weight = weight;
        }
        self.crossing = weights.last().copied().unwrap_or(0.0);
    }
}

/// The share of a group that is on the NPU.
fn on_npu(group: &Group, set: &UnitSet) -> f64 {
    let on_cpu = group.members.iter().filter(|&&atom| set.contains(atom)).count();
    1.0 - on_cpu as f64 / group.members.len() as f64
}

/// How much of each group's power a placement lets through to the output, and then how many crossings.
fn shares(groups: &[Group], set: &UnitSet, fade: f64) -> Vec<f64> {
    let n = set.universe();
    let mut through = vec![0.0; n];
    let (mut crossings, mut factor) = (0.0, 1.0);
    let step = (-fade).exp();
    for atom in (0..n).rev() {
        let on_cpu = set.contains(atom);
        through[atom] = if on_cpu { 0.0 } else { factor };
        if atom > 0 && set.contains(atom - 1) != on_cpu {
            crossings += factor;
        }
        if on_cpu {
            factor *= step;
        }
    }
    let mean =
        |group: &Group| group.members.iter().map(|&atom| through[atom]).sum::<f64>() / group.members.len() as f64;
    groups.iter().map(mean).chain([crossings]).collect()
}

/// The sum of products, in four lanes: most of a decision's time is spent here.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    let mut lanes = [0.0; 4];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..4 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f64>() + rest
}

/// Over-relaxation of a step of the fit: the power 1 + 1/4 + 1/32 + 1/64, by square roots, which are cheap. Above 2 it can diverge.
fn hastened(ratio: f64) -> f64 {
    let fourth = ratio.sqrt().sqrt();
    let thirty_second = fourth.sqrt().sqrt().sqrt();
    ratio * fourth * thirty_second * thirty_second.sqrt()
}

/// Observations in terms of groups.
struct Data<'a> {
    observations: &'a [Observation],
    /// Per observation, the share of each group on the NPU.
    shares: Vec<Vec<f64>>,
}

impl<'a> Data<'a> {
    fn new(groups: &[Group], observations: &'a [Observation], fade: f64) -> Self {
        Self { observations, shares: observations.iter().map(|o| shares(groups, &o.set, fade)).collect() }
    }

    fn predicted(share: &[f64], weights: &[f64]) -> f64 {
        dot(share, weights).max(1e-12)
    }

    /// Iterative proportional fitting, each observation weighted by its trust.
    fn fit(&self, scale: Scale, start: &[f64]) -> Vec<f64> {
        let mut weights = start.to_vec();
        let observed: Vec<f64> = self.observations.iter().map(|o| scale.power(&o.level).max(1e-12)).collect();
        let trust: Vec<f64> =
            self.observations.iter().zip(&observed).map(|(o, y)| 1.0 / (y * o.level.error * o.level.error)).collect();
        let pull: Vec<f64> =
            (0..weights.len()).map(|g| self.shares.iter().zip(&trust).map(|(share, t)| t * share[g]).sum()).collect();
        for _ in 0..FIT_STEPS {
            let mut push = vec![0.0; weights.len()];
            let mut worst: f64 = 0.0;
            for ((share, y), t) in self.shares.iter().zip(&observed).zip(&trust) {
                let ratio = y / Self::predicted(share, &weights);
                worst = worst.max((ratio - 1.0).abs());
                for (p, s) in push.iter_mut().zip(share) {
                    *p += t * ratio * s;
                }
            }
            if worst < 1e-5 {
                break;
            }
            for ((weight, push), pull) in weights.iter_mut().zip(&push).zip(&pull) {
                if *pull > 0.0 {
                    *weight *= hastened(push / pull);
                }
            }
        }
        weights
    }

    /// Mean misfit in standard errors, with a mild preference for the usual slope.
    fn loss(&self, scale: Scale, weights: &[f64]) -> f64 {
        let misfit: f64 = self
            .shares
            .iter()
            .zip(self.observations)
            .map(|(share, o)| {
                let predicted = Self::predicted(share, weights);
                (((scale.power(&o.level) + NOTHING) / (predicted + NOTHING)).ln().abs() / o.level.error).min(60.0)
            })
            .sum();
        let unusual = match scale {
            Scale::Linear => 0.0,
            Scale::LogOdds(slope) => (slope / USUAL_SLOPE).ln().abs(),
        };
        0.03 * misfit / self.observations.len().max(1) as f64 + 0.002 * unusual
    }
}
