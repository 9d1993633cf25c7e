//! What runs a model under a placement and hands back its outputs: the abstraction, and its implementations `lite` (Paddle Lite on
//! the CPU) and `timvx` (the NPU through TIM-VX), both simulated and on boards, and `lite` on this PC as well ([`LiteHost`]). The
//! program `sim-runner` plays a board's part.
//!
//! ```
//! # use std::{path::Path, sync::Arc};
//! use backend::{Backend, SimulatedBackend, stage};
//! use int8_sim::{CpuFlavour, Options, Simulator};
//! use op_graph::Placement;
//! use paddle_model::{LiteOptions, Model};
//!
//! # let fixtures = test_kit::fixtures().join("models/digits_resnet");
//! let program = Model::load_dir(fixtures.join("pl_old"))?.lite_program(&LiteOptions::default())?;
//! let data = dataset::Dataset::load(&fixtures)?;
//! let samples = stage((0..2).map(|i| data.batch(i..i + 1)).collect::<Result<_, _>>()?);
//! let simulator = Arc::new(Simulator::new(program, Options::default())?);
//!
//! let npu = SimulatedBackend::tim_vx(simulator, CpuFlavour::Int8, samples);
//! let mut prepared = npu.prepare(&Placement::new())?;
//! let run = prepared.run(&[0, 1])?;
//! assert_eq!(run.outputs[0].shape(), [2, 10]);
//! assert_eq!(prepared.clustering().map(op_graph::Clustering::len), Some(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod board;

mod lite_host;
mod simulated;

use accuracy::Tensor;
use op_graph::{Clustering, Placement};
use thiserror::Error;

pub use lite_host::{LiteHost, LiteHostError};
pub use simulated::{SimulatedBackend, stage};

/// Runs one model on one kind of device. The inputs are staged when the backend is made, so that a trial only names them.
pub trait Backend: Send + Sync {
    /// `lite` or `timvx`: what the journal and the report call it.
    fn name(&self) -> &'static str;

    /// Is the device simulated?
    fn simulated(&self) -> bool;

    /// Can it be used here and now? Asked before a model is prepared.
    ///
    /// # Errors
    /// What is missing, and what to do about it.
    fn usable(&self) -> Result<(), Unusable>;

    /// The number of staged samples.
    fn samples(&self) -> usize;

    /// How many samples a run had better have where not all are needed. More than there are: all at once.
    fn batch(&self) -> usize {
        16
    }

    /// Loads the model with these ops forced to the CPU. A backend without an NPU runs everything on the CPU anyway.
    ///
    /// # Errors
    /// A placement that the stack refuses, or trouble with the device.
    fn prepare<'a>(&'a self, placement: &Placement) -> Result<Box<dyn Prepared + 'a>, Trouble>;

    /// The names of the devices at hand; none where it is simulated.
    fn devices(&self) -> Vec<String> {
        Vec::new()
    }

    /// What happened to the devices since this was last asked, oldest first.
    fn news(&self) -> Vec<News> {
        Vec::new()
    }

    /// Placements whose runs turned out wrong after their outputs were handed on, each told once: what was concluded from them must be
    /// measured anew.
    fn withdrawn(&self) -> Vec<Placement> {
        Vec::new()
    }

    /// Waits until every run is certain: none will be withdrawn any more, except those that [`Backend::withdrawn`] tells then.
    ///
    /// # Errors
    /// Nobody can confirm some of them.
    fn settle(&self) -> Result<(), Unsettled> {
        Ok(())
    }
}

/// What a model is asked to run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Device {
    /// The CPU alone.
    Cpu,
    /// The NPU, with the CPU for what is forced there.
    Npu,
}

impl Device {
    /// What a backend for it is called.
    fn backend(self) -> &'static str {
        match self {
            Self::Cpu => "lite",
            Self::Npu => "timvx",
        }
    }
}

/// Something that happened to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Its name.
    pub device: String,
    /// What it was.
    pub what: Happening,
}

/// What can happen to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It takes trials, for the first time or again.
    Ready,
    /// It is being brought back; how, for people.
    Recovering(String),
    /// It takes no more trials.
    Lost,
    /// Trouble with it, for people; no verdict follows from it.
    Trouble(String),
}

/// Runs that nobody can confirm.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("confirm the last runs: {reason}")]
pub struct Unsettled {
    /// Why not.
    pub reason: String,
    /// What was run.
    pub placements: Vec<Placement>,
}

/// A model that is loaded under a placement.
pub trait Prepared {
    /// The clusters that took effect; none where there is no NPU.
    fn clustering(&self) -> Option<&Clustering>;

    /// Runs staged samples, named by their positions.
    ///
    /// # Errors
    /// A placement that the stack refuses only now, or trouble with the device.
    fn run(&mut self, samples: &[usize]) -> Result<Run, Trouble>;
}

/// What a run gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The model's outputs in the order of its fetches, each `[samples, …]`.
    pub outputs: Vec<Tensor>,
}

/// A backend that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("use {backend}: {missing}; {remedy}")]
pub struct Unusable {
    /// Which.
    pub backend: String,
    /// What it lacks.
    pub missing: String,
    /// What to do about it.
    pub remedy: String,
}

/// Why a run gave no outputs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Trouble {
    /// The stack does not run this placement: a verdict on the placement.
    #[error("run the placement: {0}")]
    Refused(String),
    /// The program died on this placement, on more than one device or more than once.
    #[error("run the placement: it crashed: {0}")]
    Crashed(String),
    /// It did not end in time on two healthy boards, which are named.
    #[error("run the placement: it hangs on {0}")]
    Hung(String),
    /// The device or the way to it is at fault, which says nothing about the placement.
    #[error("use {device}: {detail}")]
    Device {
        /// Its name; the backend's where no single one is at fault.
        device: String,
        /// What was seen.
        detail: String,
    },
    /// The device ran another placement than it was asked to.
    #[error("use {device}: {detail}")]
    NoEffect {
        /// Its name.
        device: String,
        /// What its log shows.
        detail: String,
    },
}
