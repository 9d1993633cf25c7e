//! The two backends over the same boards.

use std::{fs, sync::Arc, time::Instant};

use accuracy::Tensor;
use board::{
    pool::Answer,
    trial::{Attempt, Evidence, Ran, Trial},
};
use op_graph::{Clustering, Placement};

use super::{Boards, outputs, proof};
use crate::{Backend, Prepared, Run, Trouble, Unusable};

/// How much of a program's last words people are shown, bytes.
const LAST_WORDS: usize = 400;

/// Paddle Lite on the boards' CPU.
pub struct BoardLite(Arc<Boards>);

/// The NPU of the boards through TIM-VX.
pub struct BoardTimVx(Arc<Boards>);

impl BoardLite {
    /// Runs on these boards.
    pub fn new(boards: &Arc<Boards>) -> Self {
        Self(Arc::clone(boards))
    }
}

impl BoardTimVx {
    /// Runs on these boards.
    pub fn new(boards: &Arc<Boards>) -> Self {
        Self(Arc::clone(boards))
    }
}

impl Backend for BoardLite {
    fn name(&self) -> &'static str {
        "lite"
    }

    fn simulated(&self) -> bool {
        false
    }

    fn usable(&self) -> Result<(), Unusable> {
        usable(&self.0, self.name())
    }

    fn samples(&self) -> usize {
        self.0.program().samples()
    }

    fn batch(&self) -> usize {
        usize::MAX
    }

    fn prepare<'a>(&'a self, _placement: &Placement) -> Result<Box<dyn Prepared + 'a>, Trouble> {
        Ok(Box::new(OnBoards { boards: &self.0, device: "cpu", config: None, clustering: None }))
    }
}

impl Backend for BoardTimVx {
    fn name(&self) -> &'static str {
        "timvx"
    }

    fn simulated(&self) -> bool {
        false
    }

    fn usable(&self) -> Result<(), Unusable> {
        usable(&self.0, self.name())
    }

    fn samples(&self) -> usize {
        self.0.program().samples()
    }

    /// Each run starts a process that loads and compiles for seconds: one run for all samples is the cheapest.
    fn batch(&self) -> usize {
        usize::MAX
    }

    fn prepare<'a>(&'a self, placement: &Placement) -> Result<Box<dyn Prepared + 'a>, Trouble> {
        let program = self.0.program();
        let config = program.config(placement).map_err(|error| Trouble::Refused(format!("failed to {error}")))?;
        let clustering = Some(program.clustering(placement));
        Ok(Box::new(OnBoards { boards: &self.0, device: "timvx", config, clustering }))
    }
}

fn usable(boards: &Boards, name: &str) -> Result<(), Unusable> {
    if !boards.names().is_empty() {
        return Ok(());
    }
    Err(Unusable {
        backend: name.to_owned(),
        missing: "no board can be used".to_owned(),
        remedy: "the lines above say what is wrong with each".to_owned(),
    })
}

struct OnBoards<'a> {
    boards: &'a Boards,
    device: &'static str,
    config: Option<Vec<u8>>,
    clustering: Option<Clustering>,
}

/// What one answer says of the placement.
enum Said {
    Outputs(Vec<Tensor>),
    Against(Trouble),
    Nothing(Trouble),
}

impl OnBoards<'_> {
    fn attempt(&self, samples: &[usize]) -> Said {
        let program = self.boards.program();
        let trial: Trial = program.trial(self.device, self.config.clone(), samples, self.boards.deadline());
        let started = Instant::now();
        let (board, answer) = match self.boards.ask(trial) {
            Ok(told) => told,
            Err(reason) => return Said::Nothing(Trouble::Device(format!("failed to {reason}"))),
        };
        match answer {
            Answer::Done(Attempt::Ran(ran)) => {
                self.boards.took(started.elapsed());
                self.outputs(&board, &ran, samples.len())
            }
            Answer::Done(Attempt::Failed { code: 1, evidence }) => {
                Said::Against(Trouble::Refused(format!("{board}: {}", last_words(&evidence))))
            }
            Answer::Done(Attempt::Failed { code, evidence }) => {
                Said::Against(Trouble::Crashed(format!("{board}: code {code}: {}", last_words(&evidence))))
            }
            Answer::Done(Attempt::Crashed { signal, evidence }) => {
                Said::Against(Trouble::Crashed(format!("{board}: signal {signal}: {}", last_words(&evidence))))
            }
            Answer::Done(Attempt::Untestable(evidence)) => Said::Nothing(Trouble::Device(format!(
                "{board}: the runner cannot run the model: {}",
                last_words(&evidence)
            ))),
            Answer::Done(Attempt::TimedOut(_)) => Said::Nothing(Trouble::Device(format!("{board}: it hangs"))),
            Answer::Hung { boards, .. } => Said::Against(Trouble::Hung(boards.join(", "))),
        }
    }

    fn outputs(&self, board: &str, ran: &Ran, samples: usize) -> Said {
        if let Some(expected) = &self.clustering
            && let Err(reason) = proof::check(self.boards.program().graph(), expected, &ran.evidence.stdout)
        {
            self.boards.suspect();
            return Said::Nothing(Trouble::NoEffect(format!("{board}: {reason}")));
        }
        let Some(manifest) = &ran.manifest else {
            return Said::Nothing(Trouble::Device(format!("{board}: it left no manifest")));
        };
        match outputs::read(manifest, &ran.folder, samples) {
            Ok(outputs) => Said::Outputs(outputs),
            Err(reason) => Said::Nothing(Trouble::Device(format!("{board}: {reason}"))),
        }
    }
}

impl Prepared for OnBoards<'_> {
    fn clustering(&self) -> Option<&Clustering> {
        self.clustering.as_ref()
    }

    /// What speaks against a placement (a refusal, a crash, outputs that are no numbers) must be seen twice: a board may have done it.
    fn run(&mut self, samples: &[usize]) -> Result<Run, Trouble> {
        let first = match self.attempt(samples) {
            Said::Outputs(outputs) if are_numbers(&outputs) => return Ok(Run { outputs }),
            Said::Nothing(trouble) | Said::Against(trouble @ Trouble::Hung(_)) => return Err(trouble),
            first => first,
        };
        match (first, self.attempt(samples)) {
            (_, Said::Outputs(outputs)) => Ok(Run { outputs }),
            (Said::Against(_), Said::Against(trouble)) | (_, Said::Nothing(trouble)) => Err(trouble),
            (_, Said::Against(trouble)) => Err(Trouble::Device(format!("two attempts disagree: {trouble}"))),
        }
    }
}

fn are_numbers(outputs: &[Tensor]) -> bool {
    outputs.iter().all(|output| output.data().iter().all(|value| value.is_finite()))
}

/// The last that a program said.
pub(super) fn last_words(evidence: &Evidence) -> String {
    let text = fs::read(&evidence.stderr).unwrap_or_default();
    let tail = &text[text.len().saturating_sub(LAST_WORDS)..];
    String::from_utf8_lossy(tail).trim().to_owned()
}
