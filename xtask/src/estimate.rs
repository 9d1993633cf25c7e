//! How long a placement takes on the chip that the settings name.

use std::sync::Arc;

use anyhow::{Context, bail};
use int8_sim::{Options, Simulator};
use latency::{Chip, CostModel, Features, NetworkWork, Timed};
use op_graph::Clustering;
use pipeline::{Estimate, Recalibrate, Subject, TimedTrial};
use trial_store::OpCost;

use crate::settings::{Objective, Settings};

/// The estimate for `--chip`, and what timed trials make of it; none where no chip is named.
pub(crate) fn of(settings: &Settings, subject: &Subject) -> anyhow::Result<Option<(Estimate, Recalibrate)>> {
    let Some(chip) = chip(settings)? else {
        if settings.objective == Some(Objective::Latency) {
            let chips = Chip::ALL.map(Chip::name).join(", ");
            bail!("--objective latency needs --chip: one of {chips}");
        }
        return Ok(None);
    };
    let program = subject.program.clone().context("an estimate needs the shapes of the model; give --model")?;
    // The simulator knows the shapes.
    let simulator =
        Simulator::new(program, Options::default()).map_err(|error| anyhow::anyhow!("failed to {error}"))?;
    let work = NetworkWork::of(simulator.program(), simulator.shapes());
    let features: Arc<FeaturesOf> = Arc::new(move |clustering| work.features(simulator.program(), clustering));
    let published = by(CostModel::published(chip), &features);
    let recalibrate = move |trials: &[TimedTrial]| {
        let timed = |trial: &TimedTrial| Timed {
            features: features(&trial.clustering),
            seconds: trial.seconds,
            samples: trial.samples,
        };
        let timed: Vec<Timed> = trials.iter().map(timed).collect();
        let mut model = CostModel::published(chip);
        model.recalibrate_on_trials(&timed).then(|| by(model, &features))
    };
    Ok(Some((published, Arc::new(recalibrate))))
}

type FeaturesOf = dyn Fn(&Clustering) -> Features + Send + Sync;

fn by(model: CostModel, features: &Arc<FeaturesOf>) -> Estimate {
    let features = Arc::clone(features);
    Arc::new(move |clustering| model.estimate(&features(clustering)).total_ms())
}

/// The chip and the times of each op by itself on it; none where no chip is named.
pub(crate) fn ops(settings: &Settings, simulator: &Simulator) -> anyhow::Result<Option<(Chip, Vec<OpCost>)>> {
    let Some(chip) = chip(settings)? else { return Ok(None) };
    let (work, model) = (NetworkWork::of(simulator.program(), simulator.shapes()), CostModel::published(chip));
    let ms = |features: &Features| model.estimate(features).total_ms();
    let cost = |op| {
        let (cpu, npu) = work.op(op);
        OpCost { cpu_ms: ms(&cpu), npu_ms: ms(&npu) }
    };
    Ok(Some((chip, simulator.program().graph.ops().map(cost).collect())))
}

fn chip(settings: &Settings) -> anyhow::Result<Option<Chip>> {
    let chip = settings.chip.as_deref().map(str::parse).transpose();
    chip.map_err(|error: latency::UnknownChip| anyhow::anyhow!("failed to {error}"))
}
