//! Metrics on a model's outputs and labels, tolerances, and verdicts. Knows nothing of files, models or devices.
//!
//! A [`Sample`] holds what one trial answered for one input, and what it is compared with: labels, or the answer of the
//! baseline. A metric, found by the name a user writes, turns samples into a score; a [`Tolerance`] and the baseline's
//! score give the [`Threshold`] that the score must meet. A [`Run`] takes samples batch by batch and bounds the final
//! score, so that a trial can be decided before its last sample.
//!
//! ```
//! use accuracy::{Answer, Prediction, Sample, Tolerance, Truth, metric};
//!
//! let predictions = [Prediction::from_scores(&[0.1, 0.7, 0.2], 3)?, Prediction::from_scores(&[0.5, 0.3, 0.2], 3)?];
//! let labels = [Truth::Classes(vec![1]), Truth::Classes(vec![2])];
//! let samples: Vec<Sample> = predictions
//!     .iter()
//!     .zip(&labels)
//!     .enumerate()
//!     .map(|(index, (p, t))| Sample { truth: Some(t), ..Sample::new(index, Answer { outputs: vec![], prediction: Some(p) }) })
//!     .collect();
//!
//! let top1 = metric("top1")?;
//! let score = top1.evaluate(&samples)?;
//! assert_eq!(score, 0.5);
//!
//! // The baseline scored 0.51; at most one point may be lost.
//! let threshold = Tolerance::parse_max_drop("0.01")?.resolve(top1.info().direction, 0.51)?;
//! assert!(threshold.passes(score));
//!
//! // Half a trial may be enough: with the first of two samples right, the score ends between 0.5 and 1.
//! let mut run = top1.start();
//! run.add(&samples[..1])?;
//! let bounds = run.bounds(2);
//! assert_eq!((bounds.low, bounds.high), (0.5, 1.0));
//! assert_eq!(threshold.decide(bounds), Some(true));
//! # Ok::<(), accuracy::Error>(())
//! ```

mod bounds;
mod boxes;
mod error;
mod metric;
mod metrics;
mod prediction;
mod sample;
mod tally;
mod tensor;
mod tolerance;

pub use bounds::Bounds;
pub use boxes::{BoxLabel, Detection, Rect};
pub use error::Error;
pub use metric::{AnyMetric, Direction, Info, Metric, Need, Run, Unit};
pub use metrics::{FAMILIES, Family, metric, standard_metrics};
pub use prediction::{IGNORED, Kind, Prediction, Truth};
pub use sample::{Answer, Sample};
pub use tally::{Mean, PerOutput, Power, Ratio, SQNR_CAP, Tally};
pub use tensor::{Tensor, TensorRef};
pub use tolerance::{Drop, Threshold, Tolerance};
