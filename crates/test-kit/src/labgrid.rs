//! A farm of one board: real labgrid coordinator, exporter and client, and a real sshd as the board.
//!
//! labgrid is looked for on `PATH`, and in the folder that `NPU_BISECT_LABGRID` names (a virtual environment's `bin`).

use std::{
    env, fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{Sshd, eventually, skip};

/// A coordinator, an exporter of the board `board1` with the tag `soc=rv1126`, and the board. All end when this value is dropped.
#[derive(Debug)]
pub struct LabgridFarm {
    dir: tempfile::TempDir,
    /// Where the coordinator listens, `host:port`.
    pub coordinator: String,
    sshd: Sshd,
    bin: PathBuf,
    daemons: Vec<Child>,
}

/// The folder of labgrid's programs, or `None` after the skip was said.
pub fn find_labgrid(test: &str) -> Option<PathBuf> {
    let named = env::var_os("NPU_BISECT_LABGRID").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let found = named.into_iter().chain(env::split_paths(&path)).find(|dir| dir.join("labgrid-coordinator").is_file());
    if found.is_none() {
        skip(test, "labgrid is not installed");
    }
    found
}

impl LabgridFarm {
    /// `None` after the skip was said: labgrid or sshd is not on this machine.
    pub fn start(test: &str) -> Option<Self> {
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
        let mut farm = Self { dir, coordinator: format!("127.0.0.1:{port}"), sshd, bin, daemons: Vec::new() };
        farm.start_daemons();
        farm.create_place();
        Some(farm)
    }

    /// Makes the place `board1`, which a coordinator that was killed may have forgotten.
    pub fn create_place(&self) {
        for args in [&["create"][..], &["add-match", "host1/rack/NetworkService/board1"], &["set-tags", "soc=rv1126"]] {
            self.client(&[&["-p", "board1"], args].concat());
        }
        assert!(self.client(&["-p", "board1", "show"]).1.contains("rv1126"));
    }

    /// Starts coordinator and exporter; returns when the board is offered.
    pub fn start_daemons(&mut self) {
        self.daemon("labgrid-coordinator", &["-l", &self.coordinator.clone()]);
        eventually("the coordinator listens", || TcpStream::connect(&self.coordinator).is_ok());
        let coordinator = self.coordinator.clone();
        let exporter = ["-c", &coordinator, "-n", "host1", "--hostname", "127.0.0.1", "exporter.yaml"];
        self.daemon("labgrid-exporter", &exporter);
        eventually("the board is offered", || self.client(&["resources"]).1.contains("NetworkService"));
    }

    fn daemon(&mut self, program: &str, args: &[&str]) {
        let mut command = Command::new(self.bin.join(program));
        command.args(args).current_dir(self.dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.daemons.push(command.spawn().unwrap());
    }

    /// Kills coordinator and exporter.
    pub fn stop_daemons(&mut self) {
        for mut daemon in self.daemons.drain(..) {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    /// Where `labgrid-client` is.
    pub fn program(&self) -> PathBuf {
        self.bin.join("labgrid-client")
    }

    /// Whether the client succeeded, and what it said.
    pub fn client(&self, args: &[&str]) -> (bool, String) {
        let mut command = Command::new(self.program());
        let output = command.args(["-x", &self.coordinator]).args(args).stdin(Stdio::null()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The user's options for ssh, without the address: that is for labgrid to tell.
    pub fn ssh_options(&self) -> Vec<String> {
        let mut options = self.sshd.options();
        let port = options.iter().position(|option| option == "-p").unwrap();
        options.drain(port..port + 2);
        options
    }

    /// Has somebody acquired the board?
    pub fn is_held(&self) -> bool {
        self.client(&["who"]).1.contains("board1")
    }

    /// Room for files.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for LabgridFarm {
    fn drop(&mut self) {
        self.stop_daemons();
    }
}
