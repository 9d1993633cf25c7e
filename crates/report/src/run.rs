//! A run directory as the report sees it: read once, never changed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use trial_store::{GraphFile, History, LayersFile, Lever, Manifest, ResultFile, Tradeoff, read_run};

use crate::ReportError;

/// The largest file of a run that is read, bytes.
const LARGEST: u64 = 256 << 20;

/// Everything a report is made of. What a run has not written yet is missing.
#[derive(Clone, Debug)]
pub struct Run {
    /// Where it is.
    pub path: PathBuf,
    /// What it was asked to do.
    pub manifest: Manifest,
    /// What happened.
    pub history: History,
    /// What is searched.
    pub graph: GraphFile,
    /// What the simulator and the cost model say of each op.
    pub layers: LayersFile,
    /// The placements that no other one beats, where the search swept them.
    pub pareto: Vec<Tradeoff>,
    /// What was found.
    pub result: Option<ResultFile>,
    /// The answer, as written: the file of [`Run::lever`].
    pub answer: Option<String>,
}

impl Run {
    /// Reads a run; another process may be writing to it.
    ///
    /// # Errors
    /// When the directory is no run, or a file of it is damaged or larger than 256 MiB.
    pub fn read(path: &Path) -> Result<Self, ReportError> {
        let snapshot = read_run(path)?;
        let mut run = Self {
            path: path.to_owned(),
            manifest: snapshot.manifest,
            history: snapshot.history,
            graph: json(&path.join("graph.json"))?.unwrap_or_default(),
            layers: json(&path.join("layers.json"))?.unwrap_or_default(),
            pareto: json(&path.join("pareto/pareto.json"))?.unwrap_or_default(),
            result: json(&path.join("result.json"))?,
            answer: None,
        };
        let answer = bytes(&path.join(run.lever().file_name()))?;
        run.answer = answer.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(run)
    }

    /// What the search does with the ops of a placement.
    pub fn lever(&self) -> Lever {
        let asked = self.manifest.configuration.get("lever").and_then(|value| Lever::deserialize(value).ok());
        self.result.as_ref().map(|result| result.lever).or(asked).unwrap_or_default()
    }

    /// The names of the plain files in the directory, sorted.
    pub fn files(&self) -> Vec<String> {
        let Ok(found) = fs::read_dir(&self.path) else { return Vec::new() };
        let mut names: Vec<String> = found
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name != "lock" && name != "report.html")
            .collect();
        names.sort_unstable();
        names
    }
}

fn bytes(path: &Path) -> Result<Option<Vec<u8>>, ReportError> {
    let wrong = |source| ReportError::Read { path: path.to_owned(), source };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(wrong(error)),
        Ok(found) if found.len() > LARGEST => Err(wrong(io::Error::other("it is larger than 256 MiB"))),
        Ok(_) => fs::read(path).map(Some).map_err(wrong),
    }
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ReportError> {
    let Some(bytes) = bytes(path)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|source| ReportError::Format { path: path.to_owned(), source })
}
