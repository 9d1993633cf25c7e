//! `cargo xtask conformance`: Paddle Lite itself decides whether we understand Paddle Lite.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use anyhow::Context;
use conformance::{Environment, Failure, Opt, Plan, Subject, Summary};

/// As a failed test: neither the user nor the machine is at fault.
const DIFFERENT: u8 = 1;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many (model, partition config) pairs to compare
    #[arg(long, default_value_t = 100)]
    pairs: usize,
    /// The same seed, pairs and models give the same comparisons
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A folder with models (`model.pdmodel` beside `model.pdiparams`, at any depth) to compare beside the random ones
    #[arg(long, value_name = "DIR")]
    models: Vec<PathBuf>,
    /// How many processes of Paddle Lite run at once
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Where the Python environment with Paddle Lite is, or is to be made
    #[arg(long, value_name = "DIR", default_value = lite_wheel::DEFAULT_FOLDER)]
    environment: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let environment = match Environment::prepare(&args.environment) {
        Err(error) if error.is_lack_of_python() => {
            eprintln!("skipped: conformance with Paddle Lite: failed to {error}");
            return Ok(ExitCode::SUCCESS);
        }
        prepared => prepared.context("failed to prepare the Python environment")?,
    };
    let given = given_models(&args.models)?;
    eprintln!("comparing {} pairs ({} given models) with {}", args.pairs, given.len(), conformance::PADDLE_LITE);
    let plan = Plan { pairs: args.pairs, seed: args.seed, jobs: args.jobs, given };
    let started = Instant::now();
    let told = AtomicUsize::new(0);
    let progress = |done: usize| {
        let step = done / 100;
        if told.fetch_max(step, Ordering::Relaxed) < step {
            eprintln!("  {done} pairs, {:.0} s", started.elapsed().as_secs_f64());
        }
    };
    let summary = conformance::run(&Opt::new(&environment), &plan, &progress)?;
    report(&summary, started.elapsed().as_secs_f64());
    Ok(if summary.different == 0 { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) })
}

/// The fixtures' models and those of the folders that were named.
fn given_models(folders: &[PathBuf]) -> anyhow::Result<Vec<Subject>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let mut models = Vec::new();
    for folder in [&fixtures].into_iter().chain(folders) {
        models.extend(Subject::find(folder).context("failed to load the models")?);
    }
    Ok(models)
}

fn report(summary: &Summary, seconds: f64) {
    for failure in &summary.failures {
        print_failure(failure);
    }
    println!(
        "{} pairs in {seconds:.0} s ({} of given models): {} with ops forced, {} of models that Paddle Lite refuses as \
         expected, {} whose ops have no stable order there; {} ops could not be expressed; {} pairs differ",
        summary.pairs,
        summary.given_pairs,
        summary.with_forced_ops,
        summary.refused,
        summary.unstable_order,
        summary.inexpressible,
        summary.different,
    );
}

fn print_failure(failure: &Failure) {
    println!("== {}", failure.subject.name);
    match &failure.comparison.config {
        Some(config) => println!("partition config: b\"{}\"", config.escape_ascii()),
        None => println!("no partition config"),
    }
    for difference in &failure.comparison.differences {
        println!("difference: {difference}");
    }
}
