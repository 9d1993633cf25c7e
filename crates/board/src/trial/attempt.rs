//! Runs a trial once on one board and tells what happened: the candidate's doing, or the board's.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{Artifact, Manifest, ManifestError, Site, TensorFolder, manifest, read_manifest};
use crate::{
    digest::Sha256,
    remote::{Job, JobEnd, JobError, Nonce, RemotePath, append_to_file, is_plain_name, quote},
    transport::{HOST_GRACE, Trouble},
};

/// How long a trial waits while another search's job uses the board.
const LOCK_PATIENCE: Duration = Duration::from_secs(60);
/// How long the files of a finished trial may take to arrive.
const FETCH: Duration = Duration::from_secs(120);
/// The largest file that a trial may write, and the sum of what is fetched of its tensors, bytes.
const FILE_CAP: u64 = 512 << 20;

/// How much of each output stream is fetched, bytes; the most verbose log of Paddle Lite has some MB.
const LOG_CAP: u64 = 64 << 20;

/// What to run. Arguments and values of variables may hold `{trial}`, the trial's folder on the board, and `{nonce}`;
/// the working directory is the trial's folder, so everything in it can also be named by its relative path.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// A plain name that is the trial's own in this search: letters, digits and `._-`.
    pub id: String,
    /// The partition config to test; `None` forces nothing.
    pub config: Option<Vec<u8>>,
    /// Contents that appear in the trial's folder, at their paths.
    pub artifacts: Vec<Artifact>,
    /// Further paths in the folder that get a copy of the partition config, for programs that look for it beside the model.
    pub config_copies: Vec<String>,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables to set, or with `None` to unset.
    pub env: Vec<(String, Option<String>)>,
    /// When the board kills the program.
    pub deadline: Duration,
    /// Whether a program that exits with 0 must leave a `result.json`. Stock demos write text only.
    pub wants_manifest: bool,
}

/// What a program wrote, fetched to this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Its standard output.
    pub stdout: PathBuf,
    /// Its standard error.
    pub stderr: PathBuf,
}

/// A program that ran to a good end.
#[derive(Clone, Debug, PartialEq)]
pub struct Ran {
    /// What it reported, where that was asked for. Each tensor's file is in [`Ran::tensors`], with the size and hash that
    /// the manifest tells.
    pub manifest: Option<Manifest>,
    /// What it wrote.
    pub evidence: Evidence,
    /// Where the tensors' files are, as long as a copy of this value lives.
    pub tensors: Arc<TensorFolder>,
}

/// What a candidate did on a board that worked.
#[derive(Clone, Debug, PartialEq)]
pub enum Attempt {
    /// It ran; whether it is good is for others to say.
    Ran(Ran),
    /// The program says that the candidate failed: exit code 1, or another that the protocol does not name.
    Failed {
        /// The exit code.
        code: i32,
        /// What it wrote.
        evidence: Evidence,
    },
    /// The program says that the candidate cannot be tested: exit code 125.
    Untestable(Evidence),
    /// It crashed by its own doing (abort, segmentation fault).
    Crashed {
        /// The signal.
        signal: i32,
        /// What it wrote before.
        evidence: Evidence,
    },
    /// It was killed at its deadline. Whether the candidate or the board hangs shows only elsewhere.
    TimedOut(Evidence),
}

impl Attempt {
    /// How the program ended, for people.
    pub fn ending(&self) -> String {
        match self {
            Self::Ran(_) => "it ended well".to_owned(),
            Self::Failed { code, .. } => format!("it ended with exit code {code}"),
            Self::Untestable(_) => "it ended with exit code 125".to_owned(),
            Self::Crashed { signal, .. } => format!("signal {signal} ended it"),
            Self::TimedOut(_) => "it did not end in time".to_owned(),
        }
    }

