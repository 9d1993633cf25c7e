//! How long a run takes from scratch: nothing cached, the weights packed before.

use std::{path::Path, time::Instant};

use int8_sim::{Config, Options, Simulator};
use op_graph::Placement;
use paddle_model::{LiteOptions, Model};
use serde::Serialize;

use crate::{Error, SharedModel};

/// The times of one model variant over all its images.
#[derive(Clone, Debug, Serialize)]
pub struct Speed {
    /// The model.
    pub model: String,
    /// The variant.
    pub variant: String,
    /// How many images it ran.
    pub samples: usize,
    /// The best time with everything on the CPU, in milliseconds.
    pub lite_ms: f64,
    /// The best time with everything on the NPU, in milliseconds; none where the stack refuses that.
    pub tim_vx_ms: Option<f64>,
}

/// Times `rounds` runs of a variant from scratch, with the threads of rayon's global pool, and keeps the best.
///
/// # Errors
/// When the model or its images cannot be read.
pub fn measure(models: &Path, model: &str, variant: &str, rounds: usize) -> Result<Speed, Error> {
    let dir = models.join(model);
    let shared = SharedModel::load(&dir)?;
    let mut network = Model::load_dir(dir.join(variant))?;
    network.complete(); // some variants lack attributes, and Paddle Lite would not load them
    let program = network.lite_program(&LiteOptions::default())?;
    // Without a cache no activation outlives its run.
    let simulator = Simulator::new(program, Options { cache_bytes: 0 })?;
    let samples = shared.samples(usize::MAX);
    let best = |config: &Config| {
        simulator.check(config).ok()?;
        let mut best = f64::INFINITY;
        for _ in 0..rounds.max(1) {
            let start = Instant::now();
            simulator.run(config, &samples).ok()?;
            best = best.min(start.elapsed().as_secs_f64() * 1e3);
        }
        Some(best)
    };
    Ok(Speed {
        model: model.into(),
        variant: variant.into(),
        samples: samples.len(),
        lite_ms: best(&Config::lite()).unwrap_or(f64::NAN),
        tim_vx_ms: best(&Config::tim_vx(Placement::new())),
    })
}
