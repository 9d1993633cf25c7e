//! The search loop: keeps the evaluator busy with the questions of a [`Search`] and tells it the answers.
//!
//! Answers are told in the order of asking, whatever order they come in: so the questions depend on the seed and the width alone,
//! never on the timing of boards, and a resumed run asks exactly what the undisturbed one would have asked.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
};

use op_graph::Placement;
use partition_search::{Purpose as Why, Question, Search};
use trial_store::{Answer, BestImproved, Event, Indices, Purpose, Verdict};

use crate::{
    Goal, PipelineError, Units,
    evaluator::{Evaluation, Evaluator, Job, NoAnswer},
    goal::told,
    trials::{Begun, Ended, Intent, LOOK, Trials, Wanted, evaluate},
};

/// A question that is out.
struct Open {
    question: Question,
    trial: u32,
    answer: Option<Answer>,
}

/// Keeps a placement that passed, so that whatever ends the run leaves it behind.
pub(crate) type Save<'a> = dyn Fn(&Placement) -> Result<(), PipelineError> + 'a;

/// What becomes of the placements that pass.
#[derive(Clone, Copy)]
pub(crate) enum Keep<'a> {
    /// The smallest so far is the answer so far.
    Best(&'a Save<'a>),
    /// They are no answers yet.
    Nothing,
    /// They are answers to another goal than the user's.
    Sweep,
}

/// Drives a search to its end, to a limit, or to an interrupt.
pub(crate) fn drive(
    trials: &Trials<'_>,
    units: &Units,
    goal: Goal,
    search: &mut Search,
    keep: Keep<'_>,
) -> Result<(), PipelineError> {
    let (jobs, queue) = mpsc::channel::<Intent>();
    let queue = Mutex::new(queue);
    let (results, finished) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..trials.evaluator.width() {
            let (evaluator, queue, results) = (trials.evaluator, &queue, results.clone());
            scope.spawn(move || work(evaluator, queue, &results));
        }
        drop(results);
        Loop { trials, units, goal, search, keep, jobs, finished, open: VecDeque::new(), best: None, quit: false }.run()
    })
}

type Finished = (Intent, Result<Evaluation, NoAnswer>);

fn work(evaluator: &dyn Evaluator, queue: &Mutex<mpsc::Receiver<Intent>>, results: &mpsc::Sender<Finished>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(intent) = next else { return }; // the loop has ended
        let result = evaluate(evaluator, &intent.trial);
        if results.send((intent, result)).is_err() {
            return;
        }
    }
}

struct Loop<'a, 'b> {
    trials: &'a Trials<'b>,
    units: &'a Units,
    goal: Goal,
    search: &'a mut Search,
    keep: Keep<'a>,
    jobs: mpsc::Sender<Intent>,
    finished: mpsc::Receiver<Finished>,
    open: VecDeque<Open>,
    /// The fewest ops of a placement that passed.
    best: Option<usize>,
    /// Has a trial been given up? Whoever ran it wants to stop.
    quit: bool,
}

impl Loop<'_, '_> {
    fn run(mut self) -> Result<(), PipelineError> {
        if let Err(error) = self.turn() {
            self.keep_the_rest();
            return Err(error);
        }
        if self.ends() {
            self.search.stop();
        }
        self.search.done();
        Ok(())
    }

    fn ends(&self) -> bool {
        self.quit || self.trials.is_interrupted()
    }

    fn turn(&mut self) -> Result<(), PipelineError> {
        loop {
            self.trials.look_around()?;
            self.ask()?;
            match self.open.front() {
                None => return Ok(()),
                Some(Open { answer: Some(_), .. }) => self.tell()?,
                Some(_) => self.receive()?,
            }
        }
    }

    /// What the trials in flight still give goes to disk, if the disk takes it: the error that ends the run is another one.
    fn keep_the_rest(self) {
        drop(self.jobs);
        for (intent, result) in &self.finished {
            if result.is_ok() {
                let _ = self.trials.end(intent, result, |_| Ok(self.goal));
            }
        }
    }

    fn ask(&mut self) -> Result<(), PipelineError> {
        while self.open.len() < self.trials.evaluator.width() && !self.ends() {
            let Some(question) = self.search.ask() else { return Ok(()) };
            let wanted = Wanted {
                job: Job::Placed(self.units.placement(question.set.iter())),
                units: unit_indices(&question),
                purpose: self.purpose(question.purpose),
                repeat: question.repeat,
            };
            let (trial, answer) = match self.trials.begin(wanted, |_| Ok(self.goal))? {
                Begun::Known(number, answer) => (number, Some(answer)),
                Begun::Run(intent) => {
                    let number = intent.trial.number;
                    // The workers live as long as this loop, so that the channel is open.
                    let _ = self.jobs.send(intent);
                    (number, None)
                }
            };
            self.open.push_back(Open { question, trial, answer });
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<(), PipelineError> {
        let (intent, result) = match self.finished.recv_timeout(LOOK) {
            Ok(finished) => finished,
            Err(RecvTimeoutError::Timeout) => return Ok(()), // to look around
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PipelineError::Device { reason: "the workers have died".to_owned() });
            }
        };
        let number = intent.trial.number;
        match self.trials.end(intent, result, |_| Ok(self.goal))? {
            Ended::Again(intent) => {
                let _ = self.jobs.send(intent);
            }
            Ended::Answered(answer) => {
                if let Some(open) = self.open.iter_mut().find(|open| open.trial == number) {
                    open.answer = Some(answer);
                }
            }
            Ended::GivenUp => {
                self.quit = true;
                self.open.retain(|open| open.trial != number);
            }
        }
        Ok(())
    }

    fn tell(&mut self) -> Result<(), PipelineError> {
        let Some(Open { question, trial, answer: Some(answer) }) = self.open.pop_front() else { return Ok(()) };
        let known = self.search.tell(question.id, told(&answer));
        debug_assert!(known.is_ok(), "the question is open");
        if answer.verdict == Verdict::Pass {
            self.improve(&question, trial, &answer)?;
        }
        Ok(())
    }

    /// What an evaluator decides before it has all samples, it decides for the user's goal: a sweep needs the score.
    fn purpose(&self, why: Why) -> Purpose {
        match (self.keep, why) {
            (Keep::Sweep, _) => Purpose::Sweep,
            (_, Why::Necessity) => Purpose::Necessity,
            _ => Purpose::Search,
        }
    }

    fn improve(&mut self, question: &Question, trial: u32, answer: &Answer) -> Result<(), PipelineError> {
        let Keep::Best(save) = self.keep else { return Ok(()) };
        let placement = self.units.placement(question.set.iter());
        if self.best.is_some_and(|best| best <= placement.len()) {
            return Ok(());
        }
        self.best = Some(placement.len());
        save(&placement)?;
        self.trials.note(Event::BestImproved(BestImproved {
            trial,
            cpu_ops: placement.iter().map(|op| op.index() as u32).collect(),
            units: unit_indices(question),
            score: answer.measurement.score,
        }))
    }
}

fn unit_indices(question: &Question) -> Indices {
    question.set.iter().map(|unit| unit as u32).collect()
}
