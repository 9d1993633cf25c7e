//! A search from its first line to its last: run directory, evaluator, progress, result.

use std::{borrow::Cow, path::Path, process::ExitCode, sync::Arc, time::Instant};

use anyhow::Context;
use backend::{Backend, LiteHost, SimulatedBackend, board::BoardBackend, stage};
use dataset::{Dataset, Scorer};
use int8_sim::{Options, Simulator};
use lite_wheel::Environment;
use pipeline::{
    Evaluator, ExecEvaluator, ExecOptions, GuidedEvaluator, Job, Known, Memory, OutputsEvaluator, PipelineError, Plan,
    Protocol, Report, Subject, Units, Wish,
};
use trial_store::{Entry, Event, Lever, Outcome, RunDir, RunStarted, StopReason, StoreError};

use crate::{
    commands, describe,
    dry_run::{self, NotStarted, Pace},
    estimate, exit,
    input::load_model,
    interrupt::Interrupt,
    layers, memory, on_boards,
    screen::{self, Screen, View},
    settings::{BackendKind, LeverKind, Settings, parse_duration},
    setup,
    start::Start,
};

/// Conducts a search with settings whose defaults are filled in.
pub(crate) fn conduct(settings: &Settings, start: Start, view: View) -> anyhow::Result<ExitCode> {
    match settings.lever {
        Some(LeverKind::Both) => conduct_both(settings, start, view),
        _ => conduct_one(settings, start, view, &Interrupt::install()?),
    }
}

/// Float on the NPU first, which adds no crossing to the CPU; where nothing passes so, the CPU.
fn conduct_both(settings: &Settings, start: Start, view: View) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let float = Settings { lever: Some(LeverKind::Float), ..settings.clone() };
    let code = conduct_one(&float, start, view, &interrupt)?;
    if code != ExitCode::from(exit::LIMIT) {
        return Ok(code);
    }
    let out = settings.out.clone().map(|out| {
        let mut name = out.into_os_string();
        name.push("-cpu");
        name.into()
    });
    conduct_one(&Settings { lever: Some(LeverKind::Cpu), out, ..settings.clone() }, Start::New, view, &interrupt)
}

fn conduct_one(settings: &Settings, start: Start, view: View, interrupt: &Interrupt) -> anyhow::Result<ExitCode> {
    let subject = setup::subject(settings)?;
    let units = setup::units(settings, &subject);
    let stage = Stage::new(settings, &subject, &units)?;
    let (run, known) = start.open(settings)?;
    let session = Session { stage: &stage, run: &run, known: &known, interrupt, view };
    match settings.backend {
        Some(BackendKind::Exec) => session.exec(),
        Some(BackendKind::Board) => session.boards(),
        Some(BackendKind::Guided) => session.guided(),
        _ => stage.simulated(|evaluator, wish| session.search(evaluator, wish)),
    }
}

/// Shows what a search would do; nothing is written, and no program of the user's is started.
pub(crate) fn rehearse(settings: &Settings) -> anyhow::Result<ExitCode> {
    let subject = setup::subject(settings)?;
    let units = setup::units(settings, &subject);
    let stage = Stage::new(settings, &subject, &units)?;
    match settings.backend {
        Some(BackendKind::Exec | BackendKind::Guided) => {
            let evaluator = NotStarted { jobs: settings.jobs.unwrap_or(1).max(1) };
            stage.foretell(&evaluator, setup::exec_wish(settings)?, &Pace::Boards)
        }
        Some(BackendKind::Board) => {
            let evaluator = NotStarted { jobs: on_boards::listed(settings)?.len() };
            stage.foretell(&evaluator, setup::exec_wish(settings)?, &Pace::Boards)
        }
        _ => stage.simulated(|evaluator, wish| {
            let started = Instant::now();
            evaluator
                .recall(&Job::WithoutNpu)
                .map_err(|fault| exit::pipeline(&PipelineError::Device { reason: fault.to_string() }))?;
            stage.foretell(evaluator, wish, &Pace::Timed(started.elapsed()))
        }),
    }
}

/// What is searched, without a place to write to.
struct Stage<'a> {
    settings: &'a Settings,
    subject: &'a Subject,
    units: &'a Units,
    /// What the trials are fed with, where they are fed by us.
    data: Option<Dataset>,
}

