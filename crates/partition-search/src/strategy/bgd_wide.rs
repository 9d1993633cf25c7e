//! Group deletion on several boards: bisects several groups at a time and opens new ones beside them (spec/search.md "parallel BGD").
//!
//! What passes in a round is dropped together, which is right for a monotone oracle; the set is tried as a whole at the end, and if it does
//! not pass, deletion goes on one by one from the best set that did.

use super::bgd::{Deletion, EXPECTED};
use super::suspicion::Suspicion;
use crate::{Ctx, UnitSet, Verdict};

/// A wide deletion under way.
pub(super) struct WideDeletion<'a> {
    ctx: &'a Ctx,
    /// What is open, the rate, and the set that is thought to pass.
    inner: Deletion<'a>,
    /// Groups that hold a culprit.
    bad: Vec<Vec<usize>>,
    /// What could not be tried.
    refused: Vec<usize>,
}

impl<'a> WideDeletion<'a> {
    pub(super) fn new(ctx: &'a Ctx, suspicion: &Suspicion, start: UnitSet) -> Self {
        let order = suspicion.ascending(&start);
        let inner = Deletion::new(ctx, start, order, suspicion.odds(), EXPECTED);
        Self { ctx, inner, bad: Vec::new(), refused: Vec::new() }
    }

    pub(super) fn is_done(&self) -> bool {
        self.bad.is_empty() && self.inner.open.is_empty()
    }

    /// Tries as many groups as there are boards; returns the placements that failed.
    pub(super) async fn round(&mut self) -> Vec<UnitSet> {
        let (mut parts, mut rests) = (Vec::new(), Vec::new());
        for group in self.bad.drain(..) {
            let cut = self.inner.cut_of(&group);
            parts.push((group[..cut].to_vec(), true));
            rests.push(group[cut..].to_vec());
        }
        while parts.len() < self.ctx.width() && !self.inner.open.is_empty() {
            parts.push((self.inner.take_fresh(), false));
            rests.push(Vec::new());
        }
        let wanted: Vec<UnitSet> =
            parts.iter().map(|(part, _)| self.inner.kept.without(part.iter().copied())).collect();
        let answers = self.ctx.resolve_all(&wanted).await;
        let mut failed = Vec::new();
        for (((part, was_bad), rest), (tried, judged)) in parts.into_iter().zip(rests).zip(answers) {
            let (gone, stayed): (Vec<usize>, Vec<usize>) = part.into_iter().partition(|&atom| !tried.contains(atom));
            match judged.verdict {
                Verdict::Pass if !gone.is_empty() => {
                    self.inner.drop_all(&gone);
                    let left = [stayed, rest].concat();
                    if was_bad { self.narrow(left) } else { self.inner.give_back(left) }
                }
                Verdict::Fail if !gone.is_empty() => {
                    failed.push(tried);
                    self.inner.give_back([stayed, rest].concat());
                    self.narrow(gone);
                }
                _ => self.refused.extend([stayed, gone, rest].concat()),
            }
        }
        failed
    }

    /// A smaller group that holds a culprit; alone, it is one.
    fn narrow(&mut self, group: Vec<usize>) {
        if group.len() > 1 {
            self.bad.push(group);
        } else {
            self.inner.keep(&group);
        }
    }

    /// Tries what is left as a whole; returns it if it fails.
    pub(super) async fn confirm(&self) -> Option<UnitSet> {
        let kept = self.inner.kept.clone();
        (self.ctx.test(&kept).await.verdict == Verdict::Fail).then_some(kept)
    }

    pub(super) async fn run(mut self) -> UnitSet {
        while !self.is_done() {
            self.round().await;
        }
        let passes = self.ctx.passes(&self.inner.kept).await;
        let (kept, again) = if passes {
            (self.inner.kept.clone(), std::mem::take(&mut self.refused))
        } else {
            let best = self.ctx.best();
            let order = Suspicion::of(self.ctx).ascending(&best);
            (best, order)
        };
        self.inner.go_on(kept, again).run().await
    }
}
