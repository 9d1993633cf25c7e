//! What boards are given: the model, the inputs and the program that runs them, and for each trial a partition config.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use accuracy::Tensor;
use board::trial::{Artifact, ArtifactError, Trial};
use op_graph::{Clustering, OpGraph, OpId, OpSet, Placement};
use paddle_model::LiteProgram;
use subgraph_log::WriteError;

use super::Demo;
use crate::Device;

/// Variables that change what Paddle Lite does with a model (spec/paddle-lite.md B2, B4, B5): a stale export must not reach a trial.
const STALE: [&str; 9] = [
    "SUBGRAPH_PARTITION_CONFIG_FILE",
    "SUBGRAPH_PARTITION_CONFIG_BUFFER",
    "MIXED_PRECISION_QUANTIZATION_CONFIG_FILE",
    "MIXED_PRECISION_QUANTIZATION_CONFIG_BUFFER",
    "QUANT_AUTO_COMPLETE_SCALE_LEVEL",
    "QUANT_AUTO_COMPLETE_SCALE_CONFIG_FILE",
    "QUANT_AUTO_COMPLETE_SCALE_CONFIG_BUFFER",
    "SUBGRAPH_ONLINE_MODE",
    "VERISILICON_TIMVX_BATCHNORM_FUSION_MAX_ALLOWED_QUANT_SCALE_DEVIATION",
];

/// Where FastDeploy's demos look for the partition config (spec/paddle-lite.md F3).
const CONFIG_BESIDE_MODEL: &str = "model/subgraph.txt";

/// The program that runs trials on boards, with what it needs there.
#[derive(Clone, Debug, Default)]
pub struct Runner {
    /// The program, built for the boards.
    pub program: PathBuf,
    /// More arguments for it.
    pub args: Vec<String>,
    /// A folder of libraries that come with it.
    pub libraries: Option<PathBuf>,
    /// Variables to set for it; `{trial}` is the trial's folder on the board.
    pub env: Vec<(String, String)>,
    /// How it is called where it is a program that prints its results; else it serves the trial protocol.
    pub demo: Option<Demo>,
}

/// The samples that trials may run, as files of raw little-endian float32.
#[derive(Clone, Debug)]
pub struct Inputs {
    files: Vec<(Artifact, Vec<usize>)>,
    samples: usize,
}

/// A model with its inputs and the program that runs it.
#[derive(Clone, Debug)]
pub struct BoardProgram {
    graph: OpGraph,
    visit_order: Vec<OpId>,
    candidates: OpSet,
    artifacts: Vec<Artifact>,
    inputs: Inputs,
    runner: Runner,
}

/// Why a program cannot be made ready for boards.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// A file cannot be pushed.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// An input file cannot be written.
    #[error("write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The samples have different shapes, or there are none.
    #[error("stage the inputs: {0}")]
    Samples(String),
}

/// The environment of a program on a board: what would change Paddle Lite's doing is unset, then these variables are set.
pub fn environment(set: &[(String, String)]) -> Vec<(String, Option<String>)> {
    let stale = STALE.iter().map(|&name| (name.to_owned(), None));
    stale.chain(set.iter().map(|(name, value)| (name.clone(), Some(value.clone())))).collect()
}

impl Runner {
    /// What boards are given of it and of a model: the program's and the parameters' file.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn artifacts(&self, (model, params): (&Path, &Path)) -> Result<Vec<Artifact>, ArtifactError> {
        let mut artifacts = vec![Artifact::file("runner", &self.program)?];
        if self.demo.is_some() {
            // With the preprocessing that stands beside the model, and without the config of some other day.
            let folder = Artifact::folder("model", model.parent().unwrap_or(Path::new(".")))?;
            artifacts.extend(folder.into_iter().filter(|artifact| artifact.path != CONFIG_BESIDE_MODEL));
        } else {
            artifacts.push(Artifact::file("model/model.pdmodel", model)?);
            artifacts.push(Artifact::file("model/model.pdiparams", params)?);
        }
        if let Some(libraries) = &self.libraries {
            artifacts.extend(Artifact::folder("lib", libraries)?);
        }
        Ok(artifacts)
    }

    /// A trial that has it load the model on the NPU and run nothing; that is when the stack divides the model and prints its block.
    /// Its id is still to be given.
    pub fn loading(&self, artifacts: Vec<Artifact>, config: Option<Vec<u8>>, deadline: Duration) -> Trial {
        self.trial(Device::Npu, Vec::new(), artifacts, config, deadline)
    }

    fn trial(
        &self,
        device: Device,
        words: Vec<String>,
        artifacts: Vec<Artifact>,
        config: Option<Vec<u8>>,
        deadline: Duration,
    ) -> Trial {
        let mut argv = [
            "./runner",
            "--device",
            word(device),
            "--model",
            "model/model.pdmodel",
            "--params",
            "model/model.pdiparams",
        ]
        .map(String::from)
        .to_vec();
        argv.extend(words);
        argv.extend(self.args.iter().cloned());
        Trial {
            id: String::new(),
            config,
            artifacts,
            config_copies: Vec::new(),
            argv,
            env: environment(&self.env),
            deadline,
            wants_manifest: true,
        }
    }
}

