//! Fuzz targets: each takes any bytes, feeds them to one parser, and checks the laws that hold for what it accepts.
//!
//! `cargo xtask fuzz` runs them under libFuzzer; the test of this crate runs each over its seeds and over every input that
//! ever broke it, `fixtures/fuzz/NAME/`. A new target is one function and one line in [`TARGETS`].
//!
//! ```
//! let journal = fuzz::TARGETS.iter().find(|target| target.name == "journal").unwrap();
//! (journal.run)(b"{\"check\":\"0123456789abcdef\",\"seq\":0}\n");
//! ```

mod targets;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A parser under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called on the command line and in `fixtures/fuzz`.
    pub name: &'static str,
    /// Folders of `fixtures` whose files are good inputs to begin with.
    pub seeds: &'static [&'static str],
    /// How the names of these files end.
    pub extension: &'static str,
    /// Panics where a law is broken.
    pub run: fn(&[u8]),
}

impl Target {
    /// The files below `fixtures` to begin with: the seeds, and `fuzz/NAME` with every input that ever broke the target.
    pub fn inputs(&self, fixtures: &Path) -> Vec<PathBuf> {
        let mut inputs = Vec::new();
        for seeds in self.seeds {
            add_files(&fixtures.join(seeds), &mut inputs);
        }
        inputs.retain(|path| path.extension().is_some_and(|extension| extension == self.extension));
        add_files(&fixtures.join("fuzz").join(self.name), &mut inputs);
        inputs
    }
}

/// The files below a folder, in the order of their names; none where there is no such folder.
fn add_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(found) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = found.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() { add_files(&path, files) } else { files.push(path) }
    }
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "log", seeds: &["real/configs", "real/logs"], extension: "log", run: targets::log },
    Target { name: "partition_config", seeds: &["real/configs"], extension: "txt", run: targets::partition_config },
    Target { name: "pdmodel", seeds: &["models"], extension: "pdmodel", run: targets::pdmodel },
    Target { name: "pdiparams", seeds: &[], extension: "pdiparams", run: targets::pdiparams },
    Target { name: "npy", seeds: &[], extension: "npy", run: targets::npy },
    Target { name: "journal", seeds: &["runs"], extension: "jsonl", run: targets::journal },
    Target { name: "board_result", seeds: &[], extension: "json", run: targets::board_result },
    Target { name: "board_reply", seeds: &[], extension: "txt", run: targets::board_reply },
    Target { name: "fastdeploy_result", seeds: &[], extension: "txt", run: targets::fastdeploy_result },
    Target { name: "manifest", seeds: &["runs"], extension: "json", run: targets::manifest },
    Target { name: "trial_log", seeds: &[], extension: "log", run: targets::trial_log },
];
