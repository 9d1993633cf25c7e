//! The default: decides from what it sees which way of searching fits.

use super::bgd::{Deletion, EXPECTED};
use super::qsplit::{Splitting, Tried};
use super::suspicion::Suspicion;
use crate::link::Link;
use crate::{Ctx, UnitSet};

/// Failing trials after which a score that told nothing is not looked at again.
const LAST_CHANCE: usize = 8;

pub(super) async fn run(ctx: Ctx) -> UnitSet {
    let mut suspicion = Suspicion::of(&ctx);
    let start = ctx.best();
    let order = suspicion.ascending(&start);
    let mut deletion = Deletion::new(&ctx, start.clone(), order, suspicion.odds(), EXPECTED);
    // Group deletion until a failing score tells how much is wrong. All it tries are prefixes of the descending order.
    let (mut passed, mut failed) = (Vec::new(), Vec::new());
    while !deletion.open.is_empty() {
        if suspicion.is_known() && ctx.ledger().ties.is_trouble() {
            // Groups that follow a prior cut through what must move together everywhere; runs of neighbours do so at their ends only.
            suspicion.forget();
            let order = suspicion.ascending(&deletion.kept);
            deletion = Deletion::new(&ctx, deletion.kept, order, suspicion.odds(), EXPECTED);
            (passed, failed) = (Vec::new(), Vec::new());
        }
        let Some(mut group) = deletion.probe().await else {
            passed.push(deletion.kept.len());
            continue;
        };
        loop {
            let cut = deletion.kept.len() - group.len();
            failed.push(cut);
            if failed.len() <= LAST_CHANCE && is_graded(&ctx, &deletion.kept.without(group.iter().copied())).await {
                let splitting = Splitting::new(&ctx, suspicion, start);
                return splitting.run(false, &Tried { passed, failed }).await;
            }
            if group.len() <= 1 {
                break;
            }
            deletion.narrow(&mut group).await;
            passed.push(deletion.kept.len());
        }
        deletion.keep(&group);
    }
    deletion.run().await
}

/// Whether the score of a failing placement says more than that it failed.
async fn is_graded(ctx: &Ctx, failing: &UnitSet) -> bool {
    let says_more = || {
        let link = Link::of(ctx)?;
        let mut ledger = ctx.ledger();
        let index = ledger.record(failing);
        ledger.records[index].judged.map(|judged| !link.is_floor(&judged))
    };
    if says_more() != Some(true) {
        return false;
    }
    ctx.measure_noise(failing).await;
    says_more() == Some(true)
}
