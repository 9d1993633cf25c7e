//! Runs strategies over seeds.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::families::{FAMILIES, Family};
use super::instance::{Instance, Refusals};
use super::prior::Prior;
use super::report::{BenchReport, Row};
use crate::{Limits, Outcome, Proof, UnitSet, Verdict, strategy};

/// What to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// The oracle families.
    pub families: Vec<Family>,
    /// The strategies, by name.
    pub strategies: Vec<String>,
    /// The number of ops.
    pub n: usize,
    /// The number of culprits.
    pub k: usize,
    /// How many oracles per family.
    pub seeds: u64,
    /// The first seed.
    pub first_seed: u64,
    /// The prior the search is given.
    pub prior: Prior,
    /// Noise in tolerances; the search is not told.
    pub sigma: f64,
    /// What the device refuses.
    pub refusals: Refusals,
    /// Boards.
    pub width: usize,
    /// Whether the search sees scores, or only verdicts.
    pub graded: bool,
    /// Whether the search sees the noise power of the outputs, where the family has one.
    pub power: bool,
    /// Whether every member has to be shown necessary by a trial of its own.
    pub direct: bool,
    /// Trials after which a search is stopped.
    pub max_trials: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            families: FAMILIES.to_vec(),
            strategies: strategy::names().into_iter().map(str::to_owned).collect(),
            n: 150,
            k: 5,
            seeds: 30,
            first_seed: 1000,
            prior: Prior::None,
            sigma: 0.0,
            refusals: Refusals::None,
            width: 1,
            graded: true,
            power: false,
            direct: false,
            max_trials: 5000,
        }
    }
}

/// One search on one oracle.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Questions asked, without the baselines.
    pub calls: usize,
    /// Rounds, if every round starts a trial on each board and waits for all of them.
    pub rounds: usize,
    /// The size of the answer.
    pub size: usize,
    /// The size over that of the smallest passing set known.
    pub ratio: f64,
    /// Whether the answer truly passes.
    pub passes: bool,
    /// Whether no member can truly go.
    pub minimal: bool,
}

/// Runs every strategy of the configuration on every family and seed.
pub fn run(config: &Config) -> BenchReport {
    let jobs: Vec<(Family, &String)> =
        config.families.iter().flat_map(|&family| config.strategies.iter().map(move |name| (family, name))).collect();
    let rows = jobs
        .into_iter()
        .filter_map(|(family, name)| {
            let trials: Option<Vec<Trial>> = (0..config.seeds)
                .into_par_iter()
                .map(|i| run_one(config, family, name, config.first_seed + i))
                .collect();
            Some(Row::new(config, family, name, &trials?))
        })
        .collect();
    BenchReport { config: config.clone(), rows }
}

/// One search; `None` if there is no such strategy.
pub fn run_one(config: &Config, family: Family, strategy: &str, seed: u64) -> Option<Trial> {
    let instance = Instance::new(family, config.n, config.k, config.sigma, config.refusals, seed);
    let proof = if config.direct { Proof::Direct } else { Proof::IfMonotone };
    let limits = Limits { max_trials: Some(config.max_trials), ..Limits::default() };
    let problem = instance.problem(config.prior, config.graded, config.power).width(config.width);
    let mut search = problem.proof(proof).limits(limits).search(strategy).ok()?;
    let mut rounds = 0;
    loop {
        let round: Vec<_> = std::iter::from_fn(|| search.ask()).take(config.width).collect();
        if round.is_empty() {
            break;
        }
        rounds += 1;
        for question in round {
            let answer = instance.answer(&question.set, question.repeat, config.graded, config.power);
            search.tell(question.id, answer).ok()?;
        }
    }
    search.done();
    Some(judge(&instance, &search.outcome(), rounds))
}

fn judge(instance: &Instance, outcome: &Outcome, rounds: usize) -> Trial {
    let set = outcome.best.as_ref().map_or_else(|| UnitSet::full(instance.n), |best| best.set.clone());
    Trial {
        calls: outcome.statistics.trials,
        rounds,
        size: set.len(),
        ratio: set.len() as f64 / instance.reference.max(1) as f64,
        passes: instance.truth(&set) == Verdict::Pass,
        minimal: set.iter().all(|unit| instance.truth(&set.without([unit])) != Verdict::Pass),
    }
}
