//! The default: decides from what it sees which way of searching fits.

use super::bgd::{Deletion, EXPECTED};
use super::bgd_wide::WideDeletion;
use super::qsplit::{Splitting, Tried};
use super::suspicion::Suspicion;
use crate::link::Link;
use crate::{Ctx, UnitSet};

/// Failing trials after which a score that told nothing is not looked at again.
const LAST_CHANCE: usize = 8;

/// How near to all-NPU's score (as a share of the way to all-CPU's) one that differs from it is looked at twice.
const NEAR_FLOOR: f64 = 0.1;

pub(super) async fn run(ctx: Ctx) -> UnitSet {
    let mut suspicion = Suspicion::of(&ctx);
    let start = ctx.best();
    if ctx.width() > 1 {
        return run_wide(&ctx, suspicion, start).await;
    }
    let order = suspicion.ascending(&start);
    let mut deletion = Deletion::new(&ctx, start.clone(), order, suspicion.odds(), EXPECTED);
    // Group deletion until a failing score tells how much is wrong. All it tries are prefixes of the descending order.
    let (mut passed, mut failed) = (Vec::new(), Vec::new());
    while !deletion.open.is_empty() {
        if suspicion.is_known() && ctx.is_refused() {
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
        deletion.try_class(&group).await;
    }
    deletion.run().await
}

/// The same on several boards, where the first round tells.
async fn run_wide(ctx: &Ctx, suspicion: Suspicion, start: UnitSet) -> UnitSet {
    let mut deletion = WideDeletion::new(ctx, &suspicion, start.clone());
    let mut looks = 0;
    while !deletion.is_done() && looks < LAST_CHANCE {
        let mut failed = deletion.round().await;
        if failed.is_empty() {
            // What can go group by group need not be able to go together.
            failed.extend(deletion.confirm().await);
            if !failed.is_empty() && has_steps(ctx) {
                return Splitting::new(ctx, suspicion, start).run(false, &Tried::default()).await;
            }
        }
        for failing in failed {
            looks += 1;
            if is_graded(ctx, &failing).await {
                return Splitting::new(ctx, suspicion, start).run(false, &Tried::default()).await;
            }
        }
    }
    deletion.run().await
}

/// Whether any score lies between that of all-CPU and that of all-NPU.
fn has_steps(ctx: &Ctx) -> bool {
    let Some(link) = Link::of(ctx) else { return false };
    let ledger = ctx.ledger();
    ledger
        .records
        .iter()
        .filter_map(|record| record.judged)
        .any(|judged| !link.is_floor(&judged) && !link.is_top(&judged))
}

/// Whether the score of a failing placement says more than that it failed.
async fn is_graded(ctx: &Ctx, failing: &UnitSet) -> bool {
    let says_more = |slack: f64| {
        let link = Link::of(ctx)?;
        let mut ledger = ctx.ledger();
        let index = ledger.record(failing);
        ledger.records[index].judged.map(|judged| !link.is_near_floor(&judged, slack))
    };
    if says_more(0.0) != Some(true) {
        return false;
    }
    // Near the floor it may be noise.
    if says_more(NEAR_FLOOR) != Some(true) {
        ctx.measure_noise(failing).await;
    }
    says_more(0.0) == Some(true)
}
