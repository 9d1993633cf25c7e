//! The line protocol against real programs, well-behaved and not.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use std::time::{Duration, Instant};

use board::{
    cancel::Cancel,
    line_process::{LineError, LineProcess},
    process::{Command, Ending},
};
use serde::{Deserialize, Serialize};

const LONG: Duration = Duration::from_secs(30);

fn program(script: &str) -> (tempfile::TempDir, LineProcess) {
    let dir = tempfile::tempdir().unwrap();
    let command = Command::new("/bin/sh").args(["-c", script]).output_cap(1 << 20);
    let process = LineProcess::new(command, dir.path().join("stderr"));
    (dir, process)
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Message {
    score: f64,
    names: Vec<String>,
}

#[test]
fn one_program_answers_many_requests() {
    let (_dir, mut echo) = program("cat");
    for score in [0.25, -1.0, 1e300] {
        let message = Message { score, names: vec!["conv2d:x,w:y".into(), "line\nbreak".into()] };
        assert_eq!(echo.request_json::<Message>(&message, LONG).unwrap(), message);
    }
    let long = "x".repeat(500_000);
    assert_eq!(echo.request(&long, LONG).unwrap(), long);
    assert_eq!(echo.starts(), 1);
}

#[test]
fn a_crash_is_reported_with_its_ending_and_the_next_request_starts_afresh() {
    let (_dir, mut fragile) =
        program("while read line; do case $line in crash) echo oops >&2; exit 9;; *) echo \"$line\";; esac; done");
    assert_eq!(fragile.request("one", LONG).unwrap(), "one");
    match fragile.request("crash", LONG).unwrap_err() {
        LineError::Died { ending, stderr } => {
            assert_eq!(ending, Ending::Exited(9));
            assert!(stderr.exists());
        }
        other => panic!("{other}"),
    }
    assert_eq!(fragile.request("two", LONG).unwrap(), "two");
    assert_eq!(fragile.starts(), 2);
}

#[test]
fn a_hang_costs_one_deadline_and_its_late_answer_is_never_taken_for_another() {
    let (_dir, mut slow) = program(
        "trap '' TERM HUP; read line; case $line in slow) sleep 600; echo late;; *) echo \"$line\";; esac; cat",
    );
    let started = Instant::now();
    assert!(matches!(slow.request("slow", Duration::from_millis(200)), Err(LineError::TimedOut { .. })));
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(slow.request("quick", LONG).unwrap(), "quick");
}

#[test]
fn a_program_that_does_not_read_cannot_hold_the_caller() {
    let (_dir, mut deaf) = program("sleep 600");
    let request = "x".repeat(1 << 20);
    assert!(matches!(deaf.request(&request, Duration::from_millis(200)), Err(LineError::TimedOut { .. })));
}

#[test]
fn lines_that_nobody_asked_for_are_refused() {
    let (_dir, mut chatty) = program("read line; echo \"$line\"; echo extra; read line; echo \"$line\"");
    assert_eq!(chatty.request("one", LONG).unwrap(), "one");
    // The extra line may be on its way still; then it comes as the answer, and the answer as the extra line.
    let second = chatty.request("two", LONG);
    assert!(matches!(second, Err(LineError::Unasked { .. })) || second.unwrap() == "extra");
}

#[test]
fn nonsense_and_endless_lines_are_errors_and_not_memory() {
    assert!(matches!(
        program("read l; echo nonsense").1.request_json::<Message>(&1, LONG),
        Err(LineError::Json { .. })
    ));
    assert!(matches!(program("read l; cat /dev/zero").1.request("q", LONG), Err(LineError::Garbled { .. })));
    assert!(matches!(program("read l; printf '\\377\\n'; cat").1.request("q", LONG), Err(LineError::Garbled { .. })));
    assert!(matches!(program("read l; printf half").1.request("q", LONG), Err(LineError::Died { .. })));
    assert!(matches!(program("cat").1.request("two\nlines", LONG), Err(LineError::Request { .. })));
}

#[test]
fn a_cancelled_request_ends_early() {
    let cancel = Cancel::new();
    cancel.cancel();
    let dir = tempfile::tempdir().unwrap();
    let mut hung =
        LineProcess::new(Command::new("/bin/sh").args(["-c", "sleep 600"]).cancel(&cancel), dir.path().join("stderr"));
    assert!(matches!(hung.request("q", LONG), Err(LineError::Cancelled)));
}
