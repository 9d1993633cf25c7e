//! Reads the block that Paddle Lite logs when it divides a model between NPU and CPU (spec/paddle-lite.md A), and reads,
//! writes and lints the partition config `subgraph.txt` with which a user moves ops to the CPU (spec/paddle-lite.md B).
//!
//! ```
//! use op_graph::{Clustering, OpId, Support};
//! use subgraph_log::{PartitionConfig, lint, parse, write};
//!
//! let log = b"[I  8/ 9  3: 7: 5. 42 optimizer.cc:103 ApplyPasses] == Running pass: nnadapter_subgraph_pass
//! subgraph operators:\x20
//! feed:feed:x
//! conv2d:x,w:y
//! relu:y:z
//! fetch:z:fetch
//!
//! ";
//! let report = parse(log);
//! let ops = &report.chosen()?.ops;
//!
//! // What the config forces, and the clusters that are left.
//! let forced = PartitionConfig::parse(b"relu\n").forced(ops);
//! let on_npu = Support::TimVx.ops(ops).difference(&forced);
//! assert_eq!(Clustering::form(ops, &on_npu).clusters(), [[OpId::new(1)]]);
//!
//! // The config of a placement, and what is wrong with another.
//! assert_eq!(write(ops, &forced)?.text, b"relu:y:z\n");
//! assert!(lint(b"Relu\n", ops, Support::TimVx)[0].message.contains("the case is wrong"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod diagnostic;
mod log;

pub use config::{
    Entry, Inexpressible, PartitionConfig, WriteError, WriteOptions, WrittenConfig, WrittenLine, lint, write,
    write_with,
};
pub use diagnostic::{Diagnostic, Severity};
pub use log::{Block, BlockStyle, Limits, LogError, LogReport, parse, parse_reader, print_block};
