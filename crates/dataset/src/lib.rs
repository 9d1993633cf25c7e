//! The data description and everything that turns files into model inputs, labels and decoded predictions.
//!
//! A `data.toml` beside the data says which files hold the inputs, how they are preprocessed, what the labels are, how
//! the model's outputs are decoded and which score is wanted; `docs/data.md` documents it. [`Dataset`] loads it,
//! [`Scorer`] turns a trial's outputs into a score and a verdict.
//!
//! ```
//! use dataset::{Array, Dataset, Scorer, Tensor, Values, write_npy};
//!
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! write_npy(&dir.join("images.npy"), &Array::new(vec![2, 1, 1, 3], Values::U8(vec![255, 0, 0, 0, 0, 255]))?)?;
//! write_npy(&dir.join("classes.npy"), &Array::new(vec![2], Values::I64(vec![0, 2]))?)?;
//! std::fs::write(
//!     dir.join("data.toml"),
//!     r#"
//!     task = "classification"
//!     [[inputs]]
//!     file = "images.npy"
//!     [labels]
//!     file = "classes.npy"
//!     "#,
//! )?;
//!
//! let data = Dataset::load(dir)?;
//! let inputs = data.batch(0..2)?;
//! assert_eq!(inputs[0].shape(), [2, 3, 1, 1]);
//!
//! // With labels, the default of classification is top-1, one point below the baseline at most.
//! let mut scorer = Scorer::new(data, None, None)?;
//! let baseline = scorer.set_baseline(vec![Tensor::new(vec![2, 3], vec![0.9, 0.0, 0.1, 0.2, 0.1, 0.7])?])?;
//! assert_eq!(baseline.score, 1.0);
//! let trial = scorer.evaluate(&[Tensor::new(vec![2, 3], vec![0.8, 0.1, 0.1, 0.5, 0.1, 0.4])?])?;
//! assert_eq!((trial.score, trial.passes), (0.5, false));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod dataset;
mod decode;
mod defaults;
mod description;
mod error;
mod images;
mod input;
mod labels;
mod npy;
mod npz;
mod scorer;

pub use accuracy::{Tensor, TensorRef, Tolerance};
pub use dataset::{DESCRIPTION_FILE, Dataset};
pub use decode::{Argmax, Boxes, ClassIds, Decode, GridLtrb};
pub use description::Task;
pub use error::{Error, NpyError};
pub use input::Input;
pub use npy::{Array, Values, read_npy, write_npy};
pub use npz::{Npz, read_npz};
pub use scorer::{Evaluation, OutputError, PartialScore, Scorer};
