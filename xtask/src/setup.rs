//! From settings to everything a search is made of.

use std::path::{Path, PathBuf};

use accuracy::{Direction as Better, Tolerance};
use anyhow::{Context, bail};
use int8_sim::CpuFlavour;
use op_graph::Support;
use partition_search::{Limits, Proof};
use pipeline::{Aim, Grouping, Subject, Units, UserPrior, Wish, combined, earlier_run, known_deviations, pinned};
use trial_store::Lever;

use crate::{
    input::{model_folder, read_block, read_model},
    settings::{
        self, BackendKind, Direction, KNOWN_PRIOR, LeverKind, Objective, ProofKind, SIMULATED_PRIOR, Settings,
        UnitKind, parse_duration,
    },
};

/// The built-in example: a real quantized model that loses half its output accuracy on the NPU.
const EXAMPLE: &str = "fixtures/models/digits_seg/pl_old";

/// The repository, where the example is.
pub(crate) fn repository() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// The built-in example.
pub(crate) fn example() -> PathBuf {
    repository().join(EXAMPLE)
}

/// Fills in what the settings leave open; paths become absolute, so that a run can be resumed from anywhere.
pub(crate) fn with_defaults(settings: Settings) -> anyhow::Result<Settings> {
    let mut settings = chosen(settings)?;
    for path in settings.paths().into_iter().flatten() {
        *path = std::path::absolute(&*path)?;
    }
    if let Some(profile) = settings.profile_file() {
        *profile = std::path::absolute(&*profile)?.to_string_lossy().into_owned();
    }
    for source in settings.prior.iter_mut().filter(|source| !settings::is_named_prior(source)) {
        *source = std::path::absolute(&*source)?.to_string_lossy().into_owned();
    }
    Ok(settings)
}

fn chosen(mut settings: Settings) -> anyhow::Result<Settings> {
    let external = settings.command.is_some() || settings.evaluator.is_some();
    let likely = if external {
        BackendKind::Exec
    } else if settings.boards.is_some() {
        BackendKind::Board
    } else if settings.model.is_none() && settings.log.is_some() {
        BackendKind::Guided // the ops, and nothing that runs them: a person must
    } else {
        BackendKind::Simulated
    };
    let backend = *settings.backend.get_or_insert(likely);
    if settings.lite_host.is_some() && backend != BackendKind::Simulated {
        bail!("--lite-host belongs to --backend simulated: other backends have a CPU of their own");
    }
    if backend == BackendKind::Guided {
        if settings.log.is_none() && settings.model.is_none() {
            bail!("trials by hand need the ops: give --log or --model");
        }
        return Ok(settings);
    }
    if backend == BackendKind::Exec {
        if !external {
            bail!("the exec backend needs --command or --evaluator; docs/exec.md shows both");
        }
        if settings.log.is_none() && settings.model.is_none() {
            bail!("the exec backend needs the ops: give --log or --model");
        }
        return Ok(settings);
    }
    if external {
        bail!("--command and --evaluator belong to --backend exec");
    }
    if backend == BackendKind::Board {
        let lacking = [(&settings.boards, "--boards"), (&settings.runner, "--runner"), (&settings.model, "--model")];
        if let Some((_, flag)) = lacking.iter().find(|(given, _)| given.is_none()) {
            bail!("the board backend needs {flag}; docs/boards.md shows a whole command line");
        }
    }
    if settings.model.is_none() && settings.log.is_some() {
        bail!("the simulator needs the model itself: add --model, or --backend guided to run the trials by hand");
    }
    let model = settings.model.get_or_insert_with(example);
    if settings.data.is_none() {
        settings.data = Some(find_data(model)?);
    }
    Ok(settings)
}

/// The data description of a model: in its folder, or in the one above.
pub(crate) fn find_data(model: &Path) -> anyhow::Result<PathBuf> {
    if !model.exists() {
        bail!("there is no model {}; give its folder, or its .pdmodel file", model.display());
    }
    let folder = model_folder(model);
    let candidates = [folder.join("data.toml"), folder.join("../data.toml")];
    candidates.into_iter().find(|path| path.is_file()).with_context(|| {
        format!(
            "there is no data.toml in {} or the folder above; give --data, or let `cargo xtask init --data IMAGES` write one \
             (docs/data.md)",
            folder.display()
        )
    })
}

/// The ops, from the log, the model or both.
pub(crate) fn subject(settings: &Settings) -> anyhow::Result<Subject> {
    let all = settings.all_supported.unwrap_or(false);
    let support = if all { Support::AnyButFeedFetch } else { Support::TimVx };
    let program = settings.model.as_deref().map(read_model).transpose()?;
    let block = settings.log.as_deref().map(|log| read_block(log, settings.block)).transpose()?;
    let mut subject = match (program, block) {
        (Some(program), Some(block)) => {
            Subject::from_both(program, &block.ops, support).map_err(|error| anyhow::anyhow!("failed to {error}"))?
        }
        (Some(program), None) => Subject::from_model(program, support),
        (None, Some(block)) => Subject::from_log(block.ops, support),
        (None, None) => bail!("give --log or --model"),
    };
    if subject.candidates.is_empty() {
        bail!(
            "none of the {} ops can run on the NPU; --all-supported takes every op but feed and fetch",
            subject.graph.op_count()
        );
    }
    if settings.lever == Some(LeverKind::Float) {
        if settings.backend.is_some_and(|backend| backend != BackendKind::Simulated) || settings.pareto == Some(true) {
            bail!("--lever float works with --backend simulated and without --pareto");
        }
        subject.lever = Lever::Float;
    }
    Ok(subject)
}

