//! Estimates how long a placement takes on a board.
//!
//! The time is made of work times rates: multiplications, bytes moved, ops, clusters, bytes that cross between CPU and NPU. The
//! rates of a [`Chip`] are fitted to the latencies that Paddle Lite publishes for it (spec/latency.md), and again to trials that
//! a board has timed. An estimate ranks placements; it is no measurement. How far it is off is in `docs/latency.md`.
//!
//! ```
//! use latency::{Chip, CostModel, Features, Work};
//!
//! let mut model = CostModel::published(Chip::A311D);
//! // 0.5 GMAC in convolutions and 10 MB of activations: on the CPU, and as one cluster.
//! let work = Work { dense: 0.5, depthwise: 0.02, megabytes: 10.0, ops: 30.0 };
//! let cpu = model.estimate(&Features { cpu: work, ..Features::default() });
//! let npu = model.estimate(&Features { npu: work, clusters: 1.0, crossing_megabytes: 0.15, ..Features::default() });
//! assert!(npu.total_ms() < cpu.total_ms());
//!
//! // This board is twice as slow as the table says.
//! model.recalibrate(&[(Features { cpu: work, ..Features::default() }, cpu.total_ms() * 2.0 / 1000.0)]);
//! let again = model.estimate(&Features { cpu: work, ..Features::default() });
//! assert!(again.total_ms() > 1.5 * cpu.total_ms());
//! ```

mod chip;
mod fit;
mod model;
mod published;
mod trials;
mod work;

pub use chip::{Chip, UnknownChip};
pub use model::{CostModel, Estimate};
pub use published::{NETWORKS, Network, published};
pub use trials::Timed;
pub use work::{Features, NetworkWork, Work};
