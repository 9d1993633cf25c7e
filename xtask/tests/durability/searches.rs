//! Two quick searches, one on the simulator and one with a command per trial, and what a test asks of them.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output, Stdio},
};

use serde_json::Value;
use trial_store::{AskEnd, History, read_run};

/// Files, arguments and environment of a search; its run directory is `run` in the folder.
pub(crate) struct Search {
    pub(crate) folder: tempfile::TempDir,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

/// What a search leaves for its user.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) result: Value,
    pub(crate) subgraph: String,
}

impl Search {
    fn new(args: &[&str]) -> Self {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        Self { folder: tempfile::tempdir().unwrap(), args, env: Vec::new() }
    }

    /// A segmentation network on the simulator, with few samples, every trial run.
    pub(crate) fn simulated() -> Self {
        Self::simulated_remembering().and(&["--no-cache"])
    }

    /// The same with the cache, which is in the folder.
    pub(crate) fn simulated_remembering() -> Self {
        let fixture = test_kit::fixtures().join("models/digits_seg");
        let model = fixture.join("pl_old");
        let mut search = Self::new(&["--jobs", "4", "--model", model.to_str().unwrap()]);
        for name in ["eval_masks.npy", "eval_u8_nhwc.npy"] {
            fs::copy(fixture.join(name), search.path(name)).unwrap();
        }
        let data = fs::read_to_string(fixture.join("data.toml")).unwrap();
        let data = search.file("data.toml", &format!("samples = 2\n{data}"));
        search.args.extend(["--data".to_owned(), data.to_str().unwrap().to_owned()]);
        search
    }

    /// A command per trial: a shell script that passes if two ops are on the CPU. Each call leaves a line in `calls`.
    pub(crate) fn exec(before_verdict: &str) -> Self {
        let search = Self::new(&["--units", "op"]);
        let calls = search.path("calls").display().to_string();
        let script = format!(
            "echo \"$NPU_BISECT_TRIAL\" >> '{calls}'\n{before_verdict}\n\
             grep -q '^pool2d:relu_8' \"$1\" && grep -q '^softmax:' \"$1\"\n"
        );
        let script = search.file("trial.sh", &script);
        let command = format!("sh '{}' {{subgraph}}", script.display());
        search.with_log().and(&["--command", &command])
    }

    /// A command that scores: a tenth off for each of three types that is not on the CPU.
    pub(crate) fn scored() -> Self {
        let search = Self::exec(
            "n=10; for t in pool2d softmax matmul_v2; do grep -q \"^$t:\" \"$1\" || n=$((n - 1)); done\n\
             [ $n = 10 ] && echo 1.0 || echo 0.$n\nexit 0",
        );
        let config = search.file("search.toml", "threshold = 0.95\nall-supported = true\n");
        search.and(&[config.to_str().unwrap()])
    }

    /// A persistent evaluator, as a shell script that reads a request a line.
    pub(crate) fn evaluator(script: &str) -> Self {
        let search = Self::new(&["--units", "op"]);
        let script = search.file("evaluate.sh", script);
        search.with_log().and(&["--evaluator", &format!("sh '{}'", script.display())])
    }

    fn with_log(self) -> Self {
        let log = test_kit::fixtures().join("real/logs/digits_resnet_pl_old.default.stdout.log");
        let copy = self.path("board.log");
        fs::copy(log, &copy).unwrap();
        let copy = copy.to_str().unwrap().to_owned();
        self.and(&["--log", &copy])
    }

    pub(crate) fn and(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }

    /// Sets a variable of the environment from here on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.env.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Two named pipes, on which a trial says that it runs and waits.
    pub(crate) fn pipes<const N: usize>(&self, names: [&str; N]) -> [PathBuf; N] {
        names.map(|name| {
            let path = self.path(name);
            assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
            path
        })
    }

    fn xtask(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.env("XDG_CACHE_HOME", self.path("cache")).envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A search in a new run directory.
    pub(crate) fn fresh(&self, run: &Path) -> Command {
        let mut command = self.xtask();
        command.arg("search").args(&self.args).arg("--out").arg(run);
        command
    }

    /// `cargo xtask search --resume`.
    pub(crate) fn resume(&self, run: &Path, more: &[&str]) -> Command {
        let mut command = self.xtask();
        command.arg("search").arg("--resume").arg(run).args(more);
        command
    }

    /// Another command on a run.
    pub(crate) fn other(&self, command: &str, path: &Path) -> Command {
        let mut other = self.xtask();
        other.arg(command).arg(path);
        other
    }

    /// The answer of an undisturbed run.
    pub(crate) fn undisturbed(&self) -> Answer {
        let run = self.path("undisturbed");
        let output = self.fresh(&run).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        answer(&run)
    }

    /// The trial numbers that the evaluator was called with, in order.
    pub(crate) fn calls(&self) -> Vec<u32> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().map(|line| line.parse().unwrap()).collect()
    }
}

pub(crate) fn answer(run: &Path) -> Answer {
    let result = serde_json::from_slice(&fs::read(run.join("result.json")).unwrap()).unwrap();
    Answer { result, subgraph: fs::read_to_string(run.join("subgraph.txt")).unwrap() }
}

pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout))
}

/// Runs to the end, which must have this exit code; returns what was said.
pub(crate) fn ends_with(code: i32, command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", said(&output));
    said(&output)
}

/// Starts a search whose messages the test reads.
pub(crate) fn start(command: &mut Command) -> (Child, BufReader<ChildStderr>) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    (child, stderr)
}

/// Reads messages up to one that holds this text.
pub(crate) fn read_until(stderr: &mut impl BufRead, text: &str) {
    let mut seen = String::new();
    loop {
        let start = seen.len();
        assert_ne!(stderr.read_line(&mut seen).unwrap(), 0, "`{text}` was not said, only:\n{seen}");
        if seen[start..].contains(text) {
            return;
        }
    }
}

/// The history of a run whose journal must be valid in every way.
pub(crate) fn history(run: &Path) -> History {
    let history = read_run(run).unwrap().history;
    assert_eq!(history.oddities, [], "the journal of {} contradicts itself", run.display());
    history
}

/// The finished trials: number, how often each was asked, and the verdict.
pub(crate) fn finished(history: &History) -> Vec<(u32, usize, String)> {
    let answered = history.trials.values().filter_map(|trial| Some((trial, trial.answer.as_ref()?)));
    answered.map(|(trial, (at, answer))| (trial.number, trial.asks.len(), format!("{at:?} {answer:?}"))).collect()
}

/// How many trials were under way.
pub(crate) fn in_flight(history: &History) -> usize {
    let asks = history.trials.values().filter_map(|trial| trial.asks.last());
    asks.filter(|ask| ask.end == AskEnd::InFlight).count()
}
