//! Plain arithmetic that knows nothing of Lite or the NPU.

pub(crate) mod broadcast;
pub(crate) mod conv;
pub(crate) mod direct;
pub(crate) mod matmul;
pub(crate) mod round;
pub(crate) mod simd;
pub(crate) mod window;
