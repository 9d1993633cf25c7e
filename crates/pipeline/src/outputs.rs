//! Backends as the evaluator: outputs are scored on a data set, against the outputs of the model without the NPU.

use std::{
    sync::{PoisonError, RwLock},
    time::Instant,
};

use backend::{Backend, Run, Trouble};
use dataset::Scorer;
use op_graph::Placement;
use trial_store::{Cause, FaultKind, Measurement, Unresolved};

use crate::{
    Wish,
    evaluator::{Evaluation, Evaluator, Fault, Job, Trial},
};

/// A CPU backend for the baseline, an NPU backend for the trials, and the way to a score.
pub struct OutputsEvaluator<'a> {
    cpu: &'a dyn Backend,
    npu: &'a dyn Backend,
    scorer: RwLock<Scorer>,
    metric: String,
    width: usize,
}

impl<'a> OutputsEvaluator<'a> {
    /// Both backends must have the scorer's samples staged, in its order. `width` trials may run at the same time.
    pub fn new(cpu: &'a dyn Backend, npu: &'a dyn Backend, scorer: Scorer, width: usize) -> Self {
        let metric = scorer.metric().name;
        Self { cpu, npu, scorer: RwLock::new(scorer), metric, width }
    }

    /// What the scorer was told to want.
    pub fn wish(&self) -> Wish {
        let scorer = self.scorer.read().unwrap_or_else(PoisonError::into_inner);
        Wish { tolerance: Some(scorer.tolerance()), direction: scorer.metric().direction }
    }

    fn without_npu(&self) -> Result<Result<Scored, Unresolved>, Fault> {
        let run = match outputs(self.cpu, &Placement::new())? {
            Ok((run, _)) => run,
            Err(unresolved) => return Ok(Err(unresolved)),
        };
        let mut scorer = self.scorer.write().unwrap_or_else(PoisonError::into_inner);
        let evaluation = scorer.set_baseline(run.outputs);
        Ok(evaluation
            .map(|e| Scored { score: e.score, error_power: e.error.power, clusters: None })
            .map_err(|error| bad_output(&error)))
    }

    fn placed(&self, placement: &Placement) -> Result<Result<Scored, Unresolved>, Fault> {
        let (run, clusters) = match outputs(self.npu, placement)? {
            Ok(outputs) => outputs,
            Err(unresolved) => return Ok(Err(unresolved)),
        };
        let scorer = self.scorer.read().unwrap_or_else(PoisonError::into_inner);
        let evaluation = scorer.evaluate(&run.outputs);
        Ok(evaluation
            .map(|e| Scored { score: e.score, error_power: e.error.power, clusters })
            .map_err(|error| bad_output(&error)))
    }
}

/// The outputs on all samples and the number of clusters that took effect. Two ways to fail that must not be mixed up: the stack
/// does not run the placement, or the device is at fault.
fn outputs(backend: &dyn Backend, placement: &Placement) -> Result<Result<(Run, Option<u32>), Unresolved>, Fault> {
    let run = backend.prepare(placement).and_then(|mut prepared| {
        let run = prepared.run(0..backend.samples())?;
        Ok((run, prepared.clustering().map(|clustering| clustering.len() as u32)))
    });
    match run {
        Ok(outputs) => Ok(Ok(outputs)),
        Err(Trouble::Refused(detail)) => Ok(Err(Unresolved { cause: Cause::Refused, detail })),
        Err(Trouble::Crashed(detail)) => Ok(Err(Unresolved { cause: Cause::Crashed, detail })),
        Err(Trouble::Device(detail)) => {
            Err(Fault { board: backend.name().to_owned(), kind: FaultKind::Unhealthy, detail })
        }
    }
}

struct Scored {
    score: f64,
    error_power: f64,
    clusters: Option<u32>,
}

fn bad_output(error: &dataset::Error) -> Unresolved {
    Unresolved { cause: Cause::BadOutput, detail: format!("failed to score the outputs: {error}") }
}

impl Evaluator for OutputsEvaluator<'_> {
    fn name(&self) -> &str {
        self.npu.name()
    }

    fn simulated(&self) -> bool {
        self.npu.simulated()
    }

    fn width(&self) -> usize {
        self.width
    }

    fn samples(&self) -> usize {
        self.npu.samples()
    }

    fn metric(&self) -> Option<&str> {
        Some(&self.metric)
    }

    fn has_cpu_baseline(&self) -> bool {
        true
    }

    fn evaluate(&self, trial: &Trial) -> Result<Evaluation, Fault> {
        let started = Instant::now();
        let scored = match &trial.job {
            Job::WithoutNpu => self.without_npu()?,
            Job::Placed(placement) => self.placed(placement)?,
        };
        let samples = self.samples() as u32;
        let measurement = Measurement {
            samples_total: samples,
            seconds: Some(started.elapsed().as_secs_f64()),
            ..Measurement::default()
        };
        let measurement = match scored {
            Ok(scored) => Measurement {
                score: Some(scored.score),
                error_power: Some(scored.error_power),
                samples_used: samples,
                clusters: scored.clusters,
                ..measurement
            },
            Err(unresolved) => Measurement { unresolved: Some(unresolved), ..measurement },
        };
        Ok(Evaluation { measurement, pass: None })
    }

    fn recall_baseline(&self) -> Result<(), Fault> {
        self.without_npu().map(|_| ())
    }
}
