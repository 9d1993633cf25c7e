//! The problem: what may move, what it costs, when a placement is good enough, and what the search may spend.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::strategy::{self, Strategy};
use crate::{Answer, Search, Threshold, UnitSet};

/// Names what a placement amounts to on the device: placements with equal keys are the same trial (for example: the same clusters).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub Vec<u8>);

/// A placement to a number: how many clusters it makes, or its estimated latency in any unit.
pub type Measure = Arc<dyn Fn(&UnitSet) -> f64 + Send + Sync>;
type Canonical = Arc<dyn Fn(&UnitSet) -> Key + Send + Sync>;
type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// What makes one passing placement better than another.
#[derive(Clone, Default)]
pub enum Objective {
    /// The fewest operators on the CPU (the sum of the units' costs).
    #[default]
    FewestOps,
    /// The fewest clusters, which the function counts; then the fewest operators.
    FewestClusters(Measure),
    /// The least estimated latency, which the function gives; then the fewest operators.
    Latency(Measure),
}

impl fmt::Debug for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FewestOps => "FewestOps",
            Self::FewestClusters(_) => "FewestClusters",
            Self::Latency(_) => "Latency",
        })
    }
}

/// What the search may spend. `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Questions asked, repeats included. Baselines count if the search has to ask them.
    pub max_trials: Option<usize>,
    /// Time on the caller's clock ([`Problem::clock`]); no question is asked at or after it.
    pub max_time: Option<Duration>,
    /// Operators on the CPU: a passing placement with more is reported as over the budget, never as the answer.
    pub max_cpu_ops: Option<usize>,
}

/// What is known of the oracle's noise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Noise {
    /// Nothing: the search repeats one trial when a verdict first hangs on it, and goes on from there.
    #[default]
    Unknown,
    /// A repeat gives the same answer.
    None,
    /// Scores have this standard deviation.
    Sigma(f64),
    /// A verdict without a score is wrong with this probability, below one half.
    Flips(f64),
}

/// How much of the answer is proven before the search ends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// Every member is shown to be necessary by a trial of its own ([`crate::Certificate::OneMinimal`]).
    #[default]
    Direct,
    /// A member counts as necessary if a failing trial implies it for a monotone oracle; saves up to one trial a member.
    IfMonotone,
}

/// A problem that cannot be searched.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ProblemError {
    /// There is no strategy of that name.
    #[error("find a strategy named `{0}`; there are {known}", known = strategy::names().join(", "))]
    UnknownStrategy(String),
    /// A unit outside `0..n`, or a list that is not `n` long.
    #[error("set up the search: {what} is for {got} units, the problem has {n}")]
    WrongSize {
        /// Which part of the problem.
        what: &'static str,
        /// Its size.
        got: usize,
        /// The problem's.
        n: usize,
    },
    /// One unit, or two that must move together, pinned to both sides.
    #[error("set up the search: unit {0} is pinned to the CPU and to the NPU")]
    PinnedTwice(usize),
    /// A number that must be finite, positive or within a range.
    #[error("set up the search: {0}")]
    BadNumber(&'static str),
}

/// A search to be: a builder, with [`Problem::search`] at its end.
#[derive(Clone)]
pub struct Problem {
    pub(crate) n: usize,
    pub(crate) threshold: Option<Threshold>,
    pub(crate) chance: Option<f64>,
    pub(crate) all_cpu: Option<Answer>,
    pub(crate) all_npu: Option<Answer>,
    pub(crate) prior: Option<Vec<f64>>,
    pub(crate) pinned_cpu: UnitSet,
    pub(crate) pinned_npu: UnitSet,
    pub(crate) together: Vec<UnitSet>,
    pub(crate) costs: Vec<u32>,
    pub(crate) classes: Option<Vec<usize>>,
    pub(crate) canonical: Option<Canonical>,
    pub(crate) objective: Objective,
    pub(crate) limits: Limits,
    pub(crate) clock: Option<Clock>,
    pub(crate) noise: Noise,
    pub(crate) error_rate: f64,
    pub(crate) proof: Proof,
    pub(crate) seed: u64,
    pub(crate) width: usize,
    errors: Vec<ProblemError>,
}

