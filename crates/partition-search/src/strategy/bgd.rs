//! Bayesian group deletion: near the information bound for an oracle that only says pass or fail (spec/search.md "BGD").
//!
//! Drops groups of the least suspicious atoms, each as large as is even odds to hold a culprit; a group that cannot go is bisected to its
//! first culprit. How dense culprits are is learned on the way.

use std::f64::consts::LN_2;

use super::bgd_wide::WideDeletion;
use super::suspicion::Suspicion;
use crate::{Ctx, UnitSet, Verdict};

/// Credit below which the prior is given up.
const LEAST_CREDIT: f64 = -2.5;
/// Classes tried as a whole in one search.
const MOST_CLASSES: usize = 2;
/// The share of a set of which nearly every member is needed that is thought to be.
const NEEDED: f64 = 0.9;
/// Culprits expected before anything is known.
pub(super) const EXPECTED: f64 = 4.0;

pub(super) async fn run(ctx: Ctx) -> UnitSet {
    let suspicion = Suspicion::of(&ctx);
    let start = ctx.best();
    let order = suspicion.ascending(&start);
    if ctx.width() > 1 {
        return WideDeletion::new(&ctx, &suspicion, start).run().await;
    }
    Deletion::new(&ctx, start, order, suspicion.odds(), EXPECTED).run().await
}

/// A deletion under way.
pub(super) struct Deletion<'a> {
    ctx: &'a Ctx,
    /// Passes.
    pub(super) kept: UnitSet,
    /// Undecided, least suspicious first.
    pub(super) open: Vec<usize>,
    odds: Vec<f64>,
    found: f64,
    cleared: f64,
    expected: f64,
    total: f64,
    later: Vec<usize>,
    mean_odds: f64,
    /// The class of each atom, if atoms have classes, and the classes tried as a whole.
    classes: Option<Vec<usize>>,
    tried_classes: Vec<usize>,
    /// How much better than chance the odds foretold the culprits found (a log-likelihood ratio).
    credit: f64,
}

impl<'a> Deletion<'a> {
    /// Shrinks `kept`, which passes, by members of `order`, least suspicious first; `odds` are relative odds of being a culprit per atom.
    pub(super) fn new(ctx: &'a Ctx, kept: UnitSet, order: Vec<usize>, odds: Vec<f64>, expected: f64) -> Self {
        let total: f64 = order.iter().map(|&atom| odds[atom]).sum();
        let mean_odds = total / order.len().max(1) as f64;
        let (found, cleared, credit, later) = (0.0, 0.0, 0.0, Vec::new());
        let (classes, tried_classes) = (ctx.classes(), Vec::new());
        Self {
            ctx,
            kept,
            open: order,
            odds,
            found,
            cleared,
            expected,
            total,
            later,
            classes,
            tried_classes,
            mean_odds,
            credit,
        }
    }

    /// A deletion from a passing set of which nearly every member is thought to be needed.
    pub(super) fn of_needed(ctx: &'a Ctx, kept: UnitSet) -> Self {
        let order: Vec<usize> = kept.iter().collect();
        let expected = NEEDED * order.len() as f64;
        Self::new(ctx, kept, order, vec![1.0; ctx.len()], expected)
    }

    pub(super) async fn run(mut self) -> UnitSet {
        while !self.open.is_empty() {
            self.step().await;
        }
        for atom in std::mem::take(&mut self.later) {
            let rest = self.kept.without([atom]);
            if self.ctx.passes(&rest).await {
                self.kept = rest;
            }
        }
        self.kept
    }

    /// Decides on one group.
    pub(super) async fn step(&mut self) {
        if let Some(group) = self.probe().await {
            self.isolate(group).await;
        }
    }

