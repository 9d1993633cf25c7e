//! Delta debugging (Zeller and Hildebrandt 2002), the classic anchor: 1-minimal for any oracle, quadratic at worst.

use crate::{Ctx, UnitSet, Verdict};

pub(super) async fn run(ctx: Ctx) -> UnitSet {
    let n = ctx.len();
    let mut kept: Vec<usize> = ctx.best().iter().collect();
    let mut parts = 2;
    while kept.len() >= 2 {
        parts = parts.min(kept.len());
        let blocks: Vec<&[usize]> =
            (0..parts).map(|i| &kept[i * kept.len() / parts..(i + 1) * kept.len() / parts]).collect();
        let subsets: Vec<UnitSet> = blocks.iter().map(|block| UnitSet::of(n, block.iter().copied())).collect();
        let whole = UnitSet::of(n, kept.iter().copied());
        let complements: Vec<UnitSet> = subsets.iter().map(|subset| whole.difference(subset)).collect();
        if let Some(i) = first_pass(&ctx, &subsets).await {
            kept = subsets[i].iter().collect();
            parts = 2;
        } else if let Some(i) = first_pass(&ctx, &complements).await {
            kept = complements[i].iter().collect();
            parts = (parts - 1).max(2);
        } else if parts == kept.len() {
            break;
        } else {
            parts *= 2;
        }
    }
    UnitSet::of(n, kept)
}

/// The first set that passes; tries as many at a time as there are boards.
async fn first_pass(ctx: &Ctx, sets: &[UnitSet]) -> Option<usize> {
    let mut before = 0;
    for batch in sets.chunks(ctx.width()) {
        let judged = ctx.test_all(batch).await;
        if let Some(i) = judged.iter().position(|judged| judged.verdict == Verdict::Pass) {
            return Some(before + i);
        }
        before += batch.len();
    }
    None
}
