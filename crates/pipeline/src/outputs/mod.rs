//! Backends as the evaluator: outputs are scored on a data set, against the outputs of the model without the NPU.

mod early;
mod few;

use std::{
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Instant,
};

use accuracy::Tensor;
use backend::{Backend, Happening, News, Trouble};
use dataset::Scorer;
use op_graph::Placement;
use trial_store::{BoardChanged, BoardFault, BoardState, Cause, Event, FaultKind, Measurement, Unresolved};

use self::{
    early::{Decided, Early, Failed},
    few::Few,
};
use crate::{
    Wish,
    evaluator::{Evaluation, Evaluator, Fault, Job, NoAnswer, Trial, Unsettled},
};

/// A CPU backend for the baseline, an NPU backend for the trials, and the way to a score.
pub struct OutputsEvaluator<'a> {
    cpu: &'a dyn Backend,
    npu: &'a dyn Backend,
    scorer: RwLock<Scorer>,
    /// The baseline's outputs; with the NPU's they tell which samples differ most.
    baseline: RwLock<Vec<Tensor>>,
    early: RwLock<Option<Arc<Early>>>,
    npu_baseline: RwLock<Option<Arc<NpuBaseline>>>,
    /// The samples that were asked for last, where not all were.
    few: RwLock<Option<Arc<Few>>>,
    metric: String,
    width: usize,
}

/// What the NPU gave with nothing forced.
struct NpuBaseline {
    outputs: Vec<Tensor>,
    evaluation: dataset::Evaluation,
}

impl<'a> OutputsEvaluator<'a> {
    /// Both backends must have the scorer's samples staged, in its order. `width` trials may run at the same time.
    pub fn new(cpu: &'a dyn Backend, npu: &'a dyn Backend, scorer: Scorer, width: usize) -> Self {
        let metric = scorer.metric().name;
        let scorer = RwLock::new(scorer);
        let (baseline, early, npu_baseline, few) = Default::default();
        Self { cpu, npu, scorer, baseline, early, npu_baseline, few, metric, width }
    }

    /// What the scorer was told to want.
    pub fn wish(&self) -> Wish {
        let scorer = read(&self.scorer);
        Wish { tolerance: Some(scorer.tolerance()), direction: scorer.metric().direction }
    }

    fn without_npu(&self) -> Result<Scored, Untold> {
        let outputs = self.cpu.prepare(&Placement::new())?.run(&self.all())?.outputs;
        let evaluation = write(&self.scorer).set_baseline(outputs.clone())?;
        *write(&self.baseline) = outputs;
        *write(&self.early) = None;
        *write(&self.few) = None;
        Ok(Scored { score: Some(evaluation.score), error_power: Some(evaluation.error.power), ..self.whole() })
    }

    fn placed(&self, placement: &Placement) -> Result<Scored, Untold> {
        let mut prepared = self.npu.prepare(placement)?;
        let outputs = prepared.run(&self.all())?.outputs;
        let clusters = prepared.clustering().map(|clustering| clustering.len() as u32);
        let scorer = read(&self.scorer);
        let evaluation = scorer.evaluate(&outputs)?;
        if placement.is_empty() {
            // Without the order every trial runs all samples, which costs time and nothing else.
            *write(&self.early) = Early::new(&scorer, &read(&self.baseline), &outputs).ok().map(Arc::new);
            *write(&self.npu_baseline) = Some(Arc::new(NpuBaseline { outputs, evaluation: evaluation.clone() }));
            *write(&self.few) = None;
        }
        let (score, error_power) = (Some(evaluation.score), Some(evaluation.error.power));
        Ok(Scored { score, error_power, clusters, ..self.whole() })
    }

    fn judged(&self, early: &Early, placement: &Placement) -> Result<Scored, Untold> {
        let mut prepared = self.npu.prepare(placement)?;
        let decided = early.run(&mut *prepared, self.npu.batch());
        let clusters = prepared.clustering().map(|clustering| clustering.len() as u32);
        match decided {
            Ok(Decided::Whole(score)) => Ok(Scored { score: Some(score), clusters, ..self.whole() }),
            Ok(Decided::Soon { pass, samples }) => Ok(Scored { pass: Some(pass), clusters, samples, ..self.whole() }),
            Err(Failed::Run(trouble)) => Err(trouble.into()),
            Err(Failed::Score(error)) => Err(error.into()),
        }
    }

    /// The most telling samples; `None` where they tell nothing.
    fn few(&self, count: usize) -> Option<Arc<Few>> {
        let mut few = write(&self.few);
        if few.as_ref().is_none_or(|few| few.samples().len() != count) {
            let (early, npu) = (read(&self.early).clone()?, read(&self.npu_baseline).clone()?);
            let samples = early.order().get(..count)?;
            let outputs = (read(&self.baseline), &npu.outputs);
            let made = Few::new(&read(&self.scorer), samples, (&outputs.0, outputs.1), npu.evaluation.clone());
            *few = made.ok().flatten().map(Arc::new);
        }
        few.clone()
    }

    fn foretold(&self, few: &Few, placement: &Placement) -> Result<Scored, Untold> {
        let mut prepared = self.npu.prepare(placement)?;
        let outputs = prepared.run(few.samples())?.outputs;
        let clusters = prepared.clustering().map(|clustering| clustering.len() as u32);
        let foretold = few.foretell(&outputs)?;
        let (score, error_power) = (Some(foretold.score), Some(foretold.error_power));
        Ok(Scored { score, error_power, clusters, samples: few.samples().len(), ..Scored::default() })
    }

