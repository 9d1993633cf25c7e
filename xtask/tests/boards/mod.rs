//! Boards for tests: folders of this machine, and the same behind real sshd on loopback.
#![allow(clippy::unwrap_used, dead_code)] // helpers outside the test functions unwrap too; each test program uses a part

use std::{
    fs,
    io::Read,
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::Value;

/// A finished search.
pub(crate) struct Search {
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
    pub(crate) result: Value,
    pub(crate) subgraph: Vec<u8>,
}

pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout))
}

/// The program that plays the NPU. It belongs to another package, so cargo does not build it for this one's tests by itself.
fn runner() -> &'static Path {
    static RUNNER: OnceLock<PathBuf> = OnceLock::new();
    RUNNER.get_or_init(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "backend", "--bin", "sim-runner"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.unwrap().success(), "sim-runner does not build");
        Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name("sim-runner")
    })
}

/// A folder for boards and runs.
pub(crate) struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn work(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An entry of `boards.toml`: a board that is this machine.
    pub(crate) fn board(&self, name: &str) -> String {
        self.entry(name, "{ local = true }")
    }

    /// The same behind sshd.
    pub(crate) fn board_behind(&self, name: &str, sshd: &Sshd) -> String {
        let options: Vec<String> = sshd.options().iter().map(|option| format!("{option:?}")).collect();
        self.entry(name, &format!("{{ ssh = \"127.0.0.1\", options = [{}] }}", options.join(", ")))
    }

    pub(crate) fn entry(&self, name: &str, way: &str) -> String {
        format!(
            "[[board]]\nname = \"{name}\"\nway = {way}\nwork = {:?}\nsoc = \"sim\"\ndriver_command = \"echo 1.0\"\n",
            self.work(name).to_str().unwrap()
        )
    }

    pub(crate) fn boards(&self, entries: &[String]) -> PathBuf {
        let path = self.folder.path().join(format!("boards{}.toml", fs::read_dir(self.folder.path()).unwrap().count()));
        fs::write(&path, entries.concat()).unwrap();
        path
    }

    pub(crate) fn local(&self, names: &[&str]) -> PathBuf {
        let entries: Vec<String> = names.iter().map(|name| self.board(name)).collect();
        self.boards(&entries)
    }

    pub(crate) fn xtask(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(args)
            .current_dir(self.folder.path())
            // Whatever the user exported must not reach a trial.
            .env("SUBGRAPH_PARTITION_CONFIG_BUFFER", "relu")
            .output()
            .unwrap()
    }

    pub(crate) fn search(&self, model: &str, args: &[&str]) -> Search {
        let run = self.folder.path().join(format!("run{}", fs::read_dir(self.folder.path()).unwrap().count()));
        let model = test_kit::fixtures().join("models").join(model);
        let fixed = ["search", "--out", run.to_str().unwrap(), "--model", model.to_str().unwrap()];
        let output = self.xtask(&[&fixed, args].concat());
        let read = |name: &str| fs::read(run.join(name)).unwrap_or_default();
        Search {
            code: output.status.code(),
            said: said(&output),
            result: serde_json::from_slice(&read("result.json")).unwrap_or_default(),
            subgraph: read("subgraph.txt"),
        }
    }

    pub(crate) fn search_boards(&self, model: &str, boards: &Path, args: &[&str]) -> Search {
        let runner = runner().to_str().unwrap();
        let fixed = ["--boards", boards.to_str().unwrap(), "--runner", runner, "--timeout", "60s"];
        self.search(model, &[&fixed, args].concat())
    }

    /// No trial, no lock: only what later searches can use again.
    pub(crate) fn nothing_is_left(&self, boards: &[&str]) {
        for board in boards {
            let left: Vec<_> =
                fs::read_dir(self.work(board)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(left, ["store"], "on {board}");
        }
    }
}

/// A real sshd on a loopback port, with keys of its own. It and its sessions are killed when this value is dropped.
pub(crate) struct Sshd {
    dir: tempfile::TempDir,
    port: u16,
    daemon: Child,
}

impl Sshd {
    /// `None` after the skip was said: there is no sshd on this machine. What runs behind it meets these faults of `sim-runner`.
    pub(crate) fn start(test: &str, faults: &str) -> Option<Self> {
        let program = test_kit::require_program(test, "sshd")?;
        test_kit::require_program(test, "ssh")?;
        let dir = tempfile::Builder::new().prefix("sshd-").tempdir_in("/tmp").unwrap();
        for key in ["host", "user"] {
            let made =
                quiet("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(dir.path().join(key)).status();
            assert!(made.unwrap().success());
        }
        fs::copy(dir.path().join("user.pub"), dir.path().join("authorized")).unwrap();
        // The folder that Debian's sshd wants; where only root may make it, sshd says so.
        let _ = fs::create_dir_all("/run/sshd");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = dir.path().display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {at}/host\nAuthorizedKeysFile {at}/authorized\nPidFile none\n\
             StrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nMaxStartups 100\nMaxSessions 100\n\
             SetEnv SIM_RUNNER_FAULT={faults}\n"
        );
        fs::write(dir.path().join("config"), config).unwrap();
        let daemon = quiet(program).args(["-D", "-f"]).arg(dir.path().join("config")).process_group(0).spawn().unwrap();
        let sshd = Self { dir, port, daemon };
        let end = Instant::now() + Duration::from_secs(30);
        while !sshd.greets() {
            assert!(Instant::now() < end, "sshd does not start");
            std::thread::yield_now();
        }
        Some(sshd)
    }

    fn greets(&self) -> bool {
        let mut greeting = [0; 4];
        TcpStream::connect(("127.0.0.1", self.port)).is_ok_and(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok() && stream.read_exact(&mut greeting).is_ok()
        })
    }

    /// The user's way to this board.
    fn options(&self) -> Vec<String> {
        let key = self.dir.path().join("user").to_str().unwrap().to_owned();
        let mut options: Vec<String> =
            ["-F", "none", "-p", &self.port.to_string(), "-i", &key].map(String::from).into();
        for option in ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentityAgent=none"] {
            options.extend(["-o".into(), option.into()]);
        }
        options
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn quiet(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
