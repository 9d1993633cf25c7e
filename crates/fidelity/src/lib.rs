//! How faithful the simulator is: its answers beside those of the real stack.
//!
//! ```no_run
//! use std::path::Path;
//!
//! let report = fidelity::compare_all(Path::new("models"), Path::new("trials"))?;
//! println!("refusals foreseen: {:.3}", report.refusals_accuracy);
//! # Ok::<(), fidelity::Error>(())
//! ```

mod compare;
mod error;
mod ops;
mod recording;
mod report;
mod spearman;
mod speed;
mod task;

pub use compare::{compare, compare_all};
pub use error::Error;
pub use ops::{OpReport, compare_ops};
pub use recording::{RecordedTrial, Recording};
pub use report::{ModelReport, Ranking, Report, Totals, TrialReport};
pub use spearman::spearman;
pub use speed::{Speed, measure};
pub use task::{SharedModel, Task};
