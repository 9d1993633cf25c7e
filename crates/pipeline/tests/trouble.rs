//! What a fault of the tool itself costs: nothing that had finished.

use std::sync::atomic::AtomicBool;

use accuracy::Direction;
use op_graph::{OpSet, Support};
use partition_search::Limits;
use pipeline::{
    Aim, Evaluation, Evaluator, Grouping, Job, Known, NoAnswer, PipelineError, Plan, Subject, Trial, Units, Wish,
};
use subgraph_log::{Limits as LogLimits, parse_reader};
use trial_store::{Manifest, Measurement, RunDir, StopReason, read_run, system_clock};

/// Passes when op 20 is on the CPU, and panics in trial 5 where it is told to.
struct Fragile {
    panics: bool,
}

impl Evaluator for Fragile {
    fn name(&self) -> &'static str {
        "fragile"
    }

    fn simulated(&self) -> bool {
        true
    }

    fn width(&self) -> usize {
        4
    }

    fn samples(&self) -> usize {
        1
    }

    fn has_cpu_baseline(&self) -> bool {
        false
    }

    fn evaluate(&self, trial: &Trial) -> Result<Evaluation, NoAnswer> {
        assert!(!self.panics || trial.number != 5, "a fault in the tool");
        let pass = match &trial.job {
            Job::WithoutNpu => true,
            Job::Placed(placement) => placement.iter().any(|op| op.index() == 20),
        };
        Ok(Evaluation { measurement: Measurement::default(), pass: Some(pass) })
    }
}

#[test]
fn a_panic_ends_the_run_with_every_other_trial_and_the_best_placement_on_disk() {
    let log = test_kit::fixtures().join("real/logs/digits_resnet_pl_old.default.stdout.log");
    let log = parse_reader(std::io::BufReader::new(std::fs::File::open(log).unwrap()), &LogLimits::default()).unwrap();
    let subject = Subject::from_log(log.chosen().unwrap().ops.clone(), Support::TimVx);
    let units = Units::group(&subject.graph, &subject.candidates, Grouping::Op);
    let plan = |evaluator| Plan {
        subject: &subject,
        units: &units,
        evaluator,
        memory: None,
        wish: Wish { tolerance: None, direction: Direction::HigherIsBetter },
        strategy: partition_search::strategy::DEFAULT.to_owned(),
        aim: Aim::Ops,
        estimate: None,
        limits: Limits::default(),
        prior: None,
        pin_cpu: OpSet::new(),
        pin_npu: OpSet::new(),
        proof: partition_search::Proof::default(),
        seed: 0,
        sweep: false,
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let run = RunDir::create(&path, Manifest::new("test", 0), system_clock).unwrap();
    let stop = AtomicBool::new(false);

    let fragile = Fragile { panics: true };
    let error = plan(&fragile).run(&run, &Known::default(), &stop, &|_| {}).unwrap_err();
    assert!(matches!(error, PipelineError::Panicked { trial: 5 }), "{error}");
    let history = read_run(&path).unwrap().history;
    let without: Vec<u32> = history.unanswered().map(|trial| trial.number).collect();
    assert_eq!(without, [5], "all others that were in flight are answered");
    assert_eq!(history.stopped.as_ref().map(|stopped| stopped.reason), Some(StopReason::Internal));
    assert!(path.join("subgraph.txt").exists(), "the best placement so far");

    drop(run);
    let (run, recovered) = RunDir::open_existing(&path, system_clock).unwrap();
    let known = Known { history: recovered.history, ..Known::default() };
    let report = plan(&Fragile { panics: false }).run(&run, &known, &stop, &|_| {}).unwrap();
    assert_eq!(report.placement.iter().map(op_graph::OpId::index).collect::<Vec<_>>(), [20]);
}
