//! Reads `result.json`, which comes from a board and is believed only as far as it can be checked.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};

use super::tensor_file::LONGEST_HEADER;
use crate::{digest::Sha256, remote::Nonce};

/// The largest `result.json` that is looked at, bytes.
pub(crate) const MAX_BYTES: u64 = 4 << 20;
const MAX_TENSORS: usize = 4096;
const MAX_RANK: usize = 16;
/// The version of the format that this reader knows.
const VERSION: u64 = 1;

/// What a program reports of a trial that ran. As JSON:
///
/// ```json
/// {"version": 1, "nonce": "…", "config_sha256": "…",
///  "tensors": [{"name": "fc_0.tmp_0", "dtype": "float32", "shape": [8, 10], "file": "out0.raw", "bytes": 320, "sha256": "…"}],
///  "timings": {"load_ms": 1200.5, "first_run_ms": 4000, "run_ms": [61.2, 60.9]}}
/// ```
///
/// or `"score": 0.93` in the place of `tensors`, or `"failed": {"reason": "…", "stderr": "…"}` where the stack does not run the
/// placement: a program that says so here proves which placement that was. `nonce` repeats the trial's; `config_sha256` is the hash of the bytes of
/// the partition config that the program really used, or null when it used none. Tensor files are raw, little-endian and
/// in row-major order, beside the manifest; one whose name ends in `.npy` is NumPy's. [`Tensor::read`] reads both. Other
/// fields are ignored.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Outputs, in the program's order; empty when there is a score.
    pub tensors: Vec<Tensor>,
    /// A score that the program worked out itself. NaN when it reported one that is not a number.
    pub score: Option<f64>,
    /// Why the placement did not run, where it did not.
    pub failed: Option<Failed>,
    /// How long things took.
    pub timings: Timings,
}

/// A placement that the stack does not run, as the program saw it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Failed {
    /// What happened: `signal 6 (Aborted) ended the stack while it loaded the model`.
    pub reason: String,
    /// The end of what the stack wrote to standard error.
    #[serde(default)]
    pub stderr: String,
}

/// One output tensor.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Tensor {
    /// Its name in the model.
    pub name: String,
    /// What an element is.
    pub dtype: DType,
    /// Extents, outermost first.
    pub shape: Vec<u64>,
    /// The file's name in the trial's folder: one plain part.
    pub file: String,
    /// The file's size.
    pub bytes: u64,
    /// The hash of the file.
    pub sha256: Sha256,
}

/// Durations in milliseconds, finite and not negative.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Timings {
    /// Loading the model and building the program.
    pub load_ms: Option<f64>,
    /// The first run, which compiles every cluster.
    pub first_run_ms: Option<f64>,
    /// Each later run.
    pub run_ms: Vec<f64>,
}

/// Element types of output tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "each names itself")]
pub enum DType {
    Float16,
    Float32,
    Float64,
    Int8,
    Uint8,
    Int16,
    Int32,
    Int64,
    Bool,
}

impl DType {
    /// Bytes an element.
    pub fn size(self) -> u64 {
        match self {
            Self::Int8 | Self::Uint8 | Self::Bool => 1,
            Self::Float16 | Self::Int16 => 2,
            Self::Float32 | Self::Int32 => 4,
            Self::Float64 | Self::Int64 => 8,
        }
    }
}

/// Why a manifest is not believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is no JSON of the right form.
    #[error("read result.json: {0}")]
    Json(#[from] serde_json::Error),
    /// It speaks another version of the protocol.
    #[error("read result.json: it has version {0}, this program knows {VERSION}")]
    Version(u64),
    /// It belongs to another trial.
    #[error("accept result.json: it repeats the nonce of another trial, so it is stale")]
    Stale,
    /// The program used another partition config than the trial's.
    #[error("accept result.json: the program used the partition config {used:?} and not {asked:?}")]
    OtherConfig {
        /// The hash of what it used.
        used: Option<Sha256>,
        /// The hash of what it should have used.
        asked: Option<Sha256>,
    },
    /// A field holds something that cannot be.
    #[error("accept result.json: {0}")]
    Nonsense(String),
}

#[derive(Deserialize)]
struct Raw {
    version: u64,
    nonce: String,
    #[serde(default)]
    config_sha256: Option<Sha256>,
    #[serde(default)]
    tensors: Option<Vec<Tensor>>,
    #[serde(default, deserialize_with = "given")]
    score: Option<serde_json::Value>,
    #[serde(default)]
    failed: Option<Failed>,
    #[serde(default)]
    timings: Timings,
}

