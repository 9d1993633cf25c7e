//! What every transport must do, against the real programs.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

mod common;

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::Path,
    time::{Duration, Instant},
};

use board::{
    cancel::Cancel,
    process::Ending,
    remote::{RemotePath, append_to_file, quote},
    transport::{Local, Transport, Trouble},
};
use common::{LONG, Sshd, remote};
use proptest::prelude::*;

/// Runs a check over every transport that can be had here; the folder is the board's.
fn over_all(test: &str, check: impl Fn(&dyn Transport, &Path)) {
    let dir = tempfile::tempdir().unwrap();
    check(&Local::new(&Cancel::new()), dir.path());
    if let Some(sshd) = Sshd::start(test) {
        check(&common::ssh(&sshd), sshd.dir.path());
    }
}

#[test]
fn the_boards_own_exit_code_and_output_arrive() {
    over_all("the_boards_own_exit_code_and_output_arrive", |transport, _| {
        for code in [0, 1, 75, 125, 255] {
            let reply = transport.shell(format!("printf 'a\\nb'; echo no >&2; exit {code}").as_bytes(), LONG).unwrap();
            assert_eq!((reply.code, reply.output.as_slice()), (code, &b"a\nb"[..]), "{}", transport.label());
        }
        let binary = transport.shell(b"printf '\\000\\377\\r\\n\\n'", LONG).unwrap();
        assert_eq!(binary.output, b"\0\xff\r\n\n");
        let long = format!("printf %s '{}' | wc -c", "x".repeat(300_000));
        assert_eq!(transport.shell(long.as_bytes(), LONG).unwrap().text().trim(), "300000");
    });
}

#[test]
fn files_with_any_name_go_and_come_back_byte_for_byte() {
    over_all("files_with_any_name_go_and_come_back_byte_for_byte", |transport, board| {
        let here = tempfile::tempdir().unwrap();
        let contents: Vec<u8> = (0..3_000_000_u32).map(|n| (n * 7 + n / 251) as u8).collect();
        let (local, back, empty) = (here.path().join("local"), here.path().join("back"), here.path().join("empty"));
        fs::write(&local, &contents).unwrap();
        fs::write(&empty, "").unwrap();
        for name in ["plain", "it's; $(touch x) `y` \"q\" \\n\n%d *", "-rf", "中文"] {
            let (there, none) = (remote(&board.join(name)), remote(&board.join("none")));
            transport.push(&local, &there, LONG).unwrap();
            transport.push(&empty, &none, LONG).unwrap();
            let (back_none, both) = (here.path().join("n"), 2 * contents.len() as u64);
            let files = [(none, back_none.clone()), (there.clone(), back.clone()), (there, back.clone())];
            transport.pull(&files, both, LONG).unwrap();
            assert_eq!(fs::read(&back).unwrap(), contents, "{name}");
            assert_eq!(fs::read(&back_none).unwrap(), b"");
            assert!(transport.pull(&files, both - 1, LONG).is_err(), "the limit on bytes does not hold");
        }
    });
}

#[test]
fn links_folders_and_missing_files_are_not_pulled() {
    over_all("links_folders_and_missing_files_are_not_pulled", |transport, board| {
        let here = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/passwd", board.join("link")).unwrap();
        fs::create_dir(board.join("folder")).unwrap();
        for name in ["link", "folder", "missing"] {
            let files = [(remote(&board.join(name)), here.path().join("got"))];
            assert!(transport.pull(&files, 1 << 20, LONG).is_err(), "{} pulled a {name}", transport.label());
        }
    });
}

#[test]
fn a_push_that_cannot_be_stored_is_an_error() {
    over_all("a_push_that_cannot_be_stored_is_an_error", |transport, board| {
        let file = board.join("file");
        fs::write(&file, vec![1; 100_000]).unwrap();
        assert!(transport.push(&file, &remote(&board.join("no/such/folder")), LONG).is_err());
        assert!(transport.push(&file, &RemotePath::new("/dev/full").unwrap(), LONG).is_err());
    });
}

