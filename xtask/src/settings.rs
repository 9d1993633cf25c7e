//! The settings of a search: one struct is both the flags and the keys of `search.toml`, so that the two cannot drift apart.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

/// Every setting of `cargo xtask search`; `docs/search.md` describes each with its default. Flags win over the file.
#[derive(Clone, Debug, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Settings {
    /// Who runs the trials
    #[arg(long, value_enum)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backend: Option<BackendKind>,

    /// The log that holds the "subgraph operators" block
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log: Option<PathBuf>,

    /// Which block of the log to take, counted from 1 (default: the last complete one)
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) block: Option<usize>,

    /// The folder of the quantized Paddle model, or its .pdmodel file
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<PathBuf>,

    /// The data description (default: data.toml beside the model's folder or in it)
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<PathBuf>,

    /// The metric that decides (default: the data description's, else the task's)
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metric: Option<String>,

    /// The score a placement must reach, absolute
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) threshold: Option<f64>,

    /// How far below the CPU baseline a placement may score: absolute (0.01) or relative (1%)
    #[arg(long, value_name = "DROP", conflicts_with = "threshold")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_drop: Option<String>,

    /// Whether a higher or a lower score is better (exec backend; a metric knows its own)
    #[arg(long, value_enum)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) direction: Option<Direction>,

    /// What moves as one: single ops, fused chains, or all ops of a type
    #[arg(long, value_enum)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) units: Option<UnitKind>,

    /// The search strategy; `cargo xtask search --strategy help` lists them
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) strategy: Option<String>,

    /// What to make small: the number of ops, of clusters, or the estimated time (needs --chip)
    #[arg(long, value_enum)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) objective: Option<Objective>,

    /// The chip to estimate times for: a311d, s905d3, c308x, rk1808, rv1109, rv1126 or imx8mp
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chip: Option<String>,

    /// Search for other goals between the baselines too, and write every placement that no other beats in score and size
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pareto: Option<bool>,

    /// How much is proven of each unit of the answer: by a trial of its own, or by any failing trial if more ops on the CPU never hurt
    #[arg(long, value_enum)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proof: Option<ProofKind>,

    /// Seed of every random choice
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<u64>,

    /// Search on so many samples, those that differ most between the baselines; the answer is tried on all, and if it fails there, the
    /// search goes on with twice as many
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) search_samples: Option<usize>,

    /// Stop after this many trials, baselines included
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_trials: Option<usize>,

    /// Stop after this long: 90s, 20m, 2h
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_time: Option<String>,

    /// Give up on placements with more ops than this on the CPU
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_cpu_ops: Option<usize>,

    /// Keep matching ops on the CPU: an operator record, a type, or /regex/ on the record (repeatable)
    #[arg(long, value_name = "PATTERN")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) pin_cpu: Vec<String>,

    /// Keep matching ops on the NPU (repeatable)
    #[arg(long, value_name = "PATTERN")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) pin_npu: Vec<String>,

    /// Where to look first: a JSON file of suspicions, the directory of an earlier run, `sim`, or `known` (repeatable)
    #[arg(long, value_name = "SOURCE")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) prior: Vec<String>,

    /// Take every op but feed and fetch as NPU-capable, for logs of other accelerators
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) all_supported: Option<bool>,

    /// What happens to the ops of the answer: they move to the CPU (`subgraph.txt`), or compute in float32 on the NPU
    /// (`mixed_precision.txt`; simulated only); `both` tries float first
    #[arg(long, value_enum)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lever: Option<LeverKind>,

    /// The simulated CPU's arithmetic: ARM int8 kernels, or float with dequantized weights
    #[arg(long, value_enum)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu: Option<CpuFlavour>,

    /// Take the baseline without the NPU from the real Paddle Lite on this PC; DIR is its Python environment (docs/conformance.md)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = lite_wheel::DEFAULT_FOLDER, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lite_host: Option<PathBuf>,

    /// One command a trial (exec backend); docs/exec.md lists the placeholders and exit codes
    #[arg(long, value_name = "COMMAND")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<String>,

    /// A persistent evaluator that speaks JSON lines (exec backend)
    #[arg(long, value_name = "COMMAND", conflicts_with = "command")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) evaluator: Option<String>,

    /// The boards.toml that says where the boards are (board backend; docs/boards.md)
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) boards: Option<PathBuf>,

    /// The program that runs trials on the boards, built for them (board backend)
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) runner: Option<PathBuf>,

    /// More arguments for that program
    #[arg(long, value_name = "ARGUMENTS", allow_hyphen_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) runner_args: Option<String>,

    /// How that program is called for one sample, where it prints its results as FastDeploy's demos do: "./runner {model} {input}"
    #[arg(long, value_name = "COMMAND")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) demo: Option<String>,

    /// The folder of libraries that comes with that program
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) libraries: Option<PathBuf>,

    /// What the boards' kind needs: a311d, imx8mp, rv1126, s905d3, or a file of your own
    #[arg(long, value_name = "NAME|FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<String>,

    /// A variable for that program, NAME=VALUE (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) board_env: Vec<String>,

    /// Trials at the same time
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) jobs: Option<usize>,

    /// How long one trial may take (exec and board backends): 30s, 5m (default: derived from the baseline)
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<String>,

    /// Take what earlier runs measured on the same content from the user's cache, and add to it (default: simulated only)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache: Option<bool>,

    /// How many megabytes of activations the simulator keeps, the least recently used dropped first (default 1024)
    #[arg(long, value_name = "MB")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_mb: Option<usize>,

    /// The run directory (default: a new one under runs/)
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BackendKind {
    /// The embedded simulator of both numerics
    Simulated,
    /// Your own command or evaluator
    Exec,
    /// Boards with the NPU
    Board,
    /// You, by hand: asks for each trial how it went
    Guided,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Direction {
    #[value(alias = "max", alias = "higher-is-better")]
    Higher,
    #[value(alias = "min", alias = "lower-is-better")]
    Lower,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UnitKind {
    Op,
    Fused,
    Type,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProofKind {
    Direct,
    Monotone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Objective {
    Ops,
    Clusters,
    Latency,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LeverKind {
    Cpu,
    Float,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CpuFlavour {
    Int8,
    Float,
}

/// The prior that comes from the simulator.
pub(crate) const SIMULATED_PRIOR: &str = "sim";
/// The prior that comes from what is known of the NPU's arithmetic.
pub(crate) const KNOWN_PRIOR: &str = "known";

/// Whether a source of a prior is a word and no path.
pub(crate) fn is_named_prior(source: &str) -> bool {
    [SIMULATED_PRIOR, KNOWN_PRIOR].contains(&source)
}

/// Takes each listed field from the flags where set, else from the file.
macro_rules! overlay {
    ($flags:ident, $file:ident, $($field:ident),+ $(,)?) => {
        Settings {
            $($field: $flags.$field.or($file.$field),)+
            pin_cpu: if $flags.pin_cpu.is_empty() { $file.pin_cpu } else { $flags.pin_cpu },
            prior: if $flags.prior.is_empty() { $file.prior } else { $flags.prior },
            board_env: if $flags.board_env.is_empty() { $file.board_env } else { $flags.board_env },
            pin_npu: if $flags.pin_npu.is_empty() { $file.pin_npu } else { $flags.pin_npu },
        }
    };
}

impl Settings {
    /// The files and folders that a search reads.
    pub(crate) fn paths(&mut self) -> [&mut Option<PathBuf>; 7] {
        let Self { log, model, data, boards, runner, libraries, lite_host, .. } = self;
        [log, model, data, boards, runner, libraries, lite_host]
    }

    /// The profile, where it is a file of the user's own.
    pub(crate) fn profile_file(&mut self) -> Option<&mut String> {
        self.profile.as_mut().filter(|name| !backend::board::Profile::comes_along(name))
    }

    /// Reads a `search.toml`; its relative paths are relative to its own folder.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
        let mut settings: Self =
            toml::from_str(&text).with_context(|| format!("{} is not a search configuration", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for file in settings.paths() {
            *file = file.take().map(|relative| folder.join(relative));
        }
        settings.out = settings.out.take().map(|relative| folder.join(relative));
        if let Some(profile) = settings.profile_file() {
            *profile = folder.join(&*profile).to_string_lossy().into_owned();
        }
        for source in settings.prior.iter_mut().filter(|source| !is_named_prior(source)) {
            *source = folder.join(&*source).to_string_lossy().into_owned();
        }
        Ok(settings)
    }

    /// These settings where given, else the file's.
    pub(crate) fn over(self, mut file: Self) -> Self {
        if self.threshold.is_some() || self.max_drop.is_some() {
            // One of the two decides; a flag of either kind replaces what the file says.
            file.threshold = None;
            file.max_drop = None;
        }
        if self.command.is_some() || self.evaluator.is_some() {
            file.command = None;
            file.evaluator = None;
        }
        overlay!(
            self,
            file,
            backend,
            log,
            block,
            model,
            data,
            metric,
            threshold,
            max_drop,
            direction,
            units,
            strategy,
            objective,
            proof,
            chip,
            pareto,
            seed,
            search_samples,
            max_trials,
            max_time,
            max_cpu_ops,
            all_supported,
            lever,
            cpu,
            lite_host,
            command,
            evaluator,
            boards,
            runner,
            runner_args,
            demo,
            libraries,
            profile,
            jobs,
            timeout,
            cache,
            cache_mb,
            out,
        )
    }
}

/// Reads a duration as people write it: `90s`, `20m`, `2h`, `1h30m`, or plain seconds.
pub(crate) fn parse_duration(text: &str) -> anyhow::Result<std::time::Duration> {
    let mut seconds = 0.0;
    let mut rest = text.trim();
    if rest.is_empty() {
        bail!("an empty text is not a time: write 90s, 20m, 2h or 1h30m");
    }
    if let Ok(plain) = rest.parse::<f64>() {
        seconds = plain;
        rest = "";
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let (unit, factor) = match tail {
            t if t.starts_with("ms") => (2, 0.001),
            t if t.starts_with('s') => (1, 1.0),
            t if t.starts_with('m') => (1, 60.0),
            t if t.starts_with('h') => (1, 3600.0),
            _ => bail!("`{text}` is not a time: write 90s, 20m, 2h or 1h30m"),
        };
        seconds += number.parse::<f64>().with_context(|| format!("`{text}` is not a time"))? * factor;
        rest = &tail[unit..];
    }
    std::time::Duration::try_from_secs_f64(seconds).with_context(|| format!("`{text}` is not a time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_wins_over_the_file_and_either_kind_of_goal_replaces_the_other() {
        let file: Settings = toml::from_str("threshold = 0.9\nseed = 3\npin-cpu = [\"softmax\"]").unwrap();
        let flags = Settings { max_drop: Some("1%".into()), seed: Some(7), ..Settings::default() };
        let merged = flags.over(file);
        assert_eq!((merged.threshold, merged.max_drop.as_deref(), merged.seed), (None, Some("1%"), Some(7)));
        assert_eq!(merged.pin_cpu, ["softmax"]);
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(toml::from_str::<Settings>("treshold = 0.9").is_err());
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [("90s", 90.0), ("20m", 1200.0), ("1h30m", 5400.0), ("45", 45.0), ("250ms", 0.25)] {
            assert_eq!(parse_duration(text).unwrap().as_secs_f64(), seconds, "{text}");
        }
        for text in ["", "soon", "5x", "-3s", "1e400"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
