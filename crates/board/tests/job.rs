//! The supervisor on the board, with this machine as the board.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

mod common;

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use board::{
    cancel::Cancel,
    process::Command,
    remote::{Job, JobEnd, JobError},
    transport::{Local, Transport},
};
use common::{LONG, eventually, remote};

/// A deadline that a job misses, and in which it has begun for sure, on a busy machine too.
const SHORT: Duration = Duration::from_secs(2);

fn job(board: &Path, script: &str) -> Job {
    let dir = board.join("trial");
    fs::create_dir_all(&dir).unwrap();
    Job {
        dir: remote(&dir),
        lock: remote(&board.join("lock")),
        run: "run".into(),
        argv: ["/bin/sh", "-c", script].map(Into::into).into(),
        env: Vec::new(),
        deadline: LONG,
        lock_patience: Duration::ZERO,
        file_cap: 1 << 20,
        log_cap: 1 << 19,
    }
}

fn run(job: &Job) -> JobEnd {
    run_by(&Local::new(&Cancel::new()), job)
}

fn run_by(board: &Local, job: &Job) -> JobEnd {
    let reply = board.shell(&job.script().unwrap(), LONG).unwrap();
    JobEnd::parse(&reply.text()).unwrap()
}

/// A shell that boards have, with nothing but its own kind of tools on `PATH`.
fn shell_of_boards(test: &str, program: &str, at: &Path) -> Option<Local> {
    let program = test_kit::require_program(test, program)?;
    let tools = at.join("tools");
    fs::create_dir_all(&tools).unwrap();
    if program.ends_with("busybox") {
        for applet in ["sh", "setsid", "sleep", "cat", "mkdir", "mv", "rm", "wc", "ln", "kill", "head"] {
            std::os::unix::fs::symlink(&program, tools.join(applet)).unwrap();
        }
    } else {
        std::os::unix::fs::symlink(&program, tools.join("sh")).unwrap();
        for tool in ["setsid", "sleep", "cat", "mkdir", "mv", "rm", "wc", "ln", "printf", "head"] {
            std::os::unix::fs::symlink(test_kit::require_program(test, tool)?, tools.join(tool)).unwrap();
        }
    }
    let wrapper = at.join("shell");
    fs::write(&wrapper, format!("#!/bin/sh\nPATH='{0}' exec '{0}/sh' \"$@\"\n", tools.display())).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    Some(Local::new(&Cancel::new()).with_shell(wrapper))
}

fn dies(pid_file: &Path) {
    let pid = fs::read_to_string(pid_file).unwrap();
    eventually("the process is gone", || {
        fs::read(format!("/proc/{}/cmdline", pid.trim())).map_or(true, |line| line.is_empty())
    });
}

#[test]
fn a_job_leaves_its_output_its_pid_and_its_code_in_its_folder() {
    let board = tempfile::tempdir().unwrap();
    assert_eq!(run(&job(board.path(), "echo out; echo err >&2; exit 42")), JobEnd::Exited(42));
    let read = |name: &str| fs::read_to_string(board.path().join("trial").join(name)).unwrap();
    assert_eq!((read("stdout"), read("stderr"), read("rc")), ("out\n".into(), "err\n".into(), "rc=42\n".into()));
    assert!(read("pid").trim().parse::<u32>().is_ok());
    assert!(!board.path().join("lock").exists());
    assert_eq!(run(&job(board.path(), "kill -ABRT $$")), JobEnd::Exited(134));
}

#[test]
fn a_hang_that_ignores_hup_and_term_ends_at_the_boards_deadline_with_its_children() {
    let board = tempfile::tempdir().unwrap();
    let mut hang = job(board.path(), "trap '' HUP TERM INT; sleep 999 & echo $! >child; while :; do sleep 999; done");
    hang.deadline = SHORT;
    assert_eq!(run(&hang), JobEnd::TimedOut);
    dies(&board.path().join("trial/child"));
    assert!(!board.path().join("lock").exists());
}

#[test]
fn the_supervisor_runs_in_the_shells_that_boards_have() {
    for program in ["busybox", "mksh", "bash", "dash"] {
        let board = tempfile::tempdir().unwrap();
        let test = "the_supervisor_runs_in_the_shells_that_boards_have";
        let Some(shell) = shell_of_boards(test, program, board.path()) else { continue };
        let mut odd = job(board.path(), "printf '%s|' \"$ODD\"; exit 42");
        odd.env = vec![("ODD".into(), Some(b"it's $x\n".into())), ("LD_PRELOAD".into(), None)];
        assert_eq!(run_by(&shell, &odd), JobEnd::Exited(42), "{program}");
        assert_eq!(fs::read(board.path().join("trial/stdout")).unwrap(), b"it's $x\n|", "{program}");
        assert_eq!(run_by(&shell, &job(board.path(), "kill -ABRT $$")), JobEnd::Exited(134), "{program}");
        let mut hang =
            job(board.path(), "trap '' HUP TERM INT; sleep 999 & echo $! >child; while :; do sleep 999; done");
        hang.deadline = SHORT;
        assert_eq!(run_by(&shell, &hang), JobEnd::TimedOut, "{program}");
        dies(&board.path().join("trial/child"));
        fs::create_dir(board.path().join("lock")).unwrap();
        fs::write(board.path().join("lock/holder"), "other earlier-boot 1 1\n").unwrap();
        assert_eq!(run_by(&shell, &job(board.path(), ":")), JobEnd::Exited(0), "{program}");
    }
}

