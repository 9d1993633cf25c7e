//! What the simulator says of each op by itself, for whoever looks at the run afterwards.

use int8_sim::{Config, CpuFlavour, LayerError, Sample, Simulator};
use op_graph::{OpSet, Placement};
use trial_store::{LayerNoise, LayerNotes, LayersFile};

use crate::Units;

/// The error of each op's result on the simulated NPU, alone and with all before it there as well; with `answer` on the CPU where the
/// stack refuses to run everything. Where nothing runs, nothing is known.
pub fn layers(
    simulator: &Simulator,
    cpu: CpuFlavour,
    samples: &[Sample],
    candidates: &OpSet,
    units: &Units,
    answer: &Placement,
) -> LayersFile {
    let errors = |forced: Placement| {
        let (lite, tim_vx) = (Config::lite().with_cpu(cpu), Config::tim_vx(forced).with_cpu(cpu));
        simulator.layer_errors(&lite, &tim_vx, samples).ok()
    };
    let mut file = LayersFile { samples: samples.len() as u32, ..LayersFile::default() };
    file.ops = vec![LayerNotes::default(); simulator.program().ops.len()];
    let mut accumulated = errors(Placement::new());
    if accumulated.is_none() {
        file.accumulated_with = answer.iter().map(|op| op.index() as u32).collect();
        accumulated = errors(answer.clone());
    }
    for (notes, error) in file.ops.iter_mut().zip(accumulated.unwrap_or_default()) {
        notes.accumulated = error.map(noise);
    }
    for unit in units.iter() {
        let others = candidates.difference(&unit.iter().copied().collect());
        let Some(alone) = errors(others) else { continue };
        for &op in unit {
            file.ops[op.index()].alone = alone[op.index()].map(noise);
        }
    }
    file
}

fn noise(error: LayerError) -> LayerNoise {
    LayerNoise { sqnr_db: Some(error.sqnr_db()), cosine: error.cosine() }
}