impl Inputs {
    /// A file for each sample, as a program takes it that is called once a sample: an image, say.
    ///
    /// # Errors
    /// A file cannot be read, or there is none.
    pub fn one_file_each(samples: &[PathBuf]) -> Result<Self, ProgramError> {
        if samples.is_empty() {
            return Err(ProgramError::Samples("there are none".to_owned()));
        }
        let staged = samples.iter().enumerate().map(|(sample, file)| {
            // The extension tells programs what it is.
            let extension = file.extension().map_or_else(|| "raw".into(), |extension| extension.to_string_lossy());
            Ok((Artifact::file(&format!("input/{sample}.{extension}"), file)?, Vec::new()))
        });
        Ok(Self { files: staged.collect::<Result<_, ArtifactError>>()?, samples: samples.len() })
    }

    /// No samples: the model can be loaded, and that is all.
    pub fn none() -> Self {
        Self { files: Vec::new(), samples: 0 }
    }

    /// Writes samples (one tensor `[1, …]` per model input) into a folder, one file per input.
    ///
    /// # Errors
    /// A file cannot be written, or the samples differ in shape.
    pub fn write(folder: &Path, samples: impl IntoIterator<Item = Vec<Tensor>>) -> Result<Self, ProgramError> {
        let mut open: Vec<(PathBuf, BufWriter<File>, Vec<usize>)> = Vec::new();
        let mut count = 0;
        for sample in samples {
            if count == 0 {
                for (index, tensor) in sample.iter().enumerate() {
                    let path = folder.join(format!("input{index}.raw"));
                    let file =
                        File::create(&path).map_err(|source| ProgramError::Write { path: path.clone(), source })?;
                    open.push((path, BufWriter::new(file), tensor.shape().to_vec()));
                }
            }
            if open.iter().map(|(_, _, shape)| shape.as_slice()).ne(sample.iter().map(Tensor::shape)) {
                return Err(ProgramError::Samples(format!("sample {count} is not shaped as the first")));
            }
            for ((path, file, _), tensor) in open.iter_mut().zip(&sample) {
                let bytes: Vec<u8> = tensor.data().iter().flat_map(|value| value.to_le_bytes()).collect();
                file.write_all(&bytes).map_err(|source| ProgramError::Write { path: path.clone(), source })?;
            }
            count += 1;
        }
        if count == 0 {
            return Err(ProgramError::Samples("there are none".to_owned()));
        }
        let mut files = Vec::new();
        for (index, (path, mut file, shape)) in open.into_iter().enumerate() {
            file.flush().map_err(|source| ProgramError::Write { path: path.clone(), source })?;
            files.push((Artifact::file(&format!("input{index}.raw"), &path)?, shape));
        }
        Ok(Self { files, samples: count })
    }
}

