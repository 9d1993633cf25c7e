//! `cargo xtask bench trials`: what the trials of a finished run cost the simulator, and what each would from scratch.

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use backend::stage;
use dataset::Dataset;
use int8_sim::{Config, CpuFlavour, Options, Sample, Simulator};
use op_graph::{OpId, Placement};
use paddle_model::LiteProgram;
use trial_store::{Trial, read_run};

use crate::{exit, setup, start::recorded};

#[derive(clap::Args)]
pub(super) struct Args {
    /// The directory of a simulated run
    run: PathBuf,
}

/// What one trial asks of the simulator.
struct Asked {
    config: Config,
    /// How many samples decided it.
    samples: usize,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let snapshot = read_run(&args.run).map_err(exit::store)?;
    let settings = recorded(&snapshot.manifest.configuration)?;
    let subject = setup::subject(&settings)?;
    let program = subject.program.context("only simulated runs can be timed, and this one has no model")?;
    let path = settings.data.as_deref().context("the run has no data")?;
    let failed = |error: &dyn std::fmt::Display| anyhow::anyhow!("failed to {error}");
    let data = Dataset::load(path).map_err(|error| failed(&error))?;
    let inputs: Result<Vec<_>, _> = (0..data.len()).map(|sample| data.batch(sample..sample + 1)).collect();
    let inputs = inputs.map_err(|error| failed(&error))?;
    let cpu = setup::cpu_flavour(&settings);
    let asked: Vec<Asked> = snapshot.history.trials.values().filter_map(|trial| asked(trial, cpu)).collect();
    if asked.is_empty() {
        bail!("no trial of {} ran", args.run.display());
    }
    let started = Instant::now();
    let simulator = prepared(&program, Options::default())?;
    let samples = stage(inputs.clone());
    let shared: Duration = asked.iter().map(|asked| timed(&simulator, asked, &samples[..asked.samples])).sum();
    let whole = started.elapsed();
    let mut scratch = Duration::ZERO;
    let mut anew = Duration::ZERO;
    for asked in &asked {
        let started = Instant::now();
        let simulator = prepared(&program, Options { cache_bytes: 0 })?;
        scratch += timed(&simulator, asked, &stage(inputs.clone()));
        anew += started.elapsed();
    }
    let ratio = |time: Duration| time.as_secs_f64() / shared.as_secs_f64();
    println!("{} trials on {} samples", asked.len(), inputs.len());
    println!("  sharing work, as the search runs them  {:>9.1} ms ({:.1} ms with preparation)", ms(shared), ms(whole));
    println!("  each from scratch                      {:>9.1} ms, {:.1} times as long", ms(scratch), ratio(scratch));
    println!("  each prepared anew, from scratch       {:>9.1} ms, {:.1} times as long", ms(anew), ratio(anew));
    Ok(ExitCode::SUCCESS)
}

/// None for a trial that was refused or never answered.
fn asked(trial: &Trial, cpu: CpuFlavour) -> Option<Asked> {
    let (_, answer) = trial.answer.as_ref()?;
    let measurement = &answer.measurement;
    if measurement.unresolved.is_some() {
        return None;
    }
    let forced: Placement = trial.question.cpu_ops.iter().map(|op| OpId::new(op as usize)).collect();
    let config = if trial.question.backend == "lite" { Config::lite() } else { Config::tim_vx(forced) };
    Some(Asked { config: config.with_cpu(cpu), samples: measurement.samples_used as usize })
}

fn prepared(program: &LiteProgram, options: Options) -> anyhow::Result<Simulator> {
    Simulator::new(program.clone(), options).map_err(|error| anyhow::anyhow!("failed to {error}"))
}

/// A refusal takes its time too.
fn timed(simulator: &Simulator, asked: &Asked, samples: &[Sample]) -> Duration {
    let started = Instant::now();
    let _ = simulator.run(&asked.config, samples);
    started.elapsed()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
