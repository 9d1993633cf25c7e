//! A whole run: baselines, search, verification, result.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use op_graph::{Clustering, OpId, OpSet, Placement};
use partition_search::{Certificate, Limits, Measure, Noise, Objective, Problem, Proof, Search, Threshold};
use trial_store::{
    Answer, Event, Finished, History, Measurement, Outcome, Purpose, RunDir, Source, StopReason, Stopped, Verdict,
    Verified,
};

use crate::{
    Evaluator, Goal, Memory, PipelineError, Subject, Units, Wish,
    drive::{Keep, drive},
    evaluator::{Evaluation, Job},
    few,
    goal::told,
    graph_file::graph_file,
    pareto::{self, pareto},
    report::{Culprit, Report, stored},
    timing::Recalibrate,
    trials::{Known, Trials, Wanted, Watch},
};

/// What to make small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aim {
    /// The number of ops on the CPU.
    #[default]
    Ops,
    /// The number of NPU clusters, then of ops.
    Clusters,
    /// The estimated time, as [`Plan::estimate`] has it.
    Latency,
}

/// How long the stack takes with these clusters, in milliseconds: an estimate, not a measurement.
pub type Estimate = Arc<dyn Fn(&Clustering) -> f64 + Send + Sync>;

/// Everything that a run is made of.
pub struct Plan<'a> {
    /// The ops.
    pub subject: &'a Subject,
    /// What moves as one.
    pub units: &'a Units,
    /// Who runs the trials.
    pub evaluator: &'a dyn Evaluator,
    /// What earlier runs measured; baselines and the verification are run all the same.
    pub memory: Option<&'a Memory>,
    /// What the user wants of the score.
    pub wish: Wish,
    /// A name out of [`partition_search::strategy`].
    pub strategy: String,
    /// What to make small.
    pub aim: Aim,
    /// How long a placement takes, where that can be estimated; [`Aim::Latency`] needs it.
    pub estimate: Option<Estimate>,
    /// What timed trials make of the estimate.
    pub recalibrate: Option<Recalibrate>,
    /// What may be spent.
    pub limits: Limits,
    /// A suspicion per unit.
    pub prior: Option<Vec<f64>>,
    /// Ops that stay on the CPU.
    pub pin_cpu: OpSet,
    /// Ops that stay on the NPU.
    pub pin_npu: OpSet,
    /// How much is proven of each member before the search ends.
    pub proof: Proof,
    /// Decides every tie and every random choice.
    pub seed: u64,
    /// Search on so many samples, the most telling ones, and try what is found on all; `None`: every trial runs all.
    pub samples: Option<usize>,
    /// Search for other goals too, between the baselines, and write every placement that no other beats in score and size.
    pub sweep: bool,
}

/// The baselines, and the goal that follows from them.
#[derive(Clone)]
pub(crate) struct Baselines {
    pub(crate) goal: Goal,
    pub(crate) cpu: Answer,
    pub(crate) npu: Answer,
    /// Every op forced to the CPU; none where pins forbid it.
    pub(crate) forced: Option<Answer>,
    /// What the time is estimated by.
    pub(crate) estimate: Option<Estimate>,
}

impl Baselines {
    /// How many trials they took.
    pub(crate) fn trials(&self, evaluator: &dyn Evaluator) -> usize {
        let forced_apart = evaluator.has_cpu_baseline() && self.forced.is_some();
        2 + usize::from(forced_apart)
    }
}

/// What a run has spent of its limits before a search.
#[derive(Clone, Copy)]
pub(crate) struct Spent {
    pub(crate) trials: usize,
    /// When it began to search.
    pub(crate) since: Instant,
}

impl Spent {
    /// These trials, and no time.
    pub(crate) fn before(trials: usize) -> Self {
        Self { trials, since: Instant::now() }
    }
}

/// How often a search may start over because boards had given wrong answers.
const REBUILDS: usize = 20;

