//! `npu-runner` compiles against every release of Paddle Lite that boards have, for every processor, without a warning.

use std::process::Command;

use crate::built::{MACHINES, folder, succeed};

#[test]
fn npu_runner_compiles_without_a_warning_against_the_api_of_every_release_for_every_processor() {
    let test = "npu_runner_compiles_without_a_warning_against_the_api_of_every_release_for_every_processor";
    let mut sources: Vec<_> = folder("runner/src").read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    sources.retain(|path| path.extension().is_some_and(|its| its == "cpp"));
    for machine in &MACHINES {
        let Some(compiler) = test_kit::require_program(test, machine.compiler) else { continue };
        for release in [210, 211, 212, 213, 214] {
            succeed(
                Command::new(&compiler)
                    .args(["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-isystem"])
                    .arg(folder("tests/paddle_lite/include"))
                    .arg(format!("-DPADDLE_LITE_RELEASE={release}"))
                    // Only this one sees the SDK.
                    .args(sources.iter().filter(|path| release == 210 || path.ends_with("stack.cpp"))),
            );
        }
    }
}
