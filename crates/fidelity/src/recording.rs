//! A folder of recorded trials as it lies on disk (spec/measured.md "The recorded trials").

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use dataset::{Array, read_npz};
use op_graph::OpRecord;
use serde::Deserialize;

use crate::Error;

/// The recorded trials of one model variant.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The folder's name, `<model>.<variant>`.
    pub name: String,
    /// The operator records as logged.
    pub ops: Vec<OpRecord>,
    /// The groups that units mean, by position.
    pub units: Vec<Vec<OpRecord>>,
    /// The trials in the order of the file.
    pub trials: Vec<RecordedTrial>,
    outputs: BTreeMap<String, Array>,
}

/// One line of `trials.jsonl`.
#[derive(Clone, Debug, Deserialize)]
pub struct RecordedTrial {
    /// What was tried, e.g. `cpu-unit:3`.
    pub tag: String,
    /// The records forced to the CPU.
    pub cpu_ops: Vec<String>,
    /// The records named in the mixed-precision file.
    #[serde(default)]
    pub mixed: Vec<String>,
    rc: serde_json::Value,
    /// The members of each cluster, as positions in `ops.json`.
    pub cluster_ops: Option<Vec<Vec<usize>>>,
    fatal: Option<Vec<String>>,
    out: Option<String>,
}

impl RecordedTrial {
    /// Did it run to its end?
    pub fn ran(&self) -> bool {
        self.rc.as_i64() == Some(0)
    }

    /// Did the graph check of a CPU fusion pass stop it at load? Such trials are reported apart.
    pub fn hit_graph_check(&self) -> bool {
        self.fatal
            .iter()
            .flatten()
            .any(|line| line.contains("ssa_graph.cc") || line.contains("CheckBidirectionalConnection"))
    }

    /// What the first message names as the place of failure.
    pub fn place(&self) -> &'static str {
        let lines = || self.fatal.iter().flatten();
        let has = |text: &str| lines().any(|line| line.contains(text));
        [
            ("subgraph_op.cc", "renamed_output"),
            ("engine.cc:150", "unmapped_operand"),
            ("data type not support", "data_type"),
            ("Can't add a tim::vx::Tensor", "tensor_type"),
            ("ssa_graph.cc", "broken_links"),
        ]
        .iter()
        .find_map(|&(text, class)| has(text).then_some(class))
        .unwrap_or("other")
    }
}

impl Recording {
    /// Reads a folder. Without `outputs.npz` only refusals can be compared.
    ///
    /// # Errors
    /// When a file is missing or not what it should be.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = dir.join(name);
            fs::read(&path).map_err(|source| Error::Read { path, source })
        };
        let format = |path: PathBuf, text: String| Error::Format { path, text };
        let records = |lines: Vec<String>, name: &str| {
            let record = |line: &String| {
                OpRecord::parse(line.as_bytes()).map_err(|error| format(dir.join(name), error.to_string()))
            };
            lines.iter().map(record).collect::<Result<Vec<_>, _>>()
        };
        let json = |name: &str, error: serde_json::Error| format(dir.join(name), error.to_string());
        let ops: Vec<String> = serde_json::from_slice(&read("ops.json")?).map_err(|error| json("ops.json", error))?;
        let units: Vec<Vec<String>> =
            serde_json::from_slice(&read("units.json")?).map_err(|error| json("units.json", error))?;
        let mut trials = Vec::new();
        for line in read("trials.jsonl")?.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            trials.push(serde_json::from_slice(line).map_err(|error| json("trials.jsonl", error))?);
        }
        let outputs = dir.join("outputs.npz");
        let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self {
            name,
            ops: records(ops, "ops.json")?,
            units: units.into_iter().map(|unit| records(unit, "units.json")).collect::<Result<_, _>>()?,
            trials,
            outputs: if outputs.is_file() { read_npz(&outputs)? } else { BTreeMap::new() },
        })
    }

    /// The arrays a trial put out, one an output, each [samples, elements]; none where it did not run.
    pub fn outputs(&self, trial: &RecordedTrial) -> Option<Vec<&Array>> {
        let prefix = trial.out.as_ref().filter(|_| trial.ran())?;
        let arrays: Vec<&Array> = (0..).map_while(|index| self.outputs.get(&format!("{prefix}_out{index}"))).collect();
        (!arrays.is_empty()).then_some(arrays)
    }
}