/// A search in a run directory.
struct Session<'a> {
    stage: &'a Stage<'a>,
    run: &'a RunDir,
    known: &'a Known,
    interrupt: &'a Interrupt,
    view: View,
}

impl<'a> Stage<'a> {
    /// Reads the data, so that whatever is wrong with them is said before there is a run directory.
    fn new(settings: &'a Settings, subject: &'a Subject, units: &'a Units) -> anyhow::Result<Self> {
        let mut data = settings.data.as_deref().map(Dataset::load).transpose().map_err(failed)?;
        if let (Some(data), Some(program)) = (&mut data, &subject.program) {
            let feeds: Vec<String> = program.feeds.iter().map(ToString::to_string).collect();
            *data = data.clone().in_order_of(&feeds).map_err(failed)?;
            describe::check_shapes(program, data)?;
        }
        Ok(Self { settings, subject, units, data })
    }

    /// Sets the simulator up and hands it on.
    fn simulated(
        &self,
        then: impl FnOnce(&dyn Evaluator, Wish) -> anyhow::Result<ExitCode>,
    ) -> anyhow::Result<ExitCode> {
        let data = self.data()?;
        let (lite, timvx) = self.simulators(&data)?;
        let scratch = tempfile::tempdir().context("failed to make a temporary folder")?;
        let host = self.settings.lite_host.as_deref().map(|folder| self.lite_host(folder, &data, scratch.path()));
        let host = host.transpose()?;
        let lite: &dyn Backend = host.as_ref().map_or(&lite, |host| host);
        let tolerance = setup::tolerance(self.settings)?;
        let scorer = Scorer::new(data, self.settings.metric.as_deref(), tolerance).map_err(failed)?;
        let evaluator = OutputsEvaluator::new(lite, &timvx, scorer, self.settings.jobs.unwrap_or(1).max(1));
        let wish = evaluator.wish();
        then(&evaluator, wish)
    }

    /// Each unit by the type and position of its first op.
    fn unit_names(&self) -> Vec<String> {
        let name = |ops: &[op_graph::OpId]| {
            let first = ops.first().map(|&op| format!("{} {}", self.subject.graph.record(op).op_type, op.index()));
            first.unwrap_or_default()
        };
        self.units.iter().map(name).collect()
    }

    fn data(&self) -> anyhow::Result<Dataset> {
        self.data.clone().context("the trials need inputs; give --data")
    }

    /// The real Paddle Lite on this PC, with its files in `scratch`.
    fn lite_host(&self, environment: &Path, data: &Dataset, scratch: &Path) -> anyhow::Result<LiteHost> {
        let environment = Environment::prepare(environment).map_err(|error| exit::no_device(&failed(error)))?;
        let model = load_model(self.settings.model.as_deref().context("--lite-host needs the model; give --model")?)?;
        let host = LiteHost::new(&environment, &model, &samples(data)?, scratch).map_err(failed)?;
        host.usable().map_err(|unusable| exit::no_device(&failed(unusable)))?;
        eprintln!("without the NPU: {} on this PC", lite_wheel::PADDLE_LITE);
        Ok(host)
    }

    fn simulators(&self, data: &Dataset) -> anyhow::Result<(SimulatedBackend, SimulatedBackend)> {
        let samples = stage(samples(data)?);
        let program = self.subject.program.clone().context("the simulator needs the model; give --model")?;
        let cache_bytes = self.settings.cache_mb.map(|megabytes| megabytes.saturating_mul(1 << 20));
        let options = cache_bytes.map_or_else(Options::default, |cache_bytes| Options { cache_bytes });
        let simulator = Arc::new(Simulator::new(program, options).map_err(failed)?);
        let cpu = setup::cpu_flavour(self.settings);
        let lite = SimulatedBackend::lite(Arc::clone(&simulator), cpu, Arc::clone(&samples));
        let npu = match self.subject.lever {
            Lever::Float => SimulatedBackend::tim_vx_in_float,
            Lever::Cpu => SimulatedBackend::tim_vx,
        };
        Ok((lite, npu(simulator, cpu, samples)))
    }