/// The units of a subject.
pub(crate) fn units(settings: &Settings, subject: &Subject) -> Units {
    let grouping = match settings.units.unwrap_or(UnitKind::Fused) {
        UnitKind::Op => Grouping::Op,
        UnitKind::Fused => Grouping::Fused,
        UnitKind::Type => Grouping::Type,
    };
    Units::group(&subject.graph, &subject.candidates, grouping)
}

/// The goal that the settings name; `None` leaves it to the data description.
pub(crate) fn tolerance(settings: &Settings) -> anyhow::Result<Option<Tolerance>> {
    let drop = settings.max_drop.as_deref().map(Tolerance::parse_max_drop).transpose();
    let drop = drop.map_err(|error| anyhow::anyhow!("failed to {error}"))?;
    Ok(settings.threshold.map(Tolerance::Threshold).or(drop))
}

/// The wish for scores of the user's own evaluator.
pub(crate) fn exec_wish(settings: &Settings) -> anyhow::Result<Wish> {
    let direction = match settings.direction.unwrap_or(Direction::Higher) {
        Direction::Higher => Better::HigherIsBetter,
        Direction::Lower => Better::LowerIsBetter,
    };
    Ok(Wish { tolerance: tolerance(settings)?, direction })
}

/// The CPU that is simulated.
pub(crate) fn cpu_flavour(settings: &Settings) -> CpuFlavour {
    // The real one computes in float (backend::LiteHost), and what is on the CPU should be computed in one way.
    let usual = if settings.lite_host.is_some() { settings::CpuFlavour::Float } else { settings::CpuFlavour::Int8 };
    match settings.cpu.unwrap_or(usual) {
        settings::CpuFlavour::Int8 => CpuFlavour::Int8,
        settings::CpuFlavour::Float => CpuFlavour::Float,
    }
}

/// The rest of a plan.
pub(crate) struct Choices {
    pub(crate) strategy: String,
    pub(crate) aim: Aim,
    pub(crate) limits: Limits,
    pub(crate) pin_cpu: op_graph::OpSet,
    pub(crate) pin_npu: op_graph::OpSet,
    pub(crate) proof: Proof,
    pub(crate) seed: u64,
}

/// Reads pins, limits and strategy.
pub(crate) fn choices(settings: &Settings, subject: &Subject) -> anyhow::Result<Choices> {
    let spelled = |error: pipeline::PipelineError| anyhow::anyhow!("failed to {error}");
    let strategy = settings.strategy.clone().unwrap_or_else(|| partition_search::strategy::DEFAULT.to_owned());
    if partition_search::strategy::named(&strategy).is_none() {
        let known = partition_search::strategy::names().join(", ");
        bail!("there is no strategy `{strategy}`; there are {known}");
    }
    let limits = Limits {
        max_trials: settings.max_trials,
        max_time: settings.max_time.as_deref().map(parse_duration).transpose()?,
        max_cpu_ops: settings.max_cpu_ops,
    };
    let aim = match settings.objective.unwrap_or(Objective::Ops) {
        Objective::Ops => Aim::Ops,
        Objective::Clusters => Aim::Clusters,
        Objective::Latency => Aim::Latency,
    };
    Ok(Choices {
        strategy,
        aim,
        limits,
        pin_cpu: pinned(&subject.graph, &settings.pin_cpu).map_err(spelled)?.intersection(&subject.candidates),
        pin_npu: pinned(&subject.graph, &settings.pin_npu).map_err(spelled)?.intersection(&subject.candidates),
        proof: proof(settings),
        seed: settings.seed.unwrap_or(0),
    })
}

/// A user's own trials are the dearest: there one that any failing trial implies is not asked for, unless it is wished.
fn proof(settings: &Settings) -> Proof {
    match (settings.proof, settings.backend) {
        (Some(ProofKind::Monotone), _) | (None, Some(BackendKind::Exec)) => Proof::IfMonotone,
        _ => Proof::Direct,
    }
}

/// The suspicion of each unit from every source that the settings name; `sim` is asked of the caller, who has the simulator.
pub(crate) fn prior(
    settings: &Settings,
    subject: &Subject,
    units: &Units,
    simulated: impl Fn() -> anyhow::Result<Vec<f64>>,
) -> anyhow::Result<Option<Vec<f64>>> {
    let mut priors = Vec::new();
    for source in &settings.prior {
        let path = Path::new(source);
        priors.push(if source == SIMULATED_PRIOR {
            simulated()?
        } else if source == KNOWN_PRIOR {
            known_deviations(subject, units)
        } else if path.is_dir() {
            earlier_run(path, &subject.graph, units).map_err(|error| anyhow::anyhow!("failed to {error}"))?
        } else {
            user_prior(path, subject, units)?
        });
    }
    Ok(combined(&priors))
}

fn user_prior(path: &Path, subject: &Subject, units: &Units) -> anyhow::Result<Vec<f64>> {
    let prior = UserPrior::read(path).map_err(|error| anyhow::anyhow!("failed to {error}"))?;
    let (suspicions, unknown) = prior.per_unit(&subject.graph, units);
    for key in unknown {
        eprintln!("{}: `{key}` names no op of this model", path.display());
    }
    Ok(suspicions)
}
