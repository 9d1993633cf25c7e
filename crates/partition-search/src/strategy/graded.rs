//! Group deletion that looks at the losses: for scores in steps, where a few culprits each cost something, and some stand in for others.
//!
//! A group that cannot go is cut in two like in plain group deletion, but one trial tells of both parts. If the first part costs as much as
//! the whole, the second costs nothing once the first has gone; if it costs less, the rest is the second's. Both hold for losses that add
//! up and for units that stand in for one another (a loss shows only once all of them are gone). Where they do not hold, because two
//! culprits share one loss, the answer fails, and plain group deletion goes on from the last placement that passed.

use super::bgd::{Deletion, EXPECTED, around};
use super::suspicion::Suspicion;
use crate::judge::Judged;
use crate::link::Link;
use crate::stages::prove;
use crate::{Ctx, Proof, UnitSet, Verdict};

/// Losses (in tolerances) that are taken for drift rather than for a culprit.
const SLIGHT: f64 = 0.25;
/// Losses that may be taken on trust in all: what a placement passes with, less what a trial may still find.
const MOST_OWED: f64 = 0.7;

/// Members that cannot all go.
struct Bad {
    /// Least suspicious first.
    members: Vec<usize>,
    /// The distance from all-CPU, in tolerances, without them.
    drop: f64,
    /// The distance from all-CPU with them when that was learned.
    base: f64,
}

/// A deletion by losses under way.
pub(super) struct Graded<'a> {
    ctx: &'a Ctx,
    odds: Vec<f64>,
    kept: UnitSet,
    /// The distance of `kept` from all-CPU, measured or implied.
    base: f64,
    /// The part of it that no trial showed.
    owed: f64,
    bad: Vec<Bad>,
    /// What could not be tried.
    later: Vec<usize>,
}

impl<'a> Graded<'a> {
    /// Shrinks the best placement so far, of which `needed` is thought to be needed and perhaps enough; `None` if the score without the
    /// others does not tell how much that loses, or two culprits share a loss.
    pub(super) fn new(ctx: &'a Ctx, suspicion: &Suspicion, needed: &UnitSet) -> Option<Self> {
        if shares_losses(ctx) {
            return None;
        }
        let link = Link::of(ctx)?;
        let kept = ctx.best();
        let loss_of = |set: &UnitSet| {
            let mut ledger = ctx.ledger();
            let index = ledger.record(set);
            ledger.records[index].judged.and_then(|judged| link.loss(&judged))
        };
        let needed = needed.intersection(&kept);
        let (base, drop) = (loss_of(&kept)?, loss_of(&needed)?);
        let bad = vec![Bad { members: suspicion.ascending(&kept.difference(&needed)), drop, base }];
        Some(Self { ctx, odds: suspicion.odds(), kept, base, owed: 0.0, bad, later: Vec::new() })
    }

    pub(super) async fn run(mut self, suspicion: &Suspicion) -> UnitSet {
        while let Some(mut bad) = self.bad.pop() {
            bad.members.retain(|&atom| self.kept.contains(atom));
            // What the earlier groups left behind adds to what this one costs.
            bad.drop += self.base - bad.base;
            bad.base = self.base;
            if bad.members.len() > 1 {
                self.cut(bad).await;
            }
        }
        let (tried, judged) = self.ctx.resolve(&self.kept).await;
        if self.later.is_empty() && judged.verdict == Verdict::Pass {
            // What was found last may stand in for what was thought to be needed before.
            self.ctx.ledger().adopt(&tried);
            prove(self.ctx, Proof::IfMonotone).await;
            return self.ctx.best();
        }
        let best = self.ctx.best();
        let order = suspicion.ascending(&best);
        Deletion::new(self.ctx, best, order, self.odds, EXPECTED).run().await
    }

