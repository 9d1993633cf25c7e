//! Boards for tests: folders of this machine, and the same behind real sshd and adb on loopback.
#![allow(clippy::unwrap_used, dead_code)] // helpers outside the test functions unwrap too; each test program uses a part

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::Value;
use test_kit::{AdbServer, Adbd, LabgridFarm, Sshd};

/// A finished search.
pub(crate) struct Search {
    pub(crate) code: Option<i32>,
    pub(crate) run: PathBuf,
    pub(crate) said: String,
    pub(crate) result: Value,
    pub(crate) subgraph: Vec<u8>,
}

pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout))
}

/// The program that plays the NPU. It belongs to another package, so cargo does not build it for this one's tests by itself.
pub(crate) fn runner() -> &'static Path {
    static RUNNER: OnceLock<PathBuf> = OnceLock::new();
    RUNNER.get_or_init(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", "backend", "--bin", "sim-runner"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.unwrap().success(), "sim-runner does not build");
        small(&Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name("sim-runner"))
    })
}

/// Without what only a debugger needs, nine tenths of it: it is pushed to every board, and hashed in each check.
fn small(program: &Path) -> PathBuf {
    let (partial, small) = (program.with_extension(std::process::id().to_string()), program.with_extension("small"));
    let stripped = Command::new("strip").arg("-o").arg(&partial).arg(program).status();
    if !stripped.is_ok_and(|status| status.success()) {
        fs::copy(program, &partial).unwrap();
    }
    fs::rename(&partial, &small).unwrap();
    small
}

/// A folder for boards and runs.
pub(crate) struct Lab {
    folder: tempfile::TempDir,
    /// Tells runs and files apart.
    count: AtomicUsize,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), count: AtomicUsize::new(0) }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
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
        self.board_behind_with(name, sshd, &[])
    }

    /// The same, with more options for ssh.
    pub(crate) fn board_behind_with(&self, name: &str, sshd: &Sshd, more: &[&str]) -> String {
        let options = sshd.options().into_iter().chain(more.iter().map(ToString::to_string));
        let options: Vec<String> = options.map(|option| format!("{option:?}")).collect();
        self.entry(name, &format!("{{ ssh = \"127.0.0.1\", options = [{}] }}", options.join(", ")))
    }

    /// The same behind adbd.
    pub(crate) fn board_behind_adb(&self, name: &str, server: &AdbServer, daemon: &Adbd) -> String {
        self.entry(name, &format!("{{ adb = \"127.0.0.1:{}\", server_port = {} }}", daemon.port, server.port))
    }

    /// The same of a farm, asked for by its tag.
    pub(crate) fn board_of_farm(&self, name: &str, farm: &LabgridFarm) -> String {
        let (client, coordinator, options) = (farm.program(), &farm.coordinator, farm.ssh_options());
        let program = client.to_str().unwrap();
        self.entry(
            name,
            &format!(
                "{{ labgrid = {{ soc = \"rv1126\" }}, coordinator = {coordinator:?}, program = {program:?}, options = {options:?} }}"
            ),
        )
    }

    pub(crate) fn entry(&self, name: &str, way: &str) -> String {
        format!(
            "[[board]]\nname = \"{name}\"\nway = {way}\nwork = {:?}\nsoc = \"sim\"\ndriver_command = \"echo 1.0\"\n",
            self.work(name).to_str().unwrap()
        )
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> String {
        self.work(name).to_str().unwrap().to_owned()
    }

    /// A program for boards.
    pub(crate) fn script(&self, text: &str) -> String {
        let path = self.fresh("script");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A path that nothing has yet.
    fn fresh(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{}-{name}", self.count.fetch_add(1, Ordering::Relaxed)))
    }

    pub(crate) fn boards(&self, entries: &[String]) -> PathBuf {
        let path = self.fresh("boards.toml");
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
        let run = self.fresh("run");
        let model = test_kit::fixtures().join("models").join(model);
        let fixed = ["search", "--out", run.to_str().unwrap(), "--model", model.to_str().unwrap()];
        let output = self.xtask(&[&fixed, args].concat());
        let read = |name: &str| fs::read(run.join(name)).unwrap_or_default();
        Search {
            code: output.status.code(),
            said: said(&output),
            run: run.clone(),
            result: serde_json::from_slice(&read("result.json")).unwrap_or_default(),
            subgraph: read("subgraph.txt"),
        }
    }

    pub(crate) fn search_boards(&self, model: &str, boards: &Path, args: &[&str]) -> Search {
        self.search_boards_within("60s", model, boards, args)
    }

    /// With a deadline for each trial.
    pub(crate) fn search_boards_within(&self, deadline: &str, model: &str, boards: &Path, args: &[&str]) -> Search {
        let runner = runner().to_str().unwrap();
        let fixed = ["--boards", boards.to_str().unwrap(), "--runner", runner, "--timeout", deadline];
        self.search(model, &[&fixed, args].concat())
    }

    /// A data description of a model's first samples: trials are to cost time, not work.
    pub(crate) fn few_samples(&self, model: &str, samples: usize) -> PathBuf {
        let from = test_kit::fixtures().join("models").join(model);
        let to = self.fresh("data");
        fs::create_dir(&to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
            let name = to.join(entry.file_name().unwrap());
            if entry.extension().is_some_and(|extension| extension == "npy") {
                fs::write(name, first_of(&fs::read(&entry).unwrap(), samples)).unwrap();
            } else if entry.is_file() {
                fs::copy(&entry, name).unwrap();
            }
        }
        to.join("data.toml")
    }

    /// No trial, no lock: only what later searches can use again.
    pub(crate) fn nothing_is_left(&self, boards: &[&str]) {
        for board in boards {
            let folder = self.work(board);
            // A search that ends before it needs a board, as with a model that Paddle Lite cannot load, never goes there.
            if !folder.exists() {
                continue;
            }
            let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            // Not even that where the board has just rebooted.
            assert!(left.iter().all(|name| name == "store"), "on {board}: {left:?}");
        }
    }
}

/// An sshd behind which `sim-runner` meets these faults.
pub(crate) fn sick_sshd(test: &str, faults: &str) -> Option<Sshd> {
    Sshd::start_with(test, &format!("SetEnv SIM_RUNNER_FAULT={faults}"))
}

/// The first samples of an array in NumPy's format, version 1: the length of the header in the bytes 8 and 9, the header, the data.
fn first_of(array: &[u8], samples: usize) -> Vec<u8> {
    let data = 10 + usize::from(u16::from_le_bytes([array[8], array[9]]));
    let header = String::from_utf8(array[10..data].to_vec()).unwrap();
    let extents = header.split_once("'shape': (").unwrap().1;
    let written = extents.split(',').next().unwrap();
    let all: usize = written.trim().parse().unwrap();
    // As wide as before, so that the header keeps its length.
    let header = header.replacen(&format!("({written},"), &format!("({samples:>0$},", written.len()), 1);
    let bytes = (array.len() - data) / all * samples;
    [&array[..10], header.as_bytes(), &array[data..data + bytes]].concat()
}
