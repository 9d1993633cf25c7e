//! One command from start to end: no shell, a deadline, output to files of bounded size, nothing left behind.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Seek, Write},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use crate::{
    cancel::Cancel,
    group::{Group, LONGEST_PAUSE},
    output::Streams,
};

pub use crate::output::Captured;

/// Output beyond this is dropped unless [`Command::output_cap`] says otherwise: a verbose Paddle Lite log takes some MB.
pub const DEFAULT_OUTPUT_CAP: u64 = 64 << 20;
/// The deadline of a command that names none.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(60);

/// Why a command could not be run or watched. A command that ran and failed is a [`Finished`], not an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The program is missing, not executable, or the system refused to start it.
    #[error("start `{program}`: {source}; check that it is installed and on PATH, or configure its path")]
    Start {
        /// The program as given.
        program: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A file that holds input or output could not be used.
    #[error("use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The system would not say how a process is doing.
    #[error("wait for process {pid}: {source}")]
    Wait {
        /// The process.
        pid: u32,
        /// The system's answer.
        source: io::Error,
    },
    /// The process survived SIGKILL: it is stuck in a driver, and only a restart of the machine helps.
    #[error("kill process {pid}: it is stuck in the kernel; restart the machine it runs on")]
    Unkillable {
        /// The process.
        pid: u32,
    },
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It exited with this code.
    Exited(i32),
    /// This signal ended it.
    Signalled(i32),
    /// It was killed at its deadline.
    TimedOut,
    /// It was killed because the user wanted to stop.
    Cancelled,
}

impl Ending {
    /// Whether the command exited with code 0.
    pub fn is_success(self) -> bool {
        self == Self::Exited(0)
    }
}

impl From<ExitStatus> for Ending {
    fn from(status: ExitStatus) -> Self {
        #[cfg(unix)]
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
            return Self::Signalled(signal);
        }
        Self::Exited(status.code().unwrap_or(-1))
    }
}

/// A command that ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub ending: Ending,
    /// What it wrote to standard output.
    pub stdout: Captured,
    /// What it wrote to standard error.
    pub stderr: Captured,
    /// From start to end.
    pub wall: Duration,
}

#[derive(Clone, Debug)]
enum Input {
    Nothing,
    Bytes(Vec<u8>),
    File(PathBuf),
}

/// A command to run. No shell is involved: arguments reach the program exactly as they are given.
#[derive(Clone, Debug)]
pub struct Command {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, Option<OsString>)>,
    dir: Option<PathBuf>,
    input: Input,
    deadline: Duration,
    output_cap: u64,
    cancel: Cancel,
}

impl Command {
    /// A command without arguments: no input, [`DEFAULT_DEADLINE`], [`DEFAULT_OUTPUT_CAP`], this process's environment.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().into(),
            args: Vec::new(),
            env: Vec::new(),
            dir: None,
            input: Input::Nothing,
            deadline: DEFAULT_DEADLINE,
            output_cap: DEFAULT_OUTPUT_CAP,
            cancel: Cancel::new(),
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().into());
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().into()));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().into(), Some(value.as_ref().into())));
        self
    }

    /// Hides an inherited environment variable.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().into(), None));
        self
    }

    /// The folder to run in.
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dir = Some(dir.as_ref().into());
        self
    }

    /// What the command reads from standard input.
    pub fn stdin_bytes(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Input::Bytes(bytes.into());
        self
    }

    /// The file the command reads as standard input.
    pub fn stdin_file(mut self, path: impl AsRef<Path>) -> Self {
        self.input = Input::File(path.as_ref().into());
        self
    }

    /// When to kill the group, counted from the start.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How many bytes of each output stream to keep. The command never notices: the rest is read and dropped.
    pub fn output_cap(mut self, bytes: u64) -> Self {
        self.output_cap = bytes;
        self
    }

    /// The flag that ends the command early.
    pub fn cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = cancel.clone();
        self
    }

    /// Runs the command to its end and leaves its output in two files, which are created or replaced.
    ///
    /// # Errors
    /// The program cannot be started, a file cannot be used, or a killed process stays. Every way in which the program
    /// itself can end is [`Finished::ending`].
    pub fn run(&self, stdout: &Path, stderr: &Path) -> Result<Finished, ProcessError> {
        let started = Instant::now();
        let files = [create(stdout)?, create(stderr)?];
        let mut group = self.spawn(self.open_input()?)?;
        let mut streams = Streams::drain(&mut group, files, self.output_cap);
        let ending = self.watch(&mut group, &mut streams, started)?;
        // Children that the command left in its group end with it.
        group.kill()?;
        let [stdout, stderr] = streams.finish([stdout, stderr])?;
        Ok(Finished { ending, stdout, stderr, wall: started.elapsed() })
    }

    fn watch(&self, group: &mut Group, streams: &mut Streams, started: Instant) -> Result<Ending, ProcessError> {
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(ending) = group.poll().map_err(|source| ProcessError::Wait { pid: group.id(), source })? {
                return Ok(ending);
            }
            let left = self.deadline.saturating_sub(started.elapsed());
            if self.cancel.is_cancelled() {
                return Ok(Ending::Cancelled);
            }
            if left.is_zero() {
                return Ok(Ending::TimedOut);
            }
            // Output that closes is nearly always the end: look again at once instead of after the full pause.
            let closed = streams.wait_for_close(pause.min(left));
            pause = if closed { Duration::from_micros(100) } else { LONGEST_PAUSE.min(pause * 2) };
        }
    }

    fn open_input(&self) -> Result<Stdio, ProcessError> {
        match &self.input {
            Input::Nothing => Ok(Stdio::null()),
            Input::File(path) => {
                File::open(path).map(Stdio::from).map_err(|source| ProcessError::File { path: path.clone(), source })
            }
            // A file rather than a pipe: nobody has to feed it while the command runs.
            Input::Bytes(bytes) => temporary(bytes)
                .map(Stdio::from)
                .map_err(|source| ProcessError::File { path: std::env::temp_dir(), source }),
        }
    }

    /// Starts the command with both outputs piped.
    pub(crate) fn spawn(&self, stdin: Stdio) -> Result<Group, ProcessError> {
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.args).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        Group::spawn(command)
            .map_err(|source| ProcessError::Start { program: self.program.to_string_lossy().into_owned(), source })
    }

    pub(crate) fn cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    pub(crate) fn cap(&self) -> u64 {
        self.output_cap
    }
}

fn create(path: &Path) -> Result<File, ProcessError> {
    File::create(path).map_err(|source| ProcessError::File { path: path.into(), source })
}

fn temporary(bytes: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}
