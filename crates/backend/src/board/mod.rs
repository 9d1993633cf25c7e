//! Backends whose trials run on boards: Paddle Lite on the board's CPU, and the NPU through TIM-VX.

mod backends;
mod boards;
mod checkup;
mod demo;
mod golden;
mod ledger;
mod outputs;
mod printed;
mod profile;
mod program;
mod proof;

pub use backends::BoardBackend;
pub use boards::{Boards, BoardsOptions};
pub use checkup::{Checkup, Examined, Finding, State, check_alike, check_host};
pub use demo::Demo;
pub use profile::{Profile, ProfileError};
pub use program::{BoardProgram, Inputs, ProgramError, Runner, environment};
