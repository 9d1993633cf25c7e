//! The model without the NPU on a developer's PC, by the real Paddle Lite: the x86 runtime of the wheel `paddlelite`.
//!
//! Its int8 kernels for x86 are no reference (docs/conformance.md), so convolutions and products compute in float with dequantized
//! weights, as the mixed-precision file has it, and everything else as on any CPU: `int8_sim::CpuFlavour::Float` in real.

mod model;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use accuracy::Tensor;
use board::{
    line_process::{LineError, LineProcess},
    process::Command,
};
use lite_wheel::Environment;
use op_graph::{Clustering, Placement};
use paddle_model::{LiteOptions, LiteRelease, Model, ModelError, write_params, write_program};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Backend, Prepared, Run, Trouble, Unusable};

const SERVER: &str = include_str!("serve.py");

/// For loading the model and one request; a large model on a busy PC takes seconds a sample.
const DEADLINE: Duration = Duration::from_secs(600);

/// Why the backend could not be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LiteHostError {
    /// A file could not be written.
    #[error("write {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Paddle Lite would not load the model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The samples do not all have the same shapes.
    #[error("stage the samples: sample {0} has other shapes than sample 0")]
    Shapes(usize),
}

/// Paddle Lite on this PC's CPU.
pub struct LiteHost {
    python: PathBuf,
    server: Mutex<LineProcess>,
    stderr: PathBuf,
    outputs: PathBuf,
    samples: usize,
}

/// What the server is told once.
#[derive(Serialize)]
struct Job {
    program: PathBuf,
    params: PathBuf,
    partition: PathBuf,
    mixed_precision: Option<PathBuf>,
    inputs: PathBuf,
    outputs: PathBuf,
    /// One entry an input, in the order of the feeds.
    shapes: Vec<Vec<usize>>,
}

#[derive(Serialize)]
struct Request<'a> {
    samples: &'a [usize],
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Outputs(Vec<Shape>),
    Refused(String),
}

#[derive(Deserialize)]
struct Shape {
    shape: Vec<usize>,
}

impl LiteHost {
    /// Stages a model and samples (one tensor a feed, each `[1, …]`) in `folder`, which must exist and belongs to this value alone.
    ///
    /// # Errors
    /// When a file cannot be written, or Paddle Lite would refuse the model.
    pub fn new(
        environment: &Environment,
        model: &Model,
        samples: &[Vec<Tensor>],
        folder: &Path,
    ) -> Result<Self, LiteHostError> {
        let program = model.lite_program(&LiteOptions { release: LiteRelease::V2_13Rc, ..LiteOptions::default() })?;
        let copy = model::loadable(model);
        let quantized = model::quantized_types(&program);
        let all = program.ops.iter().map(|op| op.op_type.as_str()).collect();
        let mixed_precision = write(folder, "mixed_precision.txt", &lines(quantized.clone()))?;
        let shapes = shapes(samples)?;
        let values = samples.iter().flatten().flat_map(Tensor::data).flat_map(|value| value.to_le_bytes());
        let job = Job {
            program: write(folder, "model.pdmodel", &write_program(&copy.program))?,
            params: write(folder, "model.pdiparams", &write_params(&copy.params))?,
            partition: write(folder, "subgraph.txt", &lines(all))?,
            mixed_precision: (!quantized.is_empty()).then_some(mixed_precision),
            inputs: write(folder, "inputs.f32", &values.collect::<Vec<u8>>())?,
            outputs: folder.join("outputs.f32"),
            shapes,
        };
        let stderr = folder.join("stderr");
        let said = serde_json::to_string(&job)
            .map_err(|error| LiteHostError::File { path: folder.to_owned(), source: error.into() })?;
        let command = Command::new(environment.python())
            .args(["-c", SERVER, &said])
            .env_remove("SUBGRAPH_PARTITION_CONFIG_BUFFER")
            .env_remove("MIXED_PRECISION_QUANTIZATION_CONFIG_BUFFER")
            .env_remove("GLOG_v");
        Ok(Self {
            python: environment.python().to_owned(),
            server: Mutex::new(LineProcess::new(command, &stderr)),
            stderr,
            outputs: job.outputs,
            samples: samples.len(),
        })
    }

