//! One board, which is this machine, and a real model with its inputs.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use backend::board::{BoardProgram, Boards, BoardsOptions, Inputs, Runner};
use board::{
    cancel::Cancel,
    pool::read_boards,
    remote::RemotePath,
    transport::{Local, Transport},
    trial::{Artifact, Attempt, Site, Trial, TrialError},
};
use int8_sim::{Options, Sample, Simulator};
use op_graph::{OpGraph, OpSet, Support};
use paddle_model::{LiteOptions, LiteProgram, Model};

pub(crate) const LONG: Duration = Duration::from_secs(60);

/// How many samples are staged.
pub(crate) const SAMPLES: usize = 4;

pub(crate) struct Lab {
    folder: tempfile::TempDir,
    program: LiteProgram,
    inputs: Inputs,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = dataset::Dataset::load(&models()).unwrap();
        let samples: Vec<_> = (0..SAMPLES).map(|at| data.batch(at..at + 1).unwrap()).collect();
        let inputs = Inputs::write(folder.path(), samples).unwrap();
        let program = Model::load_dir(model()).unwrap().lite_program(&LiteOptions::default()).unwrap();
        Self { folder, program, inputs }
    }

    pub(crate) fn graph(&self) -> &OpGraph {
        &self.program.graph
    }

    pub(crate) fn candidates(&self) -> OpSet {
        Support::TimVx.ops(self.graph())
    }

    pub(crate) fn simulator(&self) -> (Arc<Simulator>, Arc<[Sample]>) {
        let data = dataset::Dataset::load(&models()).unwrap();
        let staged = backend::stage((0..SAMPLES).map(|at| data.batch(at..at + 1).unwrap()).collect());
        (Arc::new(Simulator::new(self.program.clone(), Options::default()).unwrap()), staged)
    }

    /// The board backend at work with a runner; what happens to the board is a failure of the test.
    pub(crate) fn boards(&self, runner: &Runner) -> Arc<Boards> {
        let work = self.folder.path().join("pool");
        let file = self.folder.path().join("boards.toml");
        let entry = format!(
            "[[board]]\nname = \"here\"\nway = {{ local = true }}\nwork = \"{}\"\nsoc = \"sim\"\n",
            work.display()
        );
        fs::write(&file, entry + "driver_command = \"echo 1.0\"\n").unwrap();
        let results = self.folder.path().join("results");
        fs::create_dir_all(&results).unwrap();
        let (model, params) = (model().join("model.pdmodel"), model().join("model.pdiparams"));
        let program =
            BoardProgram::new(&self.program, self.candidates(), (&model, &params), self.inputs.clone(), runner.clone());
        let options = BoardsOptions { results, timeout: Some(LONG), check_every: 100, drivers: Vec::new() };
        Arc::new(Boards::start(read_boards(&file).unwrap(), program.unwrap(), options, &Cancel::new()))
    }

    /// One attempt at a trial with these words behind `./runner`.
    pub(crate) fn attempt(&self, runner: &Runner, words: &[&str], config: Option<&[u8]>) -> Outcome {
        let mut artifacts = vec![
            Artifact::file("runner", &runner.program).unwrap(),
            Artifact::file("model/model.pdmodel", &model().join("model.pdmodel")).unwrap(),
            Artifact::file("model/model.pdiparams", &model().join("model.pdiparams")).unwrap(),
            Artifact::file("input0.raw", &self.folder.path().join("input0.raw")).unwrap(),
        ];
        if let Some(libraries) = &runner.libraries {
            artifacts.extend(Artifact::folder("lib", libraries).unwrap());
        }
        let trial = Trial {
            id: "t".into(),
            config: config.map(<[u8]>::to_vec),
            artifacts,
            config_copies: Vec::new(),
            argv: std::iter::once("./runner").chain(words.iter().copied()).map(String::from).collect(),
            env: runner.env.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect(),
            deadline: LONG,
            wants_manifest: true,
        };
        let transport: Arc<dyn Transport> = Arc::new(Local::new(&Cancel::new()));
        let work = RemotePath::new(self.folder.path().join("site").to_str().unwrap().as_bytes()).unwrap();
        let site = Site::open(&transport, &work, "run").unwrap();
        site.ensure(&trial.artifacts).unwrap();
        let into = tempfile::tempdir_in(self.folder.path()).unwrap();
        let attempt = site.attempt(&trial, 1, into.path());
        let read = |name: &str| fs::read(into.path().join(name)).unwrap_or_default();
        let text = |name: &str| String::from_utf8_lossy(&read(name)).into_owned();
        Outcome {
            attempt,
            result: serde_json::from_slice(&read("result.json")).unwrap_or_default(),
            stdout: text("stdout"),
            stderr: text("stderr"),
        }
    }
}

/// What one attempt left.
pub(crate) struct Outcome {
    pub(crate) attempt: Result<Attempt, TrialError>,
    pub(crate) result: serde_json::Value,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

fn models() -> PathBuf {
    test_kit::fixtures().join("models/digits_resnet")
}

fn model() -> PathBuf {
    models().join(Path::new("pl_old"))
}
