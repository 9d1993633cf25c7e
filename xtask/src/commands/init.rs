//! `cargo xtask init`: five questions, or the flags that answer them, become a commented `search.toml` that was tried on its model, log and data.

use std::{
    fmt::Write as _,
    fs,
    io::{self, BufRead, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use dataset::Dataset;

use crate::{describe, input::read_model, settings::Settings, setup};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder of the quantized model
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,

    /// The log of the board, with the "subgraph operators" block
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// The data description; or the data, from which a first description is written: a .npy array or a folder of images
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,

    /// How far below the score without the NPU a placement may be: 0.01 or 1%
    #[arg(long, value_name = "DROP")]
    max_drop: Option<String>,

    /// The command that runs one trial on the board; docs/exec.md lists the placeholders
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,

    /// Where to write
    #[arg(long, value_name = "FILE", default_value = "search.toml")]
    out: PathBuf,
}

pub(crate) fn run(mut args: Args) -> anyhow::Result<ExitCode> {
    if args.out.exists() {
        bail!("{} exists already; remove it, or give another --out", args.out.display());
    }
    if args.model.is_none() && args.log.is_none() {
        if !io::stdin().is_terminal() {
            bail!("nobody answers questions here; give --model or --log (and --data, --max-drop, --command)");
        }
        ask_all(&mut args, &mut io::stdin().lock(), &mut io::stderr().lock())?;
    }
    let described = describe_data(&mut args)?;
    // A description that does not fit is not left behind.
    let found = check(&args).inspect_err(|_| {
        if let Some(path) = &described {
            let _ = fs::remove_file(path);
        }
    })?;
    let text = text(&args)?;
    trial_store::write_atomically(&args.out, text.as_bytes()).map_err(|error| anyhow::anyhow!("failed to {error}"))?;
    if let Some(path) = &described {
        println!("wrote {}; CHECK its mean and std: they must be what the model was exported with", path.display());
    }
    println!("{found}\nwrote {}; now: cargo xtask search {}", args.out.display(), args.out.display());
    Ok(ExitCode::SUCCESS)
}

fn ask_all(args: &mut Args, input: &mut impl BufRead, output: &mut impl Write) -> io::Result<()> {
    let mut ask = |question: &str| -> io::Result<Option<String>> {
        write!(output, "{question}: ")?;
        output.flush()?;
        let mut line = String::new();
        input.read_line(&mut line)?;
        let answer = line.trim();
        Ok((!answer.is_empty()).then(|| answer.to_owned()))
    };
    args.model = ask("1. folder of the quantized model (empty: none, only a log)")?.map(PathBuf::from);
    args.log = ask("2. log of the board (empty: none)")?.map(PathBuf::from);
    args.data = ask("3. data: a folder of images, a .npy array, or a data.toml, see docs/data.md (empty: data.toml beside the model)")?.map(PathBuf::from);
    args.max_drop = ask("4. how much score may be lost, 0.01 or 1% (empty: the metric's default)")?;
    args.command = ask("5. command that runs one trial on the board (empty: simulate, or by hand without a model)")?;
    Ok(())
}

/// Data without a description get one, beside the settings.
fn describe_data(args: &mut Args) -> anyhow::Result<Option<PathBuf>> {
    let (Some(model), Some(data)) = (&args.model, &args.data) else { return Ok(None) };
    if describe::is_description(data) {
        return Ok(None);
    }
    let path = describe::write(&read_model(model)?, data, &args.out)?;
    args.data = Some(path.clone());
    Ok(Some(path))
}

/// Reads what was given, as a search would, and says what is there.
fn check(args: &Args) -> anyhow::Result<String> {
    let settings = Settings {
        model: args.model.clone(),
        log: args.log.clone(),
        max_drop: args.max_drop.clone(),
        ..Settings::default()
    };
    setup::tolerance(&settings)?;
    let subject = setup::subject(&settings)?;
    let mut found =
        format!("{} ops, {} of them may run on the NPU", subject.graph.op_count(), subject.candidates.len());
    if let Some(command) = &args.command {
        let words = shlex::split(command).filter(|words| !words.is_empty());
        words.with_context(|| format!("`{command}` cannot be split into words: is a quote not closed?"))?;
        return Ok(found);
    }
    let Some(model) = &args.model else { return Ok(found) };
    let data = args.data.clone().map_or_else(|| setup::find_data(model), Ok)?;
    let data = Dataset::load(&data).map_err(|error| anyhow::anyhow!("failed to {error}"))?;
    if let Some(program) = &subject.program {
        describe::check_shapes(program, &data)?;
    }
    let _ = write!(found, "; {} samples", data.len()); // writing to a string cannot fail
    Ok(found)
}

fn text(args: &Args) -> anyhow::Result<String> {
    let mut text = String::from(
        "# Settings of `cargo xtask search`; docs/search.md lists all of them. Flags win over this file.\n",
    );
    let mut key = |comment: &str, name: &str, value: Option<String>, example: &str| {
        let line = match value {
            Some(value) => format!("{name} = {}", toml::Value::String(value)),
            None => format!("# {name} = {example}"),
        };
        let _ = write!(text, "\n# {comment}\n{line}\n"); // writing to a string cannot fail
    };
    let path = |path: &Option<PathBuf>| -> anyhow::Result<Option<String>> {
        let absolute = path.as_deref().map(std::path::absolute).transpose()?;
        Ok(absolute.as_deref().map(Path::to_string_lossy).map(Into::into))
    };
    key("The folder with .pdmodel and .pdiparams.", "model", path(&args.model)?, "\"my_model\"");
    key(
        "The log that shows the operators, printed when the model is loaded on the board.",
        "log",
        path(&args.log)?,
        "\"board.log\"",
    );
    key("Inputs, labels and metric: docs/data.md.", "data", path(&args.data)?, "\"my_model/data.toml\"");
    key("How far below the score without the NPU a placement may be.", "max-drop", args.max_drop.clone(), "\"1%\"");
    key("Runs one trial: docs/exec.md.", "command", args.command.clone(), "\"./trial.sh {subgraph}\"");
    key("Stop after so long, with the best placement so far.", "max-time", None, "\"2h\"");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> Args {
        Args { model: None, log: None, data: None, max_drop: None, command: None, out: PathBuf::from("search.toml") }
    }

    #[test]
    fn what_is_written_reads_back_as_settings() {
        let mut args = args();
        let answers = "/models/a \"b\"\n\n\n1%\n./trial.sh {subgraph}\n";
        ask_all(&mut args, &mut answers.as_bytes(), &mut Vec::new()).unwrap();
        let settings: Settings = toml::from_str(&text(&args).unwrap()).unwrap();
        assert_eq!(settings.model, Some(PathBuf::from("/models/a \"b\"")));
        assert_eq!(
            (settings.max_drop.as_deref(), settings.command.as_deref()),
            (Some("1%"), Some("./trial.sh {subgraph}"))
        );
        assert_eq!((settings.log, settings.data), (None, None));
    }
}
