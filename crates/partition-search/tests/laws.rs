//! Laws that every strategy keeps, over arbitrary small oracles, checked by brute force.

#![allow(clippy::unwrap_used)] // Tests may.

use std::collections::BTreeSet;

use partition_search::strategy::{STRATEGIES, Strategy};
use partition_search::{
    Answer, Certificate, Evidence, Key, Limits, Noise, Outcome, Problem, Question, Search, StopReason, Threshold,
    UnitSet, Verdict,
};
use proptest::prelude::*;
use proptest::strategy::Strategy as Strategy_;

/// An oracle over at most 12 units, as a truth table.
#[derive(Clone, Debug)]
struct Table {
    n: usize,
    monotone: bool,
    verdicts: Vec<Verdict>,
    /// Scores to go with the verdicts; they follow the verdicts and nothing else.
    scores: Option<Vec<f64>>,
}

const THRESHOLD: f64 = 0.5;

impl Table {
    fn index(set: &UnitSet) -> usize {
        set.iter().map(|unit| 1 << unit).sum()
    }

    fn verdict(&self, set: &UnitSet) -> Verdict {
        self.verdicts[Self::index(set)]
    }

    fn answer(&self, set: &UnitSet) -> Answer {
        let score = self.scores.as_ref().map(|scores| scores[Self::index(set)]);
        Answer { score, ..Answer::verdict(self.verdict(set)) }
    }

    fn problem(&self) -> Problem {
        let (full, empty) = (UnitSet::full(self.n), UnitSet::empty(self.n));
        let problem = Problem::new(self.n).all_cpu(self.answer(&full)).all_npu(self.answer(&empty)).noise(Noise::None);
        if self.scores.is_some() { problem.threshold(Threshold::at_least(THRESHOLD)) } else { problem }
    }

    fn sets(&self) -> impl Iterator<Item = UnitSet> {
        let n = self.n;
        (0..1_usize << n).map(move |mask| UnitSet::of(n, (0..n).filter(|unit| mask >> unit & 1 == 1)))
    }
}

