//! The estimate of time, moved to what the device's own trials took.

use std::sync::Arc;

use op_graph::{Clustering, OpId, Placement};
use partition_search::{Outcome, StopReason};
use trial_store::{EstimatedMs, History, Purpose, Source};

use crate::{
    Aim, Estimate, PipelineError, Plan, Report,
    drive::{Keep, drive},
    run::{Baselines, Spent},
    trials::{Known, Trials},
};

/// A trial that ran to its end on a device.
#[derive(Clone, Debug, PartialEq)]
pub struct TimedTrial {
    /// The clusters that it left to the NPU.
    pub clustering: Clustering,
    /// How long all of it took.
    pub seconds: f64,
    /// How many samples it ran.
    pub samples: u32,
}

/// An estimate that fits timed trials; none where they tell too little.
pub type Recalibrate = Arc<dyn Fn(&[TimedTrial]) -> Option<Estimate> + Send + Sync>;

impl Plan<'_> {
    /// The estimate as the first `trials` of a history move it. The times of a simulated device are no times of a chip.
    pub(crate) fn timed_estimate(&self, history: &History, trials: usize) -> Option<Estimate> {
        let measured = || {
            let recalibrate = self.recalibrate.as_ref().filter(|_| !self.evaluator.simulated())?;
            let timed: Vec<TimedTrial> =
                history.trials.values().take(trials).filter_map(|trial| self.timed(trial)).collect();
            recalibrate(&timed)
        };
        measured().or_else(|| self.estimate.clone())
    }

    fn timed(&self, trial: &trial_store::Trial) -> Option<TimedTrial> {
        let (_, answer) = trial.answer.as_ref().filter(|(_, answer)| answer.source == Source::Measured)?;
        let measured = Some(&answer.measurement).filter(|measured| measured.unresolved.is_none())?;
        let placement: Placement = trial.question.cpu_ops.iter().map(|op| OpId::new(op as usize)).collect();
        let without_npu = trial.purpose == Purpose::BaselineCpu;
        let clustering = if without_npu { Clustering::default() } else { self.subject.clustering(&placement) };
        // A user's own program does not say how many samples it runs: as many in every trial.
        Some(TimedTrial { clustering, seconds: measured.seconds?, samples: measured.samples_used.max(1) })
    }

    /// Where the time is to be small: the search again, by the estimate that fits its trials. What it asked before it is not asked again.
    pub(crate) fn find_as_timed(
        &self,
        trials: &Trials<'_>,
        baselines: &Baselines,
        spent: Spent,
        found: Outcome,
    ) -> Result<Outcome, PipelineError> {
        if self.aim != Aim::Latency || self.recalibrate.is_none() || self.evaluator.simulated() {
            return Ok(found);
        }
        let mut history = trials.run.history();
        history.retain_trials(|trial| trial.purpose != Purpose::Sweep);
        // The same trials in a resumed run, which has later ones on disk.
        let estimate = self.timed_estimate(&history, spent.trials + found.statistics.trials);
        let known = Known { history, adopted: trials.known.adopted.clone() };
        let again = Trials { known: &known, ..*trials };
        let mut search = self.search(&Baselines { estimate, ..baselines.clone() }, spent)?;
        drive(&again, self.units, baselines.goal, &mut search, Keep::Nothing)?;
        let timed = search.outcome();
        Ok(if timed.stop == Some(StopReason::Finished) && timed.best.is_some() { timed } else { found })
    }

    /// The estimates that a result states.
    pub(crate) fn estimated(&self, report: &Report, estimate: Option<&Estimate>) -> Option<EstimatedMs> {
        estimate.map(|estimate| EstimatedMs {
            all_cpu: estimate(&Clustering::default()),
            all_npu: estimate(&self.subject.clustering(&Placement::new())),
            answer: report.has_answer().then(|| estimate(&report.clustering)),
        })
    }
}