    /// Cuts a group in two by a trial, or by one that was run already.
    async fn cut(&mut self, bad: Bad) {
        let Some((first, judged)) = self.first_part(&bad.members).await else {
            self.later.extend(bad.members);
            return;
        };
        let second: Vec<usize> = bad.members.iter().copied().filter(|atom| !first.contains(atom)).collect();
        let loss = Link::of(self.ctx).and_then(|link| link.loss(&judged));
        let drop = loss.unwrap_or(bad.drop);
        if judged.verdict == Verdict::Pass {
            self.kept = self.kept.without(first);
            self.base = drop;
            self.owed = 0.0;
            self.bad.push(Bad { members: second, drop: bad.drop, base: drop });
        } else if loss.is_some() && bad.drop - drop <= SLIGHT && self.owed + (bad.drop - drop).max(0.0) <= MOST_OWED {
            let slight = (bad.drop - drop).max(0.0);
            self.kept = self.kept.without(second);
            self.base += slight;
            self.owed += slight;
            self.bad.push(Bad { members: first, drop: bad.drop, base: self.base });
        } else {
            self.bad.push(Bad { members: second, drop: self.base + bad.drop - drop, base: self.base });
            self.bad.push(Bad { members: first, drop, base: self.base });
        }
    }

    /// The members of a group that a trial left out, neither none nor all, and what it showed.
    async fn first_part(&self, members: &[usize]) -> Option<(Vec<usize>, Judged)> {
        if let Some(known) = self.known_part(members) {
            return Some(known);
        }
        for cut in around(self.half(members), members.len()) {
            let (tried, judged) = self.ctx.resolve(&self.kept.without(members[..cut].iter().copied())).await;
            let gone: Vec<usize> = members.iter().copied().filter(|&atom| !tried.contains(atom)).collect();
            if judged.verdict != Verdict::Unresolved && !gone.is_empty() && gone.len() < members.len() {
                return Some((gone, judged));
            }
        }
        None
    }

    /// The same by a trial that was run already: the one that cuts nearest to the middle.
    fn known_part(&self, members: &[usize]) -> Option<(Vec<usize>, Judged)> {
        let group = UnitSet::of(self.kept.universe(), members.iter().copied());
        let ledger = self.ctx.ledger();
        let cuts = ledger.records.iter().filter_map(|record| {
            let judged = record.judged.filter(|judged| judged.verdict != Verdict::Unresolved)?;
            let gone = self.kept.difference(&record.set);
            let fits = record.set.is_subset(&self.kept) && gone.is_subset(&group);
            (fits && !gone.is_empty() && gone.len() < members.len()).then_some((gone, judged))
        });
        let (gone, judged) = cuts.max_by_key(|(gone, _)| gone.len().min(members.len() - gone.len()))?;
        Some((members.iter().copied().filter(|&atom| gone.contains(atom)).collect(), judged))
    }

    /// Where half the odds of a list lie.
    fn half(&self, members: &[usize]) -> usize {
        let total: f64 = members.iter().map(|&atom| self.odds[atom]).sum();
        let mut sum = 0.0;
        let below = members.iter().take_while(|&&atom| {
            sum += self.odds[atom];
            sum <= 0.5 * total
        });
        below.count().clamp(1, members.len() - 1)
    }
}

/// Whether two placements, with no unit on the NPU in both, lose more than everything on the NPU does: some loss is counted twice.
fn shares_losses(ctx: &Ctx) -> bool {
    let Some(link) = Link::of(ctx) else { return false };
    let ledger = ctx.ledger();
    let losing = ledger.records.iter().filter_map(|record| Some((&record.set, link.loss(&record.judged?)?)));
    let losing: Vec<(&UnitSet, f64)> = losing.filter(|&(_, loss)| loss > SLIGHT).collect();
    let Some(whole) = losing.iter().find(|(set, _)| set.is_empty()).map(|&(_, loss)| loss) else { return false };
    let apart = |a: &UnitSet, b: &UnitSet| a.complement().is_subset(b);
    losing
        .iter()
        .enumerate()
        .any(|(i, &(a, loss))| losing[i + 1..].iter().any(|&(b, other)| loss + other > whole + SLIGHT && apart(a, b)))
}
