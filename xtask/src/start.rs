//! How a search starts: anew, where an earlier process of the run left it, or from the answers of another run or an edited log.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use dataset::Dataset;
use pipeline::Known;
use trial_store::{
    Cause, Event, History, Identity, Manifest, Purpose, RunDir, Trial, TrialLog, TrialReopened, read_run, system_clock,
};

use crate::{exit, input::model_folder, settings::Settings};

/// Settings that say how long and where, not what: a resumed run may change them.
const NOT_COMPARED: [&str; 5] = ["out", "max-trials", "max-time", "cache", "boards"];

/// Settings on which a measurement depends; with these and the content equal, the answers of one run hold in another.
const MEASURED_BY: [&str; 13] = [
    "backend",
    "metric",
    "cpu",
    "lite-host",
    "command",
    "evaluator",
    "block",
    "direction",
    "all-supported",
    "runner-args",
    "demo",
    "board-env",
    "profile",
];

/// The file that keeps the answers which a run was started with, so that a resumed one has them too.
const ADOPTED: &str = "adopted.log";
/// Its identity in the manifest.
const ADOPTED_ROLE: &str = "adopted";

/// The identity of the files that the command line of a user's program names.
pub(crate) const EVALUATOR_ROLE: &str = "evaluator";

/// How a search starts.
pub(crate) enum Start {
    /// In a new run directory.
    New,
    /// In the run directory of an earlier process, exactly where that ended.
    Resume {
        /// The run directory.
        path: PathBuf,
        /// Ask trials again that were running at two crashes in a row.
        retry_lost: bool,
    },
    /// In a new run directory, with what is still valid of another run's answers.
    Adopt(PathBuf),
    /// In a new run directory, with the answers of a log.
    Replay(Box<TrialLog>),
}

impl Start {
    /// Opens the run directory and gathers what is known.
    pub(crate) fn open(self, settings: &Settings) -> anyhow::Result<(RunDir, Known)> {
        let manifest = manifest(settings)?;
        match self {
            Self::New => Ok((create(settings, manifest)?, Known::default())),
            Self::Resume { path, retry_lost } => resume(&path, &manifest, retry_lost),
            Self::Adopt(path) => match adopt(&path, &manifest)? {
                Some(log) => create_with(settings, manifest, &log),
                None => Ok((create(settings, manifest)?, Known::default())),
            },
            Self::Replay(log) => {
                let changed = log.edits().count();
                eprintln!("replaying {} trial(s), {changed} of them corrected by hand", log.trials.len());
                create_with(settings, manifest, &log)
            }
        }
    }
}

fn create(settings: &Settings, manifest: Manifest) -> anyhow::Result<RunDir> {
    let path = settings.out.clone().unwrap_or_else(|| default_path(settings));
    RunDir::create(&path, manifest, system_clock).map_err(exit::store)
}

/// A new run that starts from the answers of a log.
fn create_with(settings: &Settings, mut manifest: Manifest, log: &TrialLog) -> anyhow::Result<(RunDir, Known)> {
    let text = log.to_string();
    manifest.identities.insert(ADOPTED_ROLE.to_owned(), Identity::of_bytes(text.as_bytes()));
    let run = create(settings, manifest)?;
    run.write(ADOPTED, text.as_bytes()).map_err(exit::store)?;
    Ok((run, Known { adopted: log.answers(), ..Known::default() }))
}

/// The log that a run was started with.
fn adopted(run: &RunDir) -> anyhow::Result<Option<TrialLog>> {
    let Some(identity) = run.manifest().identities.get(ADOPTED_ROLE) else { return Ok(None) };
    let path = run.resolve(ADOPTED).map_err(exit::store)?;
    let text = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
    if Identity::of_bytes(&text) != *identity {
        bail!("{} is not what the run was started with; restore it, or replay the log anew", path.display());
    }
    TrialLog::parse(&text).map(Some).map_err(|error| anyhow::anyhow!("{}: failed to {error}", path.display()))
}

