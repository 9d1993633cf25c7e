//! What the stack may do to its process, and what `npu-runner` makes of it.

use board::trial::{Attempt, TrialError};

use crate::{
    built::{NATIVE, npu_runner},
    lab::{Lab, Outcome},
};

const WORDS: [&str; 10] = [
    "--device",
    "timvx",
    "--model",
    "model/model.pdmodel",
    "--params",
    "model/model.pdiparams",
    "--input",
    "input0.raw=1,3,32,32",
    "--samples",
    "0-1",
];

fn with(test: &str, fault: &str) -> Option<Outcome> {
    let mut runner = npu_runner(test, &NATIVE)?;
    runner.env.push(("PADDLE_LITE_FAULT".into(), fault.into()));
    Some(Lab::new().attempt(&runner, &WORDS, Some(b"relu")))
}

#[test]
fn whatever_the_stack_does_to_its_process_is_a_failed_placement_with_its_reason() {
    let test = "whatever_the_stack_does_to_its_process_is_a_failed_placement_with_its_reason";
    for (fault, reason, stderr) in [
        (
            "abort-at-load",
            "signal 6 (Aborted) ended the stack while it loaded the model",
            "Failed to compile tim-vx graph!",
        ),
        ("abort-in-run", "ended the stack in its first run", "Failed to compile tim-vx graph!"),
        ("segfault-in-run", "signal 11 (Segmentation fault) ended the stack", ""),
        ("throw-at-load", "Unsupported operation while it loaded the model", ""),
        ("exit-in-run", "ended its process itself (exit code 0)", ""),
    ] {
        let Some(outcome) = with(test, fault) else { return };
        assert!(matches!(outcome.attempt, Ok(Attempt::Failed { code: 1, .. })), "{fault}: {:?}", outcome.attempt);
        let failed = &outcome.result["failed"];
        assert!(failed["reason"].as_str().unwrap().contains(reason), "{fault}: {failed}");
        assert!(failed["stderr"].as_str().unwrap().contains(stderr), "{fault}: {failed}");
        assert!(outcome.stderr.contains(stderr), "{fault}: what the stack wrote is passed on");
    }
}

#[test]
fn what_comes_from_outside_and_a_missing_driver_are_trouble_with_the_board() {
    let test = "what_comes_from_outside_and_a_missing_driver_are_trouble_with_the_board";
    for (fault, reason) in
        [("killed-in-run", "signal 9 (Killed)"), ("no-driver", "the driver of verisilicon_timvx does not load")]
    {
        let Some(outcome) = with(test, fault) else { return };
        match outcome.attempt {
            Err(TrialError::Infrastructure { reason: told, .. }) => assert!(told.contains(reason), "{fault}: {told}"),
            other => panic!("{fault}: {other:?}"),
        }
    }
}

#[test]
fn a_stack_that_hangs_when_it_is_taken_down_costs_nothing() {
    let Some(outcome) = with("a_stack_that_hangs_when_it_is_taken_down_costs_nothing", "hang-in-teardown") else {
        return;
    };
    assert!(matches!(outcome.attempt, Ok(Attempt::Ran(_))), "{:?}", outcome.attempt);
}
