//! Quantitative splitting: for graded scores, where every op adds some noise (spec/search.md "QSPLIT").
//!
//! Groups of atoms carry an estimated noise power; the heaviest group is halved, and one trial tells how the power divides. What is left at
//! the end is a ranking of the ops that matter, of which the shortest passing prefix is taken and trimmed.

use super::bgd::Deletion;
use super::suspicion::Suspicion;
use super::trim::trim;
use crate::additive::{Additive, Observation};
use crate::link::Link;
use crate::{Ctx, UnitSet, Verdict};

/// Splits after which the slope of the link is fitted again.
const CALIBRATE_AT: &[usize] = &[3, 6, 12, 24];
/// Median misfit (in ln power) beyond which the additive model is given up.
const GREATEST_MISFIT: f64 = 0.6;
/// Tests that try to get below the shortest passing prefix.
const IMPROVEMENTS: usize = 4;

/// What distinguishes the variants.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// Stop after prefix and trim if the prior proves good.
    pub(super) fast: bool,
    /// How much heavier than the lightest chosen op a group outside must be to be split.
    pub(super) resplit: f64,
}

pub(super) async fn run(ctx: Ctx, fast: bool) -> UnitSet {
    let resplit = if ctx.prior().is_some() { 2.0 } else { 1.0 };
    Splitting::new(&ctx, Suspicion::of(&ctx)).run(Plan { fast, resplit }).await
}

/// A splitting under way.
pub(super) struct Splitting<'a> {
    ctx: &'a Ctx,
    n: usize,
    suspicion: Suspicion,
    share: Vec<f64>,
    model: Additive,
    start: UnitSet,
}

impl<'a> Splitting<'a> {
    pub(super) fn new(ctx: &'a Ctx, suspicion: Suspicion) -> Self {
        let share = suspicion.powers();
        Self { ctx, n: ctx.len(), suspicion, share, model: Additive::new(Vec::new()), start: ctx.best() }
    }

