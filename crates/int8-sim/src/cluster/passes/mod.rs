//! The driver's passes over a cluster, in its order (spec/paddle-lite.md D, timvx HAL order).

mod asymmetric;
mod channel_shuffle;
mod conv_activation;
mod conv_add;
mod matmul_add;
mod sigmoid_mul;

use super::Model;

/// Rewrites a cluster as the driver does before it builds the device's graph.
pub(crate) fn optimize(model: &mut Model) {
    conv_add::fuse(model);
    conv_activation::fuse(model);
    matmul_add::fuse(model);
    channel_shuffle::fuse(model);
    sigmoid_mul::fuse(model);
    asymmetric::convert(model);
}
