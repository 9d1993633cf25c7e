//! The backends over boards: two, over the same ones.

use std::{fs, sync::Arc, time::Instant};

use accuracy::Tensor;
use board::{
    pool::Answer,
    trial::{Attempt, Evidence, Ran, Trial},
};
use op_graph::{Clustering, Placement};

use super::{
    Boards,
    boards::Given,
    ledger::Asked,
    outputs,
    printed::{self, Unprinted},
    proof,
};
use crate::{Backend, Device, News, Prepared, Run, Trouble, Unsettled, Unusable};

/// How much of a program's last words people are shown, bytes.
const LAST_WORDS: usize = 400;

/// How often a placement is refused before that is believed.
const REFUSALS: usize = 2;
/// How often a placement gives outputs that are no numbers before that is believed. It takes one more, because a board that hiccups does
/// just that, while it seldom makes a program exit as the stack does.
const NO_NUMBERS: usize = 3;

/// One device of the boards.
pub struct BoardBackend {
    boards: Arc<Boards>,
    device: Device,
}

impl BoardBackend {
    /// Paddle Lite on the boards' CPU.
    pub fn lite(boards: &Arc<Boards>) -> Self {
        Self { boards: Arc::clone(boards), device: Device::Cpu }
    }

    /// The NPU of the boards through TIM-VX.
    pub fn tim_vx(boards: &Arc<Boards>) -> Self {
        Self { boards: Arc::clone(boards), device: Device::Npu }
    }
}

impl Backend for BoardBackend {
    fn name(&self) -> &'static str {
        self.device.backend()
    }

    fn simulated(&self) -> bool {
        false
    }

    fn usable(&self) -> Result<(), Unusable> {
        if !self.boards.names().is_empty() {
            return Ok(());
        }
        Err(Unusable {
            backend: self.name().to_owned(),
            missing: "no board can be used".to_owned(),
            remedy: "the lines above say what is wrong with each".to_owned(),
        })
    }

    fn samples(&self) -> usize {
        self.boards.program().samples()
    }

    /// Each run starts a process that loads and compiles for seconds: one run for all samples is the cheapest.
    fn batch(&self) -> usize {
        usize::MAX
    }

    fn prepare<'a>(&'a self, placement: &Placement) -> Result<Box<dyn Prepared + 'a>, Trouble> {
        let (program, device) = (self.boards.program(), self.device);
        let (asked, forced, clustering) = match device {
            Device::Cpu => (Placement::new(), program.without_npu(), None),
            Device::Npu => (placement.clone(), placement.clone(), Some(program.clustering(placement))),
        };
        let config = program.config(&forced).map_err(|error| Trouble::Refused(format!("failed to {error}")))?;
        let asked = Asked { device, placement: asked };
        Ok(Box::new(OnBoards { boards: &self.boards, asked, config, clustering }))
    }

    fn devices(&self) -> Vec<String> {
        self.boards.names()
    }

    fn news(&self) -> Vec<News> {
        self.boards.news()
    }

    fn withdrawn(&self) -> Vec<Placement> {
        self.boards.withdrawn(self.device)
    }

    fn settle(&self) -> Result<(), Unsettled> {
        self.boards.settle(self.device)
    }
}

struct OnBoards<'a> {
    boards: &'a Boards,
    asked: Asked,
    config: Option<Vec<u8>>,
    clustering: Option<Clustering>,
}

/// What one answer says of the placement.
enum Said {
    Outputs(Vec<Tensor>),
    NoNumbers(Vec<Tensor>),
    Refuses(Trouble),
    Hangs(Trouble),
    Nothing(Trouble),
}

