//! From estimates to an answer: the shortest passing prefix of the ranking, attempts at a smaller set, and the ways out.

use super::{MOST_TO_RECALIBRATE, Splitting};
use crate::link::Link;
use crate::strategy::bgd::{Deletion, EXPECTED};
use crate::strategy::bgd_wide::WideDeletion;
use crate::strategy::graded::Graded;
use crate::{UnitSet, Verdict};

/// How far above the threshold a smaller set may be predicted to be and still be tried, per misfit of the model.
const HOPE: f64 = 5.0;
/// Tests that try to get below the shortest passing prefix.
const IMPROVEMENTS: usize = 10;
/// Ops beyond twice the wanted number that are considered for a smaller set.
const POOL: usize = 12;
/// Atoms beyond which a failing prefix grows by more than one at a time from the start.
const LONG: usize = 5000;

impl Splitting<'_> {
    /// The power a placement may leave and be seen to pass.
    pub(super) fn allowed(&self) -> f64 {
        Link::of(self.ctx).map_or(1.0, |link| self.model.scale.power(&link.wanted()))
    }

    /// The length of the prefix of the ranking that is predicted to be the shortest to pass.
    pub(super) fn predicted(&self) -> usize {
        let ranking = self.ranking();
        let estimates = self.estimates();
        let allowed = self.allowed();
        let mut rest: f64 = estimates.iter().sum();
        let needed = ranking.iter().take_while(|&&atom| {
            let more = rest > allowed;
            rest -= estimates[atom];
            more
        });
        needed.count().clamp(1, ranking.len())
    }

    /// A short passing prefix of the ranking: the predicted one, and while that fails a longer one as the refitted model says.
    pub(super) async fn shortest_prefix(&mut self) -> UnitSet {
        let mut cut = self.predicted();
        let mut step = 1;
        loop {
            let prefix = self.set(&self.ranking()[..cut]);
            if cut >= self.start.len() {
                return prefix;
            }
            let (tried, judged) = self.ctx.resolve(&prefix).await;
            if judged.verdict == Verdict::Pass {
                return tried;
            }
            let observations = self.observations();
            self.model.fit(&observations);
            cut = self.predicted().max(cut + step).min(self.start.len());
            step += step / 2 + usize::from(step > 1 || self.ctx.len() > LONG);
        }
    }

    /// Tries to get below a passing set: the predicted best set one smaller, or a swap.
    pub(super) async fn improve(&mut self, mut set: UnitSet) -> UnitSet {
        if self.exact {
            return set;
        }
        for _ in 0..IMPROVEMENTS {
            let observations = self.observations();
            self.model.fit(&observations);
            // Where the model fits, only what it predicts to pass is worth a trial.
            let margin = self.allowed() + HOPE * self.model.unexplained(&observations);
            if self.improvement(&set, margin).is_none() {
                break;
            }
            if self.n <= MOST_TO_RECALIBRATE {
                self.calibrate();
            }
            let Some(next) = self.improvement(&set, margin) else { break };
            let (tried, judged) = self.ctx.resolve(&next).await;
            if judged.verdict == Verdict::Pass && tried.len() < set.len() {
                set = tried;
            }
        }
        set
    }

    /// The untried set, one smaller than a passing one, that the model likes best: grown atom by atom, then bettered by swaps.
    pub(super) fn improvement(&self, set: &UnitSet, margin: f64) -> Option<UnitSet> {
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
    pub(super) async fn delete(self) -> UnitSet {
        let start = self.ctx.best();
        if self.ctx.width() > 1 {
            return WideDeletion::new(self.ctx, &self.suspicion, start).run().await;
        }
        let order = self.suspicion.ascending(&start);
        Deletion::new(self.ctx, start, order, self.suspicion.odds(), EXPECTED).run().await
    }

    /// Hands over to deletion by losses of all but what is thought to be `needed`, where scores come in steps; else to group deletion.
    pub(super) async fn delete_by_loss(self, needed: &UnitSet) -> UnitSet {
        match Graded::new(self.ctx, &self.suspicion, needed) {
            Some(graded) => graded.run(&self.suspicion).await,
            None => self.delete().await,
        }
    }
}