    /// Tries to drop one group; returns it if it cannot go. What must stay with other atoms is left out of the group.
    pub(super) async fn probe(&mut self) -> Option<Vec<usize>> {
        let mut size = self.even_odds();
        loop {
            let wanted = self.kept.without(self.open[..size].iter().copied());
            let (tried, judged) = self.ctx.resolve(&wanted).await;
            let group: Vec<usize> = self.open.iter().copied().filter(|&atom| !tried.contains(atom)).collect();
            match judged.verdict {
                Verdict::Pass if !group.is_empty() => {
                    self.drop_all(&group);
                    return None;
                }
                // Ties may have put the whole group back: then this says nothing of it.
                Verdict::Fail if !group.is_empty() => return Some(group),
                _ if size > 1 => size /= 2,
                _ => {
                    self.later.push(self.open.remove(0));
                    return None;
                }
            }
        }
    }

    /// Culprits per unit of odds, by the posterior mean of a gamma prior.
    fn rate(&self) -> f64 {
        (self.found + 1.0) / (self.cleared + self.total / self.expected)
    }

    /// The size of the first group that is about as likely to hold a culprit as not.
    fn even_odds(&self) -> usize {
        let rate = self.rate();
        let mut sum = 0.0;
        let fits = self.open.iter().take_while(|&&atom| {
            sum += self.odds[atom];
            rate * sum <= LN_2
        });
        fits.count().max(1)
    }

    /// Bisects a group that cannot go to its first culprit; what is shown to be clean on the way goes.
    pub(super) async fn isolate(&mut self, mut group: Vec<usize>) {
        while group.len() > 1 {
            self.narrow(&mut group).await;
        }
        self.keep(&group);
        self.try_class(&group).await;
    }

    /// Tries whether the class of the first culprit found in it holds all that are left: one trial a class.
    pub(super) async fn try_class(&mut self, culprit: &[usize]) {
        let (Some(classes), [culprit, ..]) = (&self.classes, culprit) else { return };
        let class = classes[*culprit];
        let (mates, others): (Vec<usize>, Vec<usize>) = self.open.iter().partition(|&&atom| classes[atom] == class);
        let worthwhile = !mates.is_empty() && mates.len() <= others.len() && self.tried_classes.len() < MOST_CLASSES;
        if self.tried_classes.contains(&class) || !worthwhile {
            return;
        }
        self.tried_classes.push(class);
        let (tried, judged) = self.ctx.resolve(&self.kept.without(others.iter().copied())).await;
        if judged.verdict == Verdict::Pass {
            let gone: Vec<usize> = others.into_iter().filter(|&atom| !tried.contains(atom)).collect();
            self.drop_all(&gone);
            // Its other members are suspect now.
            (self.found, self.cleared) = (0.0, 0.0);
            self.total = self.open.iter().map(|&atom| self.odds[atom]).sum();
            self.expected = NEEDED * self.open.len() as f64;
        }
    }

    /// Cuts a group that cannot go in two and drops or keeps the first part; empties it if every cut is refused.
    pub(super) async fn narrow(&mut self, group: &mut Vec<usize>) {
        for cut in around(self.middle(group, self.rate()), group.len()) {
            let (tried, judged) = self.ctx.resolve(&self.kept.without(group[..cut].iter().copied())).await;
            let part: Vec<usize> = group.iter().copied().filter(|&atom| !tried.contains(atom)).collect();
            if part.is_empty() || part.len() == group.len() {
                continue;
            }
            match judged.verdict {
                Verdict::Pass => {
                    self.drop_all(&part);
                    group.retain(|atom| !part.contains(atom));
                    return;
                }
                Verdict::Fail => {
                    *group = part;
                    return;
                }
                Verdict::Unresolved => {}
            }
        }
        // No cut runs: its atoms go together or not at all, and together they do not.
        self.open.retain(|atom| !group.contains(atom));
        self.later.append(group);
    }