#[test]
fn children_that_a_job_leaves_behind_end_with_it() {
    let board = tempfile::tempdir().unwrap();
    assert_eq!(run(&job(board.path(), "sleep 999 & echo $! >child")), JobEnd::Exited(0));
    dies(&board.path().join("trial/child"));
}

#[test]
fn a_guard_does_not_outlive_its_job() {
    let board = tempfile::tempdir().unwrap();
    let mut quick = job(board.path(), ":");
    // A number that no other run of this test has.
    let seconds = 7_000_000_000 + u64::from(std::process::id());
    quick.deadline = Duration::from_secs(seconds);
    assert_eq!(run(&quick), JobEnd::Exited(0));
    eventually("the guard is gone", || common::running_with(&seconds.to_string()).is_empty());
}

#[test]
fn the_board_keeps_the_deadline_when_the_connection_is_cut_and_the_same_search_takes_over() {
    let board = tempfile::tempdir().unwrap();
    let hang = job(board.path(), "echo $$ >child; exec sleep 999");
    let script = board.path().join("script");
    fs::write(&script, hang.script().unwrap()).unwrap();
    // The client is killed while the job runs, as by a power cut of this machine: the supervisor's shell dies with it.
    let cut = Cancel::new();
    let client = Command::new("/bin/sh").stdin_file(&script).deadline(LONG).cancel(&cut);
    std::thread::scope(|scope| {
        scope.spawn(|| client.run(&board.path().join("out"), &board.path().join("err")).unwrap());
        let child = board.path().join("trial/child");
        eventually("the job runs", || fs::read(&child).is_ok_and(|pid| pid.ends_with(b"\n")));
        cut.cancel();
    });
    assert!(board.path().join("lock").exists());

    let mut stranger = job(board.path(), ":");
    stranger.run = "other".into();
    assert_eq!(run(&stranger), JobEnd::Busy { holder: "run".into() });
    assert_eq!(run(&job(board.path(), "exit 5")), JobEnd::Exited(5));
    dies(&board.path().join("trial/child"));
    assert_eq!(run(&stranger), JobEnd::Exited(0));
}

#[test]
fn a_lock_left_before_a_reboot_is_taken_over() {
    let board = tempfile::tempdir().unwrap();
    fs::create_dir(board.path().join("lock")).unwrap();
    fs::write(board.path().join("lock/holder"), format!("other earlier-boot {0} 0\n", std::process::id())).unwrap();
    assert_eq!(run(&job(board.path(), ":")), JobEnd::Exited(0));
}

#[test]
fn the_environment_is_the_jobs_alone_and_stale_variables_are_unset() {
    let board = tempfile::tempdir().unwrap();
    let mut job = job(board.path(), "printf '%s|' \"$ODD\" \"${HOME-unset}\" \"$LD_LIBRARY_PATH\"");
    let odd = b"it's $x \"y\" \\ \xff\n*".to_vec();
    // A library path that would break the supervisor's own tools is seen by the job only.
    job.env =
        vec![("ODD".into(), Some(odd.clone())), ("HOME".into(), None), ("LD_LIBRARY_PATH".into(), Some(b"/x".into()))];
    assert_eq!(run(&job), JobEnd::Exited(0));
    let out = fs::read(board.path().join("trial/stdout")).unwrap();
    assert_eq!(out, [odd.as_slice(), b"|unset|/x|"].concat());
}

#[test]
fn output_cannot_fill_the_board() {
    let board = tempfile::tempdir().unwrap();
    let mut loud = job(board.path(), "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done");
    loud.file_cap = 100 << 10;
    assert!(matches!(run(&loud), JobEnd::Exited(code) if code != 0));
    assert!(fs::metadata(board.path().join("trial/stdout")).unwrap().len() <= 100 << 10);
}

#[test]
fn the_beginning_of_a_long_output_is_kept() {
    let board = tempfile::tempdir().unwrap();
    let mut loud = job(board.path(), "echo first; head -c 100000 /dev/zero; echo short >&2");
    loud.log_cap = 1000;
    assert_eq!(run(&loud), JobEnd::Exited(0));
    let stdout = fs::read(board.path().join("trial/stdout")).unwrap();
    assert!(stdout.starts_with(b"first\n") && stdout.len() == 1000);
    assert_eq!(fs::read(board.path().join("trial/stderr")).unwrap(), b"short\n");
}

#[test]
fn a_missing_folder_is_lost_and_bad_names_are_refused() {
    let board = tempfile::tempdir().unwrap();
    let mut missing = job(board.path(), ":");
    missing.dir = remote(&board.path().join("missing"));
    assert!(matches!(run(&missing), JobEnd::Lost { .. }));
    assert!(!board.path().join("lock").exists());

    let mut bad = job(board.path(), ":");
    bad.env = vec![("A=1; reboot".into(), None)];
    assert!(matches!(bad.script(), Err(JobError::BadVariable(_))));
    bad.env.clear();
    bad.run = "../x y".into();
    assert!(matches!(bad.script(), Err(JobError::BadRun(_))));
    bad.argv.clear();
    assert!(matches!(bad.script(), Err(JobError::NoProgram)));
}

#[test]
fn what_is_no_supervisors_word_is_not_understood() {
    for output in ["", "end", "end ", "end rc=", "end rc=x", "end perhaps", "rc=0", "\u{fffd}\0"] {
        assert!(JobEnd::parse(output).is_err(), "{output:?}");
    }
    assert_eq!(JobEnd::parse("noise\nend unkillable\n"), Ok(JobEnd::Unkillable));
    assert_eq!(JobEnd::parse("end full\r\n"), Ok(JobEnd::DiskFull));
}
