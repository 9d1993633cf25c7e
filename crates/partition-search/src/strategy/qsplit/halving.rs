//! Which groups to halve, by which trials, and what a trial says of the halves.

use super::Splitting;
use crate::judge::Judged;
use crate::strategy::bgd::around;
use crate::{UnitSet, Verdict};

/// Groups halved by one trial, at most.
const MOST_JOINT: usize = 4;
/// The same where some placements are refused.
const MOST_JOINT_TIED: usize = 1;
/// A half with less than this share of its group's power counts as empty.
pub(super) const EMPTY: f64 = 0.02;
/// The share of a group's power that one of its members may have.
const LION: f64 = 0.8;
/// How much more than its power a group may turn out to have, per misfit of the model.
const CAUTION: f64 = 20.0;
/// How much more than its power a group may turn out to have if there is noise.
const BLUR: f64 = 0.3;
/// Power per member (1 is what the threshold allows in all) below which a group holds only ops that do not matter.
const LIGHT: f64 = 0.01;
/// How much more than the others of the kind, member for member, the ops that do not matter may add.
const DRIFT: f64 = 2.0;
/// Drift below which ops that were seen to cost nothing may stay on the NPU in all further trials.
const NO_DRIFT: f64 = 1e-5;
/// How far (in tolerances) a half may seem to be below zero or above the whole before losses count as not adding up.
const SLIP: f64 = 0.2;