impl Problem {
    /// `n` units in topological order; ungraded, without baselines, prior, constraints or limits, one trial at a time.
    pub fn new(n: usize) -> Self {
        Self {
            n,
            threshold: None,
            chance: None,
            all_cpu: None,
            all_npu: None,
            prior: None,
            pinned_cpu: UnitSet::empty(n),
            pinned_npu: UnitSet::empty(n),
            together: Vec::new(),
            costs: vec![1; n],
            classes: None,
            canonical: None,
            objective: Objective::default(),
            limits: Limits::default(),
            clock: None,
            noise: Noise::default(),
            error_rate: 0.05,
            proof: Proof::default(),
            seed: 0,
            width: 1,
            errors: Vec::new(),
        }
    }

    /// Scores are judged against this; without it every answer's verdict is taken as it is.
    pub fn threshold(mut self, threshold: Threshold) -> Self {
        self.need(threshold.value.is_finite(), "the threshold is not a finite number");
        self.threshold = Some(threshold);
        self
    }

    /// The score of a model that knows nothing, where scores bottom out (one over the number of classes, say). By default 0 if the
    /// baselines' scores lie in 0..=1, else a little below the worst of them.
    pub fn chance(mut self, score: f64) -> Self {
        self.need(score.is_finite(), "the chance score is not a finite number");
        self.chance = Some(score);
        self
    }

    /// The trial with every unit on the CPU, if it was run already. If it did not pass, the search first looks for a placement that does.
    pub fn all_cpu(mut self, answer: Answer) -> Self {
        self.all_cpu = Some(answer);
        self
    }

    /// The trial with every unit on the NPU, if it was run already. If it passed, the search is over before its first question.
    pub fn all_npu(mut self, answer: Answer) -> Self {
        self.all_npu = Some(answer);
        self
    }

    /// A suspicion per unit: higher is more likely to have to move. Only the order counts.
    pub fn prior(mut self, suspicion: Vec<f64>) -> Self {
        self.need_size("the prior", suspicion.len());
        self.need(suspicion.iter().all(|s| !s.is_nan()), "a suspicion in the prior is not a number");
        self.prior = Some(suspicion);
        self
    }

    /// Units that stay on the CPU in every question.
    pub fn pin_cpu(mut self, units: impl IntoIterator<Item = usize>) -> Self {
        let units: Vec<usize> = units.into_iter().collect();
        self.need_units("a pin to the CPU", &units);
        self.pinned_cpu = self.pinned_cpu.with(units);
        self
    }

    /// Units that stay on the NPU in every question.
    pub fn pin_npu(mut self, units: impl IntoIterator<Item = usize>) -> Self {
        let units: Vec<usize> = units.into_iter().collect();
        self.need_units("a pin to the NPU", &units);
        self.pinned_npu = self.pinned_npu.with(units);
        self
    }

    /// Units that always move as one. Groups that share a unit are one group. The search learns further groups on its way.
    pub fn together(mut self, units: impl IntoIterator<Item = usize>) -> Self {
        let units: Vec<usize> = units.into_iter().collect();
        self.need_units("a group", &units);
        self.together.push(UnitSet::of(self.n, units));
        self
    }

    /// Operators per unit (1 each by default).
    pub fn costs(mut self, ops: Vec<u32>) -> Self {
        self.need_size("the list of costs", ops.len());
        self.costs = ops;
        self
    }

    /// A class per unit (its operator type, say): where all culprits turn out to be of one class, the search tries that class as a whole.
    pub fn classes(mut self, class: Vec<usize>) -> Self {
        self.need_size("the list of classes", class.len());
        self.classes = Some(class);
        self
    }

    /// What a placement amounts to: of two placements with equal keys only one is ever asked.
    pub fn canonical(mut self, key: impl Fn(&UnitSet) -> Key + Send + Sync + 'static) -> Self {
        self.canonical = Some(Arc::new(key));
        self
    }

