//! What the prior says of each atom, in the forms the strategies use.

use crate::judge::normal_scores;
use crate::{Ctx, UnitSet};

/// The prior's normal scores, if there is a prior.
pub(super) struct Suspicion {
    z: Option<Vec<f64>>,
    len: usize,
}

impl Suspicion {
    pub(super) fn of(ctx: &Ctx) -> Self {
        Self { z: ctx.prior().map(|prior| normal_scores(&prior)), len: ctx.len() }
    }

    pub(super) fn is_known(&self) -> bool {
        self.z.is_some()
    }

    /// Goes on without the prior.
    pub(super) fn forget(&mut self) {
        self.z = None;
    }

    fn z(&self, atom: usize) -> f64 {
        self.z.as_ref().map_or(0.0, |z| z[atom])
    }

    /// Relative odds of being a culprit, as group deletion uses them.
    pub(super) fn odds(&self) -> Vec<f64> {
        (0..self.len).map(|atom| self.z(atom).clamp(-2.5, 2.5).exp()).collect()
    }

    /// Relative noise power, as splitting uses it.
    pub(super) fn powers(&self) -> Vec<f64> {
        (0..self.len).map(|atom| (1.2 * self.z(atom).clamp(-3.0, 3.0)).exp()).collect()
    }

    /// The members of a set, least suspicious first; the last in topological order first where there is no prior.
    pub(super) fn ascending(&self, set: &UnitSet) -> Vec<usize> {
        let mut order: Vec<usize> = set.iter().collect();
        order.reverse();
        order.sort_by(|&a, &b| self.z(a).total_cmp(&self.z(b)));
        order
    }

    /// The members of a set, most suspicious first; in topological order where there is no prior.
    pub(super) fn descending(&self, set: &UnitSet) -> Vec<usize> {
        let mut order: Vec<usize> = set.iter().collect();
        order.sort_by(|&a, &b| self.z(b).total_cmp(&self.z(a)));
        order
    }
}
