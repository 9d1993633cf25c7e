//! Paddle Lite's own `opt`: it runs the true subgraph pass, prints the true block, and needs no NPU.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use board::process::{Command, Ending, ProcessError};
use lite_wheel::Environment;

/// The targets for which `opt` forms the NPU's subgraphs (spec/measured.md).
const TARGETS: &str = "--valid_targets=verisilicon_timvx,arm";

/// A run takes 0.1 to 4 s; one that hangs must not stop a long comparison.
const DEADLINE: Duration = Duration::from_secs(120);

/// Why `opt` gave no answer at all. That it refused a model is an [`Answer`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptError {
    /// The process could not be run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file of the run could not be written or read.
    #[error("use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// The two files of a model on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFiles {
    /// The program.
    pub pdmodel: PathBuf,
    /// The combined parameters.
    pub pdiparams: PathBuf,
}

impl ModelFiles {
    /// `model.pdmodel` and `model.pdiparams` of a folder.
    pub fn in_folder(folder: &Path) -> Self {
        Self { pdmodel: folder.join("model.pdmodel"), pdiparams: folder.join("model.pdiparams") }
    }
}

/// What `opt` did with a model and a partition config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it ended: passes after the partition abort for some placements, which leaves the block intact.
    pub ending: Ending,
    /// What it wrote to standard output, with the block in it.
    pub log: Vec<u8>,
}

/// The `opt` of one environment.
#[derive(Clone, Debug)]
pub struct Opt {
    python: PathBuf,
    script: PathBuf,
}

impl Opt {
    /// The `opt` that this environment's wheel brings.
    pub fn new(environment: &Environment) -> Self {
        Self { python: environment.python().into(), script: environment.opt_script() }
    }

    /// Converts a model under a partition config, or with nothing forced; `scratch` is a folder for its files that no
    /// other run uses at the same time. The length of `padding` changes nothing but where the process has its memory: the
    /// order in which some models' ops are created depends on that (docs/log-format.md).
    ///
    /// # Errors
    /// When it cannot be run. That it ends badly is part of the answer.
    pub fn run(
        &self,
        model: &ModelFiles,
        config: Option<&[u8]>,
        scratch: &Path,
        padding: &str,
    ) -> Result<Answer, OptError> {
        let config_path = scratch.join("subgraph.txt");
        let mut command = Command::new(&self.python)
            .arg(&self.script)
            .arg(option("--model_file=", &model.pdmodel))
            .arg(option("--param_file=", &model.pdiparams))
            .arg(TARGETS)
            .arg(option("--optimize_out=", &scratch.join("optimized")))
            .deadline(DEADLINE)
            .env_remove("SUBGRAPH_PARTITION_CONFIG_BUFFER")
            .env_remove("GLOG_v")
            .env("NPU_BISECT_PADDING", padding);
        command = if let Some(config) = config {
            std::fs::write(&config_path, config)
                .map_err(|source| OptError::File { path: config_path.clone(), source })?;
            command.env("SUBGRAPH_PARTITION_CONFIG_FILE", &config_path)
        } else {
            command.env_remove("SUBGRAPH_PARTITION_CONFIG_FILE")
        };
        let finished = command.run(&scratch.join("stdout"), &scratch.join("stderr"))?;
        let log = finished.stdout.read().map_err(|source| OptError::File { path: finished.stdout.path, source })?;
        Ok(Answer { ending: finished.ending, log })
    }
}

fn option(name: &str, path: &Path) -> std::ffi::OsString {
    let mut option = std::ffi::OsString::from(name);
    option.push(path);
    option
}