    /// What to minimise.
    pub fn objective(mut self, objective: Objective) -> Self {
        self.objective = objective;
        self
    }

    /// What may be spent.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The time since the search began, for [`Limits::max_time`]. The crate itself never looks at a clock.
    pub fn clock(mut self, clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// What is known of the noise.
    pub fn noise(mut self, noise: Noise) -> Self {
        let good = match noise {
            Noise::Unknown | Noise::None => true,
            Noise::Sigma(sigma) => sigma.is_finite() && sigma >= 0.0,
            Noise::Flips(rate) => (0.0..0.5).contains(&rate),
        };
        self.need(good, "the noise is not a positive number, or a flip rate is not below one half");
        self.noise = noise;
        self
    }

    /// How often a single verdict of a noisy oracle may be wrong; 5 % by default.
    pub fn error_rate(mut self, rate: f64) -> Self {
        self.need(rate > 0.0 && rate < 0.5, "the error rate is not between 0 and one half");
        self.error_rate = rate;
        self
    }

    /// How much to prove before stopping.
    pub fn proof(mut self, proof: Proof) -> Self {
        self.proof = proof;
        self
    }

    /// Decides every tie and every random choice.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many trials can run at the same time (at least 1).
    pub fn width(mut self, boards: usize) -> Self {
        self.width = boards.max(1);
        self
    }

    /// Starts a search with the strategy of that name (see [`strategy::STRATEGIES`]).
    ///
    /// # Errors
    /// A part of the problem that does not fit the rest, or no strategy of that name.
    pub fn search(self, strategy: &str) -> Result<Search, ProblemError> {
        let strategy = strategy::named(strategy).ok_or_else(|| ProblemError::UnknownStrategy(strategy.to_owned()))?;
        self.search_with(strategy)
    }

    /// Starts a search with a strategy, which may be the caller's own.
    ///
    /// # Errors
    /// A part of the problem that does not fit the rest.
    pub fn search_with(self, strategy: &Strategy) -> Result<Search, ProblemError> {
        if let Some(error) = self.errors.first() {
            return Err(error.clone());
        }
        let groups = self.groups();
        let stuck = groups.iter().find(|group| {
            group.iter().any(|&u| self.pinned_cpu.contains(u)) && group.iter().any(|&u| self.pinned_npu.contains(u))
        });
        match stuck {
            Some(group) => Err(ProblemError::PinnedTwice(group[0])),
            None => Ok(Search::new(self, groups, strategy)),
        }
    }

    /// Every unit in exactly one group; groups by their first unit.
    fn groups(&self) -> Vec<Vec<usize>> {
        let mut leader: Vec<usize> = (0..self.n).collect();
        for group in &self.together {
            let Some(first) = group.iter().map(|unit| leader[unit]).min() else { continue };
            let joined: Vec<usize> = group.iter().map(|unit| leader[unit]).collect();
            leader.iter_mut().filter(|l| joined.contains(l)).for_each(|l| *l = first);
        }
        let mut groups: Vec<Vec<usize>> = vec![Vec::new(); self.n];
        for (unit, &leader) in leader.iter().enumerate() {
            groups[leader].push(unit);
        }
        groups.retain(|group| !group.is_empty());
        groups
    }

    fn need(&mut self, good: bool, complaint: &'static str) {
        if !good {
            self.errors.push(ProblemError::BadNumber(complaint));
        }
    }

    fn need_size(&mut self, what: &'static str, got: usize) {
        if got != self.n {
            self.errors.push(ProblemError::WrongSize { what, got, n: self.n });
        }
    }

    fn need_units(&mut self, what: &'static str, units: &[usize]) {
        if let Some(&worst) = units.iter().max().filter(|&&worst| worst >= self.n) {
            self.errors.push(ProblemError::WrongSize { what, got: worst + 1, n: self.n });
        }
    }
}
