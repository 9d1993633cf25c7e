//! The end of a quantitative search: drops what is not needed until every member was tried alone (spec/search.md "TRIM").

use super::bgd::Deletion;
use crate::{Ctx, Purpose, UnitSet, Verdict};

/// Sets larger than this are thinned by group deletion first.
const MOST_SINGLES: usize = 16;

/// Shrinks `set`, which passes. `order` lists atoms, least needed first; `weight` estimates the power of each, `slack` how much may come back.
pub(super) async fn trim(ctx: &Ctx, set: UnitSet, weight: &[f64], slack: f64) -> UnitSet {
    let mut kept = set;
    let ascending = |set: &UnitSet| {
        let mut order: Vec<usize> = set.iter().collect();
        order.sort_by(|&a, &b| weight[a].total_cmp(&weight[b]));
        order
    };
    let mut left = slack;
    let block: Vec<usize> = ascending(&kept)
        .into_iter()
        .take_while(|&atom| {
            left -= weight[atom];
            left >= 0.0
        })
        .collect();
    if !block.is_empty() && block.len() < kept.len() {
        let rest = kept.without(block);
        if ctx.passes(&rest).await {
            kept = rest;
        }
    }
    if kept.len() > MOST_SINGLES {
        let order = ascending(&kept);
        let expected = order.len() as f64 / 2.0;
        kept = Deletion::new(ctx, kept, order, vec![1.0; weight.len()], expected).run().await;
    }
    let most = if ctx.width() > 1 { 6 } else { 3 };
    for _ in 0..most {
        let before = kept.clone();
        for batch in ascending(&before).chunks(ctx.width()) {
            kept = drop_batch(ctx, kept, batch).await;
        }
        if kept == before {
            break;
        }
    }
    kept
}

/// Tries each atom of a batch alone; drops together what can go together.
async fn drop_batch(ctx: &Ctx, mut kept: UnitSet, batch: &[usize]) -> UnitSet {
    let rests: Vec<UnitSet> = batch.iter().map(|&atom| ctx.release(&kept, atom)).collect();
    let mut judged = ctx.test_all_as(&rests, Purpose::Necessity).await;
    for (i, &atom) in batch.iter().enumerate() {
        // A refusal can have taught that the atom does not go alone.
        let together = ctx.release(&kept, atom);
        if judged[i].verdict == Verdict::Unresolved && together != rests[i] {
            judged[i] = ctx.test_as(&together, Purpose::Necessity).await;
        }
    }
    let free: Vec<usize> =
        batch.iter().zip(&judged).filter(|(_, j)| j.verdict == Verdict::Pass).map(|(&atom, _)| atom).collect();
    if free.len() > 1 {
        let all = free.iter().fold(kept.clone(), |rest, &atom| ctx.release(&rest, atom));
        if ctx.passes(&all).await {
            return all;
        }
    }
    for atom in free {
        let rest = ctx.release(&kept, atom);
        if ctx.passes(&rest).await {
            kept = rest;
        }
    }
    kept
}
