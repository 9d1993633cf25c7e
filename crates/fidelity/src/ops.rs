//! The simulator's kernels beside single ops recorded on the software NPU.

use std::{collections::BTreeMap, fs, path::Path};

use int8_sim::vectors::OpVector;
use serde::Serialize;

use crate::Error;

/// How the kernels of one op fare over its recorded cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OpReport {
    /// The number of cases.
    pub cases: usize,
    /// The cases that the simulator refused or has no kernel for.
    pub refused: usize,
    /// The number of output elements.
    pub elements: usize,
    /// How many are equal.
    pub exact: usize,
    /// How many are at most one code off.
    pub within_one: usize,
    /// The largest distance in codes.
    pub max_off: u32,
}

/// Compares with every case (`*.json`) of a folder, by op.
///
/// # Errors
/// When the folder or a case cannot be read.
pub fn compare_ops(dir: &Path) -> Result<BTreeMap<String, OpReport>, Error> {
    let entries = fs::read_dir(dir).map_err(|source| Error::Read { path: dir.to_owned(), source })?;
    let mut reports: BTreeMap<String, OpReport> = BTreeMap::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let bytes = fs::read(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        let vector = OpVector::from_json(&bytes).map_err(|error| Error::Format { path, text: error.to_string() })?;
        let report = reports.entry(vector.op.clone()).or_default();
        report.cases += 1;
        match vector.compare() {
            Ok(case) => {
                report.elements += case.elements;
                report.exact += case.exact;
                report.within_one += case.within_one;
                report.max_off = report.max_off.max(case.max_off);
            }
            Err(_) => report.refused += 1,
        }
    }
    Ok(reports)
}