    fn ask(&self, samples: &[usize]) -> Result<Vec<Tensor>, Trouble> {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        let shapes = match server.request_json(&Request { samples }, DEADLINE) {
            Ok(Answer::Outputs(shapes)) => shapes,
            Ok(Answer::Refused(reason)) => return Err(Trouble::Refused(reason)),
            Err(LineError::Died { ending, .. }) => {
                return Err(Trouble::Crashed(format!("{ending:?}: {}", self.last_words())));
            }
            Err(error) => return Err(trouble(format!("failed to {error}"))),
        };
        let bytes = fs::read(&self.outputs)
            .map_err(|error| trouble(format!("failed to read {}: {error}", self.outputs.display())))?;
        let values: Vec<f32> = bytes.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
        joined(&shapes, &values, samples.len())
            .ok_or_else(|| trouble(format!("{} values do not fill the outputs", values.len())))
    }

    /// What Paddle Lite said before it aborted: its last failed check, else its last line.
    fn last_words(&self) -> String {
        let text = fs::read(&self.stderr).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let mut lines = text.lines().rev().filter(|line| !line.trim().is_empty());
        let last = lines.clone().find(|line| line.contains("Check failed")).or_else(|| lines.next());
        last.unwrap_or("no message").to_owned()
    }
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, LiteHostError> {
    let path = folder.join(name);
    fs::write(&path, bytes).map_err(|source| LiteHostError::File { path: path.clone(), source })?;
    Ok(path)
}

/// The shapes of the inputs, which all samples must share.
fn shapes(samples: &[Vec<Tensor>]) -> Result<Vec<Vec<usize>>, LiteHostError> {
    let of = |sample: &Vec<Tensor>| sample.iter().map(|tensor| tensor.shape().to_vec()).collect::<Vec<_>>();
    let first = samples.first().map(of).unwrap_or_default();
    match samples.iter().position(|sample| of(sample) != first) {
        Some(odd) => Err(LiteHostError::Shapes(odd)),
        None => Ok(first),
    }
}

/// A config that matches every op of these types; never a file of 0 bytes, which crashes Paddle Lite.
fn lines(mut types: Vec<&str>) -> Vec<u8> {
    types.sort_unstable();
    types.dedup();
    format!("{}\n", types.join("\n")).into_bytes()
}

/// The outputs of all samples, joined along their first axis. `values` has them sample by sample, each output in turn.
fn joined(shapes: &[Shape], values: &[f32], samples: usize) -> Option<Vec<Tensor>> {
    let sizes: Vec<usize> = shapes.iter().map(|output| output.shape.iter().product()).collect();
    let per_sample: usize = sizes.iter().sum();
    if values.len() != per_sample * samples {
        return None;
    }
    let mut offset = 0;
    let mut outputs = Vec::new();
    for (output, size) in shapes.iter().zip(sizes) {
        let parts = (0..samples).map(|sample| &values[sample * per_sample + offset..][..size]);
        let mut shape = output.shape.clone();
        match shape.first_mut() {
            Some(axis) => *axis *= samples,
            None => shape.push(samples),
        }
        outputs.push(Tensor::new(shape, parts.flatten().copied().collect()).ok()?);
        offset += size;
    }
    Some(outputs)
}

impl Backend for LiteHost {
    fn name(&self) -> &'static str {
        "lite"
    }

    fn simulated(&self) -> bool {
        false
    }

    fn usable(&self) -> Result<(), Unusable> {
        if self.python.is_file() {
            return Ok(());
        }
        Err(Unusable {
            backend: "lite-host".to_owned(),
            missing: format!("there is no {}", self.python.display()),
            remedy: "make the environment anew with `cargo xtask conformance`".to_owned(),
        })
    }

    fn samples(&self) -> usize {
        self.samples
    }

    fn prepare<'a>(&'a self, _placement: &Placement) -> Result<Box<dyn Prepared + 'a>, Trouble> {
        Ok(Box::new(OnHost(self)))
    }
}

struct OnHost<'a>(&'a LiteHost);

impl Prepared for OnHost<'_> {
    fn clustering(&self) -> Option<&Clustering> {
        None
    }

    fn run(&mut self, samples: &[usize]) -> Result<Run, Trouble> {
        if let Some(unknown) = samples.iter().find(|&&sample| sample >= self.0.samples) {
            return Err(trouble(format!("only {} samples are staged, there is no {unknown}", self.0.samples)));
        }
        Ok(Run { outputs: self.0.ask(samples)? })
    }
}

fn trouble(detail: String) -> Trouble {
    Trouble::Device { device: "this machine".to_owned(), detail }
}
