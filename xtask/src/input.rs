//! Reading what users pass in: logs and models.

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use op_graph::OpGraph;
use paddle_model::{LiteOptions, LiteProgram, Model};
use subgraph_log::{Block, Diagnostic, Limits, LogReport, Severity};

/// Reads a log; diagnostics go to standard error, each with its line.
pub(crate) fn read_log(path: &Path) -> anyhow::Result<LogReport> {
    let file = File::open(path).with_context(|| format!("failed to open the log {}", path.display()))?;
    let report = subgraph_log::parse_reader(BufReader::with_capacity(256 << 10, file), &Limits::default())
        .with_context(|| path.display().to_string())?;
    show(path, &report.diagnostics, Severity::Warning);
    Ok(report)
}

/// The block of a log to work with: the numbered one, or the last complete one.
pub(crate) fn read_block(path: &Path, number: Option<usize>) -> anyhow::Result<Block> {
    let report = read_log(path)?;
    let block = match number {
        Some(number) => report.pick(number),
        None => report.chosen(),
    };
    Ok(block.map_err(|error| anyhow::anyhow!("failed to {error}")).with_context(|| path.display().to_string())?.clone())
}

/// Prints the diagnostics that are at least this severe, as `file:line: message`.
pub(crate) fn show(path: &Path, diagnostics: &[Diagnostic], least: Severity) {
    for diagnostic in diagnostics.iter().filter(|diagnostic| diagnostic.severity >= least) {
        eprintln!("{}:{diagnostic}", path.display());
    }
}

/// Reads a model: the folder that holds it, or its `.pdmodel` file with the parameters beside it.
pub(crate) fn read_model(path: &Path) -> anyhow::Result<LiteProgram> {
    let program = load_model(path)?.lite_program(&LiteOptions::default());
    program.map_err(|error| anyhow::anyhow!("failed to {error}")).with_context(|| path.display().to_string())
}

/// Reads a model as it was exported, named as for [`read_model`].
pub(crate) fn load_model(path: &Path) -> anyhow::Result<Model> {
    let model = if path.is_dir() { Model::load_dir(path) } else { Model::load(path, path.with_extension("pdiparams")) };
    model.map_err(|error| anyhow::anyhow!("failed to {error}")).with_context(|| path.display().to_string())
}

/// The folder of a model, whether that or its file was named.
pub(crate) fn model_folder(path: &Path) -> PathBuf {
    if path.is_dir() { path.to_owned() } else { path.parent().unwrap_or(Path::new("")).to_owned() }
}

/// Is this a model, and not a log?
pub(crate) fn is_model(path: &Path) -> bool {
    path.is_dir() || path.extension().is_some_and(|extension| extension == "pdmodel")
}

/// The program and the combined parameters of a model: boards get a model as these two files.
pub(crate) fn model_files(path: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let folder = model_folder(path);
    let only = |extension: &str| {
        let entries = folder.read_dir().with_context(|| format!("failed to read {}", folder.display()))?;
        let mut found = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|file| file.extension().is_some_and(|its| its == extension));
        match (found.next(), found.next()) {
            (Some(file), None) => Ok(file),
            (None, _) => bail!("{} holds no .{extension} file", folder.display()),
            _ => bail!("{} holds more than one .{extension} file", folder.display()),
        }
    };
    if path.is_dir() {
        return Ok((only("pdmodel")?, only("pdiparams")?));
    }
    Ok((path.to_owned(), path.with_extension("pdiparams")))
}

/// The op list that a subgraph command works on: a log's, or a model's folder.
pub(crate) fn read_ops(path: &Path, block: Option<usize>) -> anyhow::Result<(OpGraph, Option<op_graph::Clustering>)> {
    if is_model(path) {
        return Ok((read_model(path)?.graph, None));
    }
    if !path.is_file() {
        bail!("there is no file {}", path.display());
    }
    let block = read_block(path, block)?;
    Ok((block.ops, block.logged_clustering))
}
