//! `cargo xtask search`: the main command, from settings to `subgraph.txt`.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context;
use backend::{SimulatedLite, SimulatedTimVx, stage};
use dataset::{Dataset, Scorer};
use int8_sim::{CpuFlavour, Options, Simulator};
use pipeline::{Evaluator, ExecEvaluator, ExecOptions, OutputsEvaluator, Plan, Protocol, Report, Subject, Units, Wish};
use report::Progress;
use trial_store::{Entry, Event, History, Manifest, Outcome, RunDir, RunStarted, StopReason, system_clock};

use crate::{
    exit,
    interrupt::Interrupt,
    settings::{self, BackendKind, Settings, parse_duration},
    setup,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A search.toml; flags win over it
    config: Option<PathBuf>,

    #[command(flatten)]
    settings: Settings,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let settings = match &args.config {
        Some(path) => args.settings.over(Settings::read(path)?),
        None => args.settings,
    };
    let settings = setup::with_defaults(settings)?;
    let subject = setup::subject(&settings)?;
    let units = setup::units(&settings, &subject);
    let interrupt = Interrupt::install()?;
    let run = create_run(&settings)?;
    let finished = match settings.backend {
        Some(BackendKind::Exec) => search_exec(&settings, &subject, &units, &run, &interrupt)?,
        _ => search_simulated(&settings, &subject, &units, &run, &interrupt)?,
    };
    Ok(finished)
}

fn search_simulated(
    settings: &Settings,
    subject: &Subject,
    units: &Units,
    run: &RunDir,
    interrupt: &Interrupt,
) -> anyhow::Result<ExitCode> {
    let spelled = |error: &dyn std::fmt::Display| anyhow::anyhow!("failed to {error}");
    let path = settings.data.as_deref().context("--data is needed")?;
    let data = Dataset::load(path).map_err(|error| spelled(&error))?;
    let inputs = (0..data.len()).map(|sample| data.batch(sample..sample + 1)).collect::<Result<_, _>>();
    let samples = stage(inputs.map_err(|error| spelled(&error))?);
    let scorer =
        Scorer::new(data, settings.metric.as_deref(), setup::tolerance(settings)?).map_err(|error| spelled(&error))?;
    let program = subject.program.clone().context("the simulator needs the model; give --model")?;
    let simulator = Arc::new(Simulator::new(program, Options::default()).map_err(|error| spelled(&error))?);
    let cpu = match settings.cpu.unwrap_or(settings::CpuFlavour::Int8) {
        settings::CpuFlavour::Int8 => CpuFlavour::Int8,
        settings::CpuFlavour::Float => CpuFlavour::Float,
    };
    let lite = SimulatedLite::new(Arc::clone(&simulator), cpu, Arc::clone(&samples));
    let timvx = SimulatedTimVx::new(simulator, cpu, samples);
    let evaluator = OutputsEvaluator::new(&lite, &timvx, scorer, settings.jobs.unwrap_or(1).max(1));
    let wish = evaluator.wish();
    execute(settings, subject, units, &evaluator, wish, run, interrupt)
}

fn search_exec(
    settings: &Settings,
    subject: &Subject,
    units: &Units,
    run: &RunDir,
    interrupt: &Interrupt,
) -> anyhow::Result<ExitCode> {
    let wish = setup::exec_wish(settings)?;
    let (protocol, line) = match (&settings.command, &settings.evaluator) {
        (Some(command), _) => (Protocol::CommandPerTrial, command),
        (None, line) => (Protocol::JsonLines, line.as_ref().context("--command or --evaluator is needed")?),
    };
    let words = shlex::split(line)
        .filter(|words| !words.is_empty())
        .with_context(|| format!("`{line}` cannot be split into words: is a quote not closed?"))?;
    let options = ExecOptions {
        protocol,
        words,
        jobs: settings.jobs.unwrap_or(1).max(1),
        timeout: settings.timeout.as_deref().map(parse_duration).transpose()?,
        folder: std::path::absolute(run.path().join("trials"))?,
        cancel: interrupt.cancel().clone(),
        scored: wish.tolerance.is_some(),
    };
    let evaluator = ExecEvaluator::new(&subject.graph, subject.candidates.clone(), options)
        .with_context(|| format!("failed to create {}", run.path().join("trials").display()))?;
    execute(settings, subject, units, &evaluator, wish, run, interrupt)
}

