//! The process primitives against real programs.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use std::{
    path::Path,
    time::{Duration, Instant},
};

use board::{
    cancel::Cancel,
    process::{Command, Ending, Finished, ProcessError},
};
use proptest::prelude::*;

/// Far beyond what any command here needs.
const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(300);

fn sh(script: &str) -> Command {
    Command::new("/bin/sh").args(["-c", script]).deadline(LONG)
}

struct Ran {
    finished: Finished,
    out: Vec<u8>,
    err: Vec<u8>,
}

fn run(command: &Command) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let finished = command.run(&dir.path().join("out"), &dir.path().join("err")).unwrap();
    let (out, err) = (finished.stdout.read().unwrap(), finished.stderr.read().unwrap());
    Ran { finished, out, err }
}

/// Whether the process whose id a command printed dies; SIGKILL has been sent, the kernel may still be at it.
fn dies(printed_pid: &[u8]) -> bool {
    let pid = std::str::from_utf8(printed_pid).unwrap().trim();
    let command_line = Path::new("/proc").join(pid).join("cmdline");
    let end = Instant::now() + Duration::from_secs(5);
    // A zombie that its parent has not reaped yet still has the file, but an empty one.
    while std::fs::read(&command_line).is_ok_and(|line| !line.is_empty()) {
        if Instant::now() > end {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

#[test]
fn exit_codes_signals_and_both_streams_are_told_apart() {
    let ran = run(&sh("echo out; echo err >&2; exit 42"));
    assert_eq!(ran.finished.ending, Ending::Exited(42));
    assert_eq!((ran.out.as_slice(), ran.err.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
    assert_eq!(run(&sh("kill -9 $$")).finished.ending, Ending::Signalled(9));
}

#[test]
fn a_hang_that_ignores_hup_and_term_costs_one_deadline_and_leaves_nothing() {
    let started = Instant::now();
    let ran = run(&sh("trap '' HUP TERM INT; sleep 600 & echo $!; while :; do sleep 600; done").deadline(SHORT));
    assert_eq!(ran.finished.ending, Ending::TimedOut);
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(dies(&ran.out));
}

#[test]
fn children_that_outlive_a_command_end_with_it() {
    let ran = run(&sh("sleep 600 & echo $!"));
    assert_eq!(ran.finished.ending, Ending::Exited(0));
    assert!(ran.finished.wall < Duration::from_secs(10), "the open output held the command up");
    assert!(dies(&ran.out));
}

#[test]
fn a_cancelled_command_ends_early() {
    let cancel = Cancel::new();
    let command = sh("sleep 600").cancel(&cancel);
    let waiter = std::thread::spawn(move || run(&command));
    cancel.cancel();
    assert_eq!(waiter.join().unwrap().finished.ending, Ending::Cancelled);
}

#[test]
fn output_beyond_the_cap_is_dropped_and_the_command_never_notices() {
    let ran = run(&sh("head -c 1000000 /dev/zero; echo done >&2; exit 7").output_cap(1000));
    assert_eq!(ran.finished.ending, Ending::Exited(7));
    assert_eq!((ran.finished.stdout.bytes, ran.finished.stdout.truncated), (1000, true));
    assert_eq!(ran.err, b"done\n");
    let exact = run(&sh("head -c 1000 /dev/zero").output_cap(1000)).finished;
    assert_eq!((exact.stdout.bytes, exact.stdout.truncated), (1000, false));
}

#[test]
fn input_comes_from_bytes_or_a_file_and_is_empty_otherwise() {
    let big = vec![b'x'; 1 << 20];
    assert_eq!(run(&sh("wc -c").stdin_bytes(big)).out.trim_ascii(), b"1048576");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "from the file").unwrap();
    assert_eq!(run(&sh("cat").stdin_file(file.path())).out, b"from the file");
    assert_eq!(run(&sh("wc -c")).out.trim_ascii(), b"0");
}

#[test]
fn environment_and_folder_are_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    let command =
        sh("echo \"$ADDED ${HOME-unset}\"; pwd").env("ADDED", "yes").env_remove("HOME").current_dir(dir.path());
    let text = String::from_utf8(run(&command).out).unwrap();
    assert!(text.starts_with("yes unset\n"), "{text}");
    assert!(text.trim_end().ends_with(dir.path().file_name().unwrap().to_str().unwrap()));
}

#[test]
fn a_missing_program_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let error = Command::new("/no/such/program").run(&dir.path().join("o"), &dir.path().join("e")).unwrap_err();
    assert!(matches!(&error, ProcessError::Start { program, .. } if program == "/no/such/program"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arguments_arrive_byte_for_byte(args in prop::collection::vec(prop::collection::vec(1u8.., 0..12), 0..6)) {
        use std::os::unix::ffi::OsStrExt;
        let command = Command::new("/usr/bin/printf").arg("%s\n").args(args.iter().map(|arg| std::ffi::OsStr::from_bytes(arg)));
        let expected: Vec<u8> = args.iter().flat_map(|arg| [arg.as_slice(), b"\n"].concat()).collect();
        let expected = if args.is_empty() { b"\n".to_vec() } else { expected };
        prop_assert_eq!(run(&command).out, expected);
    }
}
