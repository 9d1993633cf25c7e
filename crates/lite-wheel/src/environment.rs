//! A Python environment of our own that holds Paddle Lite: Python 3.10 is the only one its wheel fits.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use board::process::{Command, Finished, ProcessError};

/// The release in use, as `pip` takes it.
pub const PADDLE_LITE: &str = "paddlelite==2.13rc0";

/// Where the environment is made unless the user says otherwise, below the working directory.
pub const DEFAULT_FOLDER: &str = "target/conformance/python";

/// How long the download and installation of the wheel may take.
const INSTALL_DEADLINE: Duration = Duration::from_secs(600);

/// Why there is no Paddle Lite to compare with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// No interpreter of the one version that the wheel fits.
    #[error(
        "find Python 3.10, the only version that PyPI's {PADDLE_LITE} fits, on PATH or under pyenv; \
         install it with `pyenv install 3.10`, `uv python install 3.10` or your distribution's packages python3.10 and \
         python3.10-venv"
    )]
    NoPython,
    /// The wheel holds machine code for one system.
    #[error("use {PADDLE_LITE} here: its wheel holds code for x86-64 Linux alone")]
    WrongSystem,
    /// A command of the installation failed.
    #[error("{what}: {ending}; it said: {said}")]
    Failed {
        /// What was being done.
        what: &'static str,
        /// How the command ended.
        ending: String,
        /// The end of its messages.
        said: String,
    },
    /// A command could not be run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A folder could not be made or a file not be read.
    #[error("use {}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}

impl EnvironmentError {
    /// Is the machine merely not one where Paddle Lite's wheel can run? Then a comparison may be skipped.
    pub fn is_lack_of_python(&self) -> bool {
        matches!(self, Self::NoPython | Self::WrongSystem)
    }
}

/// A virtual environment with Paddle Lite in it.
#[derive(Clone, Debug)]
pub struct Environment {
    python: PathBuf,
}

impl Environment {
    /// The environment in this folder, made and filled by `pip` unless it is there already.
    ///
    /// # Errors
    /// When no Python 3.10 is found or the installation fails.
    pub fn prepare(folder: &Path) -> Result<Self, EnvironmentError> {
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Err(EnvironmentError::WrongSystem);
        }
        let environment = Self { python: folder.join("bin/python") };
        if environment.has_paddle_lite()? {
            return Ok(environment);
        }
        let python = find_python()?.ok_or(EnvironmentError::NoPython)?;
        let _only_one_installs = lock_beside(folder)?;
        if environment.has_paddle_lite()? {
            return Ok(environment);
        }
        let create = Command::new(python).args(["-m", "venv", "--clear"]).arg(folder).deadline(INSTALL_DEADLINE);
        succeed("create a virtual environment", &create)?;
        let install = Command::new(&environment.python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PADDLE_LITE])
            .deadline(INSTALL_DEADLINE);
        succeed("install Paddle Lite from PyPI", &install)?;
        Ok(environment)
    }

    /// The interpreter of the environment.
    pub fn python(&self) -> &Path {
        &self.python
    }

    /// The script by which the wheel offers its `opt`.
    pub fn opt_script(&self) -> PathBuf {
        self.python.with_file_name("paddle_lite_opt")
    }

    fn has_paddle_lite(&self) -> Result<bool, EnvironmentError> {
        if !self.python.is_file() || !self.opt_script().is_file() {
            return Ok(false);
        }
        let (finished, _) = run(&Command::new(&self.python).args(["-c", "import paddlelite.lite"]))?;
        Ok(finished.ending.is_success())
    }
}

/// Creates the folder and waits until no other process installs into it; the lock ends with the returned file.
fn lock_beside(folder: &Path) -> Result<fs::File, EnvironmentError> {
    let lock = folder.with_extension("lock");
    fs::create_dir_all(folder)
        .and_then(|()| fs::File::create(&lock))
        .and_then(|file| file.lock().map(|()| file))
        .map_err(|source| EnvironmentError::File { path: lock, source })
}

/// An interpreter of Python 3.10: on `PATH` under its usual names, else the newest that pyenv or uv has installed.
fn find_python() -> Result<Option<PathBuf>, EnvironmentError> {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = ["python3.10", "python3", "python"]
        .into_iter()
        .flat_map(|name| env::split_paths(&path).map(move |dir| dir.join(name)));
    for candidate in on_path.chain(installed_versions()) {
        if candidate.is_file() && is_python_3_10(&candidate)? {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}

/// Interpreters 3.10 in the folders where pyenv and uv keep theirs, newest first.
fn installed_versions() -> Vec<PathBuf> {
    let home = env::home_dir().unwrap_or_default();
    let pyenv = env::var_os("PYENV_ROOT").map_or_else(|| home.join(".pyenv"), PathBuf::from);
    let mut found = Vec::new();
    for folder in [pyenv.join("versions"), home.join(".local/share/uv/python")] {
        // A folder that is not there holds no interpreter.
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        found.extend(entries.map(|entry| entry.path().join("bin/python3.10")));
    }
    found.sort();
    found.reverse();
    found
}

fn is_python_3_10(python: &Path) -> Result<bool, EnvironmentError> {
    // The wheel also needs the CPython of this machine's word length, and a pyenv shim exists for versions that are not active.
    let question = "import sys; print(sys.implementation.name, *sys.version_info[:2], sys.maxsize > 2**32)";
    let (finished, said) = run(&Command::new(python).args(["-c", question]))?;
    Ok(finished.ending.is_success() && said.trim() == "cpython 3 10 True")
}

fn succeed(what: &'static str, command: &Command) -> Result<(), EnvironmentError> {
    let (finished, said) = run(command)?;
    if finished.ending.is_success() {
        return Ok(());
    }
    let mut said: Vec<&str> = said.lines().rev().take(5).collect();
    said.reverse();
    Err(EnvironmentError::Failed { what, ending: format!("{:?}", finished.ending), said: said.join(" / ") })
}

/// Runs a command and gives what it wrote: its output, then its messages.
fn run(command: &Command) -> Result<(Finished, String), EnvironmentError> {
    let scratch = tempfile::tempdir().map_err(|source| EnvironmentError::File { path: env::temp_dir(), source })?;
    let finished = command.run(&scratch.path().join("stdout"), &scratch.path().join("stderr"))?;
    let mut said = String::new();
    for stream in [&finished.stdout, &finished.stderr] {
        let bytes = stream.read().map_err(|source| EnvironmentError::File { path: stream.path.clone(), source })?;
        said.push_str(&String::from_utf8_lossy(&bytes));
    }
    Ok((finished, said))
}
