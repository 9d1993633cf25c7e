//! `cargo xtask doctor`: what a search on boards needs and what of it is there, each with its remedy.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
};

use anyhow::Context;
use backend::board::{BoardProgram, Checkup, Examined, Finding, Inputs, Profile, State, check_alike, check_host};
use board::{cancel::Cancel, pool::BoardConfig};
use dataset::Dataset;
use op_graph::Support;

use crate::{
    board_args::BoardArgs,
    exit,
    input::{model_files, read_model},
    interrupt,
    on_boards::{self, failed},
    settings::{Settings, parse_duration},
    setup::{example, find_data},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    on: BoardArgs,

    /// The model that is loaded to try a placement (default: the built-in example)
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,

    /// How the runner is called for one sample, where it is a program that prints its results: "./runner {model} {input}"
    #[arg(long, value_name = "COMMAND", requires = "runner")]
    demo: Option<String>,

    /// The data on whose first sample such a program is run (default: the model's data.toml)
    #[arg(long, value_name = "DATA")]
    data: Option<PathBuf>,

    /// How long loading it may take
    #[arg(long, value_name = "TIME", default_value = "5m")]
    timeout: String,

    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// Exit code 1 says that something is missing, though not on every board.
const FOUND_TROUBLE: u8 = 1;

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let boards = if args.on.boards.is_some() { args.on.listed()? } else { Vec::new() };
    let scratch = tempfile::tempdir().context("failed to make a temporary folder")?;
    let checkup = Checkup {
        profile: args.on.profile.as_deref().map(Profile::load).transpose().map_err(failed)?,
        program: program(args, scratch.path())?,
        deadline: parse_duration(&args.timeout)?,
    };
    let cancel = interrupt::stops_at_once()?;
    let mut findings = check_host(&boards);
    let examined = examine(&boards, &checkup, &cancel);
    findings.extend(examined.iter().flat_map(|board| board.findings.clone()));
    findings.extend(check_alike(&examined));
    let mut stdout = std::io::stdout().lock();
    if args.json {
        let usable = findings.iter().all(|finding| finding.state != State::Failed);
        writeln!(stdout, "{:#}", serde_json::json!({"ok": usable, "findings": findings}))?;
    } else {
        print(&mut stdout, &findings)?;
        if boards.is_empty() {
            writeln!(stdout, "\nno board was looked at; give --boards (docs/boards.md)")?;
        }
    }
    Ok(if cancel.is_cancelled() { ExitCode::from(exit::INTERRUPTED) } else { verdict(&findings, &examined) })
}

fn program(args: &Args, scratch: &Path) -> anyhow::Result<Option<BoardProgram>> {
    if args.on.runner.is_none() {
        return Ok(None);
    }
    let model = args.model.clone().unwrap_or_else(example);
    let (program, files) = (read_model(&model)?, model_files(&model)?);
    let candidates = Support::TimVx.ops(&program.graph);
    let runner = on_boards::runner(&Settings { demo: args.demo.clone(), ..args.on.settings() })?;
    // Without data a demo cannot be run, and that is said.
    let data = args.data.clone().or_else(|| find_data(&model).ok()).filter(|_| runner.demo.is_some());
    let inputs = data.map_or_else(|| Ok(Inputs::none()), |data| first_sample(&data, scratch))?;
    Ok(Some(BoardProgram::new(&program, candidates, (&files.0, &files.1), inputs, runner).map_err(failed)?))
}

fn first_sample(data: &Path, scratch: &Path) -> anyhow::Result<Inputs> {
    let data = Dataset::load(data).map_err(failed)?;
    on_boards::one_file_each(&data.select(&[0]).map_err(failed)?, scratch)
}

/// All boards at the same time: one that is frozen takes its whole deadline.
fn examine(boards: &[BoardConfig], checkup: &Checkup, cancel: &Cancel) -> Vec<Examined> {
    thread::scope(|scope| {
        let looks: Vec<_> = boards.iter().map(|board| scope.spawn(move || checkup.examine(board, cancel))).collect();
        // A panic has been printed; what is left of the findings is still worth showing.
        looks.into_iter().filter_map(|look| look.join().ok()).collect()
    })
}

fn print(out: &mut impl Write, findings: &[Finding]) -> std::io::Result<()> {
    let mut place = None;
    for finding in findings {
        if place != Some(&finding.board) {
            place = Some(&finding.board);
            match &finding.board {
                None => writeln!(out, "this machine")?,
                Some(board) => writeln!(out, "board {board}")?,
            }
        }
        let state = match finding.state {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Failed => "FAILED",
            State::Skipped => "-",
        };
        writeln!(
            out,
            "  {state:<8}{:<15} {}",
            finding.check,
            finding.found.replace('\n', "\n                          ")
        )?;
        if let Some(remedy) = &finding.remedy {
            writeln!(out, "{:26}→ {remedy}", "")?;
        }
    }
    Ok(())
}

fn verdict(findings: &[Finding], examined: &[Examined]) -> ExitCode {
    let broken = |findings: &[Finding]| findings.iter().any(|finding| finding.state == State::Failed);
    if !examined.is_empty() && examined.iter().all(|board| broken(&board.findings)) {
        ExitCode::from(exit::NO_DEVICE)
    } else if broken(findings) {
        ExitCode::from(FOUND_TROUBLE)
    } else {
        ExitCode::SUCCESS
    }
}
