//! Runs the bench from the command line: `cargo run --release -p partition-search --example bench -- strategies families [key=value …]`.

use partition_search::bench::{Config, FAMILIES, Family, Prior, Refusals, run};

fn main() {
    let mut config = Config::default();
    for argument in std::env::args().skip(1) {
        let Some((key, value)) = argument.split_once('=') else { continue };
        let number = || value.parse::<f64>().unwrap_or(0.0);
        match key {
            "s" => config.strategies = value.split(',').map(str::to_owned).collect(),
            "f" if value == "all" => config.families = FAMILIES.to_vec(),
            "f" => config.families = value.split(',').filter_map(Family::named).collect(),
            "n" => config.n = number() as usize,
            "k" => config.k = number() as usize,
            "seeds" => config.seeds = number() as u64,
            "first" => config.first_seed = number() as u64,
            "rho" => config.prior = if number() < 0.0 { Prior::Adversarial } else { Prior::Correlated(number()) },
            "sigma" => config.sigma = number(),
            "p" => config.width = number() as usize,
            "random" => config.refusals = Refusals::Random(number()),
            "partners" => config.refusals = Refusals::Partners(number()),
            "couples" => config.refusals = Refusals::Couples(number()),
            "far" => config.refusals = Refusals::FarPartners(number()),
            "graded" => config.graded = number() > 0.0,
            "power" => config.power = number() > 0.0,
            "direct" => config.direct = number() > 0.0,
            "max" => config.max_trials = number() as usize,
            _ => {}
        }
    }
    print!("{}", run(&config));
}
