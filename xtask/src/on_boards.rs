//! From settings to boards at work: what is pushed, where they are, and what people are told of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use backend::{
    Happening, News,
    board::{BoardProgram, Boards, BoardsOptions, Demo, Inputs, Profile, Runner},
};
use board::{
    cancel::Cancel,
    pool::{BoardConfig, read_boards},
};
use dataset::Dataset;
use pipeline::Subject;
use trial_store::RunDir;

use crate::{
    input::model_files,
    settings::{Settings, parse_duration},
};

/// Trials between two checks of a board: one trial in so many is the price of finding a board that computes nonsense.
const CHECK_EVERY: u32 = 16;

/// The boards that the settings name.
pub(crate) fn listed(settings: &Settings) -> anyhow::Result<Vec<BoardConfig>> {
    let path = settings.boards.as_deref().context("the board backend needs --boards")?;
    let boards = read_boards(path).map_err(failed)?;
    if boards.is_empty() {
        bail!("{} names no board", path.display());
    }
    Ok(boards)
}

/// Goes to the boards; returns when it is known which can be used.
pub(crate) fn start(
    settings: &Settings,
    subject: &Subject,
    run: &RunDir,
    data: &Dataset,
    cancel: &Cancel,
) -> anyhow::Result<Boards> {
    let boards = listed(settings)?;
    let results = run.path().join("boards");
    fs::create_dir_all(&results).with_context(|| format!("failed to create {}", results.display()))?;
    let runner = runner(settings)?;
    let inputs = if runner.demo.is_some() { one_file_each(data, &results)? } else { in_one_file(data, &results)? };
    let (model, params) = model_files(settings.model.as_deref().context("the board backend needs --model")?)?;
    let program = BoardProgram::new(
        subject.program.as_ref().context("the board backend needs the model; give --model")?,
        subject.candidates.clone(),
        (&model, &params),
        inputs,
        runner,
    )
    .map_err(failed)?;
    let options = BoardsOptions {
        results: std::path::absolute(&results)?,
        timeout: settings.timeout.as_deref().map(parse_duration).transpose()?,
        check_every: CHECK_EVERY,
        drivers: profile(settings)?.drivers,
    };
    Ok(Boards::start(boards, program, options, cancel))
}

fn in_one_file(data: &Dataset, folder: &Path) -> anyhow::Result<Inputs> {
    let samples: Vec<_> = (0..data.len()).map(|at| data.batch(at..at + 1)).collect::<Result<_, _>>().map_err(failed)?;
    Inputs::write(folder, samples).map_err(failed)
}

/// The images themselves where the data are images, since a demo does its own preprocessing; else what the model takes, raw.
pub(crate) fn one_file_each(data: &Dataset, folder: &Path) -> anyhow::Result<Inputs> {
    let [input] = data.inputs() else { bail!("a demo takes one input, and the data have {}", data.inputs().len()) };
    if let Some(images) = input.files().get(..data.len()).filter(|files| is_image(files)) {
        return Inputs::one_file_each(images).map_err(failed);
    }
    let folder = folder.join("samples");
    fs::create_dir_all(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
    let mut files = Vec::new();
    for at in 0..data.len() {
        let values: Vec<u8> = data
            .batch(at..at + 1)
            .map_err(failed)?
            .iter()
            .flat_map(accuracy::Tensor::data)
            .flat_map(|value| value.to_le_bytes())
            .collect();
        files.push(folder.join(format!("{at}.raw")));
        fs::write(&files[at], values).with_context(|| format!("failed to write {}", files[at].display()))?;
    }
    Inputs::one_file_each(&files).map_err(failed)
}

fn is_image(files: &[PathBuf]) -> bool {
    files.first().and_then(|file| file.extension()).is_some_and(|extension| extension != "npy" && extension != "npz")
}

/// What a person has to know of a board that cannot be used.
pub(crate) fn line(news: &News) -> Option<String> {
    match &news.what {
        Happening::Trouble(detail) => Some(format!("{}: {detail}", news.device)),
        Happening::Lost => Some(format!("{}: given up", news.device)),
        Happening::Ready | Happening::Recovering(_) => None,
    }
}

/// The program that runs trials, with what it needs there.
pub(crate) fn runner(settings: &Settings) -> anyhow::Result<Runner> {
    let line = settings.runner_args.as_deref().unwrap_or_default();
    Ok(Runner {
        program: settings.runner.clone().context("the board backend needs --runner")?,
        args: shlex::split(line)
            .with_context(|| format!("`{line}` cannot be split into words: is a quote not closed?"))?,
        libraries: settings.libraries.clone(),
        env: variables(settings)?,
        demo: demo(settings)?,
    })
}

/// The program prints its results where the profile or the user says how to call it.
fn demo(settings: &Settings) -> anyhow::Result<Option<Demo>> {
    let demo = match (&settings.demo, profile(settings)?.demo) {
        (Some(command), demo) => Demo { command: command.clone(), ..demo.unwrap_or_default() },
        (None, Some(demo)) => demo,
        (None, None) => return Ok(None),
    };
    let words = shlex::split(&demo.command).unwrap_or_default();
    if words.is_empty() {
        bail!("`{}` cannot be split into words: is a quote not closed?", demo.command);
    }
    Ok(Some(demo))
}

fn profile(settings: &Settings) -> anyhow::Result<Profile> {
    Ok(settings.profile.as_deref().map(Profile::load).transpose().map_err(failed)?.unwrap_or_default())
}

/// The profile's variables, and behind them, so that they win, those of the user.
pub(crate) fn variables(settings: &Settings) -> anyhow::Result<Vec<(String, String)>> {
    let split = |pair: &String| {
        let (name, value) = pair.split_once('=').with_context(|| format!("`{pair}` is not NAME=VALUE"))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    let mut variables: Vec<(String, String)> = profile(settings)?.env.into_iter().collect();
    variables.extend(settings.board_env.iter().map(split).collect::<anyhow::Result<Vec<_>>>()?);
    Ok(variables)
}

/// An error's text, which is a fragment, as an error for people.
pub(crate) fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("failed to {error}")
}
