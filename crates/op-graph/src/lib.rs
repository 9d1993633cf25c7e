//! The DAG of a Paddle model's ops and tensors, placements on it, and the clusters that Paddle Lite forms from them.
//!
//! ```
//! use op_graph::{Clustering, OpGraph, OpId, OpRecord, Support};
//!
//! let records = ["feed:feed:x", "conv2d:x,w:y", "relu:y:z", "silu:z:s", "relu:s:t", "fetch:t:fetch"];
//! let graph = OpGraph::from_records(records.iter().map(|line| OpRecord::parse(line.as_bytes()).unwrap()).collect());
//!
//! // The NPU takes all but feed, silu and fetch, which leaves two clusters.
//! let marked = Support::TimVx.ops(&graph);
//! let clustering = Clustering::form(&graph, &marked);
//! assert_eq!(clustering.len(), 2);
//! assert_eq!(clustering.clusters()[0], [OpId::new(1), OpId::new(2)]);
//!
//! // Forcing the last relu to the CPU leaves one.
//! let forced = [OpId::new(4)].into_iter().collect();
//! assert_eq!(Clustering::form(&graph, &marked.difference(&forced)).len(), 1);
//! ```

mod boundary;
mod calib;
mod clustering;
mod contraction;
mod correspondence;
mod dot;
mod facts;
mod graph;
mod name;
mod op_set;
mod record;
mod tim_vx;
mod units;

pub use boundary::{Boundary, BoundaryTensor, Producer, Reader};
pub use calib::{Calib, Conversions, ShiftHazard};
pub use clustering::{Clustering, SharedOp};
pub use correspondence::{Correspondence, Likeness};
pub use dot::{CLUSTER_COLORS, DotStyle, LabelStyle, dot};
pub use facts::{ElementType, TensorFacts};
pub use graph::{OpGraph, OpId, TensorId};
pub use name::Name;
pub use op_set::{OpSet, Placement};
pub use record::{OpRecord, RecordError};
pub use tim_vx::{Support, TIMVX_OP_TYPES, is_feed_or_fetch, timvx_supported};
pub use units::{fused_units, op_units, type_units};