    fn all(&self) -> Vec<usize> {
        (0..self.npu.samples()).collect()
    }

    fn whole(&self) -> Scored {
        Scored { samples: self.npu.samples(), ..Scored::default() }
    }
}

/// What a trial told.
#[derive(Default)]
struct Scored {
    score: Option<f64>,
    error_power: Option<f64>,
    pass: Option<bool>,
    clusters: Option<u32>,
    samples: usize,
}

/// Why a trial told nothing: the stack does not run the placement or its outputs are no outputs, or the device is at fault.
enum Untold {
    Unresolved(Unresolved),
    Device(Fault),
}

impl From<Trouble> for Untold {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(detail) => Self::Unresolved(Unresolved { cause: Cause::Refused, detail }),
            Trouble::Crashed(detail) => Self::Unresolved(Unresolved { cause: Cause::Crashed, detail }),
            Trouble::Hung(boards) => {
                let detail = format!("it hangs on {boards}");
                Self::Unresolved(Unresolved { cause: Cause::TimedOut, detail })
            }
            Trouble::Device { device, detail } => {
                Self::Device(Fault { board: device, kind: FaultKind::Unhealthy, detail })
            }
            Trouble::NoEffect { device, detail } => {
                Self::Device(Fault { board: device, kind: FaultKind::NoEffect, detail })
            }
        }
    }
}

impl From<dataset::Error> for Untold {
    fn from(error: dataset::Error) -> Self {
        Self::Unresolved(Unresolved {
            cause: Cause::BadOutput,
            detail: format!("failed to score the outputs: {error}"),
        })
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
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

    fn takes_few(&self) -> bool {
        true
    }

    fn metric(&self) -> Option<&str> {
        Some(&self.metric)
    }

    fn has_cpu_baseline(&self) -> bool {
        true
    }

    fn evaluate(&self, trial: &Trial) -> Result<Evaluation, NoAnswer> {
        let started = Instant::now();
        let told = match &trial.job {
            Job::WithoutNpu => self.without_npu(),
            Job::Placed(placement) => {
                let early = read(&self.early).clone();
                match (trial.samples.and_then(|count| self.few(count)), early.filter(|_| trial.verdict_only)) {
                    (Some(few), _) => self.foretold(&few, placement),
                    (None, Some(early)) => self.judged(&early, placement),
                    (None, None) => self.placed(placement),
                }
            }
        };
        let base = Measurement { samples_total: self.samples() as u32, ..Measurement::default() };
        let seconds = Some(started.elapsed().as_secs_f64());
        match told {
            Ok(Scored { score, error_power, pass, clusters, samples }) => {
                let samples_used = samples as u32;
                let measurement = Measurement { score, error_power, clusters, samples_used, seconds, ..base };
                Ok(Evaluation { measurement, pass })
            }
            Err(Untold::Unresolved(unresolved)) => {
                let measurement = Measurement { unresolved: Some(unresolved), seconds, ..base };
                Ok(Evaluation { measurement, pass: None })
            }
            Err(Untold::Device(fault)) => Err(fault.into()),
        }
    }

    fn recall(&self, baseline: &Job) -> Result<(), Fault> {
        let told = match baseline {
            Job::WithoutNpu if read(&self.baseline).is_empty() => self.without_npu(),
            // The order of the samples that decides soonest.
            Job::Placed(placement) if read(&self.early).is_none() => self.placed(placement),
            _ => return Ok(()),
        };
        match told {
            Err(Untold::Device(fault)) => Err(fault),
            _ => Ok(()),
        }
    }

    fn boards(&self) -> Vec<String> {
        self.npu.devices()
    }

    fn news(&self) -> Vec<Event> {
        self.npu.news().into_iter().map(event).collect()
    }

    fn withdrawn(&self) -> Vec<Job> {
        let baseline = self.cpu.withdrawn().into_iter().map(|_| Job::WithoutNpu);
        baseline.chain(self.npu.withdrawn().into_iter().map(Job::Placed)).collect()
    }

    fn settle(&self) -> Result<(), Unsettled> {
        let npu =
            self.npu.settle().map_err(|left| (left.reason, left.placements.into_iter().map(Job::Placed).collect()));
        let cpu = self.cpu.settle().map_err(|left| (left.reason, vec![Job::WithoutNpu; left.placements.len()]));
        match (npu, cpu) {
            (Ok(()), Ok(())) => Ok(()),
            (Err((reason, jobs)), Ok(())) | (Ok(()), Err((reason, jobs))) => Err(Unsettled { reason, jobs }),
            (Err((reason, jobs)), Err((_, baseline))) => Err(Unsettled { reason, jobs: [jobs, baseline].concat() }),
        }
    }
}

/// News of a device as the journal has them.
fn event(News { device: board, what }: News) -> Event {
    let changed = |board, state, treatment| Event::BoardChanged(BoardChanged { board, state, treatment });
    match what {
        Happening::Ready => changed(board, BoardState::Healthy, None),
        Happening::Recovering(treatment) => changed(board, BoardState::Recovering, Some(treatment)),
        Happening::Lost => changed(board, BoardState::Quarantined, None),
        Happening::Trouble(detail) => {
            Event::BoardFault(BoardFault { board, trial: None, kind: FaultKind::Unhealthy, detail })
        }
    }
}
