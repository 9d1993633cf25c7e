//! One command per trial, judged by its exit code and the last line of its output.

use std::time::Duration;

use board::process::{Command, Ending, Finished};
use trial_store::{Cause, FaultKind};

use super::{
    ExecOptions, Files, MARK, fault, not_run,
    reply::{Reply, unresolved_because},
};
use crate::evaluator::{Evaluation, NoAnswer, Trial};

pub(super) fn evaluate(
    options: &ExecOptions,
    deadline: Duration,
    trial: &Trial,
    files: &Files,
) -> Result<Evaluation, NoAnswer> {
    let command = command(options, deadline, trial, files);
    let first = run(&command, files)?;
    match first.ending {
        Ending::Signalled(_) | Ending::TimedOut => {}
        _ => return judge(&first, options.scored),
    }
    let second = run(&command, files)?;
    let seconds = second.wall.as_secs_f64();
    match second.ending {
        Ending::Signalled(signal) => {
            Ok(unresolved_because(Cause::Crashed, format!("killed by signal {signal}, twice"), seconds))
        }
        Ending::TimedOut => {
            let detail = format!("not done after {:.0} s, twice", deadline.as_secs_f64());
            Ok(unresolved_because(Cause::TimedOut, detail, seconds))
        }
        _ => judge(&second, options.scored),
    }
}

fn command(options: &ExecOptions, deadline: Duration, trial: &Trial, files: &Files) -> Command {
    let number = trial.number.to_string();
    let values = [
        ("{subgraph}", "NPU_BISECT_SUBGRAPH", files.subgraph.display().to_string()),
        ("{ops}", "NPU_BISECT_OPS", files.ops.display().to_string()),
        ("{dir}", "NPU_BISECT_DIR", files.folder.display().to_string()),
        ("{trial}", "NPU_BISECT_TRIAL", number),
    ];
    let fill = |word: &String| values.iter().fold(word.clone(), |word, (key, _, value)| word.replace(key, value));
    let words: Vec<String> = options.words.iter().map(fill).collect();
    let (program, args) = words.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
    let command = Command::new(program)
        .args(args)
        .env("SUBGRAPH_PARTITION_CONFIG_FILE", &files.subgraph)
        .env_remove("SUBGRAPH_PARTITION_CONFIG_BUFFER")
        .env(MARK, &options.folder)
        .deadline(deadline)
        .cancel(&options.cancel);
    values.iter().fold(command, |command, (_, name, value)| command.env(name, value))
}

fn run(command: &Command, files: &Files) -> Result<Finished, NoAnswer> {
    command.run(&files.folder.join("stdout"), &files.folder.join("stderr")).map_err(not_run)
}

fn judge(finished: &Finished, scored: bool) -> Result<Evaluation, NoAnswer> {
    let seconds = finished.wall.as_secs_f64();
    if finished.ending == Ending::Cancelled {
        return Err(NoAnswer::Cancelled);
    }
    let said = finished.stdout.read().map_err(|error| fault(FaultKind::BadResult, error.to_string()))?;
    let said = String::from_utf8_lossy(&said);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    match finished.ending {
        Ending::Exited(0) => {
            let reply = read(last).unwrap_or(Reply { pass: Some(true), ..Reply::default() });
            Ok(reply.evaluation(scored, seconds).map_err(|detail| fault(FaultKind::BadResult, detail))?)
        }
        Ending::Exited(1) => {
            let reply = Reply { pass: Some(false), ..read(last).unwrap_or_default() };
            Ok(reply.evaluation(false, seconds).map_err(|detail| fault(FaultKind::Unhealthy, detail))?)
        }
        Ending::Exited(125) => {
            let detail = if last.is_empty() { "exit code 125" } else { last };
            Ok(unresolved_because(Cause::NotTestable, detail.to_owned(), seconds))
        }
        ending => Err(fault(FaultKind::Unhealthy, format!("the command ended with {ending:?}: {last}")).into()),
    }
}

/// A score, or a JSON object, if the line is one.
fn read(line: &str) -> Option<Reply> {
    match line.parse::<f64>() {
        Ok(score) => Some(Reply { score: Some(score), ..Reply::default() }),
        Err(_) => serde_json::from_str(line).ok(),
    }
}
