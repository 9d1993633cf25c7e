//! What a bench found, as data and as a table.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use super::families::Family;
use super::run::{Config, Trial};

/// One strategy on one family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The oracle family.
    pub family: Family,
    /// The strategy.
    pub strategy: String,
    /// Mean number of calls, without the baselines.
    pub calls: f64,
    /// 90 % of the searches needed at most this many.
    pub calls_p90: usize,
    /// Mean number of rounds.
    pub rounds: f64,
    /// Mean size over that of the smallest passing set known.
    pub ratio: f64,
    /// Share of the answers that truly pass.
    pub passes: f64,
    /// Share of the answers of which truly no member can go.
    pub minimal: f64,
    /// Mean calls over log2 of the number of sets of the wanted size.
    pub information: f64,
}

impl Row {
    pub(super) fn new(config: &Config, family: Family, strategy: &str, trials: &[Trial]) -> Self {
        let count = trials.len().max(1) as f64;
        let mean = |value: &dyn Fn(&Trial) -> f64| trials.iter().map(value).sum::<f64>() / count;
        let mut calls: Vec<usize> = trials.iter().map(|trial| trial.calls).collect();
        calls.sort_unstable();
        let mean_calls = mean(&|trial| trial.calls as f64);
        Self {
            family,
            strategy: strategy.to_owned(),
            calls: mean_calls,
            calls_p90: calls.get((calls.len() * 9).div_ceil(10).saturating_sub(1)).copied().unwrap_or(0),
            rounds: mean(&|trial| trial.rounds as f64),
            ratio: mean(&|trial| trial.ratio),
            passes: mean(&|trial| f64::from(u8::from(trial.passes))),
            minimal: mean(&|trial| f64::from(u8::from(trial.minimal))),
            information: mean_calls / information_bound(config.n, config.k),
        }
    }
}

/// log2 of the number of `k`-sets of `n`: the trials that a pass/fail oracle needs at least.
fn information_bound(n: usize, k: usize) -> f64 {
    (0..k.min(n)).map(|i| ((n - i) as f64 / (i + 1) as f64).log2()).sum::<f64>().max(1.0)
}

/// What a bench found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BenchReport {
    /// What was run.
    pub config: Config,
    /// One row per family and strategy.
    pub rows: Vec<Row>,
}

impl fmt::Display for BenchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = &self.config;
        writeln!(
            f,
            "n {}, k {}, {} seeds from {}, prior {:?}, sigma {}, refusals {:?}, boards {}",
            c.n, c.k, c.seeds, c.first_seed, c.prior, c.sigma, c.refusals, c.width
        )?;
        writeln!(
            f,
            "{:<11} {:<13} {:>7} {:>5} {:>7} {:>6} {:>6} {:>8} {:>5}",
            "family", "strategy", "calls", "p90", "rounds", "x", "pass", "minimal", "ib"
        )?;
        for row in &self.rows {
            let mut line = String::new();
            write!(line, "{:<11} {:<13} {:>7.1} {:>5}", row.family.name(), row.strategy, row.calls, row.calls_p90)?;
            write!(line, " {:>7.1} {:>6.2} {:>5.0}%", row.rounds, row.ratio, 100.0 * row.passes)?;
            write!(line, " {:>7.0}% {:>5.2}", 100.0 * row.minimal, row.information)?;
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}