    /// What the program wrote.
    pub fn evidence(&self) -> &Evidence {
        match self {
            Self::Ran(ran) => &ran.evidence,
            Self::Failed { evidence, .. }
            | Self::Untestable(evidence)
            | Self::Crashed { evidence, .. }
            | Self::TimedOut(evidence) => evidence,
        }
    }
}

/// Why an attempt says nothing about the candidate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrialError {
    /// The board or the way to it.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// The trial cannot be written as a job, on any board.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The trial's name or a path in it is unusable, on any board.
    #[error("use {0:?} as a name in a trial: it must be plain")]
    BadName(String),
    /// What the program reported cannot be believed.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A stuck driver: only a reboot helps.
    #[error("kill the program on {board}: it is stuck in a driver, and only a reboot helps")]
    Unkillable {
        /// The board.
        board: String,
    },
    /// Another search uses the board.
    #[error("get {board}: the search {holder:?} uses it")]
    Busy {
        /// The board.
        board: String,
        /// The other search.
        holder: String,
    },
    /// The program did not end by its own doing, or says itself that the board is at fault.
    #[error("run the trial on {board}: {reason}")]
    Infrastructure {
        /// The board.
        board: String,
        /// What happened.
        reason: String,
    },
}

impl TrialError {
    /// Whether no board can ever run this trial: the mistake is in the trial.
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Job(_) | Self::BadName(_))
    }
}

impl Site {
    /// Runs a trial once; what it leaves is fetched into the folder `into`, which exists and is empty.
    ///
    /// # Errors
    /// Everything that says nothing about the candidate; see [`TrialError`].
    pub fn attempt(&self, trial: &Trial, attempt: u32, into: &Path) -> Result<Attempt, TrialError> {
        let nonce = Nonce::fresh();
        let folder = self.run_folder().join(&format!("{}-{attempt}", trial.id));
        let script = self.trial_script(trial, &folder, &nonce)?;
        let reply = self.transport().shell(&script, trial.deadline + LOCK_PATIENCE + HOST_GRACE)?;
        let end = JobEnd::parse(&reply.text())?;
        let outcome = self.judge(trial, &folder, &nonce, end, into);
        // What was fetched is on this machine, and what was not is of no use: the next command on the board starts clean.
        self.remove(&folder);
        outcome
    }

    fn judge(
        &self,
        trial: &Trial,
        folder: &RemotePath,
        nonce: &Nonce,
        end: JobEnd,
        into: &Path,
    ) -> Result<Attempt, TrialError> {
        let board = self.transport().label();
        let infrastructure = |reason: String| Err(TrialError::Infrastructure { board: board.clone(), reason });
        match end {
            JobEnd::Exited(0) if trial.wants_manifest => self.fetch_result(trial, folder, nonce, into),
            JobEnd::Exited(0) => {
                let evidence = self.fetch_evidence(folder, into)?;
                Ok(Attempt::Ran(Ran { manifest: None, evidence, tensors: Arc::new(TensorFolder::of(into)) }))
            }
            JobEnd::Exited(1) if trial.wants_manifest => self.fetch_failure(trial, folder, nonce, into),
            JobEnd::Exited(75) => {
                let said = self.last_line(folder, into);
                infrastructure(format!("the program reports trouble with the board (exit code 75){said}"))
            }
            JobEnd::Exited(code @ (126 | 127)) => {
                let said = self.last_line(folder, into);
                infrastructure(format!("the program does not start (exit code {code}){said}"))
            }
            JobEnd::Exited(125) => Ok(Attempt::Untestable(self.fetch_evidence(folder, into)?)),
            JobEnd::Exited(code) => match signal_of(code) {
                Some(signal) if is_own_doing(signal) => {
                    Ok(Attempt::Crashed { signal, evidence: self.fetch_evidence(folder, into)? })
                }
                Some(signal) => infrastructure(format!("something killed the program (signal {signal})")),
                None => Ok(Attempt::Failed { code, evidence: self.fetch_evidence(folder, into)? }),
            },
            JobEnd::TimedOut => Ok(Attempt::TimedOut(self.fetch_evidence(folder, into)?)),
            JobEnd::Unkillable => Err(TrialError::Unkillable { board }),
            JobEnd::DiskFull => infrastructure("the board's disk is full".into()),
            JobEnd::Busy { holder } => Err(TrialError::Busy { board, holder }),
            JobEnd::Lost { reason } => infrastructure(reason),
        }
    }

