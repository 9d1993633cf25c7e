//! Quantitative splitting: for graded scores, where every op adds some noise (spec/search.md "QSPLIT").
//!
//! Groups of atoms carry an estimated noise power; the heaviest group is halved, and one trial tells how the power divides. What is left at
//! the end is a ranking of the ops that matter, of which the shortest passing prefix is taken and trimmed.

mod finish;
mod halving;

use halving::EMPTY;

use super::bgd::Deletion;
use super::suspicion::Suspicion;
use super::trim::trim;
use crate::additive::{Additive, Group, Observation, Scale};
use crate::judge::Judged;
use crate::ledger::Record;
use crate::link::Link;
use crate::stages::prove;
use crate::{Ctx, Proof, UnitSet, Verdict};

/// Splits after which the slope of the link is fitted again.
const CALIBRATE_AT: &[usize] = &[3, 6, 12, 24];
/// Median misfit (in ln power) beyond which the additive model is given up.
const GREATEST_MISFIT: f64 = 0.6;

/// A shortest passing prefix up to this length shows that the prior is a good one.
const GOOD_PREFIX: usize = 10;
/// First splits of which both halves are tried where the prior is not so good.
const MIRRORED: usize = 2;
/// Atoms beyond which the scale is fitted at stated times only, to decide in time.
pub(super) const MOST_TO_RECALIBRATE: usize = 500;
/// Median misfit below which what a trial shows of a half is taken at its word.
const PRECISE: f64 = 0.005;
/// Relative misfit of losses that add up exactly, as far as rounding goes.
const EXACT: f64 = 5e-4;
/// Pairs of placements with the same score after which scores count as coming in steps.
const ENOUGH_TIES: usize = 2;

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
    /// The model's median misfit beyond noise.
    misfit: f64,
    /// The model fits so well that what a trial shows of a half can be taken at its word.
    precise: bool,
    /// Splits of which both halves are tried: a poor prior leaves groups so unequal that nothing else tells the scale.
    mirrored: usize,
    /// Groups of which no part can go by itself.
    stuck: Vec<usize>,
    /// A passing set of units of one class.
    whole_class: Option<UnitSet>,
    /// Classes tried as a whole.
    tried_classes: Vec<usize>,
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
            precise: false,
            mirrored: 0,
            stuck: Vec::new(),
            whole_class: None,
            tried_classes: Vec::new(),
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
        let mut cuts = self.cuts_tried(&order);
        if cuts.is_empty() {
            cuts.push(self.half(&order));
        }
        self.cut(&order, &cuts);
        let first = self.set(&self.model.groups[0].members);
        let second = self.set(&self.model.groups[1].members);
        let halves = self.ctx.resolve_all(&[first, second]).await;
        if Link::of(self.ctx).is_none() {
            return self.delete().await;
        }
        // What has to move together can have shifted the cuts.
        self.cut(&order, &self.cuts_tried(&order));
        self.calibrate();
        self.exact = !self.is_measured()
            && self.model.scale == Scale::Linear
            && self.model.worst(&self.observations()) < self.exactness();
        if !self.exact && !self.is_discrete() {
            // Losses that add up, and scores that are the same, show that there is no noise; nothing else does.
            self.ctx.measure_noise(&halves[0].0).await;
        }
        if self.suspicion.is_known() && !self.exact {
            let prefix = self.bisect_prior(&order, tried, fast).await;
            self.mirrored = if prefix.len() > GOOD_PREFIX && self.ctx.width() == 1 { MIRRORED } else { 0 };
            if prefix.len() <= 6.max((0.12 * self.n as f64) as usize) {
                if fast {
                    self.calibrate();
                    let slack = self.allowed() - self.model.power(&prefix);
                    return trim(self.ctx, prefix, &self.estimates(), slack).await;
                }
                let trimmed = trim(self.ctx, prefix, &self.share, 0.0).await;
                self.explode(&trimmed);
                found = Some(trimmed);
            }
            self.calibrate();
        }
        let was_exact = self.exact;
        if !self.split().await {
            return self.delete().await;
        }
        if let Some(class) = self.whole_class {
            return Deletion::of_needed(self.ctx, class).run().await;
        }
        if was_exact && !self.exact || self.is_discrete() {
            let nothing = UnitSet::empty(self.n);
            return self.delete_by_loss(&nothing).await;
        }
        if self.exact {
            let predicted = self.set(&self.ranking()[..self.predicted()]);
            if self.ctx.resolve(&predicted).await.1.verdict != Verdict::Pass {
                return self.delete_by_loss(&predicted).await;
            }
        }
        let mut result = self.shortest_prefix().await;
        loop {
            let before = result.clone();
            result = self.improve(result).await;
            if self.exact && self.ctx.is_proven(&result) {
                return result;
            }
            let slack = self.allowed() - self.model.power(&result);
            result = trim(self.ctx, result, &self.doubts(), slack).await;
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
    async fn bisect_prior(&mut self, order: &[usize], tried: &Tried, fast: bool) -> UnitSet {
        let mut passes = tried.passed.iter().copied().min().unwrap_or(order.len());
        let mut fails = tried.failed.iter().copied().filter(|&cut| cut < passes).max().unwrap_or(0);
        let mut cuts = self.cuts_tried(order);
        let mut first = fails == 0;
        let mut turn = false;
        while passes - fails > 1 {
            let between = self.crossing_between(order, fails, passes).filter(|_| fast && !turn);
            turn = between.is_some();
            let tries: Vec<usize> = if first {
                vec![self.cut_at(order, 0.8)]
            } else if let Some(cut) = between {
                vec![cut]
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

    /// Where the score of a prefix is likely to cross the threshold, from those of a failing and a passing one: the log odds are taken to
    /// be proportional to the logarithm of the prior power that is left.
    fn crossing_between(&self, order: &[usize], fails: usize, passes: usize) -> Option<usize> {
        let odds = |cut: usize| {
            let mut ledger = self.ctx.ledger();
            let index = ledger.record(&self.set(&order[..cut]));
            ledger.records[index].judged
        };
        let link = Link::of(self.ctx)?;
        let odds_at = |cut: usize| Some(link.level(&odds(cut)?)?.odds);
        let (above, below) = (odds_at(fails)?, odds_at(passes)?);
        let rest = |cut: usize| order[cut..].iter().map(|&atom| self.share[atom]).sum::<f64>().ln();
        let part = above / (above - below);
        let wanted = rest(fails) + part * (rest(passes) - rest(fails));
        (part.is_finite() && wanted.is_finite() && passes - fails > 2).then(|| {
            let cut = (fails + 1..passes).find(|&cut| rest(cut) <= wanted).unwrap_or(passes - 1);
            cut.clamp(fails + 1, passes - 1)
        })
    }

    /// Where the placements tried so far cut through an order.
    fn cuts_tried(&self, order: &[usize]) -> Vec<usize> {
        let ledger = self.ctx.ledger();
        let ran = |record: &&Record| record.judged.is_some_and(|judged| judged.verdict != Verdict::Unresolved);
        let sets = || ledger.records.iter().filter(ran).map(|record| &record.set);
        let is_cut = |&cut: &usize| sets().any(|set| set.contains(order[cut - 1]) != set.contains(order[cut]));
        (1..order.len()).filter(is_cut).collect()
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
        self.model = self.model.regroup(groups);
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
        self.model.calibrate(&observations, self.is_measured());
    }

    fn is_measured(&self) -> bool {
        Link::of(self.ctx).is_some_and(|link| link.is_measured())
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
        let Some(link) = Link::of(self.ctx).filter(|link| !self.exact && !link.is_measured()) else { return false };
        let ledger = self.ctx.ledger();
        let judged = ledger.records.iter().filter_map(|record| record.judged).filter(|judged| !link.is_floor(judged));
        let mut scores: Vec<f64> = judged.filter_map(|judged| judged.score).collect();
        scores.sort_by(f64::total_cmp);
        scores.windows(2).filter(|pair| pair[0] == pair[1]).count() >= ENOUGH_TIES
    }

    /// Splits groups until the ops that matter stand alone; false if scores turn out to tell nothing.
    async fn split(&mut self) -> bool {
        let was_exact = self.exact;
        for round in 1.. {
            if self.is_hard() {
                return false;
            }
            let observations = self.observations();
            let residual = self.model.residual(&observations);
            self.misfit = Additive::beyond_noise(residual, &observations);
            self.precise = residual < PRECISE && !self.ctx.ledger().judge.is_noisy();
            if self.exact && self.try_class().await {
                break;
            }
            let mut candidates = self.candidates();
            if candidates.is_empty() && !self.exact && self.n <= MOST_TO_RECALIBRATE {
                // The scale that fits now may leave something to do.
                self.calibrate();
                self.misfit = self.model.unexplained(&observations);
                candidates = self.candidates();
            }
            if candidates.is_empty()
                || was_exact && !self.exact
                || self.is_discrete()
                || round > 12 && self.model.residual(&self.observations()) > GREATEST_MISFIT
            {
                break;
            }
            if round <= self.mirrored && !self.exact {
                let (_, second) = self.halves(candidates[0]);
                self.ctx.resolve(&self.query(&candidates[..1], &second)).await;
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
                if !self.precise || self.model.worst(&observations) > EXACT {
                    self.model.fit(&observations);
                }
            }
        }
        true
    }

    /// Tries whether the class of the first unit known to cost something holds all that do: one trial a class.
    async fn try_class(&mut self) -> bool {
        let Some(classes) = self.ctx.classes() else { return false };
        let heavy = |group: &&Group| group.members.len() == 1 && group.weight > EMPTY;
        let Some(culprit) = self.model.groups.iter().find(heavy).map(|group| group.members[0]) else { return false };
        if self.tried_classes.contains(&classes[culprit]) {
            return false;
        }
        self.tried_classes.push(classes[culprit]);
        let class: Vec<usize> = (0..self.n).filter(|&atom| classes[atom] == classes[culprit]).collect();
        let (tried, judged) = self.ctx.resolve(&self.set(&class)).await;
        let passes = judged.verdict == Verdict::Pass;
        self.whole_class = passes.then_some(tried);
        passes
    }

    fn power_of(&self, judged: &Judged) -> Option<f64> {
        let level = Link::of(self.ctx)?.level(judged)?;
        Some(self.model.scale.power(&level))
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

    /// The same, lowered for what was never told apart: it goes first if anything can.
    fn doubts(&self) -> Vec<f64> {
        let mut estimates = self.estimates();
        for group in self.model.groups.iter().filter(|group| self.exact && group.members.len() > 1) {
            group.members.iter().for_each(|&atom| estimates[atom] *= EMPTY);
        }
        estimates
    }

    fn ranking(&self) -> Vec<usize> {
        let estimates = self.estimates();
        let mut order: Vec<usize> = self.start.iter().collect();
        order.sort_by(|&a, &b| estimates[b].total_cmp(&estimates[a]));
        order
    }
}
