//! Holds what we believe of Paddle Lite against Paddle Lite itself.
//!
//! The wheel `paddlelite` brings `opt`, which runs the true subgraph pass without an NPU and prints the true log
//! block (spec/measured.md). For models that are [given](Subject::find) or [made at random](Recipe) and for random
//! partition configs, [`run`] compares its answer with ours: the ops, their order and edges ([`paddle_model`] against the
//! log as [`subgraph_log`] reads it), the ops that a config forces, the clusters ([`op_graph`]), and that a config which
//! we write forces exactly what it was written for. A difference is shrunk before it is told.
//!
//! ```no_run
//! use conformance::{Environment, Opt, Plan, run};
//!
//! let environment = Environment::prepare("target/conformance/python".as_ref())?;
//! let plan = Plan { pairs: 100, seed: 1, jobs: 2, given: Vec::new() };
//! let summary = run(&Opt::new(&environment), &plan, &|done| eprintln!("{done} pairs"))?;
//! for failure in &summary.failures {
//!     println!("{}: {}", failure.subject.name, failure.comparison.differences[0]);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod compare;
mod configs;
mod opt;
mod programs;
mod run;
mod shrink;
mod subject;

pub use lite_wheel::{Environment, PADDLE_LITE};

pub use compare::{Comparison, Difference, Forcing, compare};
pub use configs::{random as random_config, random_placement};
pub use opt::{Answer, ModelFiles, Opt, OptError};
pub use programs::{NameStyle, Quantization, Recipe};
pub use run::{ConformanceError, Plan, Summary, run};
pub use shrink::{Failure, shrink};
pub use subject::{Subject, SubjectError};
