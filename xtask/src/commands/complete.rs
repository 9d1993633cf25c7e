//! `cargo xtask complete`: a copy of a model with the attributes that Paddle Lite needs and Paddle's exporter left out.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context;
use paddle_model::{write_params, write_program};

use crate::input::load_model;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The model's folder, or its .pdmodel file
    model: PathBuf,
    /// The folder for the copy, created where it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut model = load_model(&args.model)?;
    let added = model.complete();
    fs::create_dir_all(&args.out).with_context(|| format!("failed to create {}", args.out.display()))?;
    for (name, bytes) in
        [("model.pdmodel", write_program(&model.program)), ("model.pdiparams", write_params(&model.params))]
    {
        let path = args.out.join(name);
        fs::write(&path, bytes).with_context(|| format!("failed to write {}", path.display()))?;
    }
    eprintln!("{added} attribute(s) added; the copy is in {}", args.out.display());
    Ok(ExitCode::SUCCESS)
}
