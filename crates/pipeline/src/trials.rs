//! Single trials: each is on disk before it starts and again before its answer counts. A fault of the device is tried again and is never
//! an answer. What a resumed run has on disk, and what was adopted from elsewhere, is not run again.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use trial_store::{
    Answer, BoardFault, Cause, Entry, Event, History, Indices, Measurement, Purpose, Question, RunDir, Source,
    TrialAnswered, TrialAsked, TrialReopened, Unresolved, Verdict,
};

use crate::{
    Goal, Memory, PipelineError, Subject,
    evaluator::{Evaluation, Evaluator, Fault, Job, NoAnswer, Trial, Unsettled},
};

/// How often a trial is started before a fault of the device ends the run.
const ATTEMPTS: u32 = 3;

/// How often to look what happens to boards while trials run.
pub(crate) const LOOK: Duration = Duration::from_millis(500);

/// Receives every event as soon as it is on disk.
pub type Watch<'a> = dyn Fn(&Entry) + 'a;

/// What is known before a run goes on.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// What earlier processes of the same run have on disk.
    pub history: History,
    /// Answers of other runs, and of an edited log.
    pub adopted: BTreeMap<Question, Answer>,
}

/// Runs trials of one run directory.
pub(crate) struct Trials<'a> {
    pub(crate) evaluator: &'a dyn Evaluator,
    pub(crate) memory: Option<&'a Memory>,
    pub(crate) subject: &'a Subject,
    pub(crate) run: &'a RunDir,
    pub(crate) watch: &'a Watch<'a>,
    pub(crate) interrupted: &'a AtomicBool,
    pub(crate) known: &'a Known,
    /// The samples of every placement's trial; `None`: all.
    pub(crate) samples: Option<usize>,
}

/// A trial that is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) job: Job,
    pub(crate) units: Indices,
    pub(crate) purpose: Purpose,
    pub(crate) repeat: u32,
}

impl Wanted {
    /// The first measurement of a job that moves no unit.
    pub(crate) fn new(job: Job, purpose: Purpose) -> Self {
        Self { job, units: Indices::default(), purpose, repeat: 0 }
    }
}

/// A trial that is on its way.
#[derive(Clone, Debug)]
pub(crate) struct Intent {
    pub(crate) trial: Trial,
    asked: TrialAsked,
    /// Faults of the device in this process; those of earlier ones may have been repaired.
    faults: u32,
}

/// What becomes of a wanted trial.
pub(crate) enum Begun {
    /// Its answer is on disk already.
    Known(u32, Answer),
    /// It has to run.
    Run(Intent),
}

/// What becomes of a trial that has run.
pub(crate) enum Ended {
    Answered(Answer),
    Again(Intent),
    /// The user wants to stop; a resumed run asks it again.
    GivenUp,
}

