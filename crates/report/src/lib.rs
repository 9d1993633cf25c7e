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

mod progress;
mod table;

pub use progress::Progress;
pub use table::summary;
