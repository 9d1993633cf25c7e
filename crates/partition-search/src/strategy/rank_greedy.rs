//! Rank, then grow: measures every op alone on the NPU and moves the worst until the rest passes, as AIMET's AMP and NNCF do; one trial an op.

use super::bisect::shortest_prefix;
use super::trim::trim;
use crate::{Ctx, UnitSet, Verdict};

pub(super) async fn run(ctx: Ctx) -> UnitSet {
    let start = ctx.best();
    let mut ranking: Vec<usize> = start.iter().collect();
    let alone: Vec<UnitSet> = ranking.iter().map(|&atom| start.without([atom])).collect();
    let judged = ctx.test_all(&alone).await;
    let mut harm = vec![0.0; ctx.len()];
    for (&atom, judged) in ranking.iter().zip(&judged) {
        harm[atom] = match (judged.score, judged.verdict) {
            (Some(score), _) => -score,
            (None, Verdict::Pass) => 0.0,
            (None, _) => 1.0,
        };
    }
    ranking.sort_by(|&a, &b| harm[b].total_cmp(&harm[a]));
    let passing = shortest_prefix(&ctx, &ranking).await;
    let found = UnitSet::of(ctx.len(), ranking[..passing].iter().copied());
    trim(&ctx, found, &harm, f64::NEG_INFINITY).await
}
