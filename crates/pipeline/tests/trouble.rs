//! What faults cost: one of the tool itself nothing that had finished, and a board that gave wrong answers these answers alone.
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use std::{
    fs,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use accuracy::Direction;
use op_graph::{OpSet, Support};
use partition_search::Limits;
use pipeline::{
    Aim, Evaluation, Evaluator, Grouping, Job, Known, NoAnswer, PipelineError, Plan, Report, Subject, Trial, Units,
    Unsettled, Wish,
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

/// A model to search.
struct Lab {
    subject: Subject,
    units: Units,
}

impl Lab {
    fn new() -> Self {
        let log = test_kit::fixtures().join("real/logs/digits_resnet_pl_old.default.stdout.log");
        let log = std::io::BufReader::new(fs::File::open(log).unwrap());
        let log = parse_reader(log, &LogLimits::default()).unwrap();
        let subject = Subject::from_log(log.chosen().unwrap().ops.clone(), Support::TimVx);
        let units = Units::group(&subject.graph, &subject.candidates, Grouping::Op);
        Self { subject, units }
    }

    fn run(&self, evaluator: &dyn Evaluator, run: &RunDir) -> Result<Report, PipelineError> {
        self.go_on(evaluator, run, &Known::default())
    }

    fn go_on(&self, evaluator: &dyn Evaluator, run: &RunDir, known: &Known) -> Result<Report, PipelineError> {
        let plan = Plan {
            subject: &self.subject,
            units: &self.units,
            evaluator,
            memory: None,
            wish: Wish { tolerance: None, direction: Direction::HigherIsBetter },
            strategy: partition_search::strategy::DEFAULT.to_owned(),
            aim: Aim::Ops,
            estimate: None,
            recalibrate: None,
            limits: Limits::default(),
            prior: None,
            pin_cpu: OpSet::new(),
            pin_npu: OpSet::new(),
            proof: partition_search::Proof::default(),
            seed: 0,
            samples: None,
            sweep: false,
        };
        plan.run(run, known, &AtomicBool::new(false), &|_| {})
    }
}

#[test]
fn a_panic_ends_the_run_with_every_other_trial_and_the_best_placement_on_disk() {
    let (folder, lab) = (tempfile::tempdir().unwrap(), Lab::new());
    let path = folder.path().join("run");
    let run = RunDir::create(&path, Manifest::new("test", 0), system_clock).unwrap();
    let error = lab.run(&Fragile { panics: true }, &run).unwrap_err();
    assert!(matches!(error, PipelineError::Panicked { trial: 5 }), "{error}");
    let history = read_run(&path).unwrap().history;
    let without: Vec<u32> = history.unanswered().map(|trial| trial.number).collect();
    assert_eq!(without, [5], "all others that were in flight are answered");
    assert_eq!(history.stopped.as_ref().map(|stopped| stopped.reason), Some(StopReason::Internal));
    assert!(path.join("subgraph.txt").exists(), "the best placement so far");

    drop(run);
    let (run, recovered) = RunDir::open_existing(&path, system_clock).unwrap();
    let known = Known { history: recovered.history, ..Known::default() };
    let report = lab.go_on(&Fragile { panics: false }, &run, &known).unwrap();
    assert_eq!(report.placement.iter().map(op_graph::OpId::index).collect::<Vec<_>>(), [20]);
}

/// Passes when op 20 is on the CPU. The board that answers trial 6 lies, and is found out when trial 9 is run.
#[derive(Default)]
struct Liar {
    lied_about: Mutex<Option<Job>>,
    found_out: AtomicBool,
    told: AtomicBool,
    never_confirms: bool,
}

impl Evaluator for Liar {
    fn name(&self) -> &'static str {
        "liar"
    }

    fn simulated(&self) -> bool {
        true
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
        let truth = matches!(&trial.job, Job::Placed(placement) if placement.iter().any(|op| op.index() == 20));
        let mut lied_about = self.lied_about.lock().unwrap();
        if trial.number >= 9 {
            self.found_out.store(true, Ordering::Relaxed);
        }
        let lies = trial.number == 6 && lied_about.is_none();
        if lies {
            *lied_about = Some(trial.job.clone());
        }
        Ok(Evaluation { measurement: Measurement::default(), pass: Some(truth != lies) })
    }

    fn withdrawn(&self) -> Vec<Job> {
        if !self.found_out.load(Ordering::Relaxed) || self.told.swap(true, Ordering::Relaxed) {
            return Vec::new();
        }
        self.lied_about.lock().unwrap().iter().cloned().collect()
    }

    fn settle(&self) -> Result<(), Unsettled> {
        if !self.never_confirms {
            return Ok(());
        }
        let jobs = self.lied_about.lock().unwrap().iter().cloned().collect();
        Err(Unsettled { reason: "no board is left".to_owned(), jobs })
    }
}

#[test]
fn a_search_that_was_lied_to_is_rebuilt_from_the_corrected_journal() {
    let (folder, lab) = (tempfile::tempdir().unwrap(), Lab::new());
    let asked = |run: &RunDir| -> Vec<_> {
        run.history().trials.values().map(|trial| (trial.question.cpu_ops.clone(), trial.answer.is_some())).collect()
    };
    let honest = RunDir::create(&folder.path().join("honest"), Manifest::new("test", 0), system_clock).unwrap();
    let truth = lab.run(&Fragile { panics: false }, &honest).unwrap();
    let run = RunDir::create(&folder.path().join("run"), Manifest::new("test", 0), system_clock).unwrap();
    let report = lab.run(&Liar::default(), &run).unwrap();
    assert_eq!(report.placement, truth.placement);
    assert_eq!(report.certificate, truth.certificate);
    assert_eq!(fs::read(folder.path().join("run/subgraph.txt")).unwrap(), report.config.unwrap());
    let history = run.history();
    assert_eq!(history.trials[&6].asks.len(), 2, "the trial that was answered by a liar is asked again");
    assert!(history.trials.values().all(|trial| trial.number == 6 || trial.asks.len() == 1), "and no other is");
    assert!(asked(&run).iter().all(|(_, answered)| *answered), "no trial is lost");
}

#[test]
fn an_answer_that_nobody_can_confirm_leaves_no_placement_behind_and_is_asked_again_by_a_resumed_run() {
    let (folder, lab) = (tempfile::tempdir().unwrap(), Lab::new());
    let run = RunDir::create(&folder.path().join("run"), Manifest::new("test", 0), system_clock).unwrap();
    let liar = Liar { never_confirms: true, ..Liar::default() };
    let error = lab.run(&liar, &run).unwrap_err();
    assert!(matches!(error, PipelineError::Device { .. }), "{error}");
    assert!(!folder.path().join("run/subgraph.txt").exists());
    assert!(run.history().trials[&6].answer.is_none());
}
