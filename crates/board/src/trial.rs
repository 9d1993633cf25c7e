//! One trial on one board: a folder in, a manifest out, and every way in which that can go wrong told apart.
//!
//! A trial gets a folder of its own on the board, `{work}/{run}/{trial}-{attempt}/`, which is also its working directory:
//!
//! | entry | what it is |
//! |---|---|
//! | `subgraph.txt` | the partition config; absent when nothing is forced, because an empty file crashes Paddle Lite (spec/measured.md) |
//! | `nonce` | 32 hexadecimal digits that the manifest must repeat |
//! | any path of an [`Artifact`] | a link to contents that are pushed once per board |
//! | `stdout`, `stderr`, `pid`, `rc`, `timeout` | written by the supervisor |
//! | `result.json` | written by the program, last, by renaming a finished file: see [`Manifest`] |
//!
//! The program's exit codes: 0 it ran, 1 the candidate failed (with a `result.json` that says so, if it likes), 75 trouble with the board, 125 it cannot be tested.

mod artifact;
mod attempt;
mod manifest;
mod site;
mod tensor_file;

pub use artifact::{Artifact, ArtifactError};
pub use attempt::{Attempt, Evidence, Ran, Trial, TrialError};
pub use manifest::{DType, Failed, Manifest, ManifestError, Tensor, Timings, read_manifest};
pub use site::{Site, TOOLS};
pub use tensor_file::TensorFolder;
