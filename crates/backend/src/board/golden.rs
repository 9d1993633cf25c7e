//! The trial by which boards prove that they are sound: a small placement on one sample, whose outcome must not change.

use std::{
    fs,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use board::{
    digest::Sha256,
    pool::{Golden, Judgement},
    trial::{Attempt, Evidence},
};
use op_graph::{Clustering, Placement, fused_units};

use super::{BoardProgram, outputs, proof};
use crate::Device;

/// What a golden trial gave: the hashes of its outputs; none where the stack refuses the placement, as it may.
type Outcome = Option<Vec<Sha256>>;

/// What the golden trial must give.
#[derive(Default)]
struct Reference {
    /// What boards gave before two of them agreed.
    seen: Vec<Outcome>,
    settled: Option<Outcome>,
}

/// The golden trial of a program. The placement is a unit from the middle: forcing a whole unit is what stacks refuse least
/// (spec/measured.md "What placements do"). What two runs agree on, of one board or of two, is what boards must give from then on. A board
/// that ignores placements never gets to its first trial.
pub(super) fn golden(program: &Arc<BoardProgram>, deadline: Duration) -> Option<Golden> {
    let units = fused_units(program.graph(), program.candidates());
    let placement: Placement = units.get(units.len() / 2)?.iter().copied().collect();
    let config = program.config(&placement).ok()?;
    let mut trial = program.trial(Device::Npu, config, &[0], deadline);
    "golden".clone_into(&mut trial.id);
    let expected = program.clustering(&placement);
    let (program, reference) = (Arc::clone(program), Mutex::new(Reference::default()));
    let accept = move |attempt: &Attempt| match sound_outcome(&program, &expected, attempt) {
        Ok(outcome) => reference.lock().unwrap_or_else(PoisonError::into_inner).judge(outcome),
        Err(reason) => Judgement::Unsound(reason),
    };
    Some(Golden { trial, accept: Arc::new(accept) })
}

impl Reference {
    fn judge(&mut self, outcome: Outcome) -> Judgement {
        if self.settled.is_none() && self.seen.contains(&outcome) {
            self.settled = Some(outcome.clone());
        }
        match &self.settled {
            Some(settled) if *settled == outcome => Judgement::Sound,
            Some(_) => Judgement::Unsound(
                "its outputs of a trial that was run before are different now, or from those of the other boards"
                    .to_owned(),
            ),
            None => {
                self.seen.push(outcome);
                Judgement::Unsure
            }
        }
    }
}

/// The outcome of a run in which nothing is wrong by itself.
fn sound_outcome(program: &BoardProgram, expected: &Clustering, attempt: &Attempt) -> Result<Outcome, String> {
    let (evidence, outcome) = outcome_of(attempt)?;
    match proof::check(program.graph(), expected, &evidence.stdout) {
        // A refusal before the block is printed proves nothing, and neither denies anything.
        Err(_) if outcome.is_none() && !shows_ops(evidence) => {}
        other => other?,
    }
    Ok(outcome)
}

fn outcome_of(attempt: &Attempt) -> Result<(&Evidence, Outcome), String> {
    match attempt {
        Attempt::Ran(ran) => Ok((&ran.evidence, Some(outputs::gist(ran)))),
        Attempt::Failed { evidence, .. } | Attempt::Crashed { evidence, .. } => Ok((evidence, None)),
        Attempt::Untestable(evidence) => {
            let said = fs::read_to_string(&evidence.stderr).unwrap_or_default();
            Err(format!("the runner cannot run the model: {}", said.trim()))
        }
        Attempt::TimedOut(_) => Err("the golden trial hangs".to_owned()),
    }
}

fn shows_ops(evidence: &Evidence) -> bool {
    fs::read(&evidence.stdout).is_ok_and(|log| subgraph_log::parse(&log).chosen().is_ok())
}
