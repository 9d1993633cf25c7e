//! The runners serve one and the same protocol: `sim-runner`, and `npu-runner` over a Paddle Lite that the simulator plays
//! (`tests/paddle_lite/`), here and built for the boards' processors.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

mod built;
mod faults;
mod headers;
mod lab;
mod protocol;
