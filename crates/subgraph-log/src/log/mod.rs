//! The log: from bytes to blocks, each an op graph with the clusters that Paddle Lite formed.

mod block;
mod collect;
mod dot;
mod lines;
mod marker;
mod operators;
mod print;
mod report;

pub use block::Block;
pub use print::{BlockStyle, print_block};
pub use report::{Limits, LogError, LogReport, parse, parse_reader};
