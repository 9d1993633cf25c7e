//! `QuickXplain` (Junker 2004): divide and conquer over the topological order; strong where culprits are neighbours.

use std::pin::Pin;

use crate::{Ctx, UnitSet};

pub(super) async fn run(ctx: Ctx) -> UnitSet {
    let candidates: Vec<usize> = ctx.best().iter().collect();
    let background = UnitSet::empty(ctx.len());
    explain(&ctx, background, false, candidates).await
}

type Explaining<'a> = Pin<Box<dyn Future<Output = UnitSet> + Send + 'a>>;

/// A minimal set of candidates that passes together with the background; `grown` says that the background changed since it last failed.
fn explain(ctx: &Ctx, background: UnitSet, grown: bool, candidates: Vec<usize>) -> Explaining<'_> {
    Box::pin(async move {
        let none = UnitSet::empty(ctx.len());
        if grown && ctx.passes(&background).await {
            return none;
        }
        if candidates.len() <= 1 {
            return none.with(candidates);
        }
        let (first, second) = candidates.split_at(candidates.len() / 2);
        let with_first = background.with(first.iter().copied());
        let needed_second = explain(ctx, with_first, !first.is_empty(), second.to_vec()).await;
        let with_second = background.union(&needed_second);
        let needed_first = explain(ctx, with_second, !needed_second.is_empty(), first.to_vec()).await;
        needed_first.union(&needed_second)
    })
}
