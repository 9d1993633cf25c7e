//! Recorded trials of the real stack as oracles for the bench.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, ensure};
use fidelity::{RecordedTrial, Recording};
use partition_search::{Answer, Threshold, UnitSet, bench::Replay};

/// A placement passes if it leaves at most this share of all-NPU's noise power (6 dB less).
const ENOUGH: f64 = 0.25;

/// The recordings under a folder, those that one of `names` is in (all for an empty name), by name.
pub(super) fn load(folder: &Path, names: &[&str]) -> anyhow::Result<Vec<Replay>> {
    let list = std::fs::read_dir(folder).with_context(|| format!("failed to read {}", folder.display()))?;
    let mut folders: Vec<_> = list.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    folders.sort();
    folders.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.is_dir() && names.iter().any(|wanted| name.contains(wanted))
    });
    ensure!(!folders.is_empty(), "there is no recording `{}` in {}", names.join("`, `"), folder.display());
    folders.iter().map(|path| Ok(replay(&Recording::load(path)?))).collect()
}

/// Placements that are unions of units, scored by the noise power against all-CPU: 0 for all-CPU, -1 for all-NPU. Without recorded outputs
/// a placement that ran passes: then the recording tells what the stack refuses.
fn replay(recording: &Recording) -> Replay {
    let n = recording.units.len();
    let threshold = Threshold::at_least(-ENOUGH);
    let by_tag = |tag: &str| recording.trials.iter().find(|trial| trial.tag == tag);
    let power_of = |trial: &RecordedTrial| power(recording, trial, by_tag("all-cpu")?);
    let all_npu = by_tag("all-npu").and_then(power_of).filter(|power| *power > 0.0);
    let mut trials = BTreeMap::new();
    for trial in &recording.trials {
        let Some(set) = units_of(recording, trial) else { continue };
        let answer = match (trial.ran(), power_of(trial).zip(all_npu)) {
            (false, _) => Answer::unresolved(),
            (true, Some((power, all_npu))) => {
                Answer { error_power: Some(power), ..Answer::scored(-power / all_npu, threshold) }
            }
            (true, None) if set.is_empty() => Answer::fail(),
            (true, None) => Answer::pass(),
        };
        trials.insert(set, answer);
    }
    Replay { name: recording.name.clone(), n, trials, threshold }
}

/// The units a trial moved; `None` if it moved part of one.
fn units_of(recording: &Recording, trial: &RecordedTrial) -> Option<UnitSet> {
    match trial.tag.as_str() {
        "all-cpu" => return Some(UnitSet::full(recording.units.len())),
        "all-npu" => return Some(UnitSet::empty(recording.units.len())),
        _ => {}
    }
    let lines = |unit: &Vec<op_graph::OpRecord>| unit.iter().map(op_graph::OpRecord::to_line).collect::<Vec<_>>();
    let forced = |line: &Vec<u8>| trial.cpu_ops.iter().any(|op| op.as_bytes() == line.as_slice());
    let moved = |unit: usize| lines(&recording.units[unit]).iter().all(forced);
    let set = UnitSet::of(recording.units.len(), (0..recording.units.len()).filter(|&unit| moved(unit)));
    let ops: usize = set.iter().map(|unit| recording.units[unit].len()).sum();
    (ops == trial.cpu_ops.len()).then_some(set)
}

/// The mean squared difference of the outputs from those of another trial, over the other's mean square.
fn power(recording: &Recording, trial: &RecordedTrial, reference: &RecordedTrial) -> Option<f64> {
    let (outputs, reference) = (recording.outputs(trial)?, recording.outputs(reference)?);
    let mut sum = 0.0;
    for (output, reference) in outputs.into_iter().zip(reference) {
        let (values, wanted) = (output.to_f32(), reference.to_f32());
        if values.len() != wanted.len() {
            return None;
        }
        let noise: f64 = values.iter().zip(&wanted).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        let signal: f64 = wanted.iter().map(|b| f64::from(*b).powi(2)).sum();
        sum += noise / signal.max(f64::MIN_POSITIVE);
    }
    Some(sum)
}
