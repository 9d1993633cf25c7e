//! The DAG of a Paddle model's ops and tensors, placements on it, and the clusters that Paddle Lite forms from them.
//!
//! ```
//! use op_graph::{OpGraph, OpRecord};
//!
//! let records = ["feed:feed:x", "conv2d:x,w:y", "relu:y:z", "fetch:z:fetch"];
//! let graph = OpGraph::from_records(records.iter().map(|line| OpRecord::parse(line.as_bytes()).unwrap()).collect());
//! assert_eq!(graph.op_count(), 4);
//! ```

mod graph;
mod name;
mod op_set;
mod record;

pub use graph::{OpGraph, OpId, TensorId};
pub use name::Name;
pub use op_set::{OpSet, Placement};
pub use record::{OpRecord, RecordError};
