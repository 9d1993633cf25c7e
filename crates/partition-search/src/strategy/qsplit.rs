//! Quantitative splitting: for graded scores, where every op adds some noise (spec/search.md "QSPLIT").
//!
//! Groups of atoms carry an estimated noise power; the heaviest group is halved, and one trial tells how the power divides. What is left at
//! the end is a ranking of the ops that matter, of which the shortest passing prefix is taken and trimmed.

use super::bgd::Deletion;
use super::suspicion::Suspicion;
use super::trim::trim;
use crate::additive::{Additive, Observation, Scale};
use crate::judge::Judged;
use crate::link::Link;
use crate::stages::prove;
use crate::{Ctx, Proof, UnitSet, Verdict};

/// Splits after which the slope of the link is fitted again.
const CALIBRATE_AT: &[usize] = &[3, 6, 12, 24];
/// Median misfit (in ln power) beyond which the additive model is given up.
const GREATEST_MISFIT: f64 = 0.6;
/// Tests that try to get below the shortest passing prefix.
const IMPROVEMENTS: usize = 8;

/// How much more than its power a group may turn out to have, per misfit of the model.
const CAUTION: f64 = 20.0;
/// How far above the threshold a smaller set may be predicted to be and still be tried, per misfit of the model.
const HOPE: f64 = 5.0;
/// Median misfit below which what a trial shows of a half is taken at its word.
const PRECISE: f64 = 0.005;
/// Groups halved by one trial, at most.
const MOST_JOINT: usize = 4;
/// How far (in tolerances) a half may seem to be below zero or above the whole before losses count as not adding up.
const SLIP: f64 = 0.2;
/// Ops beyond twice the wanted number that are considered for a smaller set.
const POOL: usize = 12;
/// Relative misfit of losses that add up exactly, as far as rounding goes.
const EXACT: f64 = 5e-4;
/// Pairs of placements with the same score after which scores count as coming in steps.
const ENOUGH_TIES: usize = 3;
/// Odds that an op matters though the model says it does not.
const LEAST_ODDS: f64 = 0.002;
/// Power per member (1 is what the threshold allows in all) below which a group holds only ops that do not matter.
const LIGHT: f64 = 0.01;
/// How much more than the others of the kind, member for member, the ops that do not matter may add.
const DRIFT: f64 = 2.0;
/// A half with less than this share of its group's power counts as empty.
const EMPTY: f64 = 0.02;

pub(super) async fn run(ctx: Ctx, fast: bool) -> UnitSet {
    let start = ctx.best();
    Splitting::new(&ctx, Suspicion::of(&ctx), start).run(fast, &Tried::default()).await
}

/// Prefixes, most suspicious first, that were tried before: their lengths.
#[derive(Default)]
pub(super) struct Tried {
    pub(super) passed: Vec<usize>,
    pub(super) failed: Vec<usize>,
}

/// A splitting under way.
pub(super) struct Splitting<'a> {
    ctx: &'a Ctx,
    n: usize,
    suspicion: Suspicion,
    share: Vec<f64>,
    model: Additive,
    start: UnitSet,
    /// Losses add up exactly: what a trial shows of a group can be taken at its word.
    exact: bool,
    /// Groups to halve by the next trial.
    joint: usize,
    /// The model's median misfit.
    misfit: f64,
    /// Placements known before the splitting began.
    before: usize,
}

impl<'a> Splitting<'a> {
    /// Splits the members of `start`, which passes.
    pub(super) fn new(ctx: &'a Ctx, suspicion: Suspicion, start: UnitSet) -> Self {
        let share = suspicion.powers();
        let before = ctx.ledger().records.len();
        Self {
            ctx,
            n: ctx.len(),
            suspicion,
            share,
            model: Additive::new(Vec::new()),
            start,
            exact: false,
            joint: 2,
            misfit: 0.0,
            before,
        }
    }

