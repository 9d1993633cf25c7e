//! A persistent evaluator that answers each JSON line with one.

use std::time::{Duration, Instant};

use board::{
    line_process::{LineError, LineProcess},
    process::Command,
};
use serde::Serialize;
use trial_store::{Cause, FaultKind};

use super::{
    ExecOptions, Files, MARK, fault, not_run,
    reply::{Reply, unresolved_because},
};
use crate::evaluator::{Evaluation, Fault, NoAnswer, Trial};

#[derive(Serialize)]
struct Request<'a> {
    trial: u32,
    cpu_ops: &'a [String],
    subgraph: &'a std::path::Path,
}

/// One process, started when it is first needed and again after it has died.
pub(super) struct Speaker {
    process: LineProcess,
    scored: bool,
}

impl Speaker {
    pub(super) fn new(options: &ExecOptions, index: usize) -> Self {
        let (program, args) = options.words.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
        let command = Command::new(program).args(args).env(MARK, &options.folder).cancel(&options.cancel);
        let stderr = options.folder.join(format!("evaluator-{index}.stderr"));
        Self { process: LineProcess::new(command, stderr), scored: options.scored }
    }

    /// Asks; a process that dies or hangs on the same trial twice says that the trial is what kills it.
    pub(super) fn evaluate(
        &mut self,
        deadline: Duration,
        trial: &Trial,
        files: &Files,
    ) -> Result<Evaluation, NoAnswer> {
        match self.ask(deadline, trial, files) {
            Err(LineError::Died { .. } | LineError::TimedOut { .. }) => {}
            other => return conclude(other),
        }
        let started = Instant::now();
        let second = self.ask(deadline, trial, files);
        let cause = match &second {
            Err(LineError::Died { .. }) => Cause::Crashed,
            Err(LineError::TimedOut { .. }) => Cause::TimedOut,
            _ => return conclude(second),
        };
        let detail = second.err().map(|error| format!("twice: failed to {error}")).unwrap_or_default();
        Ok(unresolved_because(cause, detail, started.elapsed().as_secs_f64()))
    }

    fn ask(
        &mut self,
        deadline: Duration,
        trial: &Trial,
        files: &Files,
    ) -> Result<Result<Evaluation, Fault>, LineError> {
        let started = Instant::now();
        let request = Request { trial: trial.number, cpu_ops: &files.records, subgraph: &files.subgraph };
        let reply: Reply = self.process.request_json(&request, deadline)?;
        if reply.trial.is_some_and(|number| number != trial.number) {
            let detail = format!("the answer is for trial {:?}, asked was {}", reply.trial, trial.number);
            return Ok(Err(fault(FaultKind::BadResult, detail)));
        }
        let evaluation = reply.evaluation(self.scored, started.elapsed().as_secs_f64());
        Ok(evaluation.map_err(|detail| fault(FaultKind::Unhealthy, detail)))
    }
}

fn conclude(asked: Result<Result<Evaluation, Fault>, LineError>) -> Result<Evaluation, NoAnswer> {
    let error = match asked {
        Ok(evaluation) => return Ok(evaluation?),
        Err(LineError::Cancelled) => return Err(NoAnswer::Cancelled),
        Err(LineError::Process(error)) => return Err(not_run(error)),
        Err(error) => error,
    };
    let kind = match error {
        LineError::Json { .. } | LineError::Garbled { .. } | LineError::Unasked { .. } => FaultKind::BadResult,
        _ => FaultKind::Transport,
    };
    Err(fault(kind, format!("failed to {error}")).into())
}
