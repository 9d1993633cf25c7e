//! Trials of a real stack that were recorded, as an oracle: it answers what was recorded and counts what was not.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Answer, Limits, Problem, Threshold, UnitSet, Verdict};

/// Recorded trials of one model.
#[derive(Clone, Debug)]
pub struct Replay {
    /// What to call it.
    pub name: String,
    /// The number of units.
    pub n: usize,
    /// By placement; all-CPU and all-NPU among them.
    pub trials: BTreeMap<UnitSet, Answer>,
    /// What the scores are judged by.
    pub threshold: Threshold,
}

/// One strategy on recorded trials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayRow {
    /// The recording.
    pub replay: String,
    /// The strategy.
    pub strategy: String,
    /// The number of units.
    pub units: usize,
    /// Placements on record.
    pub recorded: usize,
    /// Questions asked, without the baselines.
    pub calls: usize,
    /// Of these, placements that were never recorded: answered as unresolved.
    pub unanswerable: usize,
    /// Of these, placements that the real stack refused.
    pub refused: usize,
    /// Units in the answer; none if nothing passed.
    pub size: Option<usize>,
    /// Units in the smallest recorded placement that passes.
    pub smallest: Option<usize>,
}

impl Replay {
    /// Searches with a strategy; `None` if there is none of that name.
    pub fn run(&self, strategy: &str, max_trials: usize) -> Option<ReplayRow> {
        let mut problem = Problem::new(self.n).threshold(self.threshold);
        if let Some(&answer) = self.trials.get(&UnitSet::full(self.n)) {
            problem = problem.all_cpu(answer);
        }
        if let Some(&answer) = self.trials.get(&UnitSet::empty(self.n)) {
            problem = problem.all_npu(answer);
        }
        let limits = Limits { max_trials: Some(max_trials), ..Limits::default() };
        let (mut unanswerable, mut refused) = (0, 0);
        let outcome = problem.limits(limits).search(strategy).ok()?.run(|question| {
            let Some(&answer) = self.trials.get(&question.set) else {
                unanswerable += 1;
                return Answer::unresolved();
            };
            refused += usize::from(answer.verdict == Verdict::Unresolved);
            answer
        });
        let passing = self.trials.iter().filter(|(_, answer)| answer.verdict == Verdict::Pass);
        Some(ReplayRow {
            replay: self.name.clone(),
            strategy: strategy.to_owned(),
            units: self.n,
            recorded: self.trials.len(),
            calls: outcome.statistics.trials,
            unanswerable,
            refused,
            size: outcome.best.map(|best| best.set.len()),
            smallest: passing.map(|(set, _)| set.len()).min(),
        })
    }
}

impl fmt::Display for ReplayRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |size: Option<usize>| size.map_or_else(|| "-".to_owned(), |size| size.to_string());
        write!(
            f,
            "{:<32} {:<13} {:>6} {:>9} {:>6} {:>13} {:>8} {:>5} {:>9}",
            self.replay,
            self.strategy,
            self.units,
            self.recorded,
            self.calls,
            self.unanswerable,
            self.refused,
            size(self.size),
            size(self.smallest)
        )
    }
}

/// The heads of the columns of [`ReplayRow`].
pub const REPLAY_HEAD: &str =
    "replay                           strategy       units  recorded  calls  not recorded  refused  size  smallest";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_recorded_is_counted_and_not_made_up() {
        let threshold = Threshold::at_least(0.5);
        let recorded = [(vec![0, 1, 2, 3], 1.0), (vec![], 0.0), (vec![0, 1], 0.9), (vec![2, 3], 0.1), (vec![0], 0.8)];
        let trials = recorded.map(|(units, score)| (UnitSet::of(4, units), Answer::scored(score, threshold))).into();
        let replay = Replay { name: "r".to_owned(), n: 4, trials, threshold };
        let row = replay.run("quickxplain", 50).unwrap();
        assert_eq!((row.size, row.smallest, row.refused), (Some(1), Some(1), 0));
        assert!(row.unanswerable < row.calls, "{row}");
        assert!(replay.run("linear", 50).unwrap().unanswerable > 0);
    }
}
