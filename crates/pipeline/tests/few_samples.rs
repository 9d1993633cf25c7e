//! Two fidelities: what few samples foretell is tried on all, and more are asked for where that fails.
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use std::{fs, io::BufReader, sync::atomic::AtomicBool};

use accuracy::{Direction, Tolerance};
use op_graph::{OpSet, Support};
use partition_search::{Certificate, Limits};
use pipeline::{Aim, Evaluation, Evaluator, Grouping, Job, Known, NoAnswer, Plan, Report, Subject, Trial, Units, Wish};
use subgraph_log::{Limits as LogLimits, parse_reader};
use trial_store::{History, Manifest, Measurement, RunDir, system_clock};

const ALL: usize = 16;

/// Op 20 has to be on the CPU, and op 24 too, which fewer samples than `telling` do not show.
struct Shallow {
    telling: usize,
}

impl Evaluator for Shallow {
    fn name(&self) -> &'static str {
        "shallow"
    }

    fn simulated(&self) -> bool {
        true
    }

    fn width(&self) -> usize {
        1
    }

    fn samples(&self) -> usize {
        ALL
    }

    fn takes_few(&self) -> bool {
        true
    }

    fn has_cpu_baseline(&self) -> bool {
        true
    }

    fn evaluate(&self, trial: &Trial) -> Result<Evaluation, NoAnswer> {
        let samples = trial.samples.unwrap_or(ALL);
        let on_npu = |op: usize| match &trial.job {
            Job::WithoutNpu => false,
            Job::Placed(placement) => !placement.iter().any(|id| id.index() == op),
        };
        let lost = f64::from(u8::from(on_npu(20))) + f64::from(u8::from(on_npu(24) && samples >= self.telling));
        let (samples_used, samples_total) = (samples as u32, ALL as u32);
        let measurement =
            Measurement { score: Some(1.0 - 0.1 * lost), samples_used, samples_total, ..Measurement::default() };
        Ok(Evaluation { measurement, pass: None })
    }
}

/// Searches from a log, with as many samples as it is told to search on.
fn search(telling: usize, samples: Option<usize>) -> (Report, History) {
    let log = test_kit::fixtures().join("real/logs/digits_resnet_pl_old.default.stdout.log");
    let log = parse_reader(BufReader::new(fs::File::open(log).unwrap()), &LogLimits::default()).unwrap();
    let subject = Subject::from_log(log.chosen().unwrap().ops.clone(), Support::TimVx);
    let units = Units::group(&subject.graph, &subject.candidates, Grouping::Op);
    let plan = Plan {
        subject: &subject,
        units: &units,
        evaluator: &Shallow { telling },
        memory: None,
        wish: Wish { tolerance: Some(Tolerance::Threshold(0.95)), direction: Direction::HigherIsBetter },
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
        samples,
        sweep: false,
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let run = RunDir::create(&path, Manifest::new("test", 0), system_clock).unwrap();
    let report = plan.run(&run, &Known::default(), &AtomicBool::new(false), &|_| {}).unwrap();
    let history = run.history();
    // A resumed run asks the same questions, all of which are answered.
    let known = Known { history: history.clone(), ..Known::default() };
    let again = plan.run(&run, &known, &AtomicBool::new(false), &|_| {}).unwrap();
    assert_eq!((&again, run.history().trials.len()), (&report, history.trials.len()));
    (report, history)
}

fn moved(report: &Report) -> Vec<usize> {
    report.placement.iter().map(op_graph::OpId::index).collect()
}

/// How many samples the trials of a history were asked for, each number once, in order of asking.
fn fidelities(history: &History) -> Vec<u32> {
    let mut fidelities: Vec<u32> = history.trials.values().map(|trial| trial.question.samples).collect();
    fidelities.dedup();
    fidelities
}

#[test]
fn a_search_on_few_samples_ends_with_a_proof_on_all_and_saves_most_of_them() {
    let (whole, _) = search(4, None);
    let (report, history) = search(4, Some(4));
    assert_eq!((moved(&report), report.verified), (vec![20, 24], true));
    assert_eq!(report.certificate, Certificate::OneMinimal);
    assert_eq!(fidelities(&history), [16, 4, 16], "baselines, search, proof");
    assert!(report.samples.0 < whole.samples.0 * 3 / 4, "{:?} of {:?} samples", report.samples, whole.samples);
    assert_eq!(report.samples.0 + report.samples.1, ALL as u64 * report.trials as u64);
}

#[test]
fn an_answer_that_fails_on_all_samples_widens_the_search() {
    let (report, history) = search(8, Some(2));
    assert_eq!((moved(&report), report.verified), (vec![20, 24], true));
    assert_eq!(fidelities(&history), [16, 2, 16, 4, 16, 8, 16], "what 2 and 4 samples foretell fails on all");

    let (report, history) = search(ALL, Some(8));
    assert_eq!((moved(&report), report.verified), (vec![20, 24], true));
    assert_eq!(fidelities(&history), [16, 8, 16], "in the end the search itself runs all");
}