    /// The last that a program said to people, to be put behind what is known of its end.
    fn last_line(&self, folder: &RemotePath, into: &Path) -> String {
        let Ok(evidence) = self.fetch_evidence(folder, into) else { return String::new() };
        let text = std::fs::read(evidence.stderr).unwrap_or_default();
        let text = String::from_utf8_lossy(&text[text.len().saturating_sub(400)..]).into_owned();
        text.trim_end().lines().next_back().map_or_else(String::new, |line| format!(": {line}"))
    }

    fn fetch_evidence(&self, folder: &RemotePath, into: &Path) -> Result<Evidence, Trouble> {
        let evidence = Evidence { stdout: into.join("stdout"), stderr: into.join("stderr") };
        let files =
            [(folder.join("stdout"), evidence.stdout.clone()), (folder.join("stderr"), evidence.stderr.clone())];
        self.transport().pull(&files, 2 * LOG_CAP, FETCH)?;
        Ok(evidence)
    }

    /// A program that says by its exit code alone that the candidate failed is believed; one that leaves a manifest must mean this trial.
    fn fetch_failure(
        &self,
        trial: &Trial,
        folder: &RemotePath,
        nonce: &Nonce,
        into: &Path,
    ) -> Result<Attempt, TrialError> {
        let evidence = self.fetch_evidence(folder, into)?;
        let exists = [b"[ -e ", quote(folder.join("result.json").as_bytes()).as_slice(), b" ]"].concat();
        if self.transport().shell(&exists, HOST_GRACE)?.code == 0 {
            self.fetch_manifest(trial, folder, nonce, into)?;
        }
        Ok(Attempt::Failed { code: 1, evidence })
    }

    fn fetch_manifest(
        &self,
        trial: &Trial,
        folder: &RemotePath,
        nonce: &Nonce,
        into: &Path,
    ) -> Result<Manifest, TrialError> {
        let path = into.join("result.json");
        self.transport().pull(&[(folder.join("result.json"), path.clone())], manifest::MAX_BYTES, FETCH)?;
        let bytes = std::fs::read(&path).map_err(Trouble::file(&path))?;
        Ok(read_manifest(&bytes, nonce, trial.config.as_deref().map(Sha256::of), FILE_CAP)?)
    }

    fn fetch_result(
        &self,
        trial: &Trial,
        folder: &RemotePath,
        nonce: &Nonce,
        into: &Path,
    ) -> Result<Attempt, TrialError> {
        let evidence = self.fetch_evidence(folder, into)?;
        let manifest = self.fetch_manifest(trial, folder, nonce, into)?;
        if manifest.failed.is_some() {
            return Ok(Attempt::Failed { code: 1, evidence });
        }
        let tensors = Arc::new(TensorFolder::of(into));
        let files: Vec<_> = manifest
            .tensors
            .iter()
            .map(|tensor| (folder.join(&tensor.file), tensors.path().join(&tensor.file)))
            .collect();
        if !files.is_empty() {
            std::fs::create_dir_all(tensors.path()).map_err(Trouble::file(tensors.path()))?;
            self.transport().pull(&files, FILE_CAP, FETCH)?;
        }
        for (tensor, (_, path)) in manifest.tensors.iter().zip(&files) {
            if Sha256::of_file(path).map_err(Trouble::file(path))? != (tensor.sha256, tensor.bytes) {
                return Err(
                    ManifestError::Nonsense(format!("the file of {:?} is not as announced", tensor.name)).into()
                );
            }
        }
        Ok(Attempt::Ran(Ran { manifest: Some(manifest), evidence, tensors }))
    }

