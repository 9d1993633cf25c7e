//! What the simulator and the cost model say of each op, written beside the result for the report.

use anyhow::Context;
use backend::stage;
use dataset::Dataset;
use int8_sim::{Options, Simulator};
use op_graph::Placement;
use pipeline::{Subject, Units};
use trial_store::RunDir;

use crate::{estimate, settings::Settings, setup};

/// Samples that the errors are computed on: enough to rank ops, few enough to cost no time beside a search.
const SAMPLES: usize = 4;

/// Writes `layers.json` where model and data are given; `answer` is what stays on the CPU.
pub(crate) fn write(
    settings: &Settings,
    subject: &Subject,
    units: &Units,
    data: Option<&Dataset>,
    answer: &Placement,
    run: &RunDir,
) -> anyhow::Result<()> {
    let (Some(program), Some(data)) = (&subject.program, data) else { return Ok(()) };
    let failed = |error: &dyn std::fmt::Display| anyhow::anyhow!("failed to {error}");
    let chosen = data.spread(SAMPLES);
    let inputs: Result<_, _> = chosen.iter().map(|&sample| data.batch(sample..sample + 1)).collect();
    let samples = stage(inputs.map_err(|error| failed(&error))?);
    let simulator = Simulator::new(program.clone(), Options::default()).map_err(|error| failed(&error))?;
    let cpu = setup::cpu_flavour(settings);
    let mut file = pipeline::layers(&simulator, cpu, &samples, &subject.candidates, units, answer);
    if let Some((chip, costs)) = estimate::ops(settings, &simulator)? {
        file.chip = Some(chip.name().to_owned());
        for (notes, cost) in file.ops.iter_mut().zip(costs) {
            notes.cost = Some(cost);
        }
    }
    run.write("layers.json", &serde_json::to_vec(&file)?).context("layers.json")?;
    Ok(())
}
