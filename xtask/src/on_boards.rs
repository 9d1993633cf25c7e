//! From settings to boards at work: what is pushed, where they are, and what people are told of them.

use std::fs;

use anyhow::{Context, bail};
use backend::{
    Happening, News,
    board::{BoardProgram, Boards, BoardsOptions, Inputs, Profile, Runner},
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
    let samples: Vec<_> = (0..data.len()).map(|at| data.batch(at..at + 1)).collect::<Result<_, _>>().map_err(failed)?;
    let inputs = Inputs::write(&results, samples).map_err(failed)?;
    let (model, params) = model_files(settings.model.as_deref().context("the board backend needs --model")?)?;
    let program = BoardProgram::new(
        subject.program.as_ref().context("the board backend needs the model; give --model")?,
        subject.candidates.clone(),
        (&model, &params),
        inputs,
        runner(settings)?,
    )
    .map_err(failed)?;
    let options = BoardsOptions {
        results: std::path::absolute(&results)?,
        timeout: settings.timeout.as_deref().map(parse_duration).transpose()?,
        check_every: CHECK_EVERY,
    };
    Ok(Boards::start(boards, program, options, cancel))
}

/// What a person has to know of a board that cannot be used.
pub(crate) fn line(news: &News) -> Option<String> {
    match &news.what {
        Happening::Trouble(detail) => Some(format!("{}: {detail}", news.device)),
        Happening::Lost => Some(format!("{}: given up", news.device)),
        Happening::Ready | Happening::Recovering => None,
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
    })
}

/// The profile's variables, and behind them, so that they win, those of the user.
pub(crate) fn variables(settings: &Settings) -> anyhow::Result<Vec<(String, String)>> {
    let split = |pair: &String| {
        let (name, value) = pair.split_once('=').with_context(|| format!("`{pair}` is not NAME=VALUE"))?;
        Ok((name.to_owned(), value.to_owned()))
    };
    let profile = settings.profile.as_deref().map(Profile::load).transpose().map_err(failed)?.unwrap_or_default();
    let mut variables: Vec<(String, String)> = profile.env.into_iter().collect();
    variables.extend(settings.board_env.iter().map(split).collect::<anyhow::Result<Vec<_>>>()?);
    Ok(variables)
}

/// An error's text, which is a fragment, as an error for people.
pub(crate) fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("failed to {error}")
}
