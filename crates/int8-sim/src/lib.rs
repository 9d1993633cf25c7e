//! Runs a quantized Paddle model as Paddle Lite on ARM and TIM-VX on a VeriSilicon NPU compute it, refusals included.
//!
//! A [`Simulator`] prepares a program once; a [`Config`] names the ops forced to the CPU and how the CPU side computes. Work
//! that two placements share is done once. What is peculiar about the real stack is in [`rules`], one function a fact; the ops
//! are in [`families`], one file a family.
//!
//! ```
//! use int8_sim::{Config, Options, Sample, Simulator, Tensor};
//! use op_graph::OpId;
//! use paddle_model::{Block, DType, LiteOptions, Model, Op, Program, Var, write_params, write_program};
//!
//! let op = |op_type: &str, input: &str, output: &str| Op {
//!     op_type: op_type.into(),
//!     inputs: [("X".into(), vec![input.into()])].into(),
//!     outputs: [("Out".into(), vec![output.into()])].into(),
//!     ..Op::default()
//! };
//! let program = Program {
//!     blocks: vec![Block {
//!         vars: vec![Var::tensor("x", DType::Float32, &[-1, 3])],
//!         ops: vec![op("feed", "feed", "x"), op("relu", "x", "y"), op("softmax", "y", "z"), op("fetch", "z", "fetch")],
//!         ..Block::root()
//!     }],
//!     ..Program::default()
//! };
//! let model = Model::from_bytes(&write_program(&program), &write_params(&Default::default()))?;
//! let simulator = Simulator::new(model.lite_program(&LiteOptions::default())?, Options::default())?;
//!
//! let samples = [Sample::new(vec![Tensor::from_f32(vec![1, 3], vec![-1.0, 0.0, 1.0])])];
//! let on_cpu = simulator.run(&Config::lite(), &samples)?;
//! assert_eq!(on_cpu.outputs[0][0].shape(), [1, 3]);
//!
//! // The relu forced to the CPU leaves one cluster, which is the softmax.
//! let forced = [OpId::new(1)].into_iter().collect();
//! let on_npu = simulator.run(&Config::tim_vx(forced), &samples)?;
//! assert_eq!(on_npu.clustering.clusters(), [[OpId::new(2)]]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![expect(clippy::inline_always, reason = "a loop is compiled for an instruction set only where it is inlined into it")]

mod arena;
mod buffers;
mod cache;
mod cluster;
mod config;
mod cpu;
pub mod deviations;
pub mod families;
mod kernel;
mod layers;
mod lower;
mod math;
pub mod npu;
mod operands;
mod program;
mod quant;
mod refusal;
pub mod rules;
mod sample;
mod sensitivity;
mod shapes;
mod simulator;
mod tensor;
pub mod vectors;

pub use config::{Config, CpuFlavour, Target};
pub use kernel::{Fault, Kernel};
pub use layers::LayerError;
pub use quant::Quant;
pub use refusal::{Refusal, RefusalClass, Stage};
pub use sample::Sample;
pub use sensitivity::{ErrorPower, UnitSensitivity};
pub use simulator::{Options, Run, SimError, Simulator};
pub use tensor::{Data, Tensor};
