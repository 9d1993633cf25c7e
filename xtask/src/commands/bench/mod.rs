//! `cargo xtask bench`: strategies compared on seeded oracles; the simulator's speed.

mod replays;
mod trials;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use partition_search::{
    bench::{BenchReport, Config, FAMILIES, Family, Prior, REPLAY_HEAD, Refusals, ReplayRow, run},
    strategy,
};
use serde::Serialize;

/// Begins the name of a family that is a recording.
const REPLAY: &str = "replay:";

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Trials, size and success of the search strategies on the oracle families of spec/search.md
    Search(SearchArgs),
    /// How long the simulator takes for all images of a model, from scratch
    Simulator(SimulatorArgs),
    /// What the trials of a finished run cost the simulator, and what each would from scratch
    Trials(trials::Args),
}

#[derive(clap::Args)]
struct SimulatorArgs {
    /// The folder of models
    #[arg(long, value_name = "DIR", default_value = "fixtures/models")]
    models: PathBuf,

    /// Models (default: all in the folder that have the variant)
    #[arg(long, value_delimiter = ',')]
    model: Vec<String>,

    /// The variant
    #[arg(long, default_value = "pl_old")]
    variant: String,

    /// How often each is run; the best time counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
struct SearchArgs {
    /// Oracle families (default: all), or `replay:NAME` for the recorded trials of the models whose name holds NAME (`replay:`: all)
    #[arg(long, value_delimiter = ',')]
    family: Vec<String>,

    /// Strategies (default: all)
    #[arg(long, value_delimiter = ',')]
    strategy: Vec<String>,

    /// The number of ops
    #[arg(long, default_value_t = 150)]
    n: usize,

    /// The number of culprits
    #[arg(long, default_value_t = 5)]
    k: usize,

    /// Oracles per family
    #[arg(long, default_value_t = 30)]
    seeds: u64,

    /// The first seed
    #[arg(long, default_value_t = 1000)]
    first_seed: u64,

    /// `none`, `adversarial`, or the prior's correlation with the truth, as 0.5
    #[arg(long, default_value = "none")]
    prior: String,

    /// Noise of a score, in tolerances
    #[arg(long, default_value_t = 0.0)]
    sigma: f64,

    /// What the device refuses, as `partners:0.3`: this share of `random` placements; of ops that cannot move without the next one
    /// (`partners`), it without them neither (`couples`), or without any other op (`far`)
    #[arg(long, default_value = "none")]
    refusals: String,

    /// Trials after which a search is stopped
    #[arg(long, default_value_t = Config::default().max_trials)]
    max_trials: usize,

    /// Where the recorded trials are
    #[arg(long, default_value = "fixtures/real/trials", value_name = "DIR")]
    recordings: PathBuf,

    /// Trials at the same time
    #[arg(long, default_value_t = 1)]
    boards: usize,

    /// Let the strategies see verdicts only, no scores
    #[arg(long)]
    ungraded: bool,

    /// Let the strategies see the noise power of the outputs, where the family has one
    #[arg(long)]
    power: bool,

    /// Show every member of the answer necessary by a trial of its own
    #[arg(long)]
    direct: bool,

    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,

