//! The real Paddle Lite on a developer's PC: the wheel `paddlelite` in a Python environment of our own.
//!
//! The wheel brings `opt`, which runs the true subgraph pass without an NPU (spec/measured.md), and a Python API that runs
//! models on x86. The `conformance` crate asks the one, `backend::LiteHost` the other.
//!
//! ```no_run
//! let environment = lite_wheel::Environment::prepare(lite_wheel::DEFAULT_FOLDER.as_ref())?;
//! println!("{} {}", environment.python().display(), environment.opt_script().display());
//! # Ok::<(), lite_wheel::EnvironmentError>(())
//! ```

mod environment;

pub use environment::{DEFAULT_FOLDER, Environment, EnvironmentError, PADDLE_LITE};