fn resume(path: &Path, manifest: &Manifest, retry_lost: bool) -> anyhow::Result<(RunDir, Known)> {
    // Looked at before it is opened: a run that is refused stays as it is.
    let earlier = read_run(path).map_err(exit::store)?;
    let differences: Vec<String> =
        compared(&earlier.manifest).differences(&compared(manifest)).iter().map(ToString::to_string).collect();
    if !differences.is_empty() {
        bail!(
            "{} was started differently ({}); repeat its settings, or give --adopt to start a new run with what is still valid",
            path.display(),
            differences.join("; ")
        );
    }
    let evaluator = |manifest: &Manifest| manifest.identities.get(EVALUATOR_ROLE).copied();
    if evaluator(&earlier.manifest) != evaluator(manifest) {
        eprintln!(
            "a file on the evaluator's command line has changed since the run began; its earlier answers still count"
        );
    }
    let (run, recovered) = RunDir::open_existing(path, system_clock).map_err(exit::store)?;
    if let Some(lost) = &recovered.lost_tail {
        eprintln!("the last record was torn by the crash: {} byte(s) cut off {}", lost.bytes, path.display());
    }
    let mut history = recovered.history;
    look_after_lost(&run, &mut history, retry_lost)?;
    let adopted = adopted(&run)?.map(|log| log.answers()).unwrap_or_default();
    Ok((run, Known { history, adopted }))
}

/// Trials that were running at two crashes in a row: asked again if the user wants that, and named if not.
fn look_after_lost(run: &RunDir, history: &mut History, retry: bool) -> anyhow::Result<()> {
    let lost: Vec<u32> = history.trials.values().filter(|trial| is_lost(trial)).map(|trial| trial.number).collect();
    for trial in lost {
        if retry {
            history.apply(&run.append(Event::TrialReopened(TrialReopened { trial })).map_err(exit::store)?);
        } else {
            eprintln!(
                "trial {trial} was running at two crashes in a row and counts as unresolved; --retry-lost asks it again"
            );
        }
    }
    Ok(())
}

fn is_lost(trial: &Trial) -> bool {
    match &trial.answer {
        None => trial.lost_in_two_crashes(),
        Some((_, answer)) => answer.measurement.unresolved.as_ref().is_some_and(|why| why.cause == Cause::TwoCrashes),
    }
}

/// What is still valid of another run's answers, if anything is.
fn adopt(path: &Path, manifest: &Manifest) -> anyhow::Result<Option<TrialLog>> {
    let earlier = read_run(path).map_err(exit::store)?;
    let measured_by = |manifest: &Manifest| {
        let mut manifest = manifest.clone();
        manifest.identities.remove(ADOPTED_ROLE);
        manifest.configuration.retain(|name, _| MEASURED_BY.contains(&name.as_str()));
        manifest.identities.remove("prior");
        manifest.seed = 0;
        manifest
    };
    let differences = measured_by(&earlier.manifest).differences(&measured_by(manifest));
    if let Some(difference) = differences.first() {
        eprintln!("nothing of {} is valid any more: {difference}", path.display());
        return Ok(None);
    }
    let mut log = TrialLog::of(&earlier.manifest, &earlier.history);
    // The answer is verified anew.
    log.trials.retain(|trial| trial.purpose != Purpose::Verification);
    if goal(&earlier.manifest) != goal(manifest) {
        // A trial that stopped early knows its verdict for the earlier goal only.
        log.trials.retain(|trial| trial.measurement.score.is_some() || trial.measurement.unresolved.is_some());
    }
    eprintln!("{} answer(s) of {} are still valid", log.answers().len(), path.display());
    Ok(Some(log))
}

/// The settings that say which score is good.
fn goal(manifest: &Manifest) -> [Option<&serde_json::Value>; 4] {
    ["threshold", "max-drop", "metric", "direction"].map(|name| manifest.configuration.get(name))
}

/// What must be equal for a run to go on.
fn compared(manifest: &Manifest) -> Manifest {
    let mut manifest = manifest.clone();
    manifest.configuration.retain(|name, _| !NOT_COMPARED.contains(&name.as_str()));
    manifest.identities.remove(ADOPTED_ROLE);
    // One of the files may be a log that the program itself writes to.
    manifest.identities.remove(EVALUATOR_ROLE);
    manifest
}