    /// Keeps the culprit a group was narrowed down to.
    pub(super) fn keep(&mut self, group: &[usize]) {
        if let [culprit, ..] = group {
            self.found += 1.0;
            self.open.retain(|atom| !group.contains(atom));
            self.credit += (self.odds[*culprit] / self.mean_odds).ln();
            if self.credit < LEAST_CREDIT {
                self.distrust();
            }
        }
    }

    /// Where to cut a group that holds a culprit, so that the first part is as likely clean as not.
    fn middle(&self, group: &[usize], rate: f64) -> usize {
        let mut sum = 0.0;
        let sums: Vec<f64> = group
            .iter()
            .map(|&atom| {
                sum += rate * self.odds[atom];
                sum
            })
            .collect();
        let none = (-sum).exp();
        let clean = |cut: usize| ((-sums[cut - 1]).exp() - none) / (1.0 - none);
        let distance = |cut: &usize| (clean(*cut) - 0.5).abs();
        (1..group.len()).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(1)
    }

    /// Goes on as if there were no prior, once culprits turned out to be where it did not expect them.
    fn distrust(&mut self) {
        self.cleared /= self.mean_odds;
        self.total /= self.mean_odds;
        self.odds.fill(1.0);
        self.mean_odds = 1.0;
        self.credit = 0.0;
    }

    /// The same deletion with other atoms to decide on; `kept` passes.
    pub(super) fn go_on(self, kept: UnitSet, open: Vec<usize>) -> Self {
        Self { kept, open, later: Vec::new(), ..self }
    }

    /// Takes a group of even odds out of what is undecided.
    pub(super) fn take_fresh(&mut self) -> Vec<usize> {
        let size = self.even_odds();
        self.open.drain(..size).collect()
    }

    /// Makes atoms undecided again, to be tried next.
    pub(super) fn give_back(&mut self, atoms: Vec<usize>) {
        self.open.splice(..0, atoms);
    }

    /// Where to cut a group that holds a culprit.
    pub(super) fn cut_of(&self, group: &[usize]) -> usize {
        self.middle(group, self.rate())
    }

    /// Drops undecided atoms.
    pub(super) fn drop_all(&mut self, group: &[usize]) {
        self.kept = self.kept.without(group.iter().copied());
        self.open.retain(|&atom| self.kept.contains(atom));
        self.cleared += group.iter().map(|&atom| self.odds[atom]).sum::<f64>();
    }
}

/// A cut and its neighbours, nearest first, within `1..length`.
pub(super) fn around(middle: usize, length: usize) -> impl Iterator<Item = usize> {
    let cuts =
        [Some(middle), middle.checked_add(1), middle.checked_sub(1), middle.checked_add(2), middle.checked_sub(2)];
    cuts.into_iter().flatten().filter(move |&cut| cut >= 1 && cut < length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::{Strategy, WorstCase};
    use crate::{Answer, Problem, StopReason};

    #[test]
    fn a_group_that_ties_put_back_whole_is_no_failing_group() {
        // Unit 0 cannot move without unit 1. A set that holds both and fails: neither can leave, and nothing is left to ask.
        let strategy = Strategy {
            name: "from-a-failing-set",
            about: "",
            minimal: false,
            proves: false,
            worst_case: WorstCase::seen(|units| units),
            run: |ctx| {
                Box::pin(async move {
                    let both = UnitSet::of(4, [0, 1]);
                    ctx.test(&UnitSet::of(4, [0])).await;
                    Deletion::new(&ctx, both, vec![1, 0], vec![1.0; 4], EXPECTED).run().await;
                    ctx.best()
                })
            },
        };
        let problem = Problem::new(4).all_cpu(Answer::pass()).all_npu(Answer::fail());
        let refused = |set: &UnitSet| set.contains(0) && !set.contains(1);
        let answer = |set: &UnitSet| if refused(set) { Answer::unresolved() } else { Answer::fail() };
        let outcome = problem.search_with(&strategy).unwrap().run(|question| answer(&question.set));
        assert_eq!(outcome.stop, Some(StopReason::Finished));
    }
}