impl Plan<'_> {
    /// Runs the plan in a run directory; what is `known` is not run again.
    ///
    /// Raising `interrupted` stops it after the trials in flight, with the best verified placement so far.
    ///
    /// # Errors
    /// When the run directory cannot be written, the evaluator does not work, or the plan contradicts itself. Finished trials are on disk.
    pub fn run(
        &self,
        run: &RunDir,
        known: &Known,
        interrupted: &AtomicBool,
        watch: &Watch<'_>,
    ) -> Result<Report, PipelineError> {
        let graph = graph_file(self.subject, self.units);
        run.write("graph.json", &serde_json::to_vec(&graph).map_err(PipelineError::Result)?)?;
        let (evaluator, memory, subject) = (self.evaluator, self.memory, self.subject);
        let mut known = known.clone();
        let mut rebuilds = 0;
        loop {
            let trials = Trials { evaluator, memory, subject, run, watch, interrupted, known: &known, samples: None };
            match self.go_trusting(&trials) {
                Err(PipelineError::Withdrawn { .. }) if rebuilds < REBUILDS => {}
                outcome => {
                    return outcome.inspect_err(|error| {
                        let stopped = Stopped { reason: error.stop_reason(), detail: error.to_string() };
                        // Where even this cannot be written, the error itself says why.
                        let _ = trials.note(Event::Stopped(stopped));
                    });
                }
            }
            // The same questions with the same answers, until one that is asked anew.
            rebuilds += 1;
            known.history = run.history();
        }
    }

    /// Goes on with what is known; an answer that turns out wrong on the way is forgotten, and with it what stands on it.
    fn go_trusting(&self, trials: &Trials<'_>) -> Result<Report, PipelineError> {
        let outcome = match self.go(trials) {
            // What the boards said before they were lost may be wrong as well.
            Err(error @ PipelineError::Device { .. }) => match trials.settle() {
                Err(withdrawn @ PipelineError::Withdrawn { .. }) => Err(withdrawn),
                _ => Err(error),
            },
            outcome => outcome,
        };
        if let Err(PipelineError::Withdrawn { jobs }) = &outcome {
            trials.distrust(jobs)?;
        }
        outcome
    }

    fn go(&self, trials: &Trials<'_>) -> Result<Report, PipelineError> {
        let baselines = self.baselines(trials)?;
        let report = match self.settled(&baselines) {
            Some(outcome) => self.report(trials, &baselines, outcome, Placement::new()),
            None => self.find(trials, &baselines)?,
        };
        if self.sweep && report.outcome == Outcome::Found && report.stop == StopReason::Converged {
            self.sweep(trials, &baselines)?;
            self.write_pareto(trials.run)?;
        }
        trials.settle()?;
        self.finish(trials, report)
    }

    /// Searches again for other goals; placements that have a score are not run again.
    fn sweep(&self, trials: &Trials<'_>, baselines: &Baselines) -> Result<(), PipelineError> {
        let (Some(goal), Some(cpu), Some(npu)) =
            (baselines.goal.threshold, baselines.cpu.measurement.score, baselines.npu.measurement.score)
        else {
            return Ok(());
        };
        let mut used = trials.run.history().trials.values().filter(|trial| trial.purpose != Purpose::Sweep).count();
        for value in pareto::sweep(goal.value, cpu, npu) {
            let mut known = Known { history: trials.run.history(), ..Known::default() };
            // A trial that stopped early knows its verdict for the user's goal only.
            known.history.retain_trials(|trial| {
                let answer = trial.answer.as_ref().map(|(_, answer)| &answer.measurement);
                let tells = answer.is_some_and(|measured| measured.score.is_some() || measured.unresolved.is_some());
                tells || trial.purpose == Purpose::Sweep
            });
            let trials = Trials { known: &known, ..*trials };
            let goal = Goal { threshold: Some(Threshold { value, ..goal }) };
            let mut search = self.search(&Baselines { goal, ..baselines.clone() }, Spent::before(used))?;
            drive(&trials, self.units, goal, &mut search, Keep::Sweep)?;
            // The same number in a resumed run, whose trials are all on disk.
            used += search.outcome().statistics.trials;
        }
        Ok(())
    }

    fn write_pareto(&self, run: &RunDir) -> Result<(), PipelineError> {
        let mut history = run.history();
        // A score that few samples foretold is no measurement.
        history.retain_trials(|trial| trial.question.samples as usize == self.evaluator.samples());
        let tradeoffs =
            pareto(&history, self.subject, self.timed_estimate(&history, usize::MAX).as_ref(), self.wish.direction);
        for tradeoff in &tradeoffs {
            let placement = tradeoff.cpu_ops.iter().map(|op| OpId::new(op as usize)).collect();
            let config = subgraph_log::write(&self.subject.graph, &placement)?.text;
            run.write(&format!("pareto/{}-ops-trial-{}.txt", tradeoff.ops, tradeoff.trial), &config)?;
        }
        let json = serde_json::to_vec_pretty(&tradeoffs).map_err(PipelineError::Result)?;
        run.write("pareto/pareto.json", &json)?;
        Ok(())
    }

    fn baselines(&self, trials: &Trials<'_>) -> Result<Baselines, PipelineError> {
        let (cpu, mut forced) = if self.evaluator.has_cpu_baseline() {
            (self.baseline(trials, Wanted::new(Job::WithoutNpu, Purpose::BaselineCpu), None)?, None)
        } else {
            let cpu = self.baseline(trials, self.all_forced(), None)?;
            (cpu.clone(), Some(cpu))
        };
        if cpu.verdict != Verdict::Pass || trials.is_interrupted() {
            let npu = Answer::measured(Verdict::Unresolved, Measurement::default());
            let goal = self.wish.goal(cpu.measurement.score).unwrap_or_default();
            return Ok(Baselines { goal, cpu, npu, forced, estimate: self.estimate.clone() });
        }
        let goal = self.wish.goal(cpu.measurement.score)?;
        let nothing_forced = Wanted::new(Job::Placed(Placement::new()), Purpose::BaselineNpu);
        let npu = self.baseline(trials, nothing_forced, Some(goal))?;
        if forced.is_none() && npu.verdict != Verdict::Pass && self.pin_npu.is_empty() && !trials.is_interrupted() {
            forced = Some(self.baseline(trials, self.all_forced(), Some(goal))?);
        }
        Ok(Baselines { goal, cpu, npu, forced, estimate: self.estimate.clone() })
    }

    fn all_forced(&self) -> Wanted {
        let units = (0..self.units.len() as u32).collect();
        let job = Job::Placed(self.units.placement(0..self.units.len()));
        Wanted { units, ..Wanted::new(job, Purpose::BaselineForced) }
    }

    /// Runs a baseline; without a goal its own score is what the goal comes from.
    fn baseline(&self, trials: &Trials<'_>, wanted: Wanted, goal: Option<Goal>) -> Result<Answer, PipelineError> {
        let judge = |evaluation: &Evaluation| match goal {
            Some(goal) => Ok(goal),
            None if evaluation.measurement.unresolved.is_some() => Ok(Goal::default()),
            None => self.wish.goal(evaluation.measurement.score),
        };
        if matches!(wanted.purpose, Purpose::BaselineCpu | Purpose::BaselineNpu) && trials.is_known(&wanted) {
            let recalled = self.evaluator.recall(&wanted.job);
            recalled.map_err(|fault| PipelineError::Device { reason: fault.to_string() })?;
        }
        Ok(trials.one(wanted, judge)?.1)
    }

    /// What the baselines alone decide, if they do.
    fn settled(&self, baselines: &Baselines) -> Option<Outcome> {
        match (baselines.cpu.verdict, baselines.npu.verdict) {
            (Verdict::Fail, _) => Some(Outcome::ModelAtFault),
            (_, Verdict::Pass) if self.pin_cpu.is_empty() => Some(Outcome::NothingToMove),
            _ => None,
        }
    }

    fn find(&self, trials: &Trials<'_>, baselines: &Baselines) -> Result<Report, PipelineError> {
        let save = |placement: &Placement| match self.write_answer(trials, placement) {
            // A placement that cannot be written is no reason not to look for one that can.
            Ok(_) | Err(PipelineError::Config(_)) => Ok(()),
            Err(error) => Err(error),
        };
        if let Some(Answer { verdict: Verdict::Pass, .. }) = baselines.forced {
            save(&self.units.placement(0..self.units.len()))?;
        }
        // What a sweep asked was judged for other goals, and came later.
        let mut known = trials.known.clone();
        known.history.retain_trials(|trial| trial.purpose != Purpose::Sweep);
        let mut spent = Spent { trials: baselines.trials(self.evaluator), since: Instant::now() };
        let members = self.find_on_few(&Trials { known: &known, ..*trials }, baselines, &mut spent)?;
        if members.is_some() {
            // Its last trial was the first of what follows.
            known.history = trials.run.history();
            known.history.retain_trials(|trial| trial.purpose != Purpose::Sweep);
        }
        let own = Trials { known: &known, ..*trials };
        let mut search = match &members {
            Some(members) => self.search_among(members, baselines, spent)?,
            None => self.search(baselines, spent)?,
        };
        drive(&own, self.units, baselines.goal, &mut search, Keep::Best(&save))?;
        let mut found = search.outcome();
        if members.is_none() && found.stop == Some(partition_search::StopReason::Finished) {
            found = self.find_as_timed(&own, baselines, spent, found)?;
        }
        let mut report = self.concluded(trials, baselines, &found)?;
        if members.is_some() {
            few::only_among_members(&mut report);
        }
        Ok(report)
    }

    /// What a search found, verified.
    fn concluded(
        &self,
        trials: &Trials<'_>,
        baselines: &Baselines,
        found: &partition_search::Outcome,
    ) -> Result<Report, PipelineError> {
        let Some(best) = &found.best else {
            return Ok(self.report(trials, baselines, Outcome::NothingPasses, Placement::new()));
        };
        let placement = self.units.placement(best.set.iter());
        let mut report = self.report(trials, baselines, Outcome::Found, placement);
        report.stop = match found.stop {
            Some(partition_search::StopReason::Interrupted) => StopReason::Interrupted,
            Some(partition_search::StopReason::TrialLimit) => StopReason::TrialLimit,
            Some(partition_search::StopReason::TimeLimit) => StopReason::TimeLimit,
            _ => StopReason::Converged,
        };
        report.certificate = found.certificate;
        report.lower_bound = found.lower_bound;
        report.score = best.score;
        report.flaky = found.is_flaky();
        report.culprits = self.culprits(best, found);
        report.smaller_tried = found
            .tried
            .iter()
            .filter(|tried| tried.set.len() < best.set.len() && tried.verdict != Some(partition_search::Verdict::Pass))
            .map(|tried| tried.set.iter().collect())
            .collect();
        if report.stop == StopReason::Converged {
            let looks = found.tried.iter().find(|tried| tried.set == best.set).map_or(1, |tried| tried.looks);
            verify(trials, baselines, looks, &mut report)?;
        }
        Ok(report)
    }

    pub(crate) fn search(&self, baselines: &Baselines, spent: Spent) -> Result<Search, PipelineError> {
        Ok(self.problem(baselines, spent)?.search(&self.strategy)?)
    }

    pub(crate) fn problem(&self, baselines: &Baselines, spent: Spent) -> Result<Problem, PipelineError> {
        let in_units = |ops: &OpSet| -> Vec<usize> {
            (0..self.units.len()).filter(|&unit| self.units.members(unit).iter().any(|&op| ops.contains(op))).collect()
        };
        let costs = self.units.iter().map(|ops| ops.len() as u32).collect();
        let mut limits = self.limits;
        if let Some(max) = &mut limits.max_trials {
            *max = max.saturating_sub(spent.trials).max(usize::from(*max > 0));
        }
        let mut problem = Problem::new(self.units.len())
            .costs(costs)
            .classes(self.units.classes(&self.subject.graph))
            .limits(limits)
            .clock(move || spent.since.elapsed())
            .seed(self.seed)
            .proof(self.proof)
            .noise(if self.evaluator.simulated() { Noise::None } else { Noise::Unknown })
            .width(self.evaluator.width())
            .pin_cpu(in_units(&self.pin_cpu))
            .pin_npu(in_units(&self.pin_npu))
            .objective(self.objective(baselines)?);
        if let Some(threshold) = baselines.goal.threshold {
            problem = problem.threshold(threshold);
        }
        if let Some(forced) = &baselines.forced {
            problem = problem.all_cpu(told(forced));
        }
        if self.pin_cpu.is_empty() {
            problem = problem.all_npu(told(&baselines.npu));
        }
        if let Some(prior) = &self.prior {
            problem = problem.prior(prior.clone());
        }
        Ok(problem)
    }

    fn objective(&self, baselines: &Baselines) -> Result<Objective, PipelineError> {
        Ok(match self.aim {
            Aim::Ops => Objective::FewestOps,
            Aim::Clusters => Objective::FewestClusters(self.of_clusters(Arc::new(|clusters| clusters.len() as f64))),
            Aim::Latency => {
                let estimate = baselines.estimate.clone().ok_or(PipelineError::NoEstimate)?;
                Objective::Latency(self.of_clusters(estimate))
            }
        })
    }

    /// A figure of the clusters that a set of units leaves to the NPU.
    fn of_clusters(&self, figure: Estimate) -> Measure {
        let (subject, units) = (self.subject.clone(), self.units.clone());
        Arc::new(move |set| figure(&subject.clustering(&units.placement(set.iter()))))
    }

    fn culprits(&self, best: &partition_search::Best, found: &partition_search::Outcome) -> Vec<Culprit> {
        let without = |units: &[usize]| {
            let rest = best.set.without(units.iter().copied());
            found.tried.iter().find(|tried| tried.set == rest)
        };
        let mut culprits = Vec::new();
        for evidence in &found.evidence {
            let tried = without(&evidence.units);
            for &unit in &evidence.units {
                culprits.push(Culprit {
                    unit,
                    ops: self.units.members(unit).to_vec(),
                    verdict_without: evidence.alone,
                    partners: evidence.partners.clone(),
                    score_without: tried.and_then(|tried| tried.score),
                });
            }
        }
        culprits
    }

    fn report(&self, trials: &Trials<'_>, baselines: &Baselines, outcome: Outcome, placement: Placement) -> Report {
        let clustering = self.subject.clustering(&placement);
        let nothing = outcome == Outcome::NothingToMove;
        let stop = if trials.is_interrupted() { StopReason::Interrupted } else { StopReason::Converged };
        Report {
            outcome,
            stop,
            placement,
            clustering,
            culprits: Vec::new(),
            score: if nothing { baselines.npu.measurement.score } else { None },
            score_cpu: baselines.cpu.measurement.score,
            score_npu: baselines.npu.measurement.score,
            npu_refused: baselines.npu.measurement.unresolved.as_ref().map(|unresolved| unresolved.detail.clone()),
            threshold: baselines.goal.threshold.map(|threshold| threshold.value),
            certificate: if nothing { Certificate::OneMinimal } else { Certificate::BestSoFar },
            lower_bound: 0,
            smaller_tried: Vec::new(),
            verified: nothing,
            flaky: false,
            trials: 0,
            cached: 0,
            samples: (0, 0),
            estimated: None,
            config: None,
        }
    }

    fn write_answer(&self, trials: &Trials<'_>, placement: &Placement) -> Result<Vec<u8>, PipelineError> {
        let written = subgraph_log::write(&self.subject.graph, placement)?.text;
        trials.run.write(self.subject.lever.file_name(), &written)?;
        Ok(written)
    }

    /// Writes the answer and the last events.
    fn finish(&self, trials: &Trials<'_>, mut report: Report) -> Result<Report, PipelineError> {
        let history = trials.run.history();
        report.trials = history.trials.len();
        report.samples = samples(&history);
        report.cached = cached(&history);
        report.estimated = self.estimated(&report, self.timed_estimate(&history, usize::MAX).as_ref());
        if report.has_answer() {
            report.config = Some(self.write_answer(trials, &report.placement)?);
        }
        let mut json = serde_json::to_vec_pretty(&report.result_file(self)).map_err(PipelineError::Result)?;
        json.push(b'\n');
        trials.run.write("result.json", &json)?;
        trials.note(Event::Stopped(Stopped { reason: report.stop, detail: String::new() }))?;
        trials.note(Event::Finished(finished(&report)))?;
        Ok(report)
    }
}

