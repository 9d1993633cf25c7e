//! A person as the evaluator: the tool says what to run and asks how it went. FastDeploy's manual procedure, with the tool doing the thinking.

use std::{
    fs,
    io::{self, BufRead, Write},
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use op_graph::{OpGraph, Placement};
use trial_store::{Cause, FaultKind, Measurement, StoreError, Unresolved};

use crate::evaluator::{Evaluation, Evaluator, Fault, Job, NoAnswer, Trial};

/// Asks a person to run each placement by hand.
pub struct GuidedEvaluator<'a, R, W> {
    graph: &'a OpGraph,
    all: Placement,
    folder: PathBuf,
    command: Option<String>,
    scored: bool,
    talk: Mutex<(R, W)>,
}

/// What a person said.
enum Reply {
    Evaluation(Evaluation),
    Again,
    Stop,
    Unclear,
}

impl<'a, R: BufRead + Send, W: Write + Send> GuidedEvaluator<'a, R, W> {
    /// For the ops of `graph`, of which `all` may run on the NPU. Each trial's config is written under `folder`; `command` is shown with
    /// `{subgraph}` replaced by its path. `scored`: a score decides, so that `pass` alone is no answer.
    pub fn new(
        graph: &'a OpGraph,
        all: Placement,
        folder: PathBuf,
        command: Option<String>,
        scored: bool,
        talk: (R, W),
    ) -> Self {
        Self { graph, all, folder, command, scored, talk: Mutex::new(talk) }
    }

    fn write_config(&self, trial: &Trial, placement: &Placement) -> Result<PathBuf, NoAnswer> {
        let text =
            subgraph_log::write(self.graph, placement).map_err(|error| fault(format!("failed to {error}")))?.text;
        let path = self.folder.join(trial.number.to_string()).join("subgraph.txt");
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
        let storage = |source| NoAnswer::Storage(StoreError::Io { action: "write", path: path.clone(), source });
        written.map_err(storage)?;
        Ok(path)
    }

    fn task(&self, trial: &Trial, placement: &Placement, config: &str) -> String {
        let what = match placement.len() {
            0 => "everything on the NPU".to_owned(),
            len if len == self.all.len() => "every op forced to the CPU".to_owned(),
            len => format!("{len} of {} ops forced to the CPU", self.all.len()),
        };
        let mut text = format!("\ntrial {}: {what}\n  config: {config}\n", trial.number);
        if let Some(command) = &self.command {
            text += "  run:    ";
            text += &command.replace("{subgraph}", config);
            text.push('\n');
        }
        text
    }

    fn talk(&self, task: &str) -> io::Result<Option<Evaluation>> {
        let mut talk = self.talk.lock().unwrap_or_else(PoisonError::into_inner);
        let (input, output) = &mut *talk;
        output.write_all(task.as_bytes())?;
        let answers = if self.scored { "a score" } else { "[p]ass, [f]ail" };
        loop {
            write!(
                output,
                "how did it go? {answers}, [s]kip (cannot be run), [r]epeat the question, [q]uit and resume later: "
            )?;
            output.flush()?;
            let mut line = String::new();
            if input.read_line(&mut line)? == 0 {
                return Ok(None); // nobody is there any more
            }
            match understand(&line, self.scored) {
                Reply::Evaluation(evaluation) => return Ok(Some(evaluation)),
                Reply::Again => output.write_all(task.as_bytes())?,
                Reply::Stop => return Ok(None),
                Reply::Unclear => writeln!(output, "`{}` is none of these", line.trim().escape_debug())?,
            }
        }
    }
}

