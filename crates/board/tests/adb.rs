//! Boards behind adb: the real client and server, and a daemon with the lies of legacy and modern adbd.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

mod common;

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use board::{
    cancel::Cancel,
    transport::{Adb, Transport, Trouble},
    trial::{Artifact, Attempt, Site, Trial},
};
use common::{LONG, remote};
use test_kit::{AdbServer, Adbd, Age};

const AGES: [Age; 2] = [Age::Legacy, Age::Modern];

fn adb(server: &AdbServer, daemon: &Adbd, board: &Path) -> Adb {
    let adb = Adb::new(&format!("127.0.0.1:{}", daemon.port), &remote(&board.join("scripts")), &Cancel::new());
    adb.server_port(server.port)
}

/// Runs a check with each kind of daemon; the folder is the board's.
fn over_both(test: &str, check: impl Fn(&Adb, &Adbd, &Path)) {
    let Some(server) = AdbServer::start(test) else { return };
    for age in AGES {
        let (daemon, board) = (Adbd::start(age), tempfile::tempdir().unwrap());
        let adb = adb(&server, &daemon, board.path());
        adb.reconnect();
        check(&adb, &daemon, board.path());
    }
}

#[test]
fn the_daemons_lie_as_real_ones_do() {
    let Some(server) = AdbServer::start("the_daemons_lie_as_real_ones_do") else { return };
    for (age, code, end) in [(Age::Legacy, 0, "a\r\n"), (Age::Modern, 42, "a\n")] {
        let daemon = Adbd::start(age);
        let serial = format!("127.0.0.1:{}", daemon.port);
        server.adb(&["connect", &serial]);
        assert_eq!(server.adb(&["-s", &serial, "shell", "echo a"]), end);
        let status = std::process::Command::new("adb")
            .args(["-P", &server.port.to_string(), "-s", &serial, "shell", "exit 42"])
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(code));
    }
}

#[test]
fn the_boards_own_exit_code_and_output_arrive() {
    over_both("the_boards_own_exit_code_and_output_arrive", |adb, _, _| {
        for code in [0, 1, 75, 125, 255] {
            let reply = adb.shell(format!("printf 'a\\nb\\n'; exit {code}").as_bytes(), LONG).unwrap();
            assert_eq!((reply.code, reply.text().as_str()), (code, "a\nb\n"));
        }
        // Beyond what one message to a legacy adbd can hold.
        let long = format!("printf %s '{}' | wc -c", "x".repeat(50_000));
        assert_eq!(adb.shell(long.as_bytes(), LONG).unwrap().text().trim(), "50000");
    });
}

#[test]
fn files_with_any_name_go_and_come_back_byte_for_byte() {
    over_both("files_with_any_name_go_and_come_back_byte_for_byte", |adb, _, board| {
        let here = tempfile::tempdir().unwrap();
        let contents: Vec<u8> = (0..1_000_000_u32).map(|n| (n * 7 + n / 251) as u8).collect();
        let (local, back) = (here.path().join("local"), here.path().join("back"));
        fs::write(&local, &contents).unwrap();
        for name in ["plain", "it's; $(touch x) `y` \"q\" \\n\n%d *,", "中文"] {
            let there = remote(&board.join(name));
            adb.push(&local, &there, LONG).unwrap();
            let files = [(there, back.clone())];
            adb.pull(&files, contents.len() as u64, LONG).unwrap();
            assert_eq!(fs::read(&back).unwrap(), contents, "{name}");
            assert!(adb.pull(&files, 10, LONG).is_err(), "the limit on bytes does not hold");
        }
        std::os::unix::fs::symlink("/etc/passwd", board.join("link")).unwrap();
        for name in ["link", "missing", ""] {
            assert!(adb.pull(&[(remote(&board.join(name)), back.clone())], 1 << 20, LONG).is_err(), "{name}");
        }
        assert!(adb.push(&local, &remote(&board.join("plain/no-folder")), LONG).is_err());
    });
}

