//! How long a strategy takes to decide on its next question: whole searches on cheap oracles, over the number of questions they asked.

#![allow(missing_docs)] // What criterion_group! makes has none.

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use partition_search::bench::{Family, Instance, Prior, Refusals};
use partition_search::{Noise, Proof};

/// The time inside `ask` and `tell` of one search, and how many questions it asked.
fn search(instance: &Instance, prior: Prior) -> (Duration, u32) {
    let problem = instance.problem(prior, true, false).noise(Noise::None).proof(Proof::IfMonotone);
    let Ok(mut search) = problem.search("auto") else { return (Duration::ZERO, 0) };
    let (mut spent, mut questions) = (Duration::ZERO, 0);
    loop {
        let start = Instant::now();
        let question = search.ask();
        spent += start.elapsed();
        let Some(question) = question else { return (spent, questions) };
        questions += 1;
        let answer = instance.answer(&question.set, question.repeat, true, false);
        let start = Instant::now();
        let _ = search.tell(question.id, answer);
        spent += start.elapsed();
    }
}

fn decide(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide");
    group.sample_size(10).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(200));
    for (family, n) in [
        (Family::ConjHard, 1000),
        (Family::ConjSoft, 1000),
        (Family::Noisepower, 1000),
        (Family::Andor, 1000),
        (Family::Noisedag, 1000),
        (Family::ConjHard, 20_000),
        (Family::ConjSoft, 20_000),
        (Family::Noisepower, 20_000),
        (Family::Andor, 20_000),
    ] {
        let instance = Instance::new(family, n, 5, 0.0, Refusals::None, 1);
        group.bench_function(format!("{}/{n}", family.name()), |b| {
            b.iter_custom(|rounds| {
                let (mut spent, mut questions) = (Duration::ZERO, 0);
                for _ in 0..rounds {
                    let (time, count) = search(&instance, Prior::None);
                    spent += time;
                    questions += count;
                }
                // Criterion wants the time of `rounds` decisions.
                spent / questions.max(1) * u32::try_from(rounds).unwrap_or(u32::MAX)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