    /// Shrinks the start. `fast` stops after prefix and trim if the prior proves good.
    pub(super) async fn run(mut self, fast: bool, tried: &Tried) -> UnitSet {
        let order = self.suspicion.descending(&self.start);
        if order.len() <= 1 {
            return self.start;
        }
        let mut found = None;
        let mut cuts = [tried.failed.as_slice(), &tried.passed].concat();
        if tried.failed.is_empty() {
            cuts.push(self.half(&order));
        }
        self.cut(&order, &cuts);
        let first = self.set(&self.model.groups[0].members);
        let second = self.set(&self.model.groups[1].members);
        self.ctx.test_all(&[first, second]).await;
        if Link::of(self.ctx).is_none() {
            return self.delete().await;
        }
        self.calibrate();
        self.exact = self.model.scale == Scale::Linear && self.model.worst(&self.observations()) < self.exactness();
        if self.suspicion.is_known() && !self.exact {
            let prefix = self.bisect_prior(&order, tried).await;
            if prefix.len() <= 6.max((0.12 * self.n as f64) as usize) {
                let weight = self.share.clone();
                let trimmed = trim(self.ctx, prefix, &weight, 0.0).await;
                if fast {
                    return trimmed;
                }
                self.explode(&trimmed);
                found = Some(trimmed);
            }
            self.calibrate();
        }
        let was_exact = self.exact;
        if !self.split().await {
            return self.delete().await;
        }
        if was_exact && !self.exact || self.is_discrete() {
            return self.delete_by_weight().await;
        }
        if self.exact {
            let predicted = self.set(&self.ranking()[..self.predicted()]);
            if !self.ctx.passes(&predicted).await {
                return self.delete_by_weight().await;
            }
        }
        let mut result = self.shortest_prefix().await;
        loop {
            let before = result.clone();
            result = self.improve(result).await;
            if self.exact && self.ctx.is_proven(&result) {
                return result;
            }
            let slack = 1.0 - self.model.power(&result);
            result = trim(self.ctx, result, &self.estimates(), slack).await;
            if result == before || result.len() <= 1 {
                break;
            }
        }
        let smaller = found.filter(|found| found.len() < result.len()).unwrap_or(result);
        self.ctx.ledger().adopt(&smaller);
        // Noise powers need not be monotone: only a trial shows that a member is necessary.
        prove(self.ctx, Proof::Direct).await;
        self.ctx.best()
    }

    fn set(&self, atoms: &[usize]) -> UnitSet {
        UnitSet::of(self.n, atoms.iter().copied())
    }

    /// Where half the prior power of a list lies.
    fn half(&self, members: &[usize]) -> usize {
        self.cut_at(members, 0.5)
    }

    fn cut_at(&self, members: &[usize], share: f64) -> usize {
        let total: f64 = members.iter().map(|&atom| self.share[atom]).sum();
        let mut sum = 0.0;
        let below = members.iter().take_while(|&&atom| {
            sum += self.share[atom];
            sum < share * total
        });
        (below.count() + 1).clamp(1, members.len().saturating_sub(1).max(1))
    }

    /// The shortest passing prefix of the prior's order, and groups between the cuts tried.
    async fn bisect_prior(&mut self, order: &[usize], tried: &Tried) -> UnitSet {
        let mut passes = tried.passed.iter().copied().min().unwrap_or(order.len());
        let mut fails = tried.failed.iter().copied().filter(|&cut| cut < passes).max().unwrap_or(0);
        let mut cuts = [tried.failed.as_slice(), &tried.passed].concat();
        let mut first = fails == 0;
        while passes - fails > 1 {
            let tries: Vec<usize> = if first {
                vec![self.cut_at(order, 0.8)]
            } else {
                let parts = self.ctx.width() + 1;
                let mut tries: Vec<usize> = (1..parts).map(|i| fails + i * (passes - fails) / parts).collect();
                tries.retain(|&cut| cut > fails && cut < passes);
                tries.dedup();
                tries
            };
            first = false;
            let sets: Vec<UnitSet> = tries.iter().map(|&cut| self.set(&order[..cut])).collect();
            let judged = self.ctx.test_all(&sets).await;
            for (&cut, judged) in tries.iter().zip(&judged) {
                cuts.push(cut);
                if judged.verdict == Verdict::Pass {
                    passes = passes.min(cut);
                }
            }
            let failing = tries.iter().zip(&judged).filter(|(cut, j)| j.verdict != Verdict::Pass && **cut < passes);
            fails = failing.map(|(&cut, _)| cut).max().unwrap_or(fails).max(fails);
            if tries.is_empty() {
                break;
            }
        }
        self.cut(order, &cuts);
        self.set(&order[..passes])
    }

