//! Finds a small set of units that must leave the NPU, with as few trials of an expensive, noisy oracle as possible.
//!
//! There are `n` units in topological order. A placement is a [`UnitSet`]: these on the CPU, the rest on the NPU. All-CPU passes, all-NPU does
//! not; wanted is a small or cheap placement that passes. The crate knows nothing of networks: whoever runs the trials asks for questions
//! and tells the answers.
//!
//! ```
//! use partition_search::{Answer, Certificate, Problem, Threshold};
//!
//! // Two culprits among 40 units: the score is good only if both are on the CPU.
//! let threshold = Threshold::at_least(0.9);
//! let score = |culprits: usize| [0.2, 0.6, 0.95][culprits];
//! let search = Problem::new(40)
//!     .threshold(threshold)
//!     .all_cpu(Answer::scored(score(2), threshold))
//!     .all_npu(Answer::scored(score(0), threshold))
//!     .search(partition_search::strategy::DEFAULT)?;
//!
//! let outcome = search.run(|question| {
//!     let moved = [7, 23].into_iter().filter(|&unit| question.set.contains(unit)).count();
//!     Answer::scored(score(moved), threshold)
//! });
//!
//! let best = outcome.best.expect("all-CPU passes");
//! assert_eq!(best.set.iter().collect::<Vec<_>>(), [7, 23]);
//! assert_eq!(outcome.certificate, Certificate::OneMinimal);
//! # Ok::<(), partition_search::ProblemError>(())
//! ```
//!
//! With several boards, ask as often as boards are idle and tell each answer as it comes:
//!
//! ```
//! use partition_search::{Answer, Problem};
//!
//! let mut search = Problem::new(8).all_cpu(Answer::pass()).all_npu(Answer::fail()).width(2).search("ddmin")?;
//! let mut running = Vec::new();
//! while search.done().is_none() {
//!     while running.len() < 2 {
//!         let Some(question) = search.ask() else { break };
//!         running.push(question); // start it on an idle board
//!     }
//!     let Some(finished) = running.pop() else { continue }; // wait for any board
//!     let verdict = if finished.set.contains(3) { Answer::pass() } else { Answer::fail() };
//!     search.tell(finished.id, verdict).expect("it is open");
//! }
//! assert_eq!(search.outcome().best.expect("all-CPU passes").ops, 1);
//! # Ok::<(), partition_search::ProblemError>(())
//! ```

mod additive;
mod answer;
pub mod bench;
mod ctx;
mod hitting_set;
mod judge;
mod ledger;
mod link;
mod outcome;
mod problem;
mod rng;
mod search;
mod stages;
pub mod strategy;
mod ties;
mod unit_set;

pub use answer::{Answer, Direction, Purpose, Question, QuestionId, Threshold, Verdict};
pub use ctx::Ctx;
pub use judge::Judged;
pub use outcome::{Best, Certificate, Evidence, Outcome, Statistics, StopReason, Tried};
pub use problem::{Key, Limits, Measure, Noise, Objective, Problem, ProblemError, Proof};
pub use search::{Search, TellError};
pub use unit_set::UnitSet;
