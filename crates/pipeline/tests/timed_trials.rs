//! The estimate of time is moved to what trials took, and the answer follows it.
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use std::{
    fs,
    io::BufReader,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use accuracy::Direction;
use op_graph::{Clustering, OpSet, Support};
use partition_search::Limits;
use pipeline::{
    Aim, Estimate, Evaluation, Evaluator, Grouping, Job, Known, NoAnswer, Plan, Recalibrate, Report, Subject,
    TimedTrial, Trial, Units, Wish,
};
use subgraph_log::{Limits as LogLimits, parse_reader};
use trial_store::{Manifest, Measurement, RunDir, system_clock};

/// A device on which starting a cluster takes long and an op on the CPU hardly anything. Passes when op 20 is on the CPU.
struct SlowClusters {
    subject: Subject,
    simulated: bool,
}

fn real_ms(clustering: &Clustering) -> f64 {
    100.0 * clustering.len() as f64 + 1.0
}

impl Evaluator for SlowClusters {
    fn name(&self) -> &'static str {
        "slow-clusters"
    }

    fn simulated(&self) -> bool {
        self.simulated
    }

    fn width(&self) -> usize {
        1
    }

    fn samples(&self) -> usize {
        1
    }

    fn has_cpu_baseline(&self) -> bool {
        false
    }

    fn evaluate(&self, trial: &Trial) -> Result<Evaluation, NoAnswer> {
        let Job::Placed(placement) = &trial.job else { unreachable!("there is no such baseline") };
        let seconds = Some(real_ms(&self.subject.clustering(placement)) / 1000.0);
        let measurement = Measurement { seconds, samples_used: 1, samples_total: 1, ..Measurement::default() };
        Ok(Evaluation { measurement, pass: Some(placement.iter().any(|op| op.index() == 20)) })
    }
}

/// Searches for the least time; the estimate believes that every op on the CPU takes long.
fn search(simulated: bool) -> (Report, usize) {
    let log = test_kit::fixtures().join("real/logs/digits_resnet_pl_old.default.stdout.log");
    let log = parse_reader(BufReader::new(fs::File::open(log).unwrap()), &LogLimits::default()).unwrap();
    let subject = Subject::from_log(log.chosen().unwrap().ops.clone(), Support::TimVx);
    let units = Units::group(&subject.graph, &subject.candidates, Grouping::Op);
    let ops = subject.graph.op_count();
    let believed: Estimate =
        Arc::new(move |c| 50.0 * (ops - c.clusters().iter().map(Vec::len).sum::<usize>()) as f64 + c.len() as f64);
    let timed = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&timed);
    let recalibrate: Recalibrate = Arc::new(move |trials: &[TimedTrial]| {
        seen.store(trials.len(), Ordering::Relaxed);
        let agree = |trial: &TimedTrial| (trial.seconds * 1e3 - real_ms(&trial.clustering)).abs() < 1e-6;
        assert!(trials.iter().all(agree), "each trial comes with its own clusters");
        let measured: Estimate = Arc::new(real_ms);
        Some(measured)
    });
    let plan = Plan {
        subject: &subject,
        units: &units,
        evaluator: &SlowClusters { subject: subject.clone(), simulated },
        memory: None,
        wish: Wish { tolerance: None, direction: Direction::HigherIsBetter },
        strategy: partition_search::strategy::DEFAULT.to_owned(),
        aim: Aim::Latency,
        estimate: Some(believed),
        recalibrate: Some(recalibrate),
        limits: Limits::default(),
        prior: None,
        pin_cpu: OpSet::new(),
        pin_npu: OpSet::new(),
        proof: partition_search::Proof::default(),
        seed: 0,
        samples: None,
        sweep: false,
    };
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::create(&folder.path().join("run"), Manifest::new("test", 0), system_clock).unwrap();
    let report = plan.run(&run, &Known::default(), &AtomicBool::new(false), &|_| {}).unwrap();
    (report, timed.load(Ordering::Relaxed))
}

#[test]
fn the_answer_is_the_fastest_by_the_times_that_trials_took() {
    let (report, timed) = search(false);
    let (believed, unused) = search(true);
    assert_eq!(unused, 0, "the times of a simulated device are no times of a chip");
    assert!(timed > 4, "{timed} timed trials");
    assert!(report.verified && believed.verified);
    assert!(real_ms(&report.clustering) < real_ms(&believed.clustering), "{:?}", report.clustering);
    let stated = report.estimated.unwrap();
    assert_eq!(stated.answer, Some(real_ms(&report.clustering)), "the result states the estimate as it was moved");
}
