//! Reads quantized Paddle models and builds the graph that Paddle Lite logs for them.
//!
//! `.pdmodel` holds a [`Program`], `.pdiparams` the values of its persistable variables; together they are a [`Model`].
//! [`Model::lite_program`] rewrites it as Paddle Lite does before it forms NPU subgraphs: fake-quantization ops become scales on
//! the ops around them, weights become int8 codes, constants are folded. The result has the same ops, in the same order, with the
//! same names, as the block `subgraph operators:` of Paddle Lite's log.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use paddle_model::{Block, DType, LiteOptions, Model, Op, Param, Program, TensorData, Var, write_params, write_program};
//!
//! let op = |op_type: &str, inputs: &[(&str, &str)], outputs: &[(&str, &str)]| {
//!     let bind = |list: &[(&str, &str)]| list.iter().map(|&(arg, name)| (arg.into(), vec![name.into()])).collect();
//!     Op { op_type: op_type.into(), inputs: bind(inputs), outputs: bind(outputs), ..Op::default() }
//! };
//! let program = Program {
//!     blocks: vec![Block {
//!         vars: vec![Var::tensor("x", DType::Float32, &[-1, 2]), Var::parameter("b", DType::Float32, &[2])],
//!         ops: vec![
//!             op("feed", &[("X", "feed")], &[("Out", "x")]),
//!             op("elementwise_add", &[("X", "x"), ("Y", "b")], &[("Out", "y")]),
//!             op("fetch", &[("X", "y")], &[("Out", "fetch")]),
//!         ],
//!         ..Block::root()
//!     }],
//!     ..Program::default()
//! };
//! let params = BTreeMap::from([("b".into(), Param::new(vec![2], TensorData::Float32(vec![1.0, 2.0])))]);
//!
//! let model = Model::from_bytes(&write_program(&program), &write_params(&params))?;
//! let lite = model.lite_program(&LiteOptions::default())?;
//! let lines: Vec<String> = lite.graph.records().iter().map(ToString::to_string).collect();
//! assert_eq!(lines, ["feed:feed:x", "elementwise_add:x,b:y", "fetch:y:fetch"]);
//! # Ok::<(), paddle_model::ModelError>(())
//! ```

mod error;
mod lite;
mod model;
mod pdiparams;
mod pdmodel;
mod program;
mod tensor;
mod wire;

pub use error::ModelError;
pub use lite::{LiteOp, LiteOptions, LiteProgram, LiteRelease, Scales, Tensor, Weight, WeightScales};
pub use model::Model;
pub use pdiparams::{read_param, read_params, write_params};
pub use pdmodel::{read_program, write_program};
pub use program::{Arguments, Attr, Block, Op, Program, Var, VarFlags, VarKind};
pub use tensor::{DType, Param, TensorData};
