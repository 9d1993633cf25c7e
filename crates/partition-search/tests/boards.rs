//! Many boards, and objectives other than the number of operators.

#![allow(clippy::unwrap_used)] // Tests may.

use std::collections::BTreeMap;
use std::sync::Arc;

use partition_search::bench::{Family, Instance, Prior, Refusals};
use partition_search::{Answer, Noise, Objective, Problem, Question, UnitSet};

/// A trial's time on a virtual clock: lognormal, from the question's number alone.
fn duration(question: &Question) -> f64 {
    let hash = |salt: u64| {
        let mixed = (question.id.0 + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (((mixed ^ mixed >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
    };
    let normal = (-2.0 * hash(1).ln()).sqrt() * (std::f64::consts::TAU * hash(77)).cos();
    (3.0 + 0.5 * normal).exp()
}

#[test]
fn a_thousand_boards_are_busy_while_work_remains() {
    const BOARDS: usize = 1000;
    let instance = Instance::new(Family::ConjHard, 2000, 5, 0.0, Refusals::None, 3);
    let problem = instance.problem(Prior::None, true, false).noise(Noise::None).width(BOARDS);
    let mut search = problem.search("auto").unwrap();
    // Ends of running trials, soonest first; a key is a time in microseconds and a question.
    let mut running: BTreeMap<(u64, u64), Question> = BTreeMap::new();
    let (mut now, mut busy) = (0_u64, 0.0);
    loop {
        while running.len() < BOARDS {
            let Some(question) = search.ask() else { break };
            running.insert((now + (1e6 * duration(&question)) as u64, question.id.0), question);
        }
        if search.done().is_some() {
            break;
        }
        let Some(((end, _), question)) = running.pop_first() else { break };
        busy += (running.len() + 1) as f64 * (end - now) as f64;
        now = end;
        let answer = instance.answer(&question.set, question.repeat, true, false);
        search.tell(question.id, answer).unwrap();
    }
    assert!(busy / (BOARDS as f64 * now as f64) >= 0.9, "busy {:.2}", busy / (BOARDS as f64 * now as f64));
    assert_eq!(search.outcome().best.unwrap().ops, 5);
}

#[test]
fn fewest_clusters_may_take_an_operator_more() {
    // Units 3 and 5 must move; unit 4 between them makes a cluster of its own on the NPU.
    let clusters =
        |set: &UnitSet| (0..8).filter(|&u| !set.contains(u) && (u == 0 || set.contains(u - 1))).count() as f64;
    let search = Problem::new(8)
        .all_cpu(Answer::pass())
        .all_npu(Answer::fail())
        .objective(Objective::FewestClusters(Arc::new(clusters)))
        .search("bgd")
        .unwrap();
    let outcome =
        search.run(|q| if [3, 5].iter().all(|&u| q.set.contains(u)) { Answer::pass() } else { Answer::fail() });
    assert!(outcome.best.unwrap().cost <= 2.0);
}