impl BoardProgram {
    /// Gathers what is pushed. `candidates` are the ops that the NPU can take; `model` and `params` are the program's files.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn new(
        program: &LiteProgram,
        candidates: OpSet,
        (model, params): (&Path, &Path),
        inputs: Inputs,
        runner: Runner,
    ) -> Result<Self, ProgramError> {
        let mut artifacts = runner.artifacts((model, params))?;
        artifacts.extend(inputs.files.iter().map(|(artifact, _)| artifact.clone()));
        let (graph, visit_order) = (program.graph.clone(), program.visit_order.clone());
        Ok(Self { graph, visit_order, candidates, artifacts, inputs, runner })
    }

    /// The model's ops.
    pub fn graph(&self) -> &OpGraph {
        &self.graph
    }

    /// The ops that the NPU can take.
    pub fn candidates(&self) -> &OpSet {
        &self.candidates
    }

    pub(super) fn artifacts(&self) -> &[Artifact] {
        &self.artifacts
    }

    pub(super) fn runner(&self) -> &Runner {
        &self.runner
    }

    pub(super) fn samples(&self) -> usize {
        self.inputs.samples
    }

    /// The clusters that Paddle Lite forms of what a placement leaves to the NPU.
    pub(super) fn clustering(&self, placement: &Placement) -> Clustering {
        let marked = self.candidates.difference(placement);
        Clustering::form_in_order(&self.graph, &marked, self.visit_order.iter().copied())
    }

    /// The partition config of a placement; none where it forces nothing, since an empty file crashes Paddle Lite.
    pub(super) fn config(&self, placement: &Placement) -> Result<Option<Vec<u8>>, WriteError> {
        let forced = placement.intersection(&self.candidates);
        if forced.is_empty() {
            Ok(None)
        } else {
            subgraph_log::write(&self.graph, &forced).map(|config| Some(config.text))
        }
    }

    /// A trial of some samples; its id is still to be given. Each has a folder of its own, without a model cache: the cache's key does not
    /// hold the partition (spec/paddle-lite.md B5).
    pub(super) fn trial(
        &self,
        device: Device,
        config: Option<Vec<u8>>,
        samples: &[usize],
        deadline: Duration,
    ) -> Trial {
        if let Some(demo) = &self.runner.demo {
            return self.demonstration(demo, device, config, samples, deadline);
        }
        let mut words = Vec::new();
        for (artifact, shape) in &self.inputs.files {
            let shape: Vec<String> = shape.iter().map(ToString::to_string).collect();
            words.extend(["--input".to_owned(), format!("{}={}", artifact.path, shape.join(","))]);
        }
        if !samples.is_empty() {
            words.extend(["--samples".to_owned(), ranges(samples)]);
        }
        self.runner.trial(device, words, self.artifacts.clone(), config, deadline)
    }
}

impl BoardProgram {
    /// A trial of a program that prints its results. The config is where such programs look for it, and never absent: they would warn of
    /// that, and a line break alone forces nothing (spec/paddle-lite.md B1).
    fn demonstration(
        &self,
        demo: &Demo,
        device: Device,
        config: Option<Vec<u8>>,
        samples: &[usize],
        deadline: Duration,
    ) -> Trial {
        let inputs = samples.iter().filter_map(|&at| Some((at, self.inputs.files.get(at)?.0.path.as_str())));
        let script = demo.script(device, &self.runner.args, inputs);
        let mut env = environment(&self.runner.env);
        env.push(("SUBGRAPH_PARTITION_CONFIG_FILE".to_owned(), Some("{trial}/subgraph.txt".to_owned())));
        Trial {
            id: String::new(),
            config: Some(config.unwrap_or_else(|| b"\n".to_vec())),
            artifacts: self.artifacts.clone(),
            config_copies: vec![CONFIG_BESIDE_MODEL.to_owned()],
            argv: vec!["/bin/sh".to_owned(), "-c".to_owned(), String::from_utf8_lossy(&script).into_owned()],
            env,
            deadline,
            wants_manifest: false,
        }
    }

    /// What stands for the model without the NPU: nothing to force where the program can do without, else every op.
    pub(super) fn without_npu(&self) -> Placement {
        match &self.runner.demo {
            Some(demo) if !demo.knows_devices() => self.candidates.clone(),
            _ => Placement::new(),
        }
    }
}

/// What runners call a device.
fn word(device: Device) -> &'static str {
    match device {
        Device::Cpu => "cpu",
        Device::Npu => "timvx",
    }
}

/// Positions as the runner reads them: `0-15,18`.
fn ranges(samples: &[usize]) -> String {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    for &sample in samples {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == sample => *last = sample,
            _ => parts.push((sample, sample)),
        }
    }
    let texts: Vec<String> = parts
        .iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    texts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_written_as_ranges_in_the_order_asked_for() {
        assert_eq!(ranges(&[0, 1, 2, 5, 4, 7, 8]), "0-2,5,4,7-8");
    }
}