fn understand(line: &str, scored: bool) -> Reply {
    let verdict = |pass| Reply::Evaluation(Evaluation { pass: Some(pass), ..Evaluation::default() });
    match line.trim().to_ascii_lowercase().as_str() {
        "p" | "pass" if !scored => verdict(true),
        "f" | "fail" if !scored => verdict(false),
        "s" | "skip" => {
            let unresolved = Unresolved { cause: Cause::Person, detail: "skipped by hand".to_owned() };
            let measurement = Measurement { unresolved: Some(unresolved), ..Measurement::default() };
            Reply::Evaluation(Evaluation { measurement, pass: None })
        }
        "r" | "repeat" | "retry" => Reply::Again,
        "q" | "quit" => Reply::Stop,
        number => match number.parse::<f64>() {
            Ok(score) if scored && score.is_finite() => {
                let measurement = Measurement { score: Some(score), ..Measurement::default() };
                Reply::Evaluation(Evaluation { measurement, pass: None })
            }
            _ => Reply::Unclear,
        },
    }
}

fn fault(detail: String) -> Fault {
    Fault { board: "by hand".to_owned(), kind: FaultKind::Transport, detail }
}

impl<R: BufRead + Send, W: Write + Send> Evaluator for GuidedEvaluator<'_, R, W> {
    fn name(&self) -> &'static str {
        "guided"
    }

    fn simulated(&self) -> bool {
        false
    }

    fn width(&self) -> usize {
        1
    }

    fn samples(&self) -> usize {
        0
    }

    fn has_cpu_baseline(&self) -> bool {
        false
    }

    fn evaluate(&self, trial: &Trial) -> Result<Evaluation, NoAnswer> {
        let placement = match &trial.job {
            Job::WithoutNpu => &self.all,
            Job::Placed(placement) => placement,
        };
        let config = self.write_config(trial, placement)?;
        let task = self.task(trial, placement, &config.display().to_string());
        match self.talk(&task) {
            Ok(Some(evaluation)) => Ok(evaluation),
            Ok(None) => Err(NoAnswer::Cancelled),
            Err(error) => Err(fault(format!("failed to talk: {error}")).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use op_graph::{OpId, OpRecord};

    use super::*;

    fn ask(said: &str, scored: bool) -> (Result<Evaluation, NoAnswer>, String) {
        let folder = tempfile::tempdir().unwrap();
        let graph =
            OpGraph::from_records(vec![OpRecord::parse(b"relu:x:y").unwrap(), OpRecord::parse(b"tanh:y:z").unwrap()]);
        let all: Placement = [OpId::new(0), OpId::new(1)].into_iter().collect();
        let mut heard = Vec::new();
        let talk = (said.as_bytes(), &mut heard);
        let command = Some("./demo model image {subgraph}".to_owned());
        let evaluator = GuidedEvaluator::new(&graph, all, folder.path().to_owned(), command, scored, talk);
        let placement: Placement = [OpId::new(1)].into_iter().collect();
        let trial = Trial { number: 3, attempt: 1, job: Job::Placed(placement), verdict_only: false, samples: None };
        let answer = evaluator.evaluate(&trial);
        assert_eq!(fs::read_to_string(folder.path().join("3/subgraph.txt")).unwrap(), "tanh:y:z\n");
        drop(evaluator);
        let heard = String::from_utf8(heard).unwrap().replace(&folder.path().display().to_string(), "RUN");
        (answer, heard)
    }

    #[test]
    fn a_person_is_told_what_to_run_and_asked_until_the_answer_is_clear() {
        let (answer, heard) = ask("perhaps\nr\npass\n", false);
        assert_eq!(answer.unwrap().pass, Some(true));
        insta::assert_snapshot!(heard);
    }

    #[test]
    fn a_score_is_taken_where_a_score_decides_and_a_skip_always() {
        assert_eq!(ask("pass\n0.93\n", true).0.unwrap().measurement.score, Some(0.93));
        let skipped = ask("skip\n", true).0.unwrap().measurement.unresolved.unwrap();
        assert_eq!(skipped.cause, Cause::Person);
    }

    #[test]
    fn quitting_and_an_ended_input_leave_the_trial_unanswered() {
        for said in ["q\n", "", "maybe"] {
            assert!(matches!(ask(said, false).0, Err(NoAnswer::Cancelled)), "{said:?}");
        }
    }
}
