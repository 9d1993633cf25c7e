//! Boards of a farm: real labgrid coordinator, exporter and client, and real sshd as the boards.
//!
//! labgrid is looked for on `PATH`, and in the folder that `NPU_BISECT_LABGRID` names (a virtual environment's `bin`).
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

mod common;

use std::{
    collections::BTreeMap,
    env, fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use board::{
    cancel::Cancel,
    transport::{Labgrid, Place, Transport, Trouble},
};
use common::{LONG, Sshd, eventually};

/// A coordinator, an exporter of one board, and the board.
struct Farm {
    bin: PathBuf,
    dir: tempfile::TempDir,
    coordinator: String,
    sshd: Sshd,
    children: Vec<Child>,
}

fn find_labgrid(test: &str) -> Option<PathBuf> {
    let named = env::var_os("NPU_BISECT_LABGRID").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let found = named.into_iter().chain(env::split_paths(&path)).find(|dir| dir.join("labgrid-coordinator").is_file());
    if found.is_none() {
        test_kit::skip(test, "labgrid is not installed");
    }
    found
}

impl Farm {
    fn start(test: &str) -> Option<Self> {
        let bin = find_labgrid(test)?;
        let sshd = Sshd::start(test)?;
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let resources = format!(
            "rack:\n  board1: {{cls: NetworkService, address: 127.0.0.1, port: {}, username: {}}}\n",
            sshd.port,
            String::from_utf8(user).unwrap().trim()
        );
        fs::write(dir.path().join("exporter.yaml"), resources).unwrap();
        let mut farm = Self { bin, dir, coordinator: format!("127.0.0.1:{port}"), sshd, children: Vec::new() };
        farm.start_coordinator();
        farm.start_exporter();
        farm.create_place();
        Some(farm)
    }

    fn create_place(&self) {
        for args in [&["create"][..], &["add-match", "host1/rack/NetworkService/board1"], &["set-tags", "soc=rv1126"]] {
            self.client(&[&["-p", "board1"], args].concat());
        }
        assert!(self.client(&["-p", "board1", "show"]).1.contains("rv1126"));
    }

    fn daemon(&self, program: &str, args: &[&str]) -> Child {
        let mut command = Command::new(self.bin.join(program));
        command.args(args).current_dir(self.dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn start_coordinator(&mut self) {
        let child = self.daemon("labgrid-coordinator", &["-l", &self.coordinator]);
        self.children.push(child);
        eventually("the coordinator listens", || TcpStream::connect(&self.coordinator).is_ok());
    }

    fn start_exporter(&mut self) {
        let args = ["-c", &self.coordinator, "-n", "host1", "--hostname", "127.0.0.1", "exporter.yaml"];
        let child = self.daemon("labgrid-exporter", &args);
        self.children.push(child);
        eventually("the board is offered", || self.client(&["resources"]).1.contains("NetworkService"));
    }

    fn stop_daemons(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.children.clear();
    }

    /// Whether the client succeeded, and what it said.
    fn client(&self, args: &[&str]) -> (bool, String) {
        let mut command = Command::new(self.bin.join("labgrid-client"));
        let output = command.args(["-x", &self.coordinator]).args(args).stdin(Stdio::null()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn board(&self, place: Place) -> Labgrid {
        let mut options = self.sshd.options();
        // The address is for labgrid to tell.
        let port = options.iter().position(|option| option == "-p").unwrap();
        options.drain(port..port + 2);
        Labgrid::new(place, Some(&self.coordinator), &options, &Cancel::new()).program(self.bin.join("labgrid-client"))
    }

    fn named(&self) -> Labgrid {
        self.board(Place::Named("board1".into()))
    }

    fn is_held(&self) -> bool {
        self.client(&["who"]).1.contains("board1")
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        self.stop_daemons();
    }
}

fn write(path: &Path, text: &str) -> PathBuf {
    fs::write(path, text).unwrap();
    path.to_path_buf()
}

#[test]
fn a_place_is_acquired_used_over_plain_ssh_and_released_by_name_and_by_tags() {
    let Some(farm) = Farm::start("a_place_is_acquired_used_over_plain_ssh_and_released") else { return };
    let tags = BTreeMap::from([("soc".to_owned(), "rv1126".to_owned())]);
    for place in [Place::Named("board1".into()), Place::Tagged { tags, patience: LONG }] {
        let board = farm.board(place);
        assert_eq!(board.holds(), None);
        assert_eq!(board.shell(b"exit 42", LONG).unwrap().code, 42);
        assert_eq!(board.holds().as_deref(), Some("board1"));
        assert!(farm.is_held());
        let local = write(&farm.dir.path().join("local"), "contents");
        let there = common::remote(&farm.dir.path().join("there"));
        board.push(&local, &there, LONG).unwrap();
        let back = farm.dir.path().join("back");
        board.pull(&[(there, back.clone())], 100, LONG).unwrap();
        assert_eq!(fs::read(back).unwrap(), b"contents");

        match farm.named().shell(b"true", LONG).unwrap_err() {
            Trouble::Refused { output, .. } => assert!(output.contains("acquired"), "{output}"),
            other => panic!("{other}"),
        }
        assert!(farm.is_held(), "a second user's failure took the place away from the first");
        drop(board);
        assert!(!farm.is_held());
        assert!(!farm.client(&["reservations"]).1.contains("allocated"));
    }
}

#[test]
fn a_place_lost_with_the_coordinators_restart_is_acquired_again_on_reconnect() {
    let Some(mut farm) = Farm::start("a_place_lost_with_the_coordinators_restart_is_acquired_again") else { return };
    let board = farm.named();
    assert_eq!(board.shell(b"exit 1", LONG).unwrap().code, 1);
    farm.stop_daemons();
    farm.start_coordinator();
    farm.start_exporter();
    // One that is killed may not have written down its places yet.
    farm.create_place();
    assert!(!farm.is_held(), "this labgrid keeps acquisitions over a restart");
    board.reconnect();
    assert_eq!(board.shell(b"exit 2", LONG).unwrap().code, 2);
    assert!(farm.is_held());
}

#[test]
fn a_farm_that_is_not_there_is_trouble_in_bounded_time() {
    let Some(bin) = find_labgrid("a_farm_that_is_not_there_is_trouble_in_bounded_time") else { return };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nowhere = format!("127.0.0.1:{port}");
    let board = Labgrid::new(Place::Named("board1".into()), Some(&nowhere), &[], &Cancel::new());
    let trouble = board.program(bin.join("labgrid-client")).shell(b"true", Duration::from_secs(1)).unwrap_err();
    assert!(matches!(trouble, Trouble::Refused { .. }), "{trouble}");
}