fn manifest(settings: &Settings) -> anyhow::Result<Manifest> {
    let mut manifest = Manifest::new(concat!("npu-bisect ", env!("CARGO_PKG_VERSION")), settings.seed.unwrap_or(0));
    if let serde_json::Value::Object(configuration) = serde_json::to_value(settings)? {
        manifest.configuration = configuration.into_iter().collect();
    }
    for (role, files) in content(settings)? {
        let mut identity = Identity::builder(role);
        for file in &files {
            identity = identity.field("file", Identity::of_file(file).map_err(failed)?.as_bytes());
        }
        manifest.identities.insert(role.to_owned(), identity.finish());
    }
    Ok(manifest)
}

/// The files behind the settings, by role.
fn content(settings: &Settings) -> anyhow::Result<Vec<(&'static str, Vec<PathBuf>)>> {
    let mut content = Vec::new();
    if let Some(model) = &settings.model {
        content.push(("model", model_files(model)?));
    }
    if let Some(log) = &settings.log {
        content.push(("log", vec![log.clone()]));
    }
    if let Some(runner) = &settings.runner {
        content.push(("runner", vec![runner.clone()]));
    }
    if let Some(profile) = settings.profile.as_ref().map(PathBuf::from).filter(|profile| profile.is_file()) {
        content.push(("profile", vec![profile]));
    }
    let priors: Vec<PathBuf> = settings.prior.iter().map(PathBuf::from).filter(|path| path.is_file()).collect();
    if !priors.is_empty() {
        content.push(("prior", priors));
    }
    if let Some(line) = settings.command.as_ref().or(settings.evaluator.as_ref()) {
        let words = shlex::split(line).unwrap_or_default();
        content.push((EVALUATOR_ROLE, words.into_iter().map(PathBuf::from).filter(|word| word.is_file()).collect()));
    }
    if let Some(data) = &settings.data {
        let dataset = Dataset::load(data).map_err(failed)?;
        content.push(("data", dataset.files().into_iter().map(Path::to_owned).collect()));
    }
    Ok(content)
}

fn model_files(model: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let folder = model_folder(model);
    let entries = fs::read_dir(&folder).with_context(|| format!("failed to read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .filter(|path| path.extension().is_none_or(|extension| extension == "pdmodel" || extension == "pdiparams"))
        .collect();
    files.sort_unstable();
    Ok(files)
}

fn default_path(settings: &Settings) -> PathBuf {
    let subject = settings.model.as_deref().or(settings.log.as_deref()).unwrap_or(Path::new("run"));
    let names: Vec<String> = subject
        .components()
        .rev()
        .take(2)
        .map(|part| part.as_os_str().to_string_lossy().replace(|c: char| !c.is_ascii_alphanumeric(), "_"))
        .collect();
    let name: Vec<&str> = names.iter().rev().map(String::as_str).collect();
    let stamp = trial_store::Timestamp::now().to_string().replace([':', '.'], "");
    Path::new(RUNS).join(format!("{stamp}-{}", name.join("-")))
}

/// Where runs go that were given no place.
const RUNS: &str = "runs";

/// The newest run under `runs/`.
pub(crate) fn latest_run() -> anyhow::Result<PathBuf> {
    let entries = fs::read_dir(RUNS).with_context(|| format!("there is no run to resume under {RUNS}/"))?;
    let runs = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.join("run.json").is_file());
    runs.max().with_context(|| format!("there is no run to resume under {RUNS}/"))
}

/// The settings that a run was started with.
pub(crate) fn recorded(configuration: &BTreeMap<String, serde_json::Value>) -> anyhow::Result<Settings> {
    let object: serde_json::Map<String, serde_json::Value> =
        configuration.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    serde_json::from_value(serde_json::Value::Object(object)).context("the recorded settings are not this program's")
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("failed to {error}")
}
