//! The user's own program as the evaluator: one command a trial, or a persistent process that speaks JSON lines (docs/exec.md).

mod command;
mod lines;
mod reply;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use board::{cancel::Cancel, process::ProcessError};
use op_graph::{OpGraph, Placement};
use trial_store::{FaultKind, StoreError};

use crate::evaluator::{Evaluation, Evaluator, Fault, Job, NoAnswer, Trial};

/// How a program is driven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Started once per trial.
    CommandPerTrial,
    /// Stays up and answers JSON lines.
    JsonLines,
}

/// How to run a user's program.
#[derive(Clone, Debug)]
pub struct ExecOptions {
    /// How it is driven.
    pub protocol: Protocol,
    /// Program and arguments, already split.
    pub words: Vec<String>,
    /// Trials at the same time.
    pub jobs: usize,
    /// How long one trial may take; by default derived from the first trials.
    pub timeout: Option<Duration>,
    /// A folder of the run's own, for the trials' files.
    pub folder: PathBuf,
    /// Raised to kill what runs.
    pub cancel: Cancel,
    /// Whether a score is expected: exit code 0 alone is then no answer.
    pub scored: bool,
}

/// Carried by every process that is started for a run: the folder of its trials.
const MARK: &str = "NPU_BISECT_TRIALS";

/// Kills what an earlier process of the run left behind when it was killed itself: a command that still runs would disturb the trials
/// that are asked again. Returns how many processes there were; `folder` is that of [`ExecOptions`].
///
/// # Errors
/// When the processes cannot be listed, or one survives.
pub fn kill_left_behind(folder: &Path) -> io::Result<usize> {
    match folder.canonicalize() {
        Ok(folder) => board::orphans::kill(MARK, folder.as_os_str()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0), // no trial was started
        Err(error) => Err(error),
    }
}

/// The user's program as the evaluator.
pub struct ExecEvaluator<'a> {
    graph: &'a OpGraph,
    all: Placement,
    options: ExecOptions,
    idle: Mutex<Vec<lines::Speaker>>,
    finished: AtomicU32,
    slowest_ms: AtomicU64,
}

/// The longest that a trial may take before any has ended.
const FIRST_DEADLINE: Duration = Duration::from_secs(600);
/// No trial is cut off earlier, however fast the baselines were.
const SHORTEST_DEADLINE: Duration = Duration::from_secs(30);
/// The baselines, from which the deadline is derived.
const BASELINES: u32 = 2;

impl<'a> ExecEvaluator<'a> {
    /// An evaluator for the ops of `graph`, of which `all` may run on the NPU.
    ///
    /// # Errors
    /// When the folder cannot be created.
    pub fn new(graph: &'a OpGraph, all: Placement, options: ExecOptions) -> io::Result<Self> {
        fs::create_dir_all(&options.folder)?;
        let options = ExecOptions { folder: options.folder.canonicalize()?, ..options };
        let idle = match options.protocol {
            Protocol::CommandPerTrial => Vec::new(),
            Protocol::JsonLines => (0..options.jobs).map(|index| lines::Speaker::new(&options, index)).collect(),
        };
        let (finished, slowest_ms) = (AtomicU32::new(0), AtomicU64::new(0));
        Ok(Self { graph, all, options, idle: Mutex::new(idle), finished, slowest_ms })
    }

    fn deadline(&self) -> Duration {
        self.options.timeout.unwrap_or_else(|| {
            if self.finished.load(Ordering::Relaxed) < BASELINES {
                return FIRST_DEADLINE;
            }
            let slowest = Duration::from_millis(self.slowest_ms.load(Ordering::Relaxed));
            (slowest * 5).max(SHORTEST_DEADLINE)
        })
    }

    fn learn(&self, seconds: Option<f64>) {
        self.finished.fetch_add(1, Ordering::Relaxed);
        if let Some(seconds) = seconds {
            self.slowest_ms.fetch_max((seconds * 1000.0) as u64, Ordering::Relaxed);
        }
    }

    fn run(&self, trial: &Trial, files: &Files) -> Result<Evaluation, NoAnswer> {
        match self.options.protocol {
            Protocol::CommandPerTrial => command::evaluate(&self.options, self.deadline(), trial, files),
            Protocol::JsonLines => {
                let taken = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let mut speaker = taken.unwrap_or_else(|| lines::Speaker::new(&self.options, trial.number as usize));
                let evaluation = speaker.evaluate(self.deadline(), trial, files);
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(speaker);
                evaluation
            }
        }
    }
}

impl Evaluator for ExecEvaluator<'_> {
    fn name(&self) -> &'static str {
        "exec"
    }

    fn simulated(&self) -> bool {
        false
    }

    fn width(&self) -> usize {
        self.options.jobs
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
        let files = Files::write(&self.options.folder, trial, self.graph, placement)
            .map_err(|source| unwritable(&self.options.folder, source))?;
        let evaluation = self.run(trial, &files)?;
        self.learn(evaluation.measurement.seconds);
        Ok(evaluation)
    }
}

fn fault(kind: FaultKind, detail: String) -> Fault {
    Fault { board: "exec".to_owned(), kind, detail }
}

/// A full or read-only disk is no fault of the device.
fn unwritable(path: &Path, source: io::Error) -> NoAnswer {
    NoAnswer::Storage(StoreError::Io { action: "write the files of a trial in", path: path.to_owned(), source })
}

/// A program that could not be run.
fn not_run(error: ProcessError) -> NoAnswer {
    match error {
        ProcessError::File { path, source } => unwritable(&path, source),
        error => fault(FaultKind::Transport, format!("failed to {error}")).into(),
    }
}

/// What a trial finds on disk.
struct Files {
    folder: PathBuf,
    subgraph: PathBuf,
    ops: PathBuf,
    records: Vec<String>,
}

impl Files {
    fn write(root: &Path, trial: &Trial, graph: &OpGraph, placement: &Placement) -> io::Result<Self> {
        let folder = root.join(format!("{}-{}", trial.number, trial.attempt));
        fs::create_dir_all(&folder)?;
        let records: Vec<String> = placement.iter().map(|op| graph.record(op).to_string()).collect();
        let (subgraph, ops) = (folder.join("subgraph.txt"), folder.join("ops.json"));
        // Logs of other accelerators may hold names that Paddle Lite's config cannot express; the JSON has them all the same.
        let config = subgraph_log::write(graph, placement)
            .map_or_else(|_| plain_lines(graph, placement), |written| written.text);
        fs::write(&subgraph, config)?;
        fs::write(&ops, serde_json::to_vec(&records)?)?;
        Ok(Self { folder, subgraph, ops, records })
    }
}

fn plain_lines(graph: &OpGraph, placement: &Placement) -> Vec<u8> {
    placement.iter().flat_map(|op| [graph.record(op).to_line(), b"\n".to_vec()].concat()).collect()
}
