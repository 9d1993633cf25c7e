//! What the backends under test are made of: a fixture model with a few of its samples, and the real Paddle Lite.
#![allow(clippy::unwrap_used, dead_code)] // helpers outside the test functions unwrap too; each test program uses a part

use std::sync::Arc;

use accuracy::Tensor;
use backend::LiteHost;
use dataset::Dataset;
use int8_sim::{Options, Simulator};
use lite_wheel::Environment;
use paddle_model::{LiteOptions, Model};

/// A fixture model and its first samples.
pub(crate) struct Staged {
    pub(crate) model: Model,
    pub(crate) samples: Vec<Vec<Tensor>>,
    pub(crate) simulator: Arc<Simulator>,
}

impl Staged {
    /// `name` is `MODEL/VARIANT` below the fixtures' models.
    pub(crate) fn load(name: &str, samples: usize) -> Self {
        let folder = test_kit::fixtures().join("models").join(name);
        let data = Dataset::load(folder.parent().unwrap()).unwrap();
        let mut model = Model::load_dir(&folder).unwrap();
        model.complete();
        let program = model.lite_program(&LiteOptions::default()).unwrap();
        Self {
            model,
            samples: (0..samples).map(|at| data.batch(at..at + 1).unwrap()).collect(),
            simulator: Arc::new(Simulator::new(program, Options::default()).unwrap()),
        }
    }
}

/// The real Paddle Lite, or none after the skip was said.
pub(crate) fn paddle_lite(test: &str) -> Option<Environment> {
    match Environment::prepare(&test_kit::fixtures().join("..").join(lite_wheel::DEFAULT_FOLDER)) {
        Ok(environment) => return Some(environment),
        Err(error) if error.is_lack_of_python() => test_kit::skip_anywhere(test, &format!("failed to {error}")),
        Err(error) => test_kit::skip(test, &format!("failed to {error}")),
    }
    None
}

/// The real Paddle Lite with this model, and the folder that must outlive it.
pub(crate) fn lite_host(environment: &Environment, staged: &Staged) -> (LiteHost, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (LiteHost::new(environment, &staged.model, &staged.samples, folder.path()).unwrap(), folder)
}
