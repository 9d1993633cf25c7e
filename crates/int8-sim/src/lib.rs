//! Runs a quantized Paddle model as Paddle Lite on ARM and TIM-VX on a VeriSilicon NPU compute it.

mod arena;
mod cache;
mod cluster;
mod config;
mod cpu;
pub mod families;
pub mod fidelity;
mod kernel;
mod lower;
mod math;
pub mod npu;
mod program;
mod quant;
mod refusal;
pub mod rules;
mod sample;
mod shapes;
mod simulator;
mod tensor;

pub use config::{Config, CpuFlavour, Target};
pub use kernel::{Fault, Kernel};
pub use quant::Quant;
pub use refusal::{Refusal, RefusalClass, Stage};
pub use sample::Sample;
pub use simulator::{Options, Run, SimError, Simulator};
pub use tensor::{Data, Tensor};
