//! `cargo xtask capture`: has a board load a model, and keeps what the stack prints then: the log of which a search takes the ops.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use backend::board::environment;
use board::{
    cancel::Cancel,
    pool::{BoardConfig, Visit},
    trial::{Artifact, Attempt, Trial},
};
use op_graph::Support;
use subgraph_log::Block;

use crate::{
    board_args::BoardArgs,
    exit::{self, WithCode},
    input::model_files,
    interrupt, on_boards,
    on_boards::failed,
    settings::parse_duration,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to write the log; what the program wrote to standard error goes beside it, as LOG.stderr
    #[arg(default_value = "log.txt")]
    log: PathBuf,

    #[command(flatten)]
    on: BoardArgs,

    /// The board to use (default: the first)
    #[arg(long, value_name = "NAME")]
    board: Option<String>,

    /// The model that the runner loads
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    model: Option<PathBuf>,

    /// Your own program instead of a runner: a shell command on the board that loads the model there, such as FastDeploy's demo
    #[arg(long, value_name = "COMMAND", conflicts_with = "runner")]
    command: Option<String>,

    /// How long it may take
    #[arg(long, value_name = "TIME", default_value = "5m")]
    timeout: String,
}

/// Exit code 1 says that the program ran and no block was printed.
const NO_BLOCK: u8 = 1;

/// What FastDeploy's script exports beside a kind's profile (spec/paddle-lite.md F3). The verbose text goes to standard error, where it
/// does not disturb the block and helps to explain what goes wrong.
const VERBOSE: (&str, &str) = ("GLOG_v", "5");

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let board = chosen(args)?;
    let trial = trial(args)?;
    let cancel = interrupt::stops_at_once()?;
    let scratch = tempfile::tempdir().context("failed to make a temporary folder")?;
    eprintln!("board {}: {}", board.name, trial.argv.join(" "));
    let attempt = attempt(&board, &trial, scratch.path(), &cancel).map_err(|error| at_board(&error, &cancel))?;
    let stderr_log = beside(&args.log);
    let keep = |from: &Path, to: &Path| fs::copy(from, to).with_context(|| format!("failed to write {}", to.display()));
    keep(&attempt.evidence().stdout, &args.log)?;
    keep(&attempt.evidence().stderr, &stderr_log)?;
    println!("wrote {} and {}; {}", args.log.display(), stderr_log.display(), attempt.ending());
    let report = subgraph_log::parse(&fs::read(&args.log)?);
    match report.chosen() {
        Ok(block) => {
            tell(args, block);
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("failed to {error}");
            for advice in advice(&attempt, &fs::read(&stderr_log)?) {
                eprintln!("  → {advice}");
            }
            Ok(ExitCode::from(NO_BLOCK))
        }
    }
}

fn chosen(args: &Args) -> anyhow::Result<BoardConfig> {
    let boards = args.on.listed()?;
    let names: Vec<&str> = boards.iter().map(|board| board.name.as_str()).collect();
    let found = match &args.board {
        Some(name) => boards.iter().find(|board| board.name == *name),
        None => boards.first(),
    };
    found.cloned().with_context(|| format!("there is no such board; there are {}", names.join(", ")))
}

fn trial(args: &Args) -> anyhow::Result<Trial> {
    let deadline = parse_duration(&args.timeout)?;
    let mut trial = match (&args.command, &args.on.runner) {
        (Some(command), None) => own_program(args, command)?,
        (None, Some(_)) => {
            let mut runner = on_boards::runner(&args.on.settings())?;
            runner.env.insert(0, (VERBOSE.0.into(), VERBOSE.1.into()));
            let model = args.model.as_deref().context("the runner needs --model, the folder of the model to load")?;
            let (model, params) = model_files(model)?;
            runner.loading(runner.artifacts((&model, &params)).map_err(failed)?, None, deadline)
        }
        _ => bail!("give --runner and --model, or --command with a program that is on the board already"),
    };
    "capture".clone_into(&mut trial.id);
    trial.deadline = deadline;
    trial.wants_manifest = false; // the log is all that is wanted
    Ok(trial)
}

/// The user's own program in the same environment, as far as that does not speak of libraries that were not pushed.
fn own_program(args: &Args, command: &str) -> anyhow::Result<Trial> {
    let mut env = vec![(VERBOSE.0.to_owned(), VERBOSE.1.to_owned())];
    env.extend(on_boards::variables(&args.on.settings())?);
    env.retain(|(_, value)| args.on.libraries.is_some() || !value.contains("{trial}"));
    let artifacts = match &args.on.libraries {
        Some(libraries) => Artifact::folder("lib", libraries).map_err(failed)?,
        None => Vec::new(),
    };
    Ok(Trial {
        id: String::new(),
        config: None,
        artifacts,
        config_copies: Vec::new(),
        argv: ["sh", "-c", command].map(str::to_owned).to_vec(),
        env: environment(&env),
        deadline: parse_duration(&args.timeout)?,
        wants_manifest: false,
    })
}

fn attempt(board: &BoardConfig, trial: &Trial, into: &Path, cancel: &Cancel) -> anyhow::Result<Attempt> {
    Visit::to(board, cancel).map_err(failed)?.run(trial, into).map_err(failed)
}

/// Trouble with the board leaves no device to work with.
fn at_board(error: &anyhow::Error, cancel: &Cancel) -> anyhow::Error {
    let code = if cancel.is_cancelled() { exit::INTERRUPTED } else { exit::NO_DEVICE };
    WithCode { code, message: format!("{error}; `cargo xtask doctor` says what the board lacks") }.into()
}

/// `log.txt.stderr` beside `log.txt`.
fn beside(log: &Path) -> PathBuf {
    let mut name = OsString::from(log);
    name.push(".stderr");
    name.into()
}

fn tell(args: &Args, block: &Block) {
    let candidates = Support::TimVx.ops(&block.ops);
    let clusters = block.logged_clustering.as_ref();
    let on_npu = clusters.map_or(0, |clustering| clustering.ops().len());
    println!(
        "{} ops, {} of them can run on the NPU; {on_npu} do now, in {} clusters",
        block.ops.op_count(),
        candidates.len(),
        clusters.map_or(0, op_graph::Clustering::len),
    );
    if on_npu < candidates.len() {
        println!(
            "the program forces ops to the CPU already, perhaps by a subgraph.txt beside its model; the list of ops is whole all the same"
        );
    }
    println!("next: cargo xtask search --log {} …, or cargo xtask parse {}", args.log.display(), args.log.display());
}

/// Why there may be no block in the standard output of a program that ran, and what to do.
fn advice(attempt: &Attempt, stderr: &[u8]) -> Vec<String> {
    let mut advice = Vec::new();
    let tail = String::from_utf8_lossy(&stderr[stderr.len().saturating_sub(400)..]).trim().to_owned();
    if !matches!(attempt, Attempt::Ran(_)) {
        advice.push(format!(
            "the program ended badly, perhaps before it loaded the model: {}; it said: {tail}",
            attempt.ending()
        ));
    }
    if subgraph_log::parse(stderr).chosen().is_ok() {
        advice.push("the block is in what it wrote to standard error: take LOG.stderr as the log, or do not redirect its output".to_owned());
    }
    advice.extend(
        [
            "a FastDeploy demo must call UseTimVX() before it loads the model",
            "Paddle Lite before 2.10 prints no list of ops: take a newer SDK",
            "a program that redirects its own standard output hides it: let it print",
        ]
        .map(str::to_owned),
    );
    advice
}