    /// The error of each unit alone on the simulated NPU, on a few samples.
    fn simulated_prior(&self) -> anyhow::Result<Vec<f64>> {
        const SAMPLES: usize = 16;
        let data = self.data()?;
        let few = data.select(&data.spread(SAMPLES)).map_err(failed)?;
        let (lite, timvx) = self.simulators(&few)?;
        pipeline::simulated(&lite, &timvx, &self.subject.candidates, self.units).map_err(failed)
    }

    fn plan<'p>(
        &'p self,
        evaluator: &'p dyn Evaluator,
        wish: Wish,
        memory: Option<&'p Memory>,
    ) -> anyhow::Result<Plan<'p>> {
        let choices = setup::choices(self.settings, self.subject)?;
        let (estimate, recalibrate) = estimate::of(self.settings, self.subject)?.unzip();
        Ok(Plan {
            subject: self.subject,
            units: self.units,
            evaluator,
            memory,
            wish,
            strategy: choices.strategy,
            aim: choices.aim,
            estimate,
            recalibrate,
            limits: choices.limits,
            prior: setup::prior(self.settings, self.subject, self.units, || self.simulated_prior())?,
            pin_cpu: choices.pin_cpu,
            pin_npu: choices.pin_npu,
            proof: choices.proof,
            seed: choices.seed,
            samples: self.settings.search_samples,
            sweep: self.settings.pareto.unwrap_or(false),
        })
    }

    fn foretell(&self, evaluator: &dyn Evaluator, wish: Wish, pace: &Pace) -> anyhow::Result<ExitCode> {
        let plan = self.plan(evaluator, wish, None)?;
        let forecast = plan.forecast().map_err(|error| exit::pipeline(&error))?;
        print!("{}\n{}", headline(&plan), dry_run::text(&plan, self.settings, &forecast, pace));
        Ok(ExitCode::from(exit::FOUND))
    }
}