impl Splitting<'_> {
    pub(super) fn halves(&self, group: usize) -> (Vec<usize>, Vec<usize>) {
        let members = &self.model.groups[group].members;
        let (a, b) = members.split_at(self.half(members));
        (a.to_vec(), b.to_vec())
    }

    /// Halves groups with a trial for each.
    pub(super) async fn halve_apart(&mut self, chosen: &[usize]) {
        let halves: Vec<_> = chosen.iter().map(|&g| self.halves(g)).collect();
        let queries: Vec<UnitSet> = chosen.iter().zip(&halves).map(|(&g, (a, _))| self.query(&[g], a)).collect();
        let answers = self.ctx.resolve_all(&queries).await;
        let refused = (0..chosen.len()).filter(|&i| answers[i].1.verdict == Verdict::Unresolved);
        let mirrored: Vec<UnitSet> = refused.map(|i| self.query(&chosen[i..=i], &halves[i].1)).collect();
        self.ctx.resolve_all(&mirrored).await;
        for ((&g, planned), (tried, judged)) in chosen.iter().zip(halves).zip(&answers) {
            let power = self.power_of(judged).filter(|_| self.exact || self.precise);
            // What has to move together shifts the cut.
            let real = parted(&self.model.groups[g].members, tried);
            let ran = judged.verdict != Verdict::Unresolved && !real.0.is_empty() && !real.1.is_empty();
            let (a, b) = if ran { real } else { planned };
            self.replace(g, a, b, power.filter(|_| ran).map(|power| (tried, power)));
            self.cut_along(tried, judged);
        }
    }

    /// Cuts every group that a trial moved a part of: its members cannot be taken to have equal powers.
    fn cut_along(&mut self, tried: &UnitSet, judged: &Judged) {
        if judged.verdict == Verdict::Unresolved {
            return;
        }
        for group in 0..self.model.groups.len() {
            let (a, b) = parted(&self.model.groups[group].members, tried);
            if !a.is_empty() && !b.is_empty() {
                self.replace(group, a, b, None);
            }
        }
    }

    /// Groups to halve by one trial: as many as were going well, with powers of which every sum is different.
    pub(super) fn separable(&self, candidates: &[usize]) -> Vec<usize> {
        let mut chosen: Vec<usize> = Vec::new();
        // Every cut may be one that is refused.
        let most = if self.ctx.is_refused() { MOST_JOINT_TIED } else { MOST_JOINT };
        let mut sums = vec![0.0];
        for &g in candidates {
            let weight = self.model.groups[g].weight;
            let mut more: Vec<f64> = sums.iter().flat_map(|&sum| [sum, sum + weight]).collect();
            more.sort_by(f64::total_cmp);
            let apart = 4.0 * self.tolerance(&[chosen.as_slice(), &[g]].concat());
            if chosen.is_empty() || more.windows(2).all(|pair| pair[1] - pair[0] > apart) {
                chosen.push(g);
                sums = more;
            }
            if chosen.len() >= self.joint.min(most) {
                break;
            }
        }
        chosen
    }

    /// How far the power seen may be from a sum of groups: the ops that do not matter add a little too.
    pub(super) fn tolerance(&self, chosen: &[usize]) -> f64 {
        let groups = &self.model.groups;
        let total: f64 = chosen.iter().map(|&g| groups[g].weight).sum();
        let members: usize = chosen.iter().map(|&g| groups[g].members.len()).sum();
        0.001 * total + DRIFT * members as f64 * self.drift()
    }

    /// What each of the ops that do not matter adds.
    fn drift(&self) -> f64 {
        let light = self.model.groups.iter().filter(|group| group.weight < LIGHT * group.members.len() as f64);
        let (weight, count) = light.fold((0.0, 0), |sum, group| (sum.0 + group.weight, sum.1 + group.members.len()));
        weight / count.max(1) as f64
    }

    /// Where losses add up: halves several groups by one trial, if each turns out to have all its power in one half; else with a trial for
    /// each but the last.
    pub(super) async fn halve_jointly(&mut self, chosen: &[usize]) {
        let all: Vec<usize> = chosen.iter().flat_map(|&g| self.halves(g).0).collect();
        let (query, judged) = self.ctx.resolve(&self.query(chosen, &all)).await;
        // What has to move together shifts the cuts.
        let (chosen, halves): (Vec<usize>, Vec<_>) = chosen
            .iter()
            .map(|&g| (g, parted(&self.model.groups[g].members, &query)))
            .filter(|(_, (a, b))| !a.is_empty() && !b.is_empty())
            .unzip();
        let Some((&last, others)) = chosen.split_last().filter(|(_, others)| !others.is_empty()) else {
            self.joint = 1;
            return self.halve_one(all[0]).await;
        };
        let power = self.power_of(&judged).filter(|_| judged.verdict != Verdict::Unresolved);
        let Some(in_second) = power.and_then(|power| self.decode(&chosen, &query, power)) else {
            self.joint = 1;
            for &g in others {
                self.halve_one(self.model.groups[g].members[0]).await;
            }
            let (a, b) = halves.into_iter().next_back().unwrap_or_default();
            if let Some(power) = power {
                self.replace(last, a, b, Some((&query, power)));
            }
            return;
        };
        self.joint = (self.joint + 1).min(MOST_JOINT);
        for ((&g, (a, b)), second) in chosen.iter().zip(halves).zip(in_second) {
            if !second {
                self.let_go(&b);
            }
            self.model.split(g, a, b, None, if second { 0.0 } else { 1.0 });
        }
    }

    /// Halves the group of an atom by a trial of its own; a group of which no part can go is not looked at again.
    async fn halve_one(&mut self, atom: usize) {
        let Some(group) = self.model.groups.iter().position(|group| group.members.contains(&atom)) else { return };
        let members = self.model.groups[group].members.clone();
        for cut in around(self.half(&members), members.len()) {
            let (tried, judged) = self.ctx.resolve(&self.query(&[group], &members[..cut])).await;
            let (a, b) = parted(&members, &tried);
            if judged.verdict != Verdict::Unresolved
                && !a.is_empty()
                && !b.is_empty()
                && let Some(power) = self.power_of(&judged)
            {
                return self.replace(group, a, b, Some((&tried, power)));
            }
        }
        self.stuck.push(group);
    }

    /// Which groups have their power in the second half, if that alone explains the power seen.
    pub(super) fn decode(&self, chosen: &[usize], query: &UnitSet, power: f64) -> Option<Vec<bool>> {
        let weights: Vec<f64> = chosen.iter().map(|&g| self.model.groups[g].weight).collect();
        let others = self.model.groups.iter().enumerate().filter(|(g, _)| !chosen.contains(g));
        let heard: f64 =
            others.filter(|(_, group)| !query.contains(group.members[0])).map(|(_, group)| group.weight).sum();
        let tolerance = self.tolerance(chosen);
        let fits = |mask: &usize| {
            let sum: f64 = weights.iter().enumerate().filter(|(i, _)| mask >> i & 1 == 1).map(|(_, w)| w).sum();
            (power - heard - sum).abs() <= tolerance
        };
        let mut fitting = (0..1_usize << chosen.len()).filter(fits);
        let mask = fitting.next()?;
        fitting.next().is_none().then(|| (0..chosen.len()).map(|i| mask >> i & 1 == 1).collect())
    }

    /// Leaves on the NPU what a trial showed to cost nothing there: something else may stand in for it, which cannot go as well then.
    fn let_go(&mut self, free: &[usize]) {
        if self.drift() < NO_DRIFT {
            self.start = self.ctx.close(&self.start.without(free.iter().copied()));
        }
    }

    pub(super) fn replace(&mut self, group: usize, a: Vec<usize>, b: Vec<usize>, seen: Option<(&UnitSet, f64)>) {
        let share = |list: &[usize]| list.iter().map(|&atom| self.share[atom]).sum::<f64>();
        let part = share(&a) / (share(&a) + share(&b));
        let whole = self.model.groups[group].weight;
        let b_members = b.clone();
        let left = self.model.split(group, a, b, seen, part);
        if seen.is_some() {
            let share = left / whole;
            self.exact &= left > -SLIP && left < whole + SLIP;
            if !(EMPTY..=1.0 - EMPTY).contains(&share) {
                self.joint = 2.max(self.joint);
            }
            if self.exact && share < EMPTY {
                self.let_go(&b_members);
            }
        }
    }

    /// Groups worth splitting, best first; none once no smaller set can pass, or is likely to.
    pub(super) fn candidates(&self) -> Vec<usize> {
        let groups = &self.model.groups;
        let in_start = |g: &usize| self.start.contains(groups[*g].members[0]);
        let density = |g: usize| groups[g].weight / groups[g].members.len() as f64;
        let mut order: Vec<usize> = (0..groups.len()).filter(in_start).collect();
        order.sort_by(|&a, &b| density(b).total_cmp(&density(a)));
        let allowed = self.allowed();
        let total: f64 = groups.iter().map(|group| group.weight).sum();
        let (mut rest, mut used, mut size) = (total, 0, 0);
        while used < order.len() && rest > allowed {
            rest -= groups[order[used]].weight;
            size += groups[order[used]].members.len();
            used += 1;
        }
        // At best, nearly all of a group's power comes from one of its members.
        // Noise hides small powers: look a little further then.
        let blur = if self.ctx.ledger().judge.is_noisy() { BLUR } else { 0.0 };
        // Losses in steps do come from one member.
        let lion = if self.exact { 1.0 } else { LION };
        let at_best = |g: usize| {
            if groups[g].members.len() == 1 {
                groups[g].weight
            } else {
                (lion + CAUTION * self.misfit + blur) * groups[g].weight
            }
        };
        let mut by_hope = order.clone();
        by_hope.sort_by(|&a, &b| at_best(b).total_cmp(&at_best(a)));
        let (mut rest, mut fewest) = (total, 0);
        while fewest < by_hope.len() && rest > allowed {
            rest -= at_best(by_hope[fewest]);
            fewest += 1;
        }
        if fewest >= size {
            return Vec::new();
        }
        let worth = |g: usize| groups[g].weight * (1.0 + groups[g].members.len() as f64).log2();
        let inside = order[..used].iter().map(|&g| (worth(g), g));
        let outside = by_hope[..fewest].iter().filter(|g| !order[..used].contains(g)).map(|&g| (0.5 * worth(g), g));
        let mut scored: Vec<(f64, usize)> =
            inside.chain(outside).filter(|&(_, g)| groups[g].members.len() > 1 && !self.stuck.contains(&g)).collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        scored.into_iter().map(|(_, g)| g).collect()
    }

    /// The placement that shows the second halves of groups: the first halves on the CPU, and all heavier groups, so that little else is heard.
    pub(super) fn query(&self, split: &[usize], halves: &[usize]) -> UnitSet {
        if self.exact {
            // Near all-CPU the drift of the ops that do not matter is least, and a failing trial is evidence for a certificate.
            let groups = split.iter().flat_map(|&g| self.model.groups[g].members.iter().copied());
            return self.start.without(groups).with(halves.iter().copied());
        }
        let noisy = self.ctx.ledger().judge.is_noisy();
        let least = if noisy { 1.0 } else { 0.02 };
        let groups = &self.model.groups;
        let mut set = self.set(halves);
        let heaviest = split.iter().map(|&g| groups[g].weight).fold(0.0, f64::max);
        let halved: f64 = split.iter().map(|&g| groups[g].weight).sum();
        let mut rest: f64 = groups.iter().map(|group| group.weight).sum::<f64>() - 0.5 * halved;
        let mut order: Vec<usize> = (0..groups.len()).filter(|y| !split.contains(y)).collect();
        order.sort_by(|&a, &b| groups[b].weight.total_cmp(&groups[a].weight));
        for y in order {
            if groups[y].weight > 0.7 * heaviest && rest - groups[y].weight >= least {
                rest -= groups[y].weight;
                set = set.with(groups[y].members.iter().copied());
            }
        }
        self.ctx.close_likely(&set)
    }
}

/// A group's members on the CPU, and those that are not.
fn parted(members: &[usize], set: &UnitSet) -> (Vec<usize>, Vec<usize>) {
    members.iter().partition(|&&atom| set.contains(atom))
}