    /// Makes groups of an order between cuts, and one of what is not in the start.
    fn cut(&mut self, order: &[usize], cuts: &[usize]) {
        let mut cuts: Vec<usize> = cuts.iter().copied().chain([0, order.len()]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let between = cuts.windows(2).map(|cut| order[cut[0]..cut[1]].to_vec());
        let outside = (0..self.n).filter(|&atom| !self.start.contains(atom)).collect();
        self.model = Additive::new(between.chain([outside]).collect());
    }

    /// Makes every member of a set a group of its own.
    fn explode(&mut self, set: &UnitSet) {
        let mut groups = Vec::new();
        for group in &self.model.groups {
            let (inside, outside): (Vec<usize>, Vec<usize>) =
                group.members.iter().partition(|&&atom| set.contains(atom));
            groups.extend(inside.into_iter().map(|atom| vec![atom]));
            groups.push(outside);
        }
        self.model = Additive { groups: Additive::new(groups).groups, ..self.model.clone() };
    }

    fn observations(&self) -> Vec<Observation> {
        let Some(link) = Link::of(self.ctx) else { return Vec::new() };
        let ledger = self.ctx.ledger();
        let full = UnitSet::full(self.n);
        let judged = ledger.records.iter().filter(|record| record.firm && record.set != full);
        judged
            .filter_map(|r| Some(Observation { set: r.set.clone(), level: link.level(r.judged.as_ref()?)? }))
            .collect()
    }

    fn calibrate(&mut self) {
        let observations = self.observations();
        self.model.calibrate(&observations);
    }

    /// Whether failing trials show nothing but that they failed.
    fn is_hard(&self) -> bool {
        let Some(link) = Link::of(self.ctx) else { return true };
        let ledger = self.ctx.ledger();
        let failed = |judged: &Judged| judged.verdict == Verdict::Fail;
        let judged = ledger.records[self.before..].iter().filter_map(|r| r.judged).filter(failed);
        let (floor, above): (Vec<Judged>, Vec<Judged>) = judged.partition(|judged| link.is_floor(judged));
        floor.len() >= 3 && floor.len() >= 2 * above.len()
    }

    /// The misfit up to which losses count as adding up exactly.
    fn exactness(&self) -> f64 {
        let noise = Link::of(self.ctx).map_or(0.0, |link| link.sigma / (link.reference - link.threshold));
        (EXACT + noise).min(EMPTY)
    }

    /// Whether scores come in steps, though losses do not add up: a few culprits, some of which stand in for one another.
    fn is_discrete(&self) -> bool {
        !self.exact && self.ctx.ledger().judge.coincidences() >= ENOUGH_TIES
    }

    /// Splits groups until the ops that matter stand alone; false if scores turn out to tell nothing.
    async fn split(&mut self) -> bool {
        let was_exact = self.exact;
        for round in 1.. {
            if self.is_hard() {
                return false;
            }
            self.misfit = self.model.residual(&self.observations());
            let candidates = self.candidates();
            if candidates.is_empty()
                || was_exact && !self.exact
                || self.is_discrete()
                || round > 12 && self.model.residual(&self.observations()) > GREATEST_MISFIT
            {
                break;
            }
            if self.ctx.width() > 1 || !self.exact {
                self.halve_apart(&candidates[..candidates.len().min(self.ctx.width())]).await;
            } else {
                let chosen = self.separable(&candidates);
                self.halve_jointly(&chosen).await;
            }
            if self.exact {
                continue;
            }
            if CALIBRATE_AT.contains(&round) {
                self.calibrate();
            } else {
                let observations = self.observations();
                self.model.fit(&observations);
            }
        }
        true
    }

    fn halves(&self, group: usize) -> (Vec<usize>, Vec<usize>) {
        let members = &self.model.groups[group].members;
        let (a, b) = members.split_at(self.half(members));
        (a.to_vec(), b.to_vec())
    }

    /// Halves groups with a trial for each.
    async fn halve_apart(&mut self, chosen: &[usize]) {
        let halves: Vec<_> = chosen.iter().map(|&g| self.halves(g)).collect();
        let queries: Vec<UnitSet> = chosen.iter().zip(&halves).map(|(&g, (a, _))| self.query(&[g], a)).collect();
        let judged = self.ctx.test_all(&queries).await;
        let refused = (0..chosen.len()).filter(|&i| judged[i].verdict == Verdict::Unresolved);
        let mirrored: Vec<UnitSet> = refused.map(|i| self.query(&chosen[i..=i], &halves[i].1)).collect();
        self.ctx.test_all(&mirrored).await;
        for (((&g, (a, b)), query), judged) in chosen.iter().zip(halves).zip(&queries).zip(&judged) {
            let power = self.power_of(judged).filter(|_| self.exact || self.misfit < PRECISE);
            self.replace(g, a, b, power.map(|power| (query, power)));
        }
    }

    /// Groups to halve by one trial: as many as were going well, with powers of which every sum is different.
    fn separable(&self, candidates: &[usize]) -> Vec<usize> {
        let mut chosen: Vec<usize> = Vec::new();
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
            if chosen.len() >= self.joint {
                break;
            }
        }
        chosen
    }