fn execute(
    settings: &Settings,
    subject: &Subject,
    units: &Units,
    evaluator: &dyn Evaluator,
    wish: Wish,
    run: &RunDir,
    interrupt: &Interrupt,
) -> anyhow::Result<ExitCode> {
    let choices = setup::choices(settings, subject, units)?;
    let plan = Plan {
        subject,
        units,
        evaluator,
        wish,
        strategy: choices.strategy,
        aim: choices.aim,
        limits: choices.limits,
        prior: choices.prior,
        pin_cpu: choices.pin_cpu,
        pin_npu: choices.pin_npu,
        seed: choices.seed,
    };
    eprintln!("{}", headline(&plan, run.path()));
    let progress = RefCell::new(Progress::new(units.len()));
    let watch = |entry: &Entry| {
        if let Some(line) = progress.borrow_mut().line(&entry.event) {
            eprintln!("{line}");
        }
    };
    run.append(Event::RunStarted(RunStarted {
        manifest: run.manifest().clone(),
        ops: subject.graph.op_count() as u32,
        units: units.len() as u32,
        boards: Vec::new(),
        workers: evaluator.width() as u32,
    }))?;
    let report =
        plan.run(run, &History::default(), interrupt.stop(), &watch).map_err(|error| exit::pipeline(&error))?;
    let subgraph = run.path().join("subgraph.txt").display().to_string();
    print!("{}", report::summary(&report.result_file(&plan), &subgraph));
    Ok(ExitCode::from(code(&report)))
}

fn headline(plan: &Plan<'_>, run: &Path) -> String {
    let device = if plan.evaluator.simulated() { "simulated " } else { "" };
    format!(
        "{} ops, {} may run on the NPU, {} units; {device}{}; run directory {}",
        plan.subject.graph.op_count(),
        plan.subject.candidates.len(),
        plan.units.len(),
        plan.evaluator.name(),
        run.display()
    )
}

fn code(report: &Report) -> u8 {
    match (report.outcome, report.stop) {
        (_, StopReason::Interrupted) => exit::INTERRUPTED,
        (Outcome::ModelAtFault, _) => exit::BASELINE_FAILED,
        (Outcome::NothingPasses, _) | (_, StopReason::TrialLimit | StopReason::TimeLimit) => exit::LIMIT,
        _ => exit::FOUND,
    }
}

fn create_run(settings: &Settings) -> anyhow::Result<RunDir> {
    let path = settings.out.clone().unwrap_or_else(|| default_run_path(settings));
    let mut manifest = Manifest::new(concat!("npu-bisect ", env!("CARGO_PKG_VERSION")), settings.seed.unwrap_or(0));
    if let serde_json::Value::Object(configuration) = serde_json::to_value(settings)? {
        manifest.configuration = configuration.into_iter().collect();
    }
    RunDir::create(&path, manifest, system_clock).map_err(|error| anyhow::anyhow!("failed to {error}"))
}

fn default_run_path(settings: &Settings) -> PathBuf {
    let subject = settings.model.as_deref().or(settings.log.as_deref()).unwrap_or(Path::new("run"));
    let names: Vec<String> = subject
        .components()
        .rev()
        .take(2)
        .map(|part| part.as_os_str().to_string_lossy().replace(|c: char| !c.is_ascii_alphanumeric(), "_"))
        .collect();
    let name: Vec<&str> = names.iter().rev().map(String::as_str).collect();
    let stamp = trial_store::Timestamp::now().to_string().replace([':', '.'], "");
    PathBuf::from("runs").join(format!("{stamp}-{}", name.join("-")))
}