impl Session<'_> {
    fn boards(&self) -> anyhow::Result<ExitCode> {
        let Stage { settings, subject, .. } = self.stage;
        let data = self.stage.data()?;
        let boards = Arc::new(on_boards::start(settings, subject, self.run, &data, self.interrupt.cancel())?);
        let (lite, timvx) = (BoardBackend::lite(&boards), BoardBackend::tim_vx(&boards));
        if let Err(unusable) = timvx.usable() {
            for line in boards.news().iter().filter_map(on_boards::line) {
                eprintln!("{line}");
            }
            return Err(exit::no_device(&failed(unusable)));
        }
        let scorer = Scorer::new(data, settings.metric.as_deref(), setup::tolerance(settings)?).map_err(failed)?;
        let evaluator = OutputsEvaluator::new(&lite, &timvx, scorer, boards.width());
        let wish = evaluator.wish();
        self.search(&evaluator, wish)
    }

    fn guided(&self) -> anyhow::Result<ExitCode> {
        let wish = setup::exec_wish(self.stage.settings)?;
        let folder = std::path::absolute(self.run.resolve("trials").map_err(exit::store)?)?;
        let talk = (std::io::BufReader::new(std::io::stdin()), std::io::stderr());
        let (scored, command) = (wish.tolerance.is_some(), self.stage.settings.command.clone());
        let evaluator = GuidedEvaluator::new(
            &self.stage.subject.graph,
            self.stage.subject.candidates.clone(),
            folder,
            command,
            scored,
            talk,
        );
        self.search(&evaluator, wish)
    }

    fn exec(&self) -> anyhow::Result<ExitCode> {
        let wish = setup::exec_wish(self.stage.settings)?;
        let (protocol, line) = match (&self.stage.settings.command, &self.stage.settings.evaluator) {
            (Some(command), _) => (Protocol::CommandPerTrial, command),
            (None, line) => (Protocol::JsonLines, line.as_ref().context("--command or --evaluator is needed")?),
        };
        let words = shlex::split(line)
            .filter(|words| !words.is_empty())
            .with_context(|| format!("`{line}` cannot be split into words: is a quote not closed?"))?;
        let options = ExecOptions {
            protocol,
            words,
            jobs: self.stage.settings.jobs.unwrap_or(1).max(1),
            timeout: self.stage.settings.timeout.as_deref().map(parse_duration).transpose()?,
            folder: std::path::absolute(self.run.resolve("trials").map_err(exit::store)?)?,
            cancel: self.interrupt.cancel().clone(),
            scored: wish.tolerance.is_some(),
        };
        if self.known.history.started.is_some() {
            match pipeline::kill_left_behind(&options.folder).context("failed to end what the run left behind")? {
                0 => {}
                count => eprintln!("killed {count} process(es) that the run had left behind"),
            }
        }
        let evaluator = ExecEvaluator::new(&self.stage.subject.graph, self.stage.subject.candidates.clone(), options)
            .map_err(|source| StoreError::Io { action: "create", path: self.run.path().join("trials"), source })
            .map_err(exit::store)?;
        self.search(&evaluator, wish)
    }

    fn say_how_to_go_on(&self) {
        let run = self.run.path().display().to_string();
        let quoted = shlex::try_quote(&run).unwrap_or(Cow::Borrowed(&run));
        eprintln!("every finished trial is kept; to go on: cargo xtask search --resume {quoted}");
    }

    fn search(&self, evaluator: &dyn Evaluator, wish: Wish) -> anyhow::Result<ExitCode> {
        let memory = memory::open(self.stage.settings, self.run.manifest(), evaluator);
        let plan = self.stage.plan(evaluator, wish, memory.as_ref())?;
        let guided = self.stage.settings.backend == Some(BackendKind::Guided);
        let screen = Screen::new(self.view, self.stage.unit_names(), self.stage.subject.lever, guided);
        screen.say(&format!("{}\nrun directory {}", headline(&plan), self.run.path().display()));
        if self.known.history.started.is_none() {
            screen.show(&self.run.append(started(&plan, self.run)).map_err(exit::store)?);
        }
        let watch = |entry: &Entry| screen.show(entry);
        let outcome = plan.run(self.run, self.known, self.interrupt.stop(), &watch);
        screen.clear();
        let page = self.run.path().join("report.html");
        let answer = outcome.as_ref().map(|report| report.placement.clone()).unwrap_or_default();
        let Stage { settings, subject, units, data } = self.stage;
        // They are those of 8 bits, and with the answer of what moves to the CPU.
        if subject.lever == Lever::Cpu
            && let Err(error) = layers::write(settings, subject, units, data.as_ref(), &answer, self.run)
        {
            eprintln!("the report lacks the errors of single ops: {error:#}");
        }
        // A page that cannot be written does not undo the search; `cargo xtask report` makes it again.
        if let Err(error) = commands::report::write(self.run.path(), &page) {
            eprintln!("{error:#}");
        }
        if outcome.as_ref().map_or(true, |report| report.stop == StopReason::Interrupted) {
            self.say_how_to_go_on();
        }
        let report = outcome.map_err(|error| exit::pipeline(&error))?;
        let subgraph = self.run.path().join(subject.lever.file_name()).display().to_string();
        let summary = report::summary(&report.result_file(&plan), &subgraph, screen::columns_of(&std::io::stdout()));
        screen.conclude(&format!("{summary}  the whole story: {}\n", page.display()));
        Ok(ExitCode::from(code(&report)))
    }
}

/// The inputs of each sample.
fn samples(data: &Dataset) -> anyhow::Result<Vec<Vec<accuracy::Tensor>>> {
    (0..data.len()).map(|sample| data.batch(sample..sample + 1)).collect::<Result<_, _>>().map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("failed to {error}")
}

fn started(plan: &Plan<'_>, run: &RunDir) -> Event {
    Event::RunStarted(RunStarted {
        manifest: run.manifest().clone(),
        ops: plan.subject.graph.op_count() as u32,
        units: plan.units.len() as u32,
        boards: plan.evaluator.boards(),
        workers: plan.evaluator.width() as u32,
    })
}

fn headline(plan: &Plan<'_>) -> String {
    let device = if plan.evaluator.simulated() { "simulated " } else { "" };
    format!(
        "{} ops, {} may run on the NPU, {} units; {device}{}",
        plan.subject.graph.op_count(),
        plan.subject.candidates.len(),
        plan.units.len(),
        plan.evaluator.name(),
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
