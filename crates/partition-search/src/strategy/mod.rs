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
    /// How many trials it may take.
    pub worst_case: WorstCase,
    /// Starts it.
    pub run: fn(Ctx) -> Run,
}

/// The most trials of a search that asks one at a time, baselines and verification apart, where more units on the CPU never hurt, nothing
/// is refused and answers do not change. No bound holds without that.
#[derive(Clone, Copy)]
pub struct WorstCase {
    /// For so many units that may move.
    pub trials: fn(usize) -> usize,
    /// Is it proved? Otherwise no search has taken more, over the oracles of `tests/bounds.rs`.
    pub proved: bool,
}

impl WorstCase {
    const fn proved(trials: fn(usize) -> usize) -> Self {
        Self { trials, proved: true }
    }

    const fn seen(trials: fn(usize) -> usize) -> Self {
        Self { trials, proved: false }
    }
}

/// The bits of a number of units: ⌈log2⌉.
fn halvings(units: usize) -> usize {
    units.next_power_of_two().trailing_zeros() as usize
}

/// Every strategy; the property suite and the bench run over this list.
pub const STRATEGIES: &[Strategy] = &[
    Strategy {
        name: "linear",
        about: "tries to drop one unit after the other",
        minimal: true,
        proves: false,
        worst_case: WorstCase::proved(|units| units),
        run: |ctx| Box::pin(linear::run(ctx)),
    },
    Strategy {
        name: "bisect",
        about: "the shorter of the shortest passing prefix and suffix",
        minimal: false,
        proves: false,
        worst_case: WorstCase::proved(|units| 2 * halvings(units)),
        run: |ctx| Box::pin(bisect::run(ctx)),
    },
    Strategy {
        name: "ddmin",
        about: "delta debugging: halves, quarters, … and their complements",
        minimal: true,
        proves: false,
        worst_case: WorstCase::proved(|units| units * units + 3 * units),
        run: |ctx| Box::pin(ddmin::run(ctx)),
    },
    Strategy {
        name: "probdd",
        about: "delta debugging that learns from failures which units are needed",
        minimal: true,
        proves: false,
        worst_case: WorstCase::seen(|units| 5 * units / 2),
        run: |ctx| Box::pin(probdd::run(ctx)),
    },
    Strategy {
        name: "quickxplain",
        about: "divide and conquer; strong where culprits are neighbours",
        minimal: true,
        proves: false,
        worst_case: WorstCase::proved(|units| 17 * units / 8),
        run: |ctx| Box::pin(quickxplain::run(ctx)),
    },
    Strategy {
        name: "rank-greedy",
        about: "measures every unit alone, then moves the worst ones",
        minimal: true,
        proves: false,
        worst_case: WorstCase::seen(|units| 5 * units / 2 + 1),
        run: |ctx| Box::pin(rank_greedy::run(ctx)),
    },
    Strategy {
        name: "bgd",
        about: "Bayesian group deletion: for oracles that only say pass or fail",
        minimal: true,
        proves: false,
        worst_case: WorstCase::seen(|units| 3 * units / 2),
        run: |ctx| Box::pin(bgd::run(ctx)),
    },
    Strategy {
        name: "qsplit",
        about: "quantitative splitting: for scores that say how much is wrong",
        minimal: true,
        proves: false,
        worst_case: WorstCase::seen(|units| 2 * units),
        run: |ctx| Box::pin(qsplit::run(ctx, false)),
    },
    Strategy {
        name: "qsplit-fast",
        about: "the same, content with the prior's shortest prefix where that is short",
        minimal: true,
        proves: false,
        worst_case: WorstCase::seen(|units| 2 * units),
        run: |ctx| Box::pin(qsplit::run(ctx, true)),
    },
    Strategy {
        name: "auto",
        about: "decides from what it sees: graded or not, noisy or not, prior good or not",
        minimal: true,
        proves: true,
        worst_case: WorstCase::seen(|units| 9 * units / 4),
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