    /// How far the power seen may be from a sum of groups: the ops that do not matter add a little too.
    fn tolerance(&self, chosen: &[usize]) -> f64 {
        let groups = &self.model.groups;
        let total: f64 = chosen.iter().map(|&g| groups[g].weight).sum();
        let members: usize = chosen.iter().map(|&g| groups[g].members.len()).sum();
        let light = groups.iter().filter(|group| group.weight < LIGHT * group.members.len() as f64);
        let (weight, count) = light.fold((0.0, 0), |sum, group| (sum.0 + group.weight, sum.1 + group.members.len()));
        let density = weight / count.max(1) as f64;
        0.001 * total + DRIFT * members as f64 * density
    }

    /// Halves several groups by one trial, if each turns out to have all its power in one half; else with a trial for each but the last.
    async fn halve_jointly(&mut self, chosen: &[usize]) {
        let halves: Vec<_> = chosen.iter().map(|&g| self.halves(g)).collect();
        let all: Vec<usize> = halves.iter().flat_map(|(a, _)| a.iter().copied()).collect();
        let query = self.query(chosen, &all);
        let judged = self.ctx.test(&query).await;
        if judged.verdict == Verdict::Unresolved || chosen.len() == 1 {
            self.joint = 1;
            return self.halve_apart(chosen).await;
        }
        let decoded = self.power_of(&judged).and_then(|power| self.decode(chosen, &query, power));
        let Some(in_second) = decoded else {
            self.joint = 1;
            let (&last, others) = chosen.split_last().expect("at least two groups were chosen");
            self.halve_apart(others).await;
            let (a, b) = halves.into_iter().next_back().expect("as many halves as groups");
            let power = self.power_of(&judged);
            return self.replace(last, a, b, power.map(|power| (&query, power)));
        };
        self.joint = (self.joint + 1).min(MOST_JOINT);
        for ((&g, (a, b)), second) in chosen.iter().zip(halves).zip(in_second) {
            self.model.split(g, a, b, None, if second { 0.0 } else { 1.0 });
        }
    }

