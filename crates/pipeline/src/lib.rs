//! Baselines, search, verification, result: the stages of npu-bisect wired together.

mod drive;
mod error;
mod evaluator;
mod exec;
mod forecast;
mod goal;
mod graph_file;
mod guided;
mod layers;
mod memory;
mod outputs;
mod pareto;
mod pins;
mod prior;
mod report;
mod run;
mod subject;
mod trials;
mod units;

pub use error::PipelineError;
pub use evaluator::{Evaluation, Evaluator, Fault, Job, NoAnswer, Trial, Unsettled};
pub use exec::{ExecEvaluator, ExecOptions, Protocol, kill_left_behind};
pub use forecast::{Case, Forecast};
pub use goal::{Goal, Wish};
pub use guided::GuidedEvaluator;
pub use layers::layers;
pub use memory::Memory;
pub use outputs::OutputsEvaluator;
pub use pareto::pareto;
pub use pins::pinned;
pub use prior::{UserPrior, combined, earlier_run, known_deviations, simulated};
pub use report::{Culprit, Report};
pub use run::{Aim, Estimate, Plan};
pub use subject::{Disagreement, Subject};
pub use trials::{Known, Watch};
pub use units::{Grouping, Units};
