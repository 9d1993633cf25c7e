//! Reads what a board computed. Sizes and hashes were checked when the files arrived.

use std::path::Path;

use accuracy::Tensor;
use board::{
    digest::Sha256,
    trial::{DType, Manifest, Ran, Tensor as Described},
};

use super::printed;

/// The outputs in the manifest's order, each `[samples, …]`.
///
/// # Errors
/// An output that cannot be of so many samples, or of a type that cannot be scored; for people.
pub(super) fn read(manifest: &Manifest, folder: &Path, samples: usize) -> Result<Vec<Tensor>, String> {
    if manifest.tensors.is_empty() {
        return Err("it reported no outputs".to_owned());
    }
    manifest.tensors.iter().map(|described| read_one(described, folder, samples)).collect()
}

/// What two runs that computed the same have in common.
pub(super) fn gist(ran: &Ran) -> Vec<Sha256> {
    match &ran.manifest {
        Some(manifest) => manifest.tensors.iter().map(|tensor| tensor.sha256).collect(),
        None => vec![Sha256::of(printed::gist(&ran.evidence.stdout).as_bytes())],
    }
}

fn read_one(described: &Described, folder: &Path, samples: usize) -> Result<Tensor, String> {
    let name = &described.name;
    let bytes = described.read(folder).map_err(|error| format!("the output {name:?}: failed to {error}"))?;
    let values = match described.dtype {
        DType::Float32 => numbers(&bytes, f32::from_le_bytes),
        DType::Float64 => numbers(&bytes, |eight| f64::from_le_bytes(eight) as f32),
        DType::Int32 => numbers(&bytes, |four| i32::from_le_bytes(four) as f32),
        DType::Int64 => numbers(&bytes, |eight| i64::from_le_bytes(eight) as f32),
        DType::Int16 => numbers(&bytes, |two| f32::from(i16::from_le_bytes(two))),
        DType::Int8 => numbers(&bytes, |one| f32::from(i8::from_le_bytes(one))),
        DType::Uint8 | DType::Bool => numbers(&bytes, |[byte]| f32::from(byte)),
        DType::Float16 => return Err(format!("the output {name:?} is float16, which the runner has to convert")),
    };
    let shape: Vec<usize> = described.shape.iter().map(|&extent| extent as usize).collect();
    if samples == 0 || shape.first().is_none_or(|&first| first != samples) {
        return Err(format!("the output {name:?} of shape {shape:?} is not that of {samples} samples"));
    }
    Tensor::new(shape, values).map_err(|error| format!("the output {name:?}: failed to {error}"))
}

fn numbers<const N: usize>(bytes: &[u8], convert: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&chunk| convert(chunk)).collect()
}
