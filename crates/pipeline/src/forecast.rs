//! What a search would cost, before any trial is run: its strategy is tried on made-up culprits among the very units of the plan.

use accuracy::Direction;
use partition_search::{Question, Search, Threshold, UnitSet};
use trial_store::{Answer, Measurement, Verdict};

use crate::{
    Goal, PipelineError, Plan,
    run::{Baselines, Spent},
};

/// What a search would ask first, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// Trials before the search begins.
    pub baselines: usize,
    /// The units on the CPU in the first trials of the search, which run at the same time.
    pub first: Vec<Vec<usize>>,
    /// What was found for each number of culprits.
    pub cases: Vec<Case>,
    /// The most trials in all, if more on the CPU never hurts, nothing is refused and one trial runs at a time.
    pub worst: usize,
    /// Is that proved of the strategy, or only never exceeded in its tests?
    pub proved: bool,
}

/// Searches for so many culprits. All counts include the baselines and the verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// How many units the answer has.
    pub culprits: usize,
    /// Trials of each made-up search, the fewest first.
    pub trials: Vec<usize>,
    /// How many trials would follow one another, where several run at the same time; the fewest first.
    pub rounds: Vec<usize>,
}

/// Made-up searches for each number of culprits.
const SEARCHES: u64 = 20;
/// The threshold of made-up scores, of which the CPU has 1.
const THRESHOLD: f64 = 0.95;

impl Plan<'_> {
    /// Foretells the search from the strategy's doings on seeded, made-up culprits. Half of these cases have scores that tell how much
    /// is still missing, where the plan has scores at all; in the others nothing but the verdict changes.
    ///
    /// # Errors
    /// When the plan contradicts itself.
    pub fn forecast(&self) -> Result<Forecast, PipelineError> {
        let baselines = self.made_up();
        let before = baselines.trials(self.evaluator);
        let mut search = self.search(&baselines, Spent::before(before))?;
        let first = std::iter::from_fn(|| search.ask()).take(self.evaluator.width());
        let first = first.map(|question| question.set.iter().collect()).collect();
        let movable = self.movable();
        let mut numbers: Vec<usize> = [1, 2, 4, 8].into_iter().filter(|&number| number < movable.len()).collect();
        numbers.push(movable.len());
        let mut cases = Vec::new();
        for culprits in numbers {
            let mut case = Case { culprits, trials: Vec::new(), rounds: Vec::new() };
            for seed in 0..SEARCHES {
                let missing = MadeUp::draw(&movable, culprits, seed, self);
                let (trials, rounds) =
                    rehearse(self.search(&baselines, Spent::before(before))?, self.evaluator.width(), &missing);
                case.trials.push(before + trials + 1);
                case.rounds.push(before + rounds + 1);
            }
            case.trials.sort_unstable();
            case.rounds.sort_unstable();
            cases.push(case);
        }
        let named = partition_search::strategy::named(&self.strategy);
        let (most, proved) = named.map_or((usize::MAX, false), |strategy| {
            ((strategy.worst_case.trials)(movable.len()), strategy.worst_case.proved)
        });
        Ok(Forecast { baselines: before, first, cases, worst: most.saturating_add(before + 1), proved })
    }

    /// Units that no pin holds.
    fn movable(&self) -> Vec<usize> {
        let pinned = |unit: usize| {
            self.units.members(unit).iter().any(|&op| self.pin_cpu.contains(op) || self.pin_npu.contains(op))
        };
        (0..self.units.len()).filter(|&unit| !pinned(unit)).collect()
    }

    fn is_scored(&self) -> bool {
        self.wish.tolerance.is_some()
    }

    fn made_up(&self) -> Baselines {
        let threshold = match self.wish.direction {
            Direction::HigherIsBetter => Threshold::at_least(THRESHOLD),
            Direction::LowerIsBetter => Threshold::at_most(-THRESHOLD),
        };
        let goal = Goal { threshold: self.is_scored().then_some(threshold) };
        let answer = |verdict, score| {
            let score = self.is_scored().then_some(self.signed(score));
            Answer::measured(verdict, Measurement { score, ..Measurement::default() })
        };
        let pass = answer(Verdict::Pass, 1.0);
        let forced = self.pin_npu.is_empty().then(|| pass.clone());
        let estimate = self.estimate.clone();
        Baselines { goal, cpu: pass, npu: answer(Verdict::Fail, 0.0), forced, estimate }
    }

    fn signed(&self, score: f64) -> f64 {
        match self.wish.direction {
            Direction::HigherIsBetter => score,
            Direction::LowerIsBetter => -score,
        }
    }
}

/// An oracle: which units have to be on the CPU, and what it says of a placement.
struct MadeUp<'a> {
    culprits: UnitSet,
    graded: bool,
    plan: &'a Plan<'a>,
}

impl<'a> MadeUp<'a> {
    fn draw(movable: &[usize], culprits: usize, seed: u64, plan: &'a Plan<'a>) -> Self {
        let mut rest = movable.to_vec();
        let mut state = seed.wrapping_add(plan.seed).wrapping_mul(31).wrapping_add(culprits as u64);
        let drawn = (0..culprits).map(|_| rest.swap_remove((scrambled(&mut state) % rest.len() as u64) as usize));
        let culprits = UnitSet::of(plan.units.len(), drawn);
        Self { culprits, graded: plan.is_scored() && seed.is_multiple_of(2), plan }
    }

    fn answer(&self, question: &Question) -> partition_search::Answer {
        let missing = self.culprits.iter().filter(|&unit| !question.set.contains(unit)).count();
        let whole = self.culprits.len().max(1);
        if !self.plan.is_scored() {
            return if missing == 0 { partition_search::Answer::pass() } else { partition_search::Answer::fail() };
        }
        let lost = match missing {
            0 => 0.0,
            // Every culprit that is missing costs as much as the others, and more than the tolerance.
            missing if self.graded => 0.1 + 0.9 * missing as f64 / whole as f64,
            _ => 1.0,
        };
        let threshold = self.plan.made_up().goal.threshold;
        let score = self.plan.signed(1.0 - lost);
        threshold.map_or_else(partition_search::Answer::pass, |limit| partition_search::Answer::scored(score, limit))
    }
}

/// Splitmix64.
fn scrambled(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Runs a search to its end; returns its trials, and how many times all devices were asked.
fn rehearse(mut search: Search, width: usize, made_up: &MadeUp<'_>) -> (usize, usize) {
    let mut rounds = 0;
    loop {
        let round: Vec<Question> = std::iter::from_fn(|| search.ask()).take(width).collect();
        if round.is_empty() {
            search.done();
            return (search.outcome().statistics.trials, rounds);
        }
        rounds += 1;
        for question in round {
            let known = search.tell(question.id, made_up.answer(&question));
            debug_assert!(known.is_ok(), "the question is open");
        }
    }
}