#[test]
fn a_command_that_does_not_end_costs_one_deadline() {
    over_all("a_command_that_does_not_end_costs_one_deadline", |transport, _| {
        transport.shell(b"true", LONG).unwrap();
        let started = Instant::now();
        let trouble = transport.shell(b"trap '' HUP TERM; sleep 20", Duration::from_millis(500)).unwrap_err();
        assert!(matches!(trouble, Trouble::Silent { .. }), "{trouble}");
        assert!(started.elapsed() < Duration::from_secs(10));
    });
}

#[test]
fn a_board_that_is_not_there_is_not_an_exit_code() {
    let Some(sshd) = Sshd::start("a_board_that_is_not_there_is_not_an_exit_code") else { return };
    let ssh = common::ssh(&sshd);
    sshd.signal("-KILL");
    let trouble = ssh.shell(b"exit 0", LONG).unwrap_err();
    assert!(matches!(trouble, Trouble::NoReply { ending: Ending::Exited(255), .. }), "{trouble}");
}

#[test]
fn an_sshd_killed_in_mid_command_is_trouble_and_the_next_call_works_after_its_restart() {
    let Some(mut sshd) = Sshd::start("an_sshd_killed_in_mid_command_is_trouble") else { return };
    let ssh = common::ssh(&sshd);
    let mark = sshd.dir.path().join("mark");
    let script = [b"touch ", quote(mark.as_os_str().as_bytes()).as_slice(), b"; sleep 3"].concat();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| ssh.shell(&script, LONG));
        common::eventually("the command runs", || mark.exists());
        sshd.signal("-KILL");
        assert!(matches!(call.join().unwrap(), Err(Trouble::NoReply { .. })));
    });
    sshd.restart();
    ssh.reconnect();
    assert_eq!(ssh.shell(b"exit 7", LONG).unwrap().code, 7);
}

#[test]
fn a_frozen_sshd_costs_one_deadline() {
    let Some(sshd) = Sshd::start("a_frozen_sshd_costs_one_deadline") else { return };
    let ssh = common::ssh(&sshd);
    ssh.shell(b"true", LONG).unwrap();
    sshd.signal("-STOP");
    let started = Instant::now();
    let trouble = ssh.shell(b"true", Duration::from_secs(1)).unwrap_err();
    assert!(matches!(trouble, Trouble::Silent { .. }), "{trouble}");
    assert!(started.elapsed() < Duration::from_secs(8));
    sshd.signal("-CONT");
    ssh.reconnect();
    assert_eq!(ssh.shell(b"exit 3", LONG).unwrap().code, 3);
}

#[test]
fn the_shared_connection_ends_with_its_transport() {
    let Some(sshd) = Sshd::start("the_shared_connection_ends_with_its_transport") else { return };
    let ssh = common::ssh(&sshd);
    ssh.shell(b"true", LONG).unwrap();
    ssh.shell(b"true", LONG).unwrap();
    assert!(sshd.processes().len() > 1, "there is no shared connection to begin with");
    drop(ssh);
    common::eventually("the session ends", || sshd.processes().len() == 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn quoted_words_and_written_files_hold_exactly_their_bytes(word in prop::collection::vec(1u8.., 0..40), file in prop::collection::vec(0u8.., 0..300)) {
        let board = tempfile::tempdir().unwrap();
        let local = Local::new(&Cancel::new());
        let mut name = word.clone();
        name.retain(|byte| *byte != b'/');
        name.insert(0, b'n');
        let path = board.path().join(OsStr::from_bytes(&name));
        let script = [b"printf %s ".as_slice(), &quote(&word), b"\n", &append_to_file(&remote(&path), &file)].concat();
        let reply = local.shell(&script, LONG).unwrap();
        prop_assert_eq!(reply.code, 0);
        prop_assert_eq!(reply.output, word);
        prop_assert_eq!(fs::read(&path).unwrap(), file);
    }
}
