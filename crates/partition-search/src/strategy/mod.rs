//! The strategies. To add one: a file beside this one with `pub(super) async fn run(ctx: Ctx) -> UnitSet`, and a line in [`STRATEGIES`].

use std::pin::Pin;

use crate::{Ctx, UnitSet};

mod auto;
mod bgd;
mod bgd_wide;
mod bisect;
mod ddmin;
mod graded;
mod linear;
mod probdd;
mod qsplit;
mod quickxplain;
mod rank_greedy;
mod suspicion;
mod trim;

/// A strategy under way; it ends with a placement that passed.
pub type Run = Pin<Box<dyn Future<Output = UnitSet> + Send>>;

/// A way of shrinking a passing placement. It is started when a passing placement is known ([`Ctx::best`]) and all-NPU is known not to pass.
#[derive(Clone, Copy)]
pub struct Strategy {
    /// As the user names it.
    pub name: &'static str,
    /// One line for a list of strategies.
    pub about: &'static str,
    /// Whether its answers are 1-minimal for a monotone oracle.
    pub minimal: bool,
    /// Whether members not yet shown to be necessary are tried one by one at its end.
    pub proves: bool,
    /// Starts it.
    pub run: fn(Ctx) -> Run,
}

/// Every strategy; the property suite and the bench run over this list.
pub const STRATEGIES: &[Strategy] = &[
    Strategy {
        name: "linear",
        about: "tries to drop one unit after the other",
        minimal: true,
        proves: false,
        run: |ctx| Box::pin(linear::run(ctx)),
    },
    Strategy {
        name: "bisect",
        about: "the shorter of the shortest passing prefix and suffix",
        minimal: false,
        proves: false,
        run: |ctx| Box::pin(bisect::run(ctx)),
    },
    Strategy {
        name: "ddmin",
        about: "delta debugging: halves, quarters, … and their complements",
        minimal: true,
        proves: false,
        run: |ctx| Box::pin(ddmin::run(ctx)),
    },
    Strategy {
        name: "probdd",
        about: "delta debugging that learns from failures which units are needed",
        minimal: true,
        proves: false,
        run: |ctx| Box::pin(probdd::run(ctx)),
    },
    Strategy {
        name: "quickxplain",
        about: "divide and conquer; strong where culprits are neighbours",
        minimal: true,
        proves: false,
        run: |ctx| Box::pin(quickxplain::run(ctx)),
    },
    Strategy {
        name: "rank-greedy",
        about: "measures every unit alone, then moves the worst ones",
        minimal: true,
        proves: false,
        run: |ctx| Box::pin(rank_greedy::run(ctx)),
    },
    Strategy {
        name: "bgd",
        about: "Bayesian group deletion: for oracles that only say pass or fail",
        minimal: true,
        proves: false,
        run: |ctx| Box::pin(bgd::run(ctx)),
    },
    Strategy {
        name: "qsplit",
        about: "quantitative splitting: for scores that say how much is wrong",
        minimal: true,
        proves: false,
        run: |ctx| Box::pin(qsplit::run(ctx, false)),
    },
    Strategy {
        name: "qsplit-fast",
        about: "the same, content with the prior's shortest prefix where that is short",
        minimal: true,
        proves: false,
        run: |ctx| Box::pin(qsplit::run(ctx, true)),
    },
    Strategy {
        name: "auto",
        about: "decides from what it sees: graded or not, noisy or not, prior good or not",
        minimal: true,
        proves: true,
        run: |ctx| Box::pin(auto::run(ctx)),
    },
];

/// The strategy that is used where none is named.
pub const DEFAULT: &str = "auto";

/// The strategy of that name.
pub fn named(name: &str) -> Option<&'static Strategy> {
    STRATEGIES.iter().find(|strategy| strategy.name == name)
}

/// Every strategy's name.
pub fn names() -> Vec<&'static str> {
    STRATEGIES.iter().map(|strategy| strategy.name).collect()
}
