//! The program that libFuzzer drives: `FUZZ_TARGET` names the target, the arguments are libFuzzer's.
#![no_main]

use std::sync::LazyLock;

use fuzz::{TARGETS, Target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    TARGETS.iter().find(|target| target.name == name).expect("FUZZ_TARGET must name a target of this crate")
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