/// Trials whose answers earlier runs had measured.
fn cached(history: &History) -> usize {
    let answers = history.trials.values().filter_map(|trial| trial.answer.as_ref());
    answers.filter(|(_, answer)| answer.source == Source::Cached).count()
}

/// A fresh trial of the answer: what it says is what the report claims.
fn verify(trials: &Trials<'_>, baselines: &Baselines, looks: usize, report: &mut Report) -> Result<(), PipelineError> {
    let wanted = Wanted {
        units: report.culprits.iter().map(|culprit| culprit.unit as u32).collect(),
        repeat: looks as u32,
        ..Wanted::new(Job::Placed(report.placement.clone()), Purpose::Verification)
    };
    let (trial, answer) = match trials.one(wanted, |_| Ok(baselines.goal)) {
        Err(PipelineError::Interrupted) => {
            report.stop = StopReason::Interrupted;
            report.certificate = Certificate::BestSoFar;
            return Ok(());
        }
        verified => verified?,
    };
    trials.note(Event::Verified(Verified { trial, without_unit: None, verdict: answer.verdict }))?;
    report.verified = answer.verdict == Verdict::Pass;
    report.score = answer.measurement.score;
    if !report.verified {
        // It passed before and does not now: nothing of its members is certain.
        report.flaky = true;
        report.certificate = Certificate::BestSoFar;
    }
    Ok(())
}

/// Samples that were run, and that decided trials did not have to run.
fn samples(history: &History) -> (u64, u64) {
    let answers = history.trials.values().filter_map(|trial| trial.answer.as_ref().map(|(_, answer)| answer));
    answers.filter(|answer| answer.measurement.unresolved.is_none()).fold((0, 0), |(run, saved), answer| {
        let (used, total) = (answer.measurement.samples_used, answer.measurement.samples_total);
        (run + u64::from(used), saved + u64::from(total.saturating_sub(used)))
    })
}

fn finished(report: &Report) -> Finished {
    Finished {
        outcome: report.outcome,
        certificate: report.has_answer().then(|| stored(report.certificate)),
        smaller_tried: report.smaller_tried.iter().map(|set| set.iter().map(|&unit| unit as u32).collect()).collect(),
        cpu_ops: report.placement.iter().map(|op| op.index() as u32).collect(),
        units: report.culprits.iter().map(|culprit| culprit.unit as u32).collect(),
        score: report.score,
        score_cpu: report.score_cpu,
        score_npu: report.score_npu,
        clusters: Some(report.clustering.len() as u32),
        trials: report.trials as u32,
    }
}