impl Trials<'_> {
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Writes an event, then shows it.
    pub(crate) fn note(&self, event: Event) -> Result<(), PipelineError> {
        let entry = self.run.append(event)?;
        (self.watch)(&entry);
        Ok(())
    }

    /// Takes down what happened to boards, and finds out whether answers that were given are wrong.
    pub(crate) fn look_around(&self) -> Result<(), PipelineError> {
        self.hear_news()?;
        let jobs = self.evaluator.withdrawn();
        if jobs.is_empty() { Ok(()) } else { Err(PipelineError::Withdrawn { jobs }) }
    }

    fn hear_news(&self) -> Result<(), PipelineError> {
        self.evaluator.news().into_iter().try_for_each(|event| self.note(event))
    }

    /// Does something that may take long, and takes down meanwhile what happens to boards.
    fn meanwhile<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, PipelineError> {
        let (sender, done) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(move || sender.send(work()));
            loop {
                match done.recv_timeout(LOOK) {
                    Ok(done) => return Ok(done),
                    Err(RecvTimeoutError::Timeout) => self.hear_news()?,
                    Err(RecvTimeoutError::Disconnected) => {
                        return Err(PipelineError::Device { reason: "the evaluator has died".to_owned() });
                    }
                }
            }
        })
    }

    /// Waits until no answer can turn out wrong any more. What nobody can confirm is asked again by whoever resumes the run.
    pub(crate) fn settle(&self) -> Result<(), PipelineError> {
        if self.is_interrupted() {
            return Ok(());
        }
        let settled = self.meanwhile(|| self.evaluator.settle())?;
        self.look_around()?;
        settled.or_else(|Unsettled { reason, jobs }| {
            self.distrust(&jobs)?;
            Err(PipelineError::Device { reason })
        })
    }

    /// Forgets the answers on these jobs, and the placement that may stand on them.
    pub(crate) fn distrust(&self, jobs: &[Job]) -> Result<(), PipelineError> {
        let distrusted = |question: &Question| {
            jobs.iter().any(|job| match job {
                // Every score compares with this one's outputs.
                Job::WithoutNpu => true,
                Job::Placed(placement) => {
                    question.backend == self.evaluator.name()
                        && question.cpu_ops.iter().eq(placement.iter().map(|op| op.index() as u32))
                }
            })
        };
        let history = self.run.history();
        let measured = |trial: &&trial_store::Trial| {
            trial.answer.as_ref().is_some_and(|(_, answer)| answer.source == Source::Measured)
        };
        for trial in history.trials.values().filter(measured).filter(|trial| distrusted(&trial.question)) {
            self.note(Event::TrialReopened(TrialReopened { trial: trial.number }))?;
        }
        self.run.remove("subgraph.txt").map_err(PipelineError::from)
    }

    fn question(&self, wanted: &Wanted) -> Question {
        let (backend, cpu_ops) = match &wanted.job {
            Job::WithoutNpu => ("lite", Indices::default()),
            Job::Placed(placement) => (self.evaluator.name(), placement.iter().map(|op| op.index() as u32).collect()),
        };
        let samples = self.samples.unwrap_or_else(|| self.evaluator.samples()) as u32;
        Question { backend: backend.to_owned(), cpu_ops, samples, repeat: wanted.repeat }
    }

    /// Is the answer on disk already?
    pub(crate) fn is_known(&self, wanted: &Wanted) -> bool {
        let question = self.question(wanted);
        self.known.history.answer(&question).is_some() || self.known.adopted.contains_key(&question)
    }

    /// Looks a trial up, or puts the intent to run it on disk.
    pub(crate) fn begin(
        &self,
        wanted: Wanted,
        goal: impl FnOnce(&Evaluation) -> Result<Goal, PipelineError>,
    ) -> Result<Begun, PipelineError> {
        let question = self.question(&wanted);
        let earlier = self.known.history.trial_of(&question);
        if let Some(trial) = earlier {
            if let Some((_, answer)) = &trial.answer {
                return Ok(Begun::Known(trial.number, judged_anew(answer, goal)?));
            }
            if trial.lost_in_two_crashes() {
                let answer = Answer::measured(Verdict::Unresolved, killed_the_tool());
                self.note(Event::TrialAnswered(TrialAnswered::new(trial.number, answer.clone())))?;
                return Ok(Begun::Known(trial.number, answer));
            }
        }
        let number = earlier.map_or_else(|| self.run.history().next_trial(), |trial| trial.number);
        let attempt = earlier.map_or(1, trial_store::Trial::next_attempt);
        // What was measured and then distrusted may be in a cache by now.
        let answer = match earlier.filter(|trial| trial.was_reopened()) {
            Some(_) => None,
            None => self.answered_elsewhere(&wanted, &question, goal)?,
        };
        let samples = self.samples;
        let verdict_only = wanted.purpose == Purpose::Necessity && samples.is_none();
        let asked = TrialAsked { attempt, units: wanted.units, ..TrialAsked::new(number, question, wanted.purpose) };
        let intent =
            Intent { trial: Trial { number, attempt, job: wanted.job, verdict_only, samples }, asked, faults: 0 };
        self.note(Event::TrialAsked(intent.asked.clone()))?;
        match answer {
            None => Ok(Begun::Run(intent)),
            Some(answer) => {
                self.note(Event::TrialAnswered(TrialAnswered::new(number, answer.clone())))?;
                Ok(Begun::Known(number, answer))
            }
        }
    }

    /// What earlier runs measured is on all samples.
    fn whole_memory(&self) -> Option<&Memory> {
        self.memory.filter(|_| self.samples.is_none())
    }

    /// The answer of a log or of an earlier run.
    fn answered_elsewhere(
        &self,
        wanted: &Wanted,
        question: &Question,
        goal: impl FnOnce(&Evaluation) -> Result<Goal, PipelineError>,
    ) -> Result<Option<Answer>, PipelineError> {
        if let Some(adopted) = self.known.adopted.get(question) {
            return judged_anew(adopted, goal).map(Some);
        }
        // Baselines and the verification are always run: what the report claims rests on them.
        let (Purpose::Search | Purpose::Necessity | Purpose::Sweep, Job::Placed(placement)) =
            (wanted.purpose, &wanted.job)
        else {
            return Ok(None);
        };
        let remembered = self.whole_memory().and_then(|memory| memory.recall(self.subject, placement, wanted.repeat));
        let Some(evaluation) = remembered else { return Ok(None) };
        let verdict = goal(&evaluation)?.judge(&evaluation);
        Ok(Some(Answer { verdict, source: Source::Cached, measurement: evaluation.measurement }))
    }

    /// Keeps what a trial gave for later runs.
    fn remember(&self, intent: &Intent, goal: Goal, evaluation: &Evaluation) {
        let (Some(memory), Job::Placed(placement)) = (self.whole_memory(), &intent.trial.job) else { return };
        let kept = memory.keep(self.subject, placement, intent.asked.question.repeat, goal, evaluation);
        if let Err(error) = kept {
            // A cache that cannot be written costs later runs some time; tool.log is a courtesy as well.
            let _ = self.run.log(&format!("failed to {error}"));
        }
    }

    /// Takes what a trial gave: an answer goes to disk, a fault makes it run again, too many end the run.
    pub(crate) fn end(
        &self,
        intent: Intent,
        result: Result<Evaluation, NoAnswer>,
        goal: impl FnOnce(&Evaluation) -> Result<Goal, PipelineError>,
    ) -> Result<Ended, PipelineError> {
        let number = intent.trial.number;
        match result {
            Ok(evaluation) => {
                let goal = goal(&evaluation)?;
                let answer = Answer::measured(goal.judge(&evaluation), evaluation.measurement.clone());
                self.note(Event::TrialAnswered(TrialAnswered::new(number, answer.clone())))?;
                self.remember(&intent, goal, &evaluation);
                Ok(Ended::Answered(answer))
            }
            Err(NoAnswer::Fault(fault)) => self.again(intent, fault),
            Err(NoAnswer::Cancelled) => Ok(Ended::GivenUp),
            Err(NoAnswer::Storage(error)) => Err(error.into()),
            Err(NoAnswer::Panicked) => Err(PipelineError::Panicked { trial: number }),
        }
    }

    fn again(&self, mut intent: Intent, fault: Fault) -> Result<Ended, PipelineError> {
        let reason = fault.to_string();
        let Fault { board, kind, detail } = fault;
        self.note(Event::BoardFault(BoardFault { board, trial: Some(intent.trial.number), kind, detail }))?;
        if self.is_interrupted() {
            return Ok(Ended::GivenUp);
        }
        intent.faults += 1;
        if intent.faults >= ATTEMPTS {
            return Err(PipelineError::Device { reason });
        }
        intent.trial.attempt += 1;
        intent.asked.attempt += 1;
        self.note(Event::TrialAsked(intent.asked.clone()))?;
        Ok(Ended::Again(intent))
    }

    /// Runs one trial to its answer; its number comes with it.
    pub(crate) fn one(
        &self,
        wanted: Wanted,
        goal: impl Fn(&Evaluation) -> Result<Goal, PipelineError>,
    ) -> Result<(u32, Answer), PipelineError> {
        if self.is_interrupted() && !self.is_known(&wanted) {
            return Err(PipelineError::Interrupted);
        }
        let mut intent = match self.begin(wanted, &goal)? {
            Begun::Known(number, answer) => return Ok((number, answer)),
            Begun::Run(intent) => intent,
        };
        loop {
            let number = intent.trial.number;
            let result = self.meanwhile(|| evaluate(self.evaluator, &intent.trial))?;
            let ended = self.end(intent, result, &goal)?;
            self.look_around()?;
            match ended {
                Ended::Answered(answer) => return Ok((number, answer)),
                Ended::Again(again) => intent = again,
                Ended::GivenUp => return Err(PipelineError::Interrupted),
            }
        }
    }
}