    pub(super) async fn run(mut self, plan: Plan) -> UnitSet {
        let order = self.suspicion.descending(&self.start);
        let mut found = None;
        if self.suspicion.is_known() {
            let prefix = self.bisect_prior(&order).await;
            if prefix.len() <= 6.max((0.12 * self.n as f64) as usize) {
                let weight = self.share.clone();
                let trimmed = trim(self.ctx, prefix, &weight, 0.0).await;
                if plan.fast {
                    return trimmed;
                }
                self.explode(&trimmed);
                found = Some(trimmed);
            }
        } else {
            let half = self.half(&order);
            self.model = Additive::new(vec![order[..half].to_vec(), order[half..].to_vec()]);
            let halves: Vec<UnitSet> = self.model.groups.iter().map(|g| self.set(&g.members)).collect();
            self.ctx.test_all(&halves).await;
        }
        if Link::of(self.ctx).is_none() {
            return self.delete().await;
        }
        self.calibrate();
        if !self.split(plan).await {
            return self.delete().await;
        }
        let mut result = self.shortest_prefix().await;
        result = self.improve(result).await;
        let weight = self.estimates();
        let slack = 1.0 - self.model.power(&result);
        let mut result = trim(self.ctx, result, &weight, slack).await;
        if let Some(found) = found.filter(|found| found.len() < result.len()) {
            result = found;
        }
        result
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
    async fn bisect_prior(&mut self, order: &[usize]) -> UnitSet {
        let (mut fails, mut passes) = (0, order.len());
        let mut cuts = vec![0, order.len()];
        let mut first = true;
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
        cuts.sort_unstable();
        cuts.dedup();
        self.model = Additive::new(cuts.windows(2).map(|cut| order[cut[0]..cut[1]].to_vec()).collect());
        let prefix = self.set(&order[..passes]);
        self.ctx.test(&prefix.complement()).await;
        prefix
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
        self.model = Additive { slope: self.model.slope, ..Additive::new(groups) };
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
        let mut fails = 0;
        for judged in ledger.records.iter().filter(|r| !r.set.is_empty()).filter_map(|r| r.judged) {
            if judged.verdict == Verdict::Fail {
                if !link.is_floor(&judged) {
                    return false;
                }
                fails += 1;
            }
        }
        fails >= 3
    }

    /// Splits groups until the ops that matter stand alone; false if scores turn out to tell nothing.
    async fn split(&mut self, plan: Plan) -> bool {
        for round in 1.. {
            if self.is_hard() {
                return false;
            }
            let candidates = self.candidates(plan.resplit);
            let chosen: Vec<usize> = candidates.into_iter().take(self.ctx.width()).collect();
            if chosen.is_empty() {
                break;
            }
            if round > 12 && self.model.residual(&self.observations()) > GREATEST_MISFIT {
                break;
            }
            let halves: Vec<(Vec<usize>, Vec<usize>)> = chosen
                .iter()
                .map(|&g| {
                    let members = &self.model.groups[g].members;
                    let (a, b) = members.split_at(self.half(members));
                    (a.to_vec(), b.to_vec())
                })
                .collect();
            let queries: Vec<UnitSet> = chosen.iter().zip(&halves).map(|(&g, (a, _))| self.query(g, a)).collect();
            let judged = self.ctx.test_all(&queries).await;
            let mirrored: Vec<UnitSet> = (0..chosen.len())
                .filter(|&i| judged[i].verdict == Verdict::Unresolved)
                .map(|i| self.query(chosen[i], &halves[i].1))
                .collect();
            self.ctx.test_all(&mirrored).await;
            self.replace(&chosen, halves);
            let observations = self.observations();
            if CALIBRATE_AT.contains(&round) {
                self.model.calibrate(&observations);
            } else {
                self.model.fit(&observations);
            }
        }
        true
    }

    /// Groups worth splitting, best first.
    fn candidates(&self, resplit: f64) -> Vec<usize> {
        let groups = &self.model.groups;
        let density = |g: usize| groups[g].weight / groups[g].members.len() as f64;
        let mut order: Vec<usize> = (0..groups.len()).collect();
        order.sort_by(|&a, &b| density(b).total_cmp(&density(a)));
        let mut rest: f64 = groups.iter().map(|group| group.weight).sum();
        let mut used = 0;
        while used < order.len() && rest > 1.0 {
            rest -= groups[order[used]].weight;
            used += 1;
        }
        let lightest = order[..used]
            .iter()
            .filter(|&&g| groups[g].members.len() == 1)
            .map(|&g| groups[g].weight)
            .fold(f64::INFINITY, f64::min);
        let worth = |g: usize| groups[g].weight * (1.0 + groups[g].members.len() as f64).log2();
        let inside = order[..used].iter().map(|&g| (worth(g), g));
        let outside =
            order[used..].iter().filter(|&&g| groups[g].weight > resplit * lightest).map(|&g| (0.5 * worth(g), g));
        let mut scored: Vec<(f64, usize)> =
            inside.chain(outside).filter(|&(_, g)| groups[g].members.len() > 1).collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        scored.into_iter().map(|(_, g)| g).collect()
    }

    /// The placement that shows the other half of group `x`: one half on the CPU, and all heavier groups, so that little else is heard.
    fn query(&self, x: usize, half: &[usize]) -> UnitSet {
        let noisy = self.ctx.ledger().judge.is_noisy();
        let least = if noisy { 1.0 } else { 0.02 };
        let groups = &self.model.groups;
        let mut set = self.set(half);
        let mut rest: f64 = groups.iter().map(|group| group.weight).sum::<f64>() - 0.5 * groups[x].weight;
        let mut order: Vec<usize> = (0..groups.len()).filter(|&y| y != x).collect();
        order.sort_by(|&a, &b| groups[b].weight.total_cmp(&groups[a].weight));
        for y in order {
            if groups[y].weight > 0.7 * groups[x].weight && rest - groups[y].weight >= least {
                rest -= groups[y].weight;
                set = set.with(groups[y].members.iter().copied());
            }
        }
        set
    }

    fn replace(&mut self, chosen: &[usize], halves: Vec<(Vec<usize>, Vec<usize>)>) {
        let mut groups = std::mem::take(&mut self.model.groups);
        for (&g, (a, b)) in chosen.iter().zip(halves) {
            let weight = groups[g].weight;
            let share = |list: &[usize]| list.iter().map(|&atom| self.share[atom]).sum::<f64>();
            let part = share(&a) / (share(&a) + share(&b));
            groups[g] = crate::additive::Group { members: a, weight: weight * part };
            groups.push(crate::additive::Group { members: b, weight: weight * (1.0 - part) });
        }
        self.model.groups = groups;
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

    /// The shortest passing prefix of the ranking, looked for around the predicted one.
    async fn shortest_prefix(&mut self) -> UnitSet {
        let ranking = self.ranking();
        let estimates = self.estimates();
        let mut rest: f64 = estimates.iter().sum();
        let predicted = ranking
            .iter()
            .take_while(|&&atom| {
                let more = rest > 1.0;
                rest -= estimates[atom];
                more
            })
            .count()
            .clamp(1, ranking.len());
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
        for _ in 0..IMPROVEMENTS {
            let observations = self.observations();
            self.model.fit(&observations);
            let Some(next) = self.improvement(&set) else { break };
            if self.ctx.passes(&next).await {
                set = next;
            }
        }
        set
    }

    fn improvement(&self, set: &UnitSet) -> Option<UnitSet> {
        let estimates = self.estimates();
        let size = set.len().checked_sub(1).filter(|&size| size > 0)?;
        let ranking = self.ranking();
        let top = self.set(&ranking[..size]);
        if self.ctx.known(&top).is_none() && self.model.power(&top) <= 2.0 {
            return Some(top);
        }
        let weakest = set.iter().min_by(|&a, &b| estimates[a].total_cmp(&estimates[b]))?;
        let base = set.without([weakest]);
        for &out in ranking.iter().filter(|&&atom| !set.contains(atom)).take(3) {
            for inside in base.iter() {
                let swap = base.without([inside]).with([out]);
                if self.model.power(&swap) < 1.6 && self.ctx.known(&swap).is_none() {
                    return Some(swap);
                }
            }
        }
        None
    }

    /// Hands over to group deletion from the best passing set.
    async fn delete(self) -> UnitSet {
        let start = self.ctx.best();
        let order = self.suspicion.ascending(&start);
        Deletion::new(self.ctx, start, order, self.suspicion.odds(), super::bgd::EXPECTED).run().await
    }
}
