//! `cargo xtask bench`: strategies compared on seeded oracles.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use partition_search::{
    bench::{Config, FAMILIES, Family, Prior, run},
    strategy,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Trials, size and success of the search strategies on the oracle families of spec/search.md
    Search(SearchArgs),
}

#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
struct SearchArgs {
    /// Oracle families (default: all)
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

pub(crate) fn run_bench(args: &Args) -> anyhow::Result<ExitCode> {
    let What::Search(args) = &args.what;
    let report = run(&config(args)?);
    let json = serde_json::to_string_pretty(&report)?;
    if let Some(path) = &args.out {
        std::fs::write(path, &json).with_context(|| format!("failed to write {}", path.display()))?;
    }
    if args.json {
        println!("{json}");
    } else {
        print!("{report}");
    }
    Ok(ExitCode::SUCCESS)
}

fn config(args: &SearchArgs) -> anyhow::Result<Config> {
    let families: Vec<Family> = args.family.iter().map(|name| family(name)).collect::<Result<_, _>>()?;
    if let Some(unknown) = args.strategy.iter().find(|name| strategy::named(name).is_none()) {
        bail!("there is no strategy `{unknown}`; there are {}", strategy::names().join(", "));
    }
    let default = Config::default();
    Ok(Config {
        families: if families.is_empty() { default.families } else { families },
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
        ..default
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