/// Runs a trial; a panic ends it and not its thread, so that whoever waits for it hears of it.
pub(crate) fn evaluate(evaluator: &dyn Evaluator, trial: &Trial) -> Result<Evaluation, NoAnswer> {
    let unwound = AssertUnwindSafe(|| evaluator.evaluate(trial));
    // The evaluator is not asked again after this: the run ends.
    catch_unwind(unwound).unwrap_or(Err(NoAnswer::Panicked))
}

/// An answer under the goal of this search; what a person said stands.
fn judged_anew(
    answer: &Answer,
    goal: impl FnOnce(&Evaluation) -> Result<Goal, PipelineError>,
) -> Result<Answer, PipelineError> {
    if answer.source == Source::Edited {
        return Ok(answer.clone());
    }
    let pass = Some(answer.verdict == Verdict::Pass);
    let evaluation = Evaluation { measurement: answer.measurement.clone(), pass };
    let verdict = goal(&evaluation)?.judge(&evaluation);
    Ok(Answer { verdict, ..answer.clone() })
}

fn killed_the_tool() -> Measurement {
    let detail = "this trial was running at two crashes of the tool in a row".to_owned();
    Measurement { unresolved: Some(Unresolved { cause: Cause::TwoCrashes, detail }), ..Measurement::default() }
}
