//! The default: decides from what it sees which way of searching fits.

use super::suspicion::Suspicion;
use super::{bgd, qsplit};
use crate::link::Link;
use crate::{Ctx, UnitSet};

pub(super) async fn run(ctx: Ctx) -> UnitSet {
    if Link::of(&ctx).is_none() {
        return bgd::run(ctx).await;
    }
    let plan = qsplit::Plan { fast: false, resplit: if ctx.prior().is_some() { 2.0 } else { 1.0 } };
    qsplit::Splitting::new(&ctx, Suspicion::of(&ctx)).run(plan).await
}
