//! Scores in steps, classes, ties and measured noise powers: what a search makes of them.

#![allow(clippy::unwrap_used)] // Tests may.

use partition_search::bench::{Config, Family, Prior, Refusals, run_one};
use partition_search::{Answer, Problem, Threshold, UnitSet};

fn calls(config: &Config, family: Family, strategy: &str) -> (usize, usize) {
    let trials: Vec<_> =
        (0..config.seeds).map(|seed| run_one(config, family, strategy, config.first_seed + seed).unwrap()).collect();
    assert!(trials.iter().all(|trial| trial.passes && trial.minimal), "{family:?} {strategy}");
    (trials.iter().map(|trial| trial.calls).sum(), trials.iter().map(|trial| trial.size).sum())
}

fn ten() -> Config {
    Config { seeds: 5, first_seed: 300, max_trials: 1000, ..Config::default() }
}

#[test]
fn ops_that_stand_in_for_others_cost_hardly_more_than_pass_or_fail() {
    let twenty = Config { seeds: 20, ..ten() };
    let (auto, _) = calls(&twenty, Family::Andor, "auto");
    let (bgd, _) = calls(&twenty, Family::Andor, "bgd");
    assert!(20 * auto <= 21 * bgd, "{auto} against {bgd}");
}

#[test]
fn classes_lead_to_a_whole_class_and_cost_little_where_they_do_not() {
    let (types, size) = calls(&ten(), Family::Types, "auto");
    assert!(types <= size + 16 * 5, "{types} trials for {size} culprits");
    let threshold = Threshold::at_least(0.5);
    let search = |classes: Option<Vec<usize>>| {
        let mut problem = Problem::new(60).all_cpu(Answer::pass()).all_npu(Answer::fail());
        if let Some(classes) = classes {
            problem = problem.classes(classes);
        }
        let bad = [7, 23, 41];
        let score = |set: &UnitSet| if bad.iter().all(|&unit| set.contains(unit)) { 0.9 } else { 0.1 };
        problem.search("auto").unwrap().run(|q| Answer::scored(score(&q.set), threshold)).statistics.trials
    };
    let unrelated = (0..60).map(|unit| unit % 5).collect();
    assert!(search(Some(unrelated)) <= search(None) + 3);
}

#[test]
fn culprits_that_share_a_loss_are_all_found() {
    calls(&ten(), Family::Pairs, "auto");
    calls(&ten(), Family::Saturated, "auto");
}

#[test]
fn a_measured_noise_power_saves_trials() {
    for family in [Family::Noisedag, Family::Boundary] {
        let (with, with_size) = calls(&Config { power: true, direct: true, ..ten() }, family, "auto");
        let (without, without_size) = calls(&Config { direct: true, ..ten() }, family, "auto");
        assert!(with < without, "{with} against {without}");
        assert!(with_size <= without_size + 2, "{with_size} against {without_size}");
    }
}

#[test]
fn tied_neighbours_leave_the_answer_right_and_minimal() {
    for refusals in [Refusals::Partners(0.3), Refusals::Couples(0.3)] {
        let config = Config { refusals, direct: true, seeds: 1, prior: Prior::None, ..ten() };
        for &family in partition_search::bench::FAMILIES {
            calls(&config, family, "auto");
        }
    }
}
