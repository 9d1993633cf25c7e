//! What people see of a run, from its events and its directory alone: nothing here decides anything.
//!
//! ```
//! use report::Progress;
//! use trial_store::{Event, Indices, Purpose, Question, TrialAsked};
//!
//! let mut progress = Progress::new(25);
//! let question = Question { backend: "timvx".into(), cpu_ops: Indices::default(), samples: 160, repeat: 0 };
//! assert_eq!(progress.line(&Event::TrialAsked(TrialAsked::new(1, question, Purpose::BaselineNpu))), None);
//! ```
//!
//! The report of a run, as one page that needs no network:
//! ```
//! # let run = test_kit::fixtures().join("runs/v1/finished");
//! let page = report::html(&report::Run::read(&run)?);
//! assert!(page.starts_with("<!doctype html>"));
//! # Ok::<(), report::ReportError>(())
//! ```

mod console;
mod error;
mod html;
mod progress;
mod run;
mod table;
mod wrap;

pub use console::{Console, Mode};
pub use error::ReportError;
pub use html::html;

pub use progress::Progress;
pub use run::Run;
pub use table::summary;
pub use wrap::wrap;
