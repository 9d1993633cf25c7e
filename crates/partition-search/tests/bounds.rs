//! How many trials a strategy takes at most, on oracles where more units on the CPU never hurt and nothing is refused.

#![allow(clippy::unwrap_used)] // Tests may.

use partition_search::strategy::{STRATEGIES, Strategy};
use partition_search::{Answer, Noise, Problem, Threshold, UnitSet};

/// Every clause needs one of its units; the score, where there is one, falls with each clause that has none.
struct Oracle {
    units: usize,
    clauses: Vec<Vec<usize>>,
    scored: bool,
}

/// Splitmix64.
fn scrambled(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 1) as usize
}

impl Oracle {
    /// So many clauses of so many units, drawn with this seed.
    fn draw(units: usize, clauses: usize, width: usize, seed: u64) -> Self {
        let mut state = seed;
        let mut free: Vec<usize> = (0..units).collect();
        let mut clause = || {
            let size = width.min(free.len());
            (0..size).map(|_| free.swap_remove(scrambled(&mut state) % free.len())).collect::<Vec<_>>()
        };
        let clauses = (0..clauses).map(|_| clause()).filter(|clause| !clause.is_empty()).collect();
        Self { units, clauses, scored: seed.is_multiple_of(2) }
    }

    fn answer(&self, set: &UnitSet) -> Answer {
        let missing = self.clauses.iter().filter(|clause| !clause.iter().any(|&unit| set.contains(unit))).count();
        if !self.scored {
            return if missing == 0 { Answer::pass() } else { Answer::fail() };
        }
        Answer::scored(1.0 - missing as f64 / self.clauses.len() as f64, Threshold::at_least(0.999))
    }

    /// The trials of a whole search.
    fn trials(&self, strategy: &Strategy) -> usize {
        let (full, empty) = (UnitSet::full(self.units), UnitSet::empty(self.units));
        let mut problem =
            Problem::new(self.units).all_cpu(self.answer(&full)).all_npu(self.answer(&empty)).noise(Noise::None);
        if self.scored {
            problem = problem.threshold(Threshold::at_least(0.999));
        }
        let mut search = problem.search(strategy.name).unwrap();
        while let Some(question) = search.ask() {
            let answer = self.answer(&question.set);
            search.tell(question.id, answer).unwrap();
        }
        search.outcome().statistics.trials
    }
}

fn oracles(units: usize) -> impl Iterator<Item = Oracle> {
    let numbers = [1, 2, 3, 5, 8, 13, 21, 34, 55].into_iter().filter(move |&number| number < units).chain([units]);
    numbers.flat_map(move |number| {
        (1..=2).flat_map(move |width| (0..6).map(move |seed| Oracle::draw(units, number, width, seed)))
    })
}

#[test]
fn no_strategy_takes_more_trials_than_its_worst_case() {
    for strategy in STRATEGIES {
        for units in [1, 2, 3, 4, 5, 8, 13, 21, 34, 55] {
            let most = oracles(units).map(|oracle| oracle.trials(strategy)).max().unwrap();
            let bound = (strategy.worst_case.trials)(units);
            assert!(most <= bound, "{}: {most} trials for {units} units, at most {bound} were promised", strategy.name);
        }
    }
}
