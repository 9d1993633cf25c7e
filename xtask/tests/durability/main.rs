//! Nothing is ever lost: searches through the real binary that are killed, interrupted, run out of disk or are resumed from damaged files.
//!
//! `NPU_BISECT_KILLS=300 cargo test -p xtask --release --test durability kill` is the long run.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod cache;
mod disk;
mod dry_run;
mod interrupt;
mod kill;
mod orphans;
mod resume;
mod searches;
