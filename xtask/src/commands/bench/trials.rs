//! `cargo xtask bench trials`: what the trials of a finished run cost the simulator, and what each would from scratch.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use accuracy::Tensor;
use anyhow::{Context, bail};
use backend::stage;
use dataset::Dataset;
use int8_sim::{Config, CpuFlavour, Options, Sample, Simulator};
use op_graph::{OpId, Placement};
use paddle_model::LiteProgram;
use trial_store::{Trial, read_run};

use crate::{exit, settings::Settings, setup, start::recorded};

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
    let (program, inputs) = read(&settings)?;
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
        let (program, inputs) = read(&settings)?;
        let simulator = prepared(&program, Options { cache_bytes: 0 })?;
        scratch += timed(&simulator, asked, &stage(inputs));
        anew += started.elapsed();
    }
    let ratio = |time: Duration| time.as_secs_f64() / shared.as_secs_f64();
    println!("{} trials on {} samples", asked.len(), inputs.len());
    println!("  sharing work, as the search runs them  {:>9.1} ms ({:.1} ms with preparation)", ms(shared), ms(whole));
    println!("  each from scratch                      {:>9.1} ms, {:.1} times as long", ms(scratch), ratio(scratch));
    println!("  each with model and data read anew     {:>9.1} ms, {:.1} times as long", ms(anew), ratio(anew));
    let (new, all) = computations(&simulator, &asked, inputs.len());
    println!(
        "  of {all} computations, {new} are in no earlier trial: sharing alone cannot be more than {:.1} times as fast",
        all as f64 / new as f64
    );
    Ok(ExitCode::SUCCESS)
}

/// The program of a run and the inputs of each sample.
fn read(settings: &Settings) -> anyhow::Result<(LiteProgram, Vec<Vec<Tensor>>)> {
    let subject = setup::subject(settings)?;
    let program = subject.program.context("only simulated runs can be timed, and this one has no model")?;
    let path = settings.data.as_deref().context("the run has no data")?;
    let failed = |error: &dyn std::fmt::Display| anyhow::anyhow!("failed to {error}");
    let data = Dataset::load(path).map_err(|error| failed(&error))?;
    let inputs: Result<Vec<_>, _> = (0..data.len()).map(|sample| data.batch(sample..sample + 1)).collect();
    Ok((program, inputs.map_err(|error| failed(&error))?))
}

/// How many computations of a sample the trials ask for that no earlier trial did, and how many in all from scratch.
fn computations(simulator: &Simulator, asked: &[Asked], samples: usize) -> (usize, usize) {
    let mut done: BTreeMap<u32, usize> = BTreeMap::new();
    let (mut new, mut all) = (0, 0);
    for asked in asked {
        for computation in simulator.computations(&asked.config).unwrap_or_default() {
            let done = done.entry(computation).or_default();
            new += asked.samples.saturating_sub(*done);
            *done = asked.samples.max(*done);
            all += samples;
        }
    }
    (new, all)
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