    fn trial_script(&self, trial: &Trial, folder: &RemotePath, nonce: &Nonce) -> Result<Vec<u8>, TrialError> {
        if !is_plain_name(&trial.id) {
            return Err(TrialError::BadName(trial.id.clone()));
        }
        let mut setup = Vec::new();
        let mut step = |parts: &[&[u8]]| {
            setup.extend_from_slice(&parts.concat());
            setup.extend_from_slice(b" || nb_lost=1\n");
        };
        step(&[b"nb_lost=; mkdir ", &quote(folder.as_bytes())]);
        for parent in parents(trial)? {
            step(&[b"mkdir -p ", &quote(folder.join(parent).as_bytes())]);
        }
        for artifact in &trial.artifacts {
            let (stored, place) = (quote(self.stored(artifact.sha256).as_bytes()), folder.join(&artifact.path));
            let place = quote(place.as_bytes());
            // Some file systems have no links.
            step(&[
                b"[ -f ",
                &stored,
                b" ] && { ln -s ",
                &stored,
                b" ",
                &place,
                b" 2>/dev/null || cp ",
                &stored,
                b" ",
                &place,
                b"; }",
            ]);
        }
        step(&[&append_to_file(&folder.join("nonce"), nonce.as_str().as_bytes())]);
        if let Some(config) = &trial.config {
            step(&[&append_to_file(&folder.join("subgraph.txt"), config)]);
            for copy in &trial.config_copies {
                let copy = folder.join(copy);
                step(&[b"cp ", &quote(folder.join("subgraph.txt").as_bytes()), b" ", &quote(copy.as_bytes())]);
            }
        }
        setup.extend_from_slice(
            b"[ -z \"$nb_lost\" ] || { echo 'end lost the trial folder could not be set up'; exit 0; }\n",
        );
        let fill = |text: &str| fill(text, folder, nonce);
        let job = Job {
            dir: folder.clone(),
            lock: self.lock(),
            run: self.run().to_owned(),
            argv: trial.argv.iter().map(|word| fill(word)).collect(),
            env: trial.env.iter().map(|(name, value)| (name.clone(), value.as_deref().map(fill))).collect(),
            deadline: trial.deadline,
            lock_patience: LOCK_PATIENCE,
            file_cap: FILE_CAP,
            log_cap: LOG_CAP,
        };
        setup.extend_from_slice(&job.script()?);
        Ok(setup)
    }

    fn remove(&self, folder: &RemotePath) {
        let script = [b"rm -rf ", quote(folder.as_bytes()).as_slice()].concat();
        // Left-overs cost space, which the health check watches, and the whole run is removed at its end.
        let _ = self.transport().shell(&script, HOST_GRACE);
    }
}

/// Folders to make in a trial's folder.
fn parents(trial: &Trial) -> Result<BTreeSet<&str>, TrialError> {
    let paths = trial.artifacts.iter().map(|artifact| &artifact.path).chain(&trial.config_copies);
    let mut parents = BTreeSet::new();
    for path in paths {
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(TrialError::BadName(path.clone()));
        }
        parents.extend(path.rsplit_once('/').map(|(parent, _)| parent));
    }
    Ok(parents)
}

fn fill(text: &str, folder: &RemotePath, nonce: &Nonce) -> Vec<u8> {
    let mut filled = Vec::new();
    for (index, part) in text.split("{trial}").enumerate() {
        if index > 0 {
            filled.extend_from_slice(folder.as_bytes());
        }
        filled.extend_from_slice(part.replace("{nonce}", nonce.as_str()).as_bytes());
    }
    filled
}

fn signal_of(code: i32) -> Option<i32> {
    (129..=192).contains(&code).then(|| code - 128)
}

/// Signals that a program brings on itself: ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS. Others come from outside.
fn is_own_doing(signal: i32) -> bool {
    matches!(signal, 4 | 5 | 6 | 7 | 8 | 11 | 31)
}