#[test]
fn a_trial_runs_over_either_daemon() {
    over_both("a_trial_runs_over_either_daemon", |adb, _, board| {
        let transport: Arc<dyn Transport> = Arc::new(adb.clone());
        let site = Site::open(&transport, &remote(&board.join("work")), "run").unwrap();
        let mut trial = Trial {
            id: "t".into(),
            config: Some(b"relu:x:y\n".into()),
            artifacts: vec![Artifact::file("runner", &common::runner(board)).unwrap()],
            config_copies: Vec::new(),
            argv: ["./runner", "good"].map(String::from).into(),
            env: Vec::new(),
            deadline: LONG,
            wants_manifest: true,
        };
        site.ensure(&trial.artifacts).unwrap();
        let into = tempfile::tempdir().unwrap();
        let Attempt::Ran(ran) = site.attempt(&trial, 1, into.path()).unwrap() else { panic!() };
        assert_eq!(ran.manifest.unwrap().tensors[0].bytes, 8);
        assert_eq!(fs::read(&ran.evidence.stderr).unwrap(), b"to stderr\n");
        assert_eq!(fs::read(&ran.evidence.stdout).unwrap(), b"subgraph operators: \n");
        trial.argv = ["./runner", "exit", "1"].map(String::from).into();
        assert!(matches!(site.attempt(&trial, 2, into.path()), Ok(Attempt::Failed { code: 1, .. })));
        assert!(site.free_kb().unwrap() > 0);
        site.close().unwrap();
        assert!(!board.join("work/run").exists());
    });
}

#[test]
fn a_daemon_that_dies_in_mid_command_is_trouble_and_comes_back() {
    over_both("a_daemon_that_dies_in_mid_command_is_trouble_and_comes_back", |adb, daemon, board| {
        let mark = board.join("mark");
        let script = format!("touch '{}'; sleep 2", mark.display());
        std::thread::scope(|scope| {
            let call = scope.spawn(|| adb.shell(script.as_bytes(), LONG));
            common::eventually("the command runs", || mark.exists());
            daemon.die();
            assert!(matches!(call.join().unwrap(), Err(Trouble::NoReply { .. })));
        });
        adb.reconnect();
        assert_eq!(adb.shell(b"exit 7", LONG).unwrap().code, 7);
    });
}

#[test]
fn a_frozen_daemon_costs_one_deadline_though_adb_calls_it_a_device() {
    let test = "a_frozen_daemon_costs_one_deadline_though_adb_calls_it_a_device";
    let Some(server) = AdbServer::start(test) else { return };
    for age in AGES {
        let (daemon, board) = (Adbd::start(age), tempfile::tempdir().unwrap());
        let adb = adb(&server, &daemon, board.path());
        adb.reconnect();
        assert_eq!(adb.shell(b"exit 3", LONG).unwrap().code, 3);
        daemon.freeze(true);
        assert!(server.adb(&["devices"]).contains(&format!("{}\tdevice", daemon.port)));
        let started = Instant::now();
        let trouble = adb.shell(b"true", Duration::from_millis(500)).unwrap_err();
        assert!(matches!(trouble, Trouble::Silent { .. }), "{trouble}");
        let file = board.path().join("file");
        fs::write(&file, "x").unwrap();
        let push = adb.push(&file, &remote(&board.path().join("there")), Duration::from_millis(500));
        assert!(matches!(push, Err(Trouble::Silent { .. })));
        assert!(started.elapsed() < Duration::from_secs(10));
        daemon.freeze(false);
        adb.reconnect();
        assert_eq!(adb.shell(b"exit 4", LONG).unwrap().code, 4);
    }
}

#[test]
fn a_board_that_is_not_there_is_trouble() {
    let Some(server) = AdbServer::start("a_board_that_is_not_there_is_trouble") else { return };
    let board = tempfile::tempdir().unwrap();
    let daemon = Adbd::start(Age::Modern);
    let adb = adb(&server, &daemon, board.path());
    drop(daemon);
    adb.reconnect();
    assert!(matches!(adb.shell(b"exit 0", LONG), Err(Trouble::NoReply { .. })));
}
