//! A prior from the simulator: the error of each unit alone on the simulated NPU.

use accuracy::{Power, Tensor};
use backend::{Backend, Trouble};
use op_graph::OpSet;

use crate::Units;

/// Error power of the outputs when only this unit runs on the NPU, against the outputs without it; a unit that the simulated stack
/// refuses alone gets the median of the others.
///
/// # Errors
/// When the model does not run without the NPU.
pub fn simulated(cpu: &dyn Backend, npu: &dyn Backend, candidates: &OpSet, units: &Units) -> Result<Vec<f64>, Trouble> {
    let samples: Vec<usize> = (0..cpu.samples().min(npu.samples())).collect();
    let reference = cpu.prepare(candidates)?.run(&samples)?.outputs;
    let alone = |ops: &[op_graph::OpId]| -> Option<f64> {
        let others = candidates.difference(&ops.iter().copied().collect());
        let outputs = npu.prepare(&others).ok()?.run(&samples).ok()?.outputs;
        Some(error_power(&outputs, &reference))
    };
    let powers: Vec<Option<f64>> = units.iter().map(alone).collect();
    let mut known: Vec<f64> = powers.iter().flatten().copied().collect();
    known.sort_unstable_by(f64::total_cmp);
    let median = known.get(known.len() / 2).copied().unwrap_or(0.0);
    Ok(powers.into_iter().map(|power| power.unwrap_or(median)).collect())
}

fn error_power(outputs: &[Tensor], reference: &[Tensor]) -> f64 {
    outputs.iter().zip(reference).map(|(output, reference)| relative(output, reference)).sum()
}

/// Noise over signal, as a ratio.
fn relative(output: &Tensor, reference: &Tensor) -> f64 {
    if output.shape() != reference.shape() {
        return 0.0;
    }
    10f64.powf(-accuracy::Power::sqnr_db(&Power::between(output.data(), reference.data())) / 10.0)
}