    /// Which groups have their power in the second half, if that alone explains the power seen.
    fn decode(&self, chosen: &[usize], query: &UnitSet, power: f64) -> Option<Vec<bool>> {
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

    fn power_of(&self, judged: &Judged) -> Option<f64> {
        let level = Link::of(self.ctx)?.level(judged)?;
        Some(self.model.scale.power(&level))
    }

    fn replace(&mut self, group: usize, a: Vec<usize>, b: Vec<usize>, seen: Option<(&UnitSet, f64)>) {
        let share = |list: &[usize]| list.iter().map(|&atom| self.share[atom]).sum::<f64>();
        let part = share(&a) / (share(&a) + share(&b));
        let whole = self.model.groups[group].weight;
        let left = self.model.split(group, a, b, seen, part);
        if seen.is_some() {
            let share = left / whole;
            self.exact &= left > -SLIP && left < whole + SLIP;
            if !(EMPTY..=1.0 - EMPTY).contains(&share) {
                self.joint = 2.max(self.joint);
            }
        }
    }

    /// Groups worth splitting, best first; none once no smaller set can pass, or is likely to.
    fn candidates(&self) -> Vec<usize> {
        let groups = &self.model.groups;
        let in_start = |g: &usize| self.start.contains(groups[*g].members[0]);
        let density = |g: usize| groups[g].weight / groups[g].members.len() as f64;
        let mut order: Vec<usize> = (0..groups.len()).filter(in_start).collect();
        order.sort_by(|&a, &b| density(b).total_cmp(&density(a)));
        let total: f64 = groups.iter().map(|group| group.weight).sum();
        let (mut rest, mut used, mut size) = (total, 0, 0);
        while used < order.len() && rest > 1.0 {
            rest -= groups[order[used]].weight;
            size += groups[order[used]].members.len();
            used += 1;
        }
        // At best, all of a group's power comes from one of its members.
        let at_best = |g: usize| {
            if groups[g].members.len() == 1 {
                groups[g].weight
            } else {
                (1.0 + CAUTION * self.misfit) * groups[g].weight
            }
        };
        let mut by_hope = order.clone();
        by_hope.sort_by(|&a, &b| at_best(b).total_cmp(&at_best(a)));
        let (mut rest, mut fewest) = (total, 0);
        while fewest < by_hope.len() && rest > 1.0 {
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
            inside.chain(outside).filter(|&(_, g)| groups[g].members.len() > 1).collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        scored.into_iter().map(|(_, g)| g).collect()
    }

    /// The placement that shows the second halves of groups: the first halves on the CPU, and all heavier groups, so that little else is heard.
    fn query(&self, split: &[usize], halves: &[usize]) -> UnitSet {
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
        set
    }

    /// The estimated power of each atom; 0 outside the start.
    fn estimates(&self) -> Vec<f64> {
        let mut estimates = vec![0.0; self.n];
        for group in &self.model.groups {
            let total: f64 = group.members.iter().map(|&atom| self.share[atom]).sum();
            for &atom in &group.members {
                estimates[atom] = group.weight * self.share[atom] / total;
            }
        }
        estimates
    }

    fn ranking(&self) -> Vec<usize> {
        let estimates = self.estimates();
        let mut order: Vec<usize> = self.start.iter().collect();
        order.sort_by(|&a, &b| estimates[b].total_cmp(&estimates[a]));
        order
    }

    /// The length of the prefix of the ranking that is predicted to be the shortest to pass.
    fn predicted(&self) -> usize {
        let ranking = self.ranking();
        let estimates = self.estimates();
        let mut rest: f64 = estimates.iter().sum();
        let needed = ranking.iter().take_while(|&&atom| {
            let more = rest > 1.0;
            rest -= estimates[atom];
            more
        });
        needed.count().clamp(1, ranking.len())
    }

    /// The shortest passing prefix of the ranking, looked for around the predicted one.
    async fn shortest_prefix(&mut self) -> UnitSet {
        let ranking = self.ranking();
        let predicted = self.predicted();
        let (mut fails, mut passes) = (0, ranking.len());
        let (mut next, mut step) = (predicted, 1);
        while passes - fails > 1 {
            let cut = next.clamp(fails + 1, passes - 1);
            if self.ctx.passes(&self.set(&ranking[..cut])).await {
                passes = cut;
                next = if fails == 0 { cut - 1 } else { usize::midpoint(fails, passes) };
            } else {
                fails = cut;
                next = if passes == ranking.len() { cut + step } else { usize::midpoint(fails, passes) };
                step *= 2;
            }
        }
        self.set(&ranking[..passes])
    }

    /// Tries to get below a passing set: the predicted best set one smaller, or a swap.
    async fn improve(&mut self, mut set: UnitSet) -> UnitSet {
        if self.exact {
            return set;
        }
        for _ in 0..IMPROVEMENTS {
            let observations = self.observations();
            self.model.fit(&observations);
            // Where the model fits, only what it predicts to pass is worth a trial.
            let margin = 1.0 + HOPE * self.model.residual(&observations);
            let Some(next) = self.improvement(&set, margin) else { break };
            if self.ctx.passes(&next).await {
                set = next;
            }
        }
        set
    }

    /// The untried set, one smaller than a passing one, that the model likes best: grown atom by atom, then bettered by swaps.
    fn improvement(&self, set: &UnitSet, margin: f64) -> Option<UnitSet> {
        let size = set.len().checked_sub(1).filter(|&size| size > 0)?;
        let mut pool = self.ranking();
        pool.truncate(2 * size + POOL);
        let mut best = UnitSet::empty(self.n);
        for _ in 0..size {
            let grown = pool.iter().filter(|&&atom| !best.contains(atom)).map(|&atom| best.with([atom]));
            best = grown.map(|set| (self.model.power(&set), set)).min_by(|a, b| a.0.total_cmp(&b.0))?.1;
        }
        let mut found: Option<(f64, UnitSet)> = None;
        let mut here = self.model.power(&best);
        loop {
            if self.ctx.known(&best).is_none() && found.as_ref().is_none_or(|(power, _)| here < *power) {
                found = Some((here, best.clone()));
            }
            let mut next: Option<(f64, UnitSet)> = None;
            for out in best.iter() {
                let base = best.without([out]);
                for &atom in pool.iter().filter(|&&atom| !best.contains(atom)) {
                    let swapped = base.with([atom]);
                    let power = self.model.power(&swapped);
                    if found.as_ref().is_none_or(|(least, _)| power < *least) && self.ctx.known(&swapped).is_none() {
                        found = Some((power, swapped.clone()));
                    }
                    if power < here && next.as_ref().is_none_or(|(least, _)| power < *least) {
                        next = Some((power, swapped));
                    }
                }
            }
            let Some((power, swapped)) = next else { break };
            (here, best) = (power, swapped);
        }
        found.filter(|(power, _)| *power <= margin).map(|(_, set)| set)
    }

    /// Hands over to group deletion from the best passing set.
    async fn delete(self) -> UnitSet {
        let start = self.ctx.best();
        let order = self.suspicion.ascending(&start);
        Deletion::new(self.ctx, start, order, self.suspicion.odds(), super::bgd::EXPECTED).run().await
    }

    /// Hands over to group deletion with what the model says as the odds, where the model is about right and not exactly.
    async fn delete_by_weight(self) -> UnitSet {
        let mut odds = vec![0.0; self.n];
        for group in &self.model.groups {
            let size = group.members.len() as f64;
            for &atom in &group.members {
                odds[atom] = (group.weight.min(1.0) / size).max(LEAST_ODDS);
            }
        }
        let mut order: Vec<usize> = self.start.iter().collect();
        order.sort_by(|&a, &b| odds[a].total_cmp(&odds[b]));
        let expected = order.iter().map(|&atom| odds[atom]).sum();
        Deletion::new(self.ctx, self.start, order, odds, expected).run().await
    }
}
