//! The trial by which boards prove that they are sound: a small placement on one sample, whose outcome must not change.

use std::{
    fs,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use board::{
    digest::Sha256,
    pool::Golden,
    trial::{Attempt, Evidence},
};
use op_graph::{Placement, fused_units};

use super::{BoardProgram, proof};

/// What a golden trial gave: the hashes of its outputs; none where the stack refuses the placement, as it may.
type Outcome = Option<Vec<Sha256>>;

/// The golden trial of a program. The placement is a unit from the middle: forcing a whole unit is what stacks refuse least
/// (spec/measured.md "What placements do"). The first board to show the placement in its log says what it computes; all others, and
/// that one later, must give the same bytes. A board that ignores placements never gets to its first trial.
pub(super) fn golden(program: &Arc<BoardProgram>, deadline: Duration) -> Option<Golden> {
    let units = fused_units(program.graph(), program.candidates());
    let placement: Placement = units.get(units.len() / 2)?.iter().copied().collect();
    let config = program.config(&placement).ok()?;
    let mut trial = program.trial("timvx", config, &[0], deadline);
    "golden".clone_into(&mut trial.id);
    let expected = program.clustering(&placement);
    let (program, reference) = (Arc::clone(program), Mutex::new(None::<Outcome>));
    let accept = move |attempt: &Attempt| {
        let (evidence, outcome) = outcome_of(attempt)?;
        match proof::check(program.graph(), &expected, &evidence.stdout) {
            // A refusal before the block is printed proves nothing, and neither denies anything.
            Err(_) if outcome.is_none() && !shows_ops(evidence) => {}
            other => other?,
        }
        let mut reference = reference.lock().unwrap_or_else(PoisonError::into_inner);
        if *reference.get_or_insert_with(|| outcome.clone()) == outcome {
            return Ok(());
        }
        Err("its outputs of a trial that was run before are different now, or from those of the other boards"
            .to_owned())
    };
    Some(Golden { trial, accept: Arc::new(accept) })
}

fn outcome_of(attempt: &Attempt) -> Result<(&Evidence, Outcome), String> {
    match attempt {
        Attempt::Ran(ran) => {
            let tensors = ran.manifest.iter().flat_map(|manifest| &manifest.tensors);
            Ok((&ran.evidence, Some(tensors.map(|tensor| tensor.sha256).collect())))
        }
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