    /// Write the JSON to a file as well
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Output {
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    report: Option<BenchReport>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replays: Vec<ReplayRow>,
}

pub(crate) fn run_bench(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Search(args) => bench_search(args),
        What::Simulator(args) => bench_simulator(args),
        What::Trials(args) => trials::run(args),
    }
}

fn bench_simulator(args: &SimulatorArgs) -> anyhow::Result<ExitCode> {
    let mut models = args.model.clone();
    if models.is_empty() {
        let entries = std::fs::read_dir(&args.models);
        let entries = entries.with_context(|| format!("failed to read {}", args.models.display()))?;
        let dirs = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|dir| dir.join(&args.variant).is_dir());
        models = dirs.filter_map(|dir| Some(dir.file_name()?.to_str()?.to_owned())).collect();
        models.sort();
    }
    let speeds = models.iter().map(|model| fidelity::measure(&args.models, model, &args.variant, args.rounds));
    let speeds: Vec<fidelity::Speed> = speeds.collect::<Result<_, _>>()?;
    if args.json {
        println!("{}", serde_json::to_string(&speeds)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!("{:<28}{:>8}{:>14}{:>14}", "model", "images", "CPU [ms]", "NPU [ms]");
    for speed in &speeds {
        let npu = speed.tim_vx_ms.map_or_else(|| "refused".into(), |ms| format!("{ms:.1}"));
        println!("{:<28}{:>8}{:>14.1}{npu:>14}", speed.model, speed.samples, speed.lite_ms);
    }
    Ok(ExitCode::SUCCESS)
}

fn bench_search(args: &SearchArgs) -> anyhow::Result<ExitCode> {
    let config = config(args)?;
    let recordings: Vec<&str> = args.family.iter().filter_map(|name| name.strip_prefix(REPLAY)).collect();
    let replays = if recordings.is_empty() { Vec::new() } else { replays::load(&args.recordings, &recordings)? };
    let replays = replays
        .iter()
        .flat_map(|replay| config.strategies.iter().filter_map(|name| replay.run(name, config.max_trials)))
        .collect();
    let report = (!config.families.is_empty()).then(|| run(&config));
    let output = Output { report, replays };
    let json = serde_json::to_string_pretty(&output)?;
    if let Some(path) = &args.out {
        std::fs::write(path, &json).with_context(|| format!("failed to write {}", path.display()))?;
    }
    if args.json {
        println!("{json}");
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(report) = &output.report {
        print!("{report}");
    }
    if !output.replays.is_empty() {
        println!("{REPLAY_HEAD}");
        output.replays.iter().for_each(|row| println!("{row}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn config(args: &SearchArgs) -> anyhow::Result<Config> {
    let families: Vec<Family> = args
        .family
        .iter()
        .filter(|name| !name.starts_with(REPLAY))
        .map(|name| family(name))
        .collect::<Result<_, _>>()?;
    if let Some(unknown) = args.strategy.iter().find(|name| strategy::named(name).is_none()) {
        bail!("there is no strategy `{unknown}`; there are {}", strategy::names().join(", "));
    }
    let default = Config::default();
    Ok(Config {
        families: if args.family.is_empty() { default.families } else { families },
        strategies: if args.strategy.is_empty() { default.strategies } else { args.strategy.clone() },
        n: args.n,
        k: args.k,
        seeds: args.seeds,
        first_seed: args.first_seed,
        prior: prior(&args.prior)?,
        sigma: args.sigma,
        width: args.boards.max(1),
        graded: !args.ungraded,
        power: args.power,
        direct: args.direct,
        refusals: refusals(&args.refusals)?,
        max_trials: args.max_trials,
    })
}

fn family(name: &str) -> anyhow::Result<Family> {
    Family::named(name).with_context(|| {
        let known: Vec<&str> = FAMILIES.iter().map(|family| family.name()).collect();
        format!("there is no oracle family `{name}`; there are {}", known.join(", "))
    })
}

fn prior(text: &str) -> anyhow::Result<Prior> {
    match text {
        "none" => Ok(Prior::None),
        "adversarial" => Ok(Prior::Adversarial),
        number => match number.parse::<f64>() {
            Ok(correlation) if (-1.0..=1.0).contains(&correlation) => Ok(Prior::Correlated(correlation)),
            _ => bail!("`{number}` is no prior: none, adversarial, or a correlation between -1 and 1"),
        },
    }
}

fn refusals(text: &str) -> anyhow::Result<Refusals> {
    let share = |number: &str| number.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    let refusals = match text.split_once(':').map(|(kind, number)| (kind, share(number))) {
        Some(("random", Some(share))) => Refusals::Random(share),
        Some(("partners", Some(share))) => Refusals::Partners(share),
        Some(("couples", Some(share))) => Refusals::Couples(share),
        Some(("far", Some(share))) => Refusals::FarPartners(share),
        _ if text == "none" => Refusals::None,
        _ => bail!(
            "`{text}` is no kind of refusal: none, or random, partners, couples or far with a share, as partners:0.3"
        ),
    };
    Ok(refusals)
}
