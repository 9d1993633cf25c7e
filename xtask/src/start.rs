//! How a search starts: anew, where an earlier process of the run left it, or from the answers of another run or an edited log.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use dataset::Dataset;
use pipeline::Known;
use trial_store::{Answer, Identity, Manifest, Question, RunDir, Source, TrialLog, read_run, system_clock};

use crate::{input::model_folder, settings::Settings};

/// Settings that say how long and where, not what: a resumed run may change them.
const NOT_COMPARED: [&str; 3] = ["out", "max-trials", "max-time"];

/// Settings on which a measurement depends; with these and the content equal, the answers of one run hold in another.
const MEASURED_BY: [&str; 8] =
    ["backend", "metric", "cpu", "command", "evaluator", "block", "direction", "all-supported"];

/// How a search starts.
pub(crate) enum Start {
    /// In a new run directory.
    New,
    /// In the run directory of an earlier process, exactly where that ended.
    Resume(PathBuf),
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
            Self::Resume(path) => resume(&path, &manifest),
            Self::Adopt(path) => {
                let adopted = adopt(&path, &manifest)?;
                Ok((create(settings, manifest)?, Known { adopted, ..Known::default() }))
            }
            Self::Replay(log) => {
                let changed = log.edits().count();
                eprintln!("replaying {} trial(s), {changed} of them corrected by hand", log.trials.len());
                Ok((create(settings, manifest)?, Known { adopted: log.answers(), ..Known::default() }))
            }
        }
    }
}

fn create(settings: &Settings, manifest: Manifest) -> anyhow::Result<RunDir> {
    let path = settings.out.clone().unwrap_or_else(|| default_path(settings));
    RunDir::create(&path, manifest, system_clock).map_err(failed)
}

fn resume(path: &Path, manifest: &Manifest) -> anyhow::Result<(RunDir, Known)> {
    let (run, recovered) = RunDir::open_existing(path, system_clock).map_err(failed)?;
    let differences: Vec<String> =
        compared(run.manifest()).differences(&compared(manifest)).iter().map(ToString::to_string).collect();
    if !differences.is_empty() {
        bail!(
            "{} was started differently ({}); repeat its settings, or give --adopt to start a new run with what is still valid",
            path.display(),
            differences.join("; ")
        );
    }
    if let Some(lost) = &recovered.lost_tail {
        eprintln!("the last record was torn by the crash: {} byte(s) cut off {}", lost.bytes, path.display());
    }
    Ok((run, Known { history: recovered.history, ..Known::default() }))
}

fn adopt(path: &Path, manifest: &Manifest) -> anyhow::Result<BTreeMap<Question, Answer>> {
    let earlier = read_run(path).map_err(failed)?;
    let measured_by = |manifest: &Manifest| {
        let mut manifest = compared(manifest);
        manifest.configuration.retain(|name, _| MEASURED_BY.contains(&name.as_str()));
        manifest.identities.remove("prior");
        manifest.seed = 0;
        manifest
    };
    let differences = measured_by(&earlier.manifest).differences(&measured_by(manifest));
    if let Some(difference) = differences.first() {
        eprintln!("nothing of {} is valid any more: {difference}", path.display());
        return Ok(BTreeMap::new());
    }
    let answers: BTreeMap<Question, Answer> = earlier
        .history
        .trials
        .into_values()
        .filter_map(|trial| Some((trial.question, Answer { source: Source::Cached, ..trial.answer?.1 })))
        .collect();
    eprintln!("{} answer(s) of {} are still valid", answers.len(), path.display());
    Ok(answers)
}

/// What must be equal for a run to go on.
fn compared(manifest: &Manifest) -> Manifest {
    let mut manifest = manifest.clone();
    manifest.configuration.retain(|name, _| !NOT_COMPARED.contains(&name.as_str()));
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
    let priors: Vec<PathBuf> = settings.prior.iter().map(PathBuf::from).filter(|path| path.is_file()).collect();
    if !priors.is_empty() {
        content.push(("prior", priors));
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