/// Tells `"score": null` from no score.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(deserializer).map(Some)
}

/// Reads the bytes of a `result.json` and holds them against what was asked.
///
/// `max_output_bytes` limits the sum of the tensors' sizes.
///
/// # Errors
/// The bytes are no manifest, or not this trial's.
pub fn read_manifest(
    bytes: &[u8],
    nonce: &Nonce,
    config: Option<Sha256>,
    max_output_bytes: u64,
) -> Result<Manifest, ManifestError> {
    let raw: Raw = serde_json::from_slice(&nan_as_null(bytes))?;
    if raw.version != VERSION {
        return Err(ManifestError::Version(raw.version));
    }
    if raw.nonce != nonce.as_str() {
        return Err(ManifestError::Stale);
    }
    if raw.config_sha256 != config {
        return Err(ManifestError::OtherConfig { used: raw.config_sha256, asked: config });
    }
    let nonsense = |text: String| Err(ManifestError::Nonsense(text));
    let score = match raw.score {
        None => None,
        Some(serde_json::Value::Number(number)) => Some(number.as_f64().unwrap_or(f64::NAN)),
        Some(serde_json::Value::Null) => Some(f64::NAN),
        Some(other) => return nonsense(format!("the score {other} is no number")),
    };
    let held = [raw.tensors.is_some(), score.is_some(), raw.failed.is_some()];
    if held.into_iter().filter(|&held| held).count() != 1 {
        return nonsense("it must hold one of `tensors`, `score` and `failed`".into());
    }
    let durations = raw.timings.load_ms.iter().chain(&raw.timings.first_run_ms).chain(&raw.timings.run_ms);
    if let Some(bad) = durations.into_iter().find(|ms| !(ms.is_finite() && **ms >= 0.0)) {
        return nonsense(format!("{bad} ms is no duration"));
    }
    let tensors = raw.tensors.unwrap_or_default();
    check_tensors(&tensors, max_output_bytes)?;
    Ok(Manifest { tensors, score, failed: raw.failed, timings: raw.timings })
}

fn check_tensors(tensors: &[Tensor], max_bytes: u64) -> Result<(), ManifestError> {
    let nonsense = |text: String| Err(ManifestError::Nonsense(text));
    if tensors.len() > MAX_TENSORS {
        return nonsense(format!("{} tensors are too many", tensors.len()));
    }
    let mut files = BTreeSet::new();
    let mut total: u64 = 0;
    for tensor in tensors {
        let name = &tensor.name;
        if !crate::remote::is_plain_name(&tensor.file) || super::artifact::is_reserved(&tensor.file) {
            return nonsense(format!("the file name {:?} of {name:?} is not a plain one", tensor.file));
        }
        if !files.insert(&tensor.file) {
            return nonsense(format!("two tensors share the file {:?}", tensor.file));
        }
        // A `.npy` has a header besides; what is in it shows when it is read.
        let plausible = tensor.element_bytes().is_some_and(|bytes| {
            let longest = if tensor.is_npy() { bytes.saturating_add(LONGEST_HEADER) } else { bytes };
            (bytes..=longest).contains(&tensor.bytes)
        });
        if tensor.shape.len() > MAX_RANK || !plausible {
            return nonsense(format!("{name:?} of shape {:?} cannot have {} bytes", tensor.shape, tensor.bytes));
        }
        total = total.saturating_add(tensor.bytes);
    }
    if total > max_bytes {
        return nonsense(format!("its tensors have {total} bytes, more than the {max_bytes} allowed"));
    }
    Ok(())
}

/// Python's `json` writes `NaN` and `Infinity`, which are no JSON: a number that is none is `null` here.
fn nan_as_null(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let (mut at, mut in_string) = (0, false);
    while at < bytes.len() {
        let word = [&b"-Infinity"[..], b"Infinity", b"NaN"].into_iter().find(|word| bytes[at..].starts_with(word));
        match (bytes[at], word) {
            (b'\\', _) if in_string => {
                out.extend(bytes[at..].iter().take(2));
                at += 2;
                continue;
            }
            (b'"', _) => in_string = !in_string,
            (_, Some(word)) if !in_string => {
                out.extend_from_slice(b"null");
                at += word.len();
                continue;
            }
            _ => {}
        }
        out.push(bytes[at]);
        at += 1;
    }
    out
}
