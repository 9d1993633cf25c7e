//! What a trial costs over ssh besides the program's own time, and what more boards bring: against real sshd on loopback.
#![cfg(unix)]
#![allow(missing_docs)] // what the macros of criterion define has none

use std::{sync::Arc, time::Duration};

use board::{
    cancel::Cancel,
    pool::{BoardConfig, Event, Health, Pool, PoolOptions, Way},
    transport::Transport,
    trial::{Artifact, Site, Trial},
};
use criterion::{Criterion, criterion_group, criterion_main};

#[path = "../tests/common/mod.rs"]
mod common;

use common::Sshd;

/// A trial whose program sleeps for so many seconds and does next to nothing else.
fn trial(id: usize, seconds: &str) -> Trial {
    Trial {
        id: format!("t{id}"),
        config: Some(b"relu:x:y\n".into()),
        artifacts: Vec::new(),
        config_copies: Vec::new(),
        argv: ["/bin/sleep", seconds].map(String::from).into(),
        env: Vec::new(),
        deadline: Duration::from_secs(60),
        wants_manifest: false,
    }
}

fn overhead(criterion: &mut Criterion) {
    let Some(sshd) = Sshd::start("bench") else { return };
    let transport: Arc<dyn Transport> = Arc::new(common::ssh(&sshd));
    let site = Site::open(&transport, &common::work(&sshd), "bench").expect("the board answers");
    let results = tempfile::tempdir().expect("a folder");
    let mut number = 0;
    criterion.bench_function("a trial of 0 s over a warm connection", |bench| {
        bench.iter(|| {
            number += 1;
            site.attempt(&trial(0, "0"), number, results.path()).expect("the trial runs")
        });
    });
    let runner = Artifact::file("runner", &common::runner(results.path())).expect("the runner is readable");
    site.ensure(std::slice::from_ref(&runner)).expect("the board stores");
    let mut reporting = trial(1, "0");
    (reporting.artifacts, reporting.wants_manifest) = (vec![runner], true);
    reporting.argv = ["./runner", "good"].map(String::from).into();
    criterion.bench_function("a trial with a manifest and a tensor, by a program in shell", |bench| {
        bench.iter(|| {
            number += 1;
            site.attempt(&reporting, number, results.path()).expect("the trial runs")
        });
    });
}

fn throughput(criterion: &mut Criterion) {
    let Some(boards) = (0..4).map(|_| Sshd::start("bench")).collect::<Option<Vec<_>>>() else { return };
    let mut group = criterion.benchmark_group("40 trials of 200 ms");
    group.sample_size(10);
    for count in [1, 4] {
        let results = tempfile::tempdir().expect("a folder");
        let configs = boards[..count].iter().enumerate().map(|(index, sshd)| BoardConfig {
            name: format!("board{index}"),
            way: Way::Ssh { ssh: "127.0.0.1".into(), options: sshd.options(), program: None },
            work: common::work(sshd).to_string(),
            soc: None,
            libraries: Vec::new(),
            driver_command: None,
            reboot: Vec::new(),
            power_cycle: Vec::new(),
        });
        let options = PoolOptions {
            run: "bench".into(),
            results: results.path().into(),
            health: Health { every: 100, min_free_kb: 1, golden: None, artifacts: Vec::new() },
            max_attempts: 3,
            boot_patience: Duration::from_secs(10),
        };
        let pool = Pool::start(configs.collect(), options, &Cancel::new());
        let mut asked = 0;
        group.bench_function(format!("{count} boards"), |bench| {
            bench.iter(|| {
                (asked..asked + 40).for_each(|id| pool.ask(trial(id, "0.2")));
                asked += 40;
                let mut answers = 0;
                while answers < 40 {
                    answers +=
                        usize::from(matches!(pool.next_event(Duration::from_secs(60)), Some(Event::Answered { .. })));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, overhead, throughput);
criterion_main!(benches);
