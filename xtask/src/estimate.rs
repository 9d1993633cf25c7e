//! How long a placement takes on the chip that the settings name.

use std::sync::Arc;

use anyhow::{Context, bail};
use int8_sim::{Options, Simulator};
use latency::{Chip, CostModel, NetworkWork};
use pipeline::{Estimate, Subject};

use crate::settings::{Objective, Settings};

/// The estimate for `--chip`; none where no chip is named.
pub(crate) fn of(settings: &Settings, subject: &Subject) -> anyhow::Result<Option<Estimate>> {
    let Some(chip) = &settings.chip else {
        if settings.objective == Some(Objective::Latency) {
            let chips = Chip::ALL.map(Chip::name).join(", ");
            bail!("--objective latency needs --chip: one of {chips}");
        }
        return Ok(None);
    };
    let chip: Chip = chip.parse().map_err(|error| anyhow::anyhow!("failed to {error}"))?;
    let program = subject.program.clone().context("an estimate needs the shapes of the model; give --model")?;
    // The simulator knows the shapes.
    let simulator =
        Simulator::new(program, Options::default()).map_err(|error| anyhow::anyhow!("failed to {error}"))?;
    let work = NetworkWork::of(simulator.program(), simulator.shapes());
    let model = CostModel::published(chip);
    Ok(Some(Arc::new(move |clustering| model.estimate(&work.features(simulator.program(), clustering)).total_ms())))
}