impl OnBoards<'_> {
    /// Runs a trial; its id comes with what it says, where a board answered.
    fn attempt(&self, samples: &[usize]) -> (Option<String>, Said) {
        let program = self.boards.program();
        let trial: Trial = program.trial(self.asked.device, self.config.clone(), samples, self.boards.deadline());
        let started = Instant::now();
        match self.boards.ask(trial, self.asked.clone()) {
            Ok(given) => {
                if matches!(given.answer, Answer::Done(Attempt::Ran(_))) {
                    self.boards.took(started.elapsed());
                }
                let said = self.understand(&given, samples.len());
                (Some(given.trial), said)
            }
            Err(reason) => {
                let device = self.asked.device.backend().to_owned();
                (None, Said::Nothing(Trouble::Device { device, detail: format!("failed to {reason}") }))
            }
        }
    }

    fn understand(&self, given: &Given, samples: usize) -> Said {
        let board = &given.board;
        let nothing = |detail: String| Said::Nothing(Trouble::Device { device: board.clone(), detail });
        match &given.answer {
            Answer::Done(Attempt::Ran(ran)) => self.outputs(board, ran, samples),
            Answer::Done(Attempt::Failed { code: 1, evidence }) => {
                Said::Refuses(Trouble::Refused(format!("{board}: {}", last_words(evidence))))
            }
            Answer::Done(Attempt::Failed { code, evidence }) => {
                Said::Refuses(Trouble::Crashed(format!("{board}: code {code}: {}", last_words(evidence))))
            }
            Answer::Done(Attempt::Crashed { signal, evidence }) => {
                Said::Refuses(Trouble::Crashed(format!("{board}: signal {signal}: {}", last_words(evidence))))
            }
            Answer::Done(Attempt::Untestable(evidence)) => {
                nothing(format!("the runner cannot run the model: {}", last_words(evidence)))
            }
            Answer::Done(Attempt::TimedOut(_)) => nothing("it hangs".to_owned()),
            Answer::Hung { boards, .. } => Said::Hangs(Trouble::Hung(boards.join(", "))),
        }
    }

    fn outputs(&self, board: &str, ran: &Ran, samples: usize) -> Said {
        let nothing = |detail: String| Said::Nothing(Trouble::Device { device: board.to_owned(), detail });
        if let Some(expected) = &self.clustering
            && let Err(detail) = proof::check(self.boards.program().graph(), expected, &ran.evidence.stdout)
        {
            self.boards.suspect();
            return Said::Nothing(Trouble::NoEffect { device: board.to_owned(), detail });
        }
        let outputs = match &ran.manifest {
            Some(manifest) => outputs::read(manifest, ran.tensors.path(), samples),
            None => match printed::read(&ran.evidence.stdout, samples) {
                Err(Unprinted::Nothing(reason)) => {
                    return Said::Refuses(Trouble::Refused(format!("{board}: {reason}")));
                }
                Err(Unprinted::Damaged(reason)) => Err(reason),
                Ok(outputs) => Ok(outputs),
            },
        };
        match outputs {
            Ok(outputs) if are_numbers(&outputs) => Said::Outputs(outputs),
            Ok(outputs) => Said::NoNumbers(outputs),
            Err(reason) => nothing(reason),
        }
    }
}

impl Prepared for OnBoards<'_> {
    fn clustering(&self) -> Option<&Clustering> {
        self.clustering.as_ref()
    }

    /// What speaks against a placement must be seen more than once: a board may have done it. What then turns out to be a board's doing
    /// counts for nothing.
    fn run(&mut self, samples: &[usize]) -> Result<Run, Trouble> {
        let (mut refusals, mut no_numbers) = (Vec::<String>::new(), Vec::<String>::new());
        loop {
            let (trial, said) = self.attempt(samples);
            match said {
                Said::Outputs(outputs) => {
                    self.boards.disregard(refusals.iter().chain(&no_numbers));
                    return Ok(Run { outputs });
                }
                Said::Hangs(trouble) | Said::Nothing(trouble) => {
                    self.boards.disregard(refusals.iter().chain(&no_numbers));
                    return Err(trouble);
                }
                Said::Refuses(trouble) => {
                    refusals.extend(trial);
                    if refusals.len() >= REFUSALS {
                        self.boards.disregard(&no_numbers);
                        return Err(trouble);
                    }
                }
                Said::NoNumbers(outputs) => {
                    no_numbers.extend(trial);
                    if no_numbers.len() >= NO_NUMBERS {
                        self.boards.disregard(&refusals);
                        return Ok(Run { outputs });
                    }
                }
            }
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
