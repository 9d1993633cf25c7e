//! Bisection over the topological order, as Polygraphy's `debug precision` does: the shortest passing prefix, the shortest passing suffix.

use crate::{Ctx, UnitSet};

pub(super) async fn run(ctx: Ctx) -> UnitSet {
    let start: Vec<usize> = ctx.best().iter().collect();
    let reversed: Vec<usize> = start.iter().rev().copied().collect();
    let head = &start[..shortest_prefix(&ctx, &start).await];
    let tail = &reversed[..shortest_prefix(&ctx, &reversed).await];
    let shorter = if tail.len() < head.len() { tail } else { head };
    UnitSet::of(ctx.len(), shorter.iter().copied())
}

/// The length of the shortest prefix of `order` that passes, if the oracle is monotone; `order` as a whole passes, the empty prefix does not.
///
/// ⌈log2 n⌉ trials. With a non-monotone oracle the prefix passes, but a shorter one may pass as well.
pub(super) async fn shortest_prefix(ctx: &Ctx, order: &[usize]) -> usize {
    let (mut fails, mut passes) = (0, order.len());
    while passes - fails > 1 {
        let middle = usize::midpoint(fails, passes);
        if ctx.passes(&UnitSet::of(ctx.len(), order[..middle].iter().copied())).await {
            passes = middle;
        } else {
            fails = middle;
        }
    }
    passes
}
