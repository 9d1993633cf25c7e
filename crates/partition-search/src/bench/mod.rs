//! A bench of seeded oracles (spec/search.md "Oracle families"), to compare strategies by what they cost and what they return.

mod families;
mod instance;
mod power;
mod prior;
mod replay;
mod report;
mod run;

pub use families::{FAMILIES, Family};
pub use instance::{Instance, Refusals};
pub use prior::Prior;
pub use replay::{REPLAY_HEAD, Replay, ReplayRow};
pub use report::{BenchReport, Row};
pub use run::{Config, Trial, run, run_one};
