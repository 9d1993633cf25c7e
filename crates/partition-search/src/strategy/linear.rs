//! Linear deletion: the guarantee everything else is measured against, at one trial a unit.

use crate::{Ctx, UnitSet};

pub(super) async fn run(ctx: Ctx) -> UnitSet {
    let mut kept = ctx.best();
    let atoms: Vec<usize> = kept.iter().collect();
    for chunk in atoms.chunks(ctx.width()) {
        let rests: Vec<UnitSet> = chunk.iter().map(|&atom| kept.without([atom])).collect();
        ctx.test_all(&rests).await;
        // With several boards the answers of a batch are about the set before the batch; the cache makes the first drop free.
        for &atom in chunk {
            let rest = kept.without([atom]);
            if ctx.passes(&rest).await {
                kept = rest;
            }
        }
    }
    kept
}
