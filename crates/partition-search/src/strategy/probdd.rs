//! Probabilistic delta debugging (Wang et al. 2021): drops the group with the greatest expected gain, and learns from failures.

use crate::{Ctx, UnitSet, Verdict};

/// The paper's initial probability that an element is needed.
const INITIAL: f64 = 0.1;

pub(super) async fn run(ctx: Ctx) -> UnitSet {
    let mut kept = ctx.best();
    let mut needed: Vec<f64> = vec![INITIAL; ctx.len()];
    loop {
        let mut open: Vec<usize> = kept.iter().filter(|&atom| needed[atom] < 1.0).collect();
        if open.is_empty() {
            return kept;
        }
        open.sort_by(|&a, &b| needed[a].total_cmp(&needed[b]));
        let group = &open[..greatest_gain(&open, &needed)];
        let rest = kept.without(group.iter().copied());
        if ctx.test(&rest).await.verdict == Verdict::Pass {
            kept = rest;
        } else if let [atom] = group {
            needed[*atom] = 1.0;
        } else {
            let clean: f64 = group.iter().map(|&atom| 1.0 - needed[atom]).product();
            // Rounding must not make a group certain: only a test of one atom does.
            for &atom in group {
                needed[atom] = (needed[atom] / (1.0 - clean)).min(1.0 - 1e-6);
            }
        }
    }
}

/// The length of the prefix whose size times its probability of being droppable is greatest.
fn greatest_gain(open: &[usize], needed: &[f64]) -> usize {
    let mut clean = 1.0;
    let mut best = (0.0, 1);
    for (i, &atom) in open.iter().enumerate() {
        clean *= 1.0 - needed[atom];
        let gain = clean * (i + 1) as f64;
        if gain > best.0 {
            best = (gain, i + 1);
        }
    }
    best.1
}
