//! A program on a board under a supervisor that lives there too, so that a cut connection leaves nothing running.

use std::time::Duration;

use super::{RemotePath, quote};

/// The supervisor, in POSIX sh so that busybox, toybox and mksh run it.
const SUPERVISOR: &str = include_str!("job.sh");

/// A program to run in a folder of a board, as the only job there.
///
/// It runs in a session of its own with its output in the files `stdout` and `stderr` of the folder; the files `pid` and
/// `rc` appear beside them. At its deadline its whole group is killed, by the board itself.
#[derive(Clone, Debug)]
pub struct Job {
    /// The folder, which exists.
    pub dir: RemotePath,
    /// A folder that is created while a job runs, shared by all who use the board.
    pub lock: RemotePath,
    /// Who runs the job: a lock left behind by the same search is taken over. Letters, digits and `._-`.
    pub run: String,
    /// Program and arguments, any bytes but NUL.
    pub argv: Vec<Vec<u8>>,
    /// Environment variables to set, or with `None` to unset, in this order.
    pub env: Vec<(String, Option<Vec<u8>>)>,
    /// When the board kills the job; rounded up to whole seconds, because a legacy `sleep` knows no others.
    pub deadline: Duration,
    /// How long to wait for another search's job to end.
    pub lock_patience: Duration,
    /// The largest file the job may write, its output included.
    pub file_cap: u64,
    /// How much of `stdout` and of `stderr` is kept once it has ended: the beginning, where Paddle Lite's log block is.
    pub log_cap: u64,
}

/// How a job ended, as its supervisor saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEnd {
    /// The exit code; 128 + n for signal n.
    Exited(i32),
    /// Killed at its deadline.
    TimedOut,
    /// It survived SIGKILL, so it is stuck in a driver: only a reboot frees the board.
    Unkillable,
    /// It failed, and the board's disk is full: it may have failed because of that.
    DiskFull,
    /// Another search's job held the board for too long.
    Busy {
        /// That search's run.
        holder: String,
    },
    /// The supervisor could not start the job.
    Lost {
        /// Why.
        reason: String,
    },
}

/// Why a job cannot be written as a script, or its supervisor's output not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The job has no program.
    #[error("run a job without a program")]
    NoProgram,
    /// An environment variable's name is none in POSIX sh.
    #[error("set the environment variable {0:?}: a name has letters, digits and `_` only")]
    BadVariable(String),
    /// The run's name would not survive as one word.
    #[error("use {0:?} as the name of a run: it has letters, digits and `._-` only")]
    BadRun(String),
    /// The supervisor did not say how the job ended.
    #[error("find the end of the job in {0:?}")]
    NoEnd(String),
}

impl Job {
    /// The script that runs the job and prints how it ended.
    ///
    /// # Errors
    /// There is no program, or a name is not what it must be.
    pub fn script(&self) -> Result<Vec<u8>, JobError> {
        if self.argv.is_empty() {
            return Err(JobError::NoProgram);
        }
        if !is_plain_name(&self.run) {
            return Err(JobError::BadRun(self.run.clone()));
        }
        let mut script = Vec::new();
        let mut set = |name: &str, value: &[u8]| {
            script.extend_from_slice(name.as_bytes());
            script.push(b'=');
            script.extend_from_slice(&quote(value));
            script.push(b'\n');
        };
        set("nb_dir", self.dir.as_bytes());
        set("nb_lock", self.lock.as_bytes());
        set("nb_run", self.run.as_bytes());
        set("nb_seconds", whole_seconds(self.deadline).max(1).to_string().as_bytes());
        set("nb_patience", whole_seconds(self.lock_patience).to_string().as_bytes());
        set("nb_log_cap", self.log_cap.to_string().as_bytes());
        set("nb_enter", &self.preparation()?);
        script.extend_from_slice(b"set --");
        for word in &self.argv {
            script.push(b' ');
            script.extend_from_slice(&quote(word));
        }
        script.push(b'\n');
        script.extend_from_slice(SUPERVISOR.as_bytes());
        Ok(script)
    }

    /// What the job's shell does before it becomes the job. The supervisor's own tools must not see the job's library path.
    fn preparation(&self) -> Result<Vec<u8>, JobError> {
        let lock = quote(self.lock.as_bytes());
        let mut script = b"{ read -r nb_run nb_boot nb_shell nb_guard <".to_vec();
        script.extend_from_slice(&lock);
        // Not the holder any more: this search was taken for dead and its place taken.
        script.extend_from_slice(b"/holder; } 2>/dev/null; [ \"$nb_shell\" = \"$1\" ] || exit 75\n");
        script.extend_from_slice(b"shift; echo $$ >pid && echo $$ >");
        script.extend_from_slice(&lock);
        script.extend_from_slice(b"/job || exit 75\n");
        script.extend_from_slice(format!("ulimit -f {} 2>/dev/null\n", self.file_cap.div_ceil(512)).as_bytes());
        for (name, value) in &self.env {
            if !is_variable(name) {
                return Err(JobError::BadVariable(name.clone()));
            }
            match value {
                Some(value) => {
                    script.extend_from_slice(format!("export {name}=").as_bytes());
                    script.extend_from_slice(&quote(value));
                }
                None => script.extend_from_slice(format!("unset {name}").as_bytes()),
            }
            script.push(b'\n');
        }
        Ok(script)
    }
}

impl JobEnd {
    /// Reads the supervisor's last line.
    ///
    /// # Errors
    /// There is none, or not one that the supervisor writes.
    pub fn parse(output: &str) -> Result<Self, JobError> {
        let no_end = || JobError::NoEnd(output.chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect());
        let line = output.lines().rev().find_map(|line| line.strip_prefix("end ")).ok_or_else(no_end)?.trim();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "timeout" => Ok(Self::TimedOut),
            "unkillable" => Ok(Self::Unkillable),
            "full" => Ok(Self::DiskFull),
            "busy" => Ok(Self::Busy { holder: rest.to_owned() }),
            "lost" => Ok(Self::Lost { reason: rest.to_owned() }),
            _ => word.strip_prefix("rc=").and_then(|code| code.parse().ok()).map(Self::Exited).ok_or_else(no_end),
        }
    }
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether a name is one plain word that is neither hidden nor a way out of its folder.
pub(crate) fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 100
        && !name.starts_with(['.', '-'])
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}
