//! The stages every search goes through, whatever its strategy: baselines, a first passing placement, the strategy, proof, confirmation.

use std::collections::BTreeSet;

use crate::ctx::Ctx;
use crate::judge::Judged;
use crate::outcome::StopReason;
use crate::strategy::Strategy;
use crate::{Objective, Proof, Purpose, UnitSet, Verdict};

/// Trials spent on lowering an objective other than the number of operators.
const MOST_POLISHING: usize = 24;
/// How far from a member a unit may be to be moved for that.
const REACH: usize = 2;
/// Fresh looks at a final answer of a noisy oracle.
const CONFIRMING_LOOKS: usize = 4;
/// Final answers that may fail their confirmation before the search gives up on confirming.
const MOST_CONFIRMATIONS: usize = 10;

pub(crate) async fn run(ctx: Ctx, strategy: Strategy) -> StopReason {
    let (all_cpu, all_npu) = baselines(&ctx).await;
    if all_npu.verdict == Verdict::Pass {
        return StopReason::NothingToMove;
    }
    if all_cpu.verdict != Verdict::Pass && !find_start(&ctx).await {
        return StopReason::NoStart;
    }
    let last = (strategy.run)(ctx.clone()).await;
    ctx.ledger().adopt(&last);
    polish(&ctx).await;
    // With several boards a placement tried beside the strategy's path can be the best one; then nothing is known of its members.
    if strategy.proves || ctx.best() != last {
        let proof = ctx.ledger().problem.proof;
        prove(&ctx, proof).await;
    }
    confirm(&ctx).await;
    StopReason::Finished
}

async fn baselines(ctx: &Ctx) -> (Judged, Judged) {
    let n = ctx.len();
    let (full, empty) = (UnitSet::full(n), UnitSet::empty(n));
    {
        let mut ledger = ctx.ledger();
        if let Some(answer) = ledger.problem.all_cpu {
            ledger.judge.calibrate(&answer);
            if ledger.problem.pinned_npu.is_empty() {
                ledger.know(&full, answer);
            }
        }
        if let Some(answer) = ledger.problem.all_npu.filter(|_| ledger.problem.pinned_cpu.is_empty()) {
            ledger.know(&empty, answer);
        }
    }
    let judged = ctx.test_all_as(&[full.clone(), empty], Purpose::Baseline).await;
    {
        let mut ledger = ctx.ledger();
        let index = ledger.record(&full);
        let first = ledger.problem.all_cpu.unwrap_or(ledger.records[index].answers[0]);
        ledger.judge.calibrate(&first);
    }
    (judged[0], judged[1])
}

/// Looks for any placement that runs and passes where all-CPU does not: complements of ever smaller blocks (all-CPU but a few units that
/// must stay on the NPU), then the blocks themselves.
async fn find_start(ctx: &Ctx) -> bool {
    let n = ctx.len();
    let full = UnitSet::full(n);
    let mut size = n.div_ceil(2);
    while size >= 1 {
        let blocks: Vec<UnitSet> = (0..n).step_by(size).map(|at| UnitSet::of(n, at..(at + size).min(n))).collect();
        for batch in blocks.chunks(ctx.width()) {
            let rests: Vec<UnitSet> = batch.iter().map(|block| full.difference(block)).collect();
            if any_passes(ctx, &rests).await || any_passes(ctx, batch).await {
                return true;
            }
        }
        if size == 1 {
            break;
        }
        size = size.div_ceil(2);
    }
    false
}

async fn any_passes(ctx: &Ctx, sets: &[UnitSet]) -> bool {
    ctx.test_all_as(sets, Purpose::Start).await.iter().any(|judged| judged.verdict == Verdict::Pass)
}

/// Where something else than the number of operators is to be low: moves units next to the best placement's members in, or members out, as
/// long as the objective falls.
async fn polish(ctx: &Ctx) {
    if matches!(ctx.ledger().problem.objective, Objective::FewestOps) {
        return;
    }
    for _ in 0..MOST_POLISHING {
        let best = ctx.best();
        let near = |atom: usize| (atom.saturating_sub(REACH)..=atom + REACH).filter(|&other| other < ctx.len());
        let moves: BTreeSet<usize> = best.iter().flat_map(near).collect();
        let next = {
            let ledger = ctx.ledger();
            let cost = ledger.cost(&best);
            moves
                .into_iter()
                .map(|atom| if best.contains(atom) { best.without([atom]) } else { best.with([atom]) })
                .filter(|set| ledger.verdict_on(set).is_none())
                .map(|set| (ledger.cost(&set), set))
                .filter(|(lower, _)| lower.is_below(&cost))
                .min_by(|a, b| a.0.compare(&b.0))
        };
        let Some((_, set)) = next else { return };
        ctx.test(&set).await;
    }
}

/// Tries the best placement without each of its members until none can go. What is refused meanwhile teaches which go together only: these
/// are tried next.
pub(crate) async fn prove(ctx: &Ctx, proof: Proof) {
    loop {
        let best = ctx.best();
        let open: Vec<UnitSet> = best
            .iter()
            .map(|atom| ctx.release(&best, atom))
            .filter(|rest| ctx.known(rest).is_none() && !(proof == Proof::IfMonotone && is_implied(ctx, rest)))
            .collect();
        if open.is_empty() {
            return;
        }
        for batch in open.chunks(ctx.width()) {
            ctx.test_all_as(batch, Purpose::Necessity).await;
            if ctx.best() != best {
                break;
            }
        }
    }
}

/// Whether a failing trial implies that this placement fails, if the oracle is monotone.
fn is_implied(ctx: &Ctx, rest: &UnitSet) -> bool {
    ctx.ledger().failing().any(|failed| rest.is_subset(failed))
}

/// Looks again at the final answer of a noisy oracle, and at the next best if it does not hold.
async fn confirm(ctx: &Ctx) {
    for _ in 0..MOST_CONFIRMATIONS {
        let best = {
            let mut ledger = ctx.ledger();
            let Some((best, _, _)) = ledger.best() else { return };
            let best = best.clone();
            let index = ledger.record(&best);
            if !ledger.judge.is_noisy() || ledger.records[index].wanted > 0 {
                return;
            }
            let looks = ledger.records[index].answers.len() + CONFIRMING_LOOKS;
            ledger.want(index, looks);
            best
        };
        if ctx.test_as(&best, Purpose::Confirm).await.verdict == Verdict::Pass {
            return;
        }
        ctx.ledger().elect();
    }
}