/// Every clause needs one of its units; `broken` placements are unresolved, `flipped` ones get the other verdict.
fn table(n: usize, clauses: &[Vec<usize>], broken: &[usize], flipped: &[usize], scores: Option<u64>) -> Table {
    let all = (1_usize << n) - 1;
    let verdicts: Vec<Verdict> = (0..=all)
        .map(|mask| {
            let passes = mask == all
                || mask != 0 && clauses.iter().all(|clause| clause.iter().any(|unit| mask >> (unit % n) & 1 == 1));
            if mask != 0 && mask != all && broken.contains(&(mask % 64)) {
                return Verdict::Unresolved;
            }
            let flip = mask != 0 && mask != all && flipped.contains(&(mask % 61));
            if passes == flip { Verdict::Fail } else { Verdict::Pass }
        })
        .collect();
    let score = |seed: u64, mask: usize| {
        let share =
            (seed ^ (mask as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 54;
        let within = share as f64 / 2048.0;
        if verdicts[mask] == Verdict::Pass { THRESHOLD + within } else { within * 0.99 }
    };
    let scores = scores.map(|seed| (0..=all).map(|mask| score(seed, mask)).collect());
    Table { n, monotone: broken.is_empty() && flipped.is_empty(), verdicts, scores }
}

fn monotone() -> impl Strategy_<Value = Table> {
    (1_usize..=10, prop::collection::vec(prop::collection::vec(0_usize..12, 1..4), 1..5), any::<Option<u64>>())
        .prop_map(|(n, clauses, scores)| table(n, &clauses, &[], &[], scores))
}

fn arbitrary() -> impl Strategy_<Value = Table> {
    let clauses = prop::collection::vec(prop::collection::vec(0_usize..12, 1..4), 1..5);
    let some = || prop::collection::vec(0_usize..64, 0..20);
    (1_usize..=9, clauses, some(), some(), any::<Option<u64>>())
        .prop_map(|(n, clauses, broken, flipped, scores)| table(n, &clauses, &broken, &flipped, scores))
}

fn drive(search: Search, table: &Table, picks: &[usize]) -> (Vec<Question>, Outcome) {
    let mut search = search;
    let (mut asked, mut open) = (Vec::new(), Vec::<Question>::new());
    let mut picks = picks.iter().cycle();
    loop {
        while let Some(question) = search.ask() {
            asked.push(question.clone());
            open.push(question);
        }
        if open.is_empty() {
            break;
        }
        let next = open.swap_remove(picks.next().copied().unwrap_or(0) % open.len());
        search.tell(next.id, table.answer(&next.set)).unwrap();
        assert!(search.tell(next.id, Answer::pass()).is_err(), "an answer counts once");
    }
    assert!(search.done().is_some(), "no question and nothing open, yet not done");
    (asked, search.outcome())
}

/// Returned alone it fails; or it is refused, and fails together with partners of which none can be returned alone either.
fn is_needed(table: &Table, best: &UnitSet, evidence: &Evidence) -> bool {
    let refused = |unit: usize| table.verdict(&best.without([unit])) == Verdict::Unresolved;
    let together = best.without(evidence.units.iter().chain(&evidence.partners).copied());
    match table.verdict(&best.without(evidence.units.clone())) {
        Verdict::Pass => false,
        Verdict::Fail => true,
        Verdict::Unresolved => {
            evidence.partners.iter().all(|&unit| refused(unit)) && table.verdict(&together) == Verdict::Fail
        }
    }
}

fn check_certificate(table: &Table, outcome: &Outcome) -> Result<(), TestCaseError> {
    let Some(best) = &outcome.best else { return Ok(()) };
    let smallest = table.sets().filter(|set| table.verdict(set) == Verdict::Pass).map(|set| set.len()).min();
    let minimal = best.set.iter().all(|unit| table.verdict(&best.set.without([unit])) == Verdict::Fail);
    let shown = outcome.evidence.iter().all(|evidence| is_needed(table, &best.set, evidence));
    match outcome.certificate {
        Certificate::OneMinimal => prop_assert!(shown),
        Certificate::OneMinimalIfMonotone => prop_assert!(minimal || !table.monotone),
        Certificate::MinimumIfMonotone => prop_assert!(smallest == Some(best.set.len()) || !table.monotone),
        Certificate::NoSmallerFound => prop_assert_eq!(outcome.stop, Some(StopReason::Finished)),
        Certificate::BestSoFar => {}
    }
    if table.monotone {
        prop_assert!(outcome.lower_bound as usize <= smallest.unwrap_or(table.n));
    }
    for evidence in &outcome.evidence {
        let alone = table.verdict(&best.set.without(evidence.units.clone()));
        prop_assert!(evidence.alone.is_none_or(|verdict| verdict == alone));
        prop_assert!(!evidence.if_monotone || !table.monotone || alone == Verdict::Fail);
    }
    Ok(())
}

fn check_answer(table: &Table, strategy: &Strategy, outcome: &Outcome) -> Result<(), TestCaseError> {
    let best = outcome.best.as_ref().expect("all-CPU passes");
    prop_assert_eq!(table.verdict(&best.set), Verdict::Pass);
    if strategy.minimal && table.monotone {
        let minimal = best.set.iter().all(|unit| table.verdict(&best.set.without([unit])) != Verdict::Pass);
        prop_assert!(minimal, "{} is not 1-minimal: {:?}", strategy.name, best.set);
    }
    let mut seen = BTreeSet::new();
    for tried in &outcome.tried {
        prop_assert!(seen.insert(tried.set.clone()), "{:?} was tried twice", tried.set);
    }
    check_certificate(table, outcome)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn on_monotone_oracles_the_answer_passes_and_is_minimal_where_promised(
        table in monotone(), width in 1_usize..5, picks in prop::collection::vec(0_usize..9, 1..20),
    ) {
        for strategy in STRATEGIES {
            let search = table.problem().width(width).search_with(strategy).unwrap();
            check_answer(&table, strategy, &drive(search, &table, &picks).1)?;
        }
    }

    #[test]
    fn on_any_oracle_the_answer_passes_and_its_certificate_is_true(
        table in arbitrary(), width in 1_usize..5, picks in prop::collection::vec(0_usize..9, 1..20),
    ) {
        for strategy in STRATEGIES {
            let search = table.problem().width(width).search_with(strategy).unwrap();
            check_answer(&table, strategy, &drive(search, &table, &picks).1)?;
        }
    }

    #[test]
    fn same_seed_and_answers_give_the_same_questions(
        table in arbitrary(), seed: u64, width in 1_usize..5, picks in prop::collection::vec(0_usize..9, 1..20),
    ) {
        for strategy in STRATEGIES {
            let run = || drive(table.problem().width(width).seed(seed).search_with(strategy).unwrap(), &table, &picks);
            prop_assert_eq!(run(), run());
        }
    }

    #[test]
    fn limits_are_kept_and_what_was_found_stands(table in arbitrary(), most in 0_usize..12, width in 1_usize..5) {
        for strategy in STRATEGIES {
            let limits = Limits { max_trials: Some(most), ..Limits::default() };
            let search = table.problem().limits(limits).width(width).search_with(strategy).unwrap();
            let (asked, outcome) = drive(search, &table, &[0]);
            prop_assert!(asked.len() <= most);
            check_answer(&table, &Strategy { minimal: false, ..*strategy }, &outcome)?;
        }
    }

    #[test]
    fn a_search_without_a_passing_baseline_finds_a_start_or_says_so(table in arbitrary()) {
        for strategy in STRATEGIES {
            let mut table = table.clone();
            *table.verdicts.last_mut().unwrap() = Verdict::Unresolved;
            let search = table.problem().search_with(strategy).unwrap();
            let (_, outcome) = drive(search, &table, &[0]);
            let singles_fail = (0..table.n).all(|unit| {
                let single = UnitSet::of(table.n, [unit]);
                table.verdict(&single) != Verdict::Pass && table.verdict(&single.complement()) != Verdict::Pass
            });
            match outcome.best {
                Some(best) => prop_assert_eq!(table.verdict(&best.set), Verdict::Pass),
                None => prop_assert!(singles_fail && outcome.stop == Some(StopReason::NoStart)),
            }
        }
    }

    #[test]
    fn pinned_units_stay_and_groups_move_as_one(table in arbitrary(), a in 0_usize..9, b in 0_usize..9) {
        let (a, b) = (a % table.n, b % table.n);
        prop_assume!(a != b);
        for strategy in STRATEGIES {
            let pinned = table.problem().pin_cpu([a]).pin_npu([b]).search_with(strategy).unwrap();
            for question in drive(pinned, &table, &[0]).0 {
                prop_assert!(question.set.contains(a) && !question.set.contains(b));
            }
            let grouped = table.problem().together([a, b]).search_with(strategy).unwrap();
            for question in drive(grouped, &table, &[0]).0 {
                prop_assert_eq!(question.set.contains(a), question.set.contains(b));
            }
        }
    }
}

#[test]
fn nothing_moves_when_all_npu_passes() {
    for strategy in STRATEGIES {
        let mut search = Problem::new(5).all_cpu(Answer::pass()).all_npu(Answer::pass()).search_with(strategy).unwrap();
        assert_eq!((search.ask(), search.done()), (None, Some(StopReason::NothingToMove)));
        assert!(search.outcome().best.unwrap().set.is_empty());
    }
}

#[test]
fn lower_is_better_turns_the_threshold_round() {
    let threshold = Threshold::at_most(0.3);
    for strategy in STRATEGIES {
        let search = Problem::new(6).threshold(threshold).search_with(strategy).unwrap();
        let outcome = search.run(|q| Answer::scored(if q.set.contains(4) { 0.1 } else { 0.8 }, threshold));
        let best = outcome.best.unwrap();
        assert!(best.set.contains(4));
        assert_eq!(best.score, Some(0.1));
    }
}

#[test]
fn placements_with_the_same_key_are_asked_once() {
    for strategy in STRATEGIES {
        // Units 2k and 2k+1 make the same clusters: only whether a pair is touched counts.
        let touched = |set: &UnitSet, pair: u8| set.iter().any(|unit| unit / 2 == usize::from(pair));
        let key = move |set: &UnitSet| Key((0..4_u8).filter(|&pair| touched(set, pair)).collect());
        let mut keys = Vec::new();
        let search = Problem::new(8).canonical(key).search_with(strategy).unwrap();
        search.run(|q| {
            keys.push(key(&q.set));
            if q.set.contains(4) || q.set.contains(5) { Answer::pass() } else { Answer::fail() }
        });
        let asked = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(asked, keys.len(), "{}", strategy.name);
    }
}
