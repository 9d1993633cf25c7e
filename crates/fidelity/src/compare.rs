//! Runs the simulator on what was recorded and compares.

use std::{collections::BTreeMap, fs, path::Path};

use dataset::Array;
use int8_sim::{Config, CpuFlavour, Options, Sample, Simulator};
use op_graph::{OpId, OpRecord, OpSet};
use paddle_model::{LiteOptions, Model};

use crate::{
    Error, ModelReport, Ranking, RecordedTrial, Recording, Report, SharedModel, Totals, TrialReport, report::share,
    spearman,
};

/// Compares with every recording in `trials`, whose models lie in `models` as `<model>/<variant>`.
///
/// # Errors
/// When there is no recording, or a file cannot be read.
pub fn compare_all(models: &Path, trials: &Path) -> Result<Report, Error> {
    let entries = fs::read_dir(trials).map_err(|source| Error::Read { path: trials.to_owned(), source })?;
    let mut dirs: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    dirs.retain(|dir| dir.join("trials.jsonl").is_file());
    dirs.sort();
    if dirs.is_empty() {
        return Err(Error::NoRecordings { path: trials.to_owned() });
    }
    let mut reports = BTreeMap::new();
    for dir in dirs {
        let recording = Recording::load(&dir)?;
        reports.insert(recording.name.clone(), compare(models, &recording)?);
    }
    let mut totals = Totals::default();
    for report in reports.values() {
        totals.merge(&report.totals);
    }
    Ok(Report {
        refusals_accuracy: totals.refusals_accuracy,
        refusals_precision: share(totals.both_refused, totals.foreseen_refused),
        refusals_recall: share(totals.both_refused, totals.refused),
        task_agreement: totals.task_agreement,
        share_ge_30db: totals.share_ge_30db,
        spearman_min: totals.spearman_min,
        ops: BTreeMap::new(),
        models: reports,
    })
}

/// Compares with one recording.
///
/// # Errors
/// When its model cannot be read.
pub fn compare(models: &Path, recording: &Recording) -> Result<ModelReport, Error> {
    let (model, variant) = recording.name.split_once('.').unwrap_or((&recording.name, ""));
    let dir = models.join(model);
    let shared = SharedModel::load(&dir)?;
    let program = Model::load_dir(dir.join(variant))?.lite_program(&LiteOptions::default())?;
    let simulator = Simulator::new(program, Options::default())?;
    let positions = Positions::new(&simulator);
    let samples = shared.samples(sample_count(recording));
    let mut comparison = Comparison { recording, shared, simulator, positions, samples, answers: Vec::new() };
    comparison.run()
}

/// How many samples the recorded arrays hold.
fn sample_count(recording: &Recording) -> usize {
    recording.trials.iter().find_map(|trial| recording.outputs(trial)?.first()?.shape().first().copied()).unwrap_or(1)
}

/// Where each record lies in the program; names are compared as sets, since their order differs between builds.
struct Positions(BTreeMap<OpRecord, OpId>);

impl Positions {
    fn new(simulator: &Simulator) -> Self {
        let graph = &simulator.program().graph;
        Self(graph.ops().map(|op| (Self::key(graph.record(op).clone()), op)).collect())
    }

    fn key(mut record: OpRecord) -> OpRecord {
        record.inputs.sort();
        record.outputs.sort();
        record
    }

    fn set(&self, lines: &[String]) -> OpSet {
        let position = |line: &String| self.0.get(&Self::key(OpRecord::parse(line.as_bytes()).ok()?)).copied();
        lines.iter().filter_map(position).collect()
    }
}

/// Outputs by output, then sample.
type Answer = Vec<Vec<Vec<f32>>>;

struct Comparison<'a> {
    recording: &'a Recording,
    shared: SharedModel,
    simulator: Simulator,
    positions: Positions,
    samples: Vec<Sample>,
    /// What each trial gave, recorded and simulated.
    answers: Vec<(Option<Answer>, Option<Answer>)>,
}

impl Comparison<'_> {
    fn run(&mut self) -> Result<ModelReport, Error> {
        let mut totals = Totals::default();
        let mut trials = Vec::new();
        for trial in &self.recording.trials {
            let recorded = self.recording.outputs(trial).map(|arrays| arrays.iter().map(|array| rows(array)).collect());
            let (simulated, refusal) = match self.simulate(trial) {
                Ok(answer) => (Some(answer), String::from("ran")),
                Err(refusal) => (None, refusal),
            };
            let report = self.trial(trial, recorded.as_ref(), simulated.as_ref(), refusal)?;
            if trial.hit_graph_check() {
                totals.graph_check += 1;
            } else {
                totals.add(&report);
            }
            trials.push(report);
            self.answers.push((recorded, simulated));
        }
        let rankings: Vec<Ranking> = ["npu-only-unit", "cpu-unit"].iter().map(|kind| self.ranking(kind)).collect();
        totals.spearman_min = rankings.iter().filter_map(|ranking| ranking.spearman).reduce(f64::min);
        Ok(ModelReport { totals, rankings, by_op_type: by_op_type(&trials), trials })
    }

    fn simulate(&self, trial: &RecordedTrial) -> Result<Answer, String> {
        let config = Config::tim_vx(self.positions.set(&trial.cpu_ops))
            .with_cpu(CpuFlavour::Float)
            .with_mixed_float(self.positions.set(&trial.mixed));
        let class = |class: int8_sim::RefusalClass| {
            serde_json::to_value(class).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
        };
        let run = self.simulator.run(&config, &self.samples).map_err(|refusal| class(refusal.class))?;
        let outputs = run.outputs.first().map_or(0, Vec::len);
        let output = |index: usize| {
            let of = |sample: &Vec<int8_sim::Tensor>| sample[index].as_f32().map(<[f32]>::to_vec).unwrap_or_default();
            run.outputs.iter().map(of).collect()
        };
        Ok((0..outputs).map(output).collect())
    }

    fn trial(
        &self,
        trial: &RecordedTrial,
        recorded: Option<&Answer>,
        simulated: Option<&Answer>,
        refusal: String,
    ) -> Result<TrialReport, Error> {
        let (mut sqnr_db, mut agreement) = (None, None);
        if let (Some(recorded), Some(simulated)) = (recorded, simulated) {
            sqnr_db = Some(recorded.iter().zip(simulated).map(|(a, b)| sqnr(a, b)).collect());
            let of =
                |answer: &Answer, sample: usize| answer.iter().map(|output| output[sample].clone()).collect::<Vec<_>>();
            let mut sum = 0.0;
            for sample in 0..self.samples.len() {
                sum += self.shared.agreement(&of(recorded, sample), &of(simulated, sample))?;
            }
            agreement = Some(sum / self.samples.len().max(1) as f64);
        }
        let place = if trial.ran() { "ran" } else { trial.place() };
        Ok(TrialReport { tag: trial.tag.clone(), recorded: place.into(), simulated: refusal, sqnr_db, agreement })
    }

    /// Ranks units by the error they cause against the all-CPU trial of the same side.
    fn ranking(&self, kind: &str) -> Ranking {
        let baseline = self.recording.trials.iter().position(|trial| trial.tag == "all-cpu");
        let baseline = baseline.and_then(|at| Some((self.answers[at].0.as_ref()?, self.answers[at].1.as_ref()?)));
        let mut pairs = Vec::new();
        for (trial, answer) in self.recording.trials.iter().zip(&self.answers) {
            let is_kind = trial.tag.split(':').next() == Some(kind);
            let (Some((recorded_base, simulated_base)), (Some(recorded), Some(simulated))) = (baseline, answer) else {
                continue;
            };
            if is_kind {
                let error = |base: &Answer, answer: &Answer| {
                    base.iter().zip(answer).map(|(a, b)| sqnr(a, b)).fold(f64::INFINITY, f64::min)
                };
                pairs.push((error(recorded_base, recorded), error(simulated_base, simulated)));
            }
        }
        let (recorded, simulated): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let extreme = |f: fn(f64, f64) -> f64| recorded.iter().copied().reduce(f).unwrap_or(0.0);
        let spread_db = extreme(f64::max) - extreme(f64::min);
        let measurable = recorded.len() >= 8 && spread_db >= 3.0;
        let spearman = measurable.then(|| spearman(&recorded, &simulated)).flatten();
        Ranking { kind: kind.into(), units: recorded.len(), spread_db, spearman }
    }
}

/// The mean SQNR of the trials that moved one type of op, by that type.
fn by_op_type(trials: &[TrialReport]) -> BTreeMap<String, f64> {
    let of_type = |trial: &TrialReport| {
        let op_type = trial.tag.strip_prefix("type:")?;
        let worst = trial.sqnr_db.as_ref()?.iter().copied().reduce(f64::min)?;
        Some((op_type.to_owned(), worst))
    };
    trials.iter().filter_map(of_type).collect()
}

/// The rows of an array, one a sample.
fn rows(array: &Array) -> Vec<Vec<f32>> {
    let samples = array.shape().first().copied().unwrap_or(1).max(1);
    let values = array.to_f32();
    values.chunks(values.len().div_ceil(samples).max(1)).map(<[f32]>::to_vec).collect()
}

/// Signal to noise of `b` as an approximation of `a`, in decibels, at most 100.
fn sqnr(a: &[Vec<f32>], b: &[Vec<f32>]) -> f64 {
    let (mut signal, mut noise) = (0.0, 0.0);
    for (a, b) in a.iter().flatten().zip(b.iter().flatten()) {
        signal += f64::from(*a).powi(2);
        noise += (f64::from(*a) - f64::from(*b)).powi(2);
    }
    if noise == 0.0 { 100.0 } else { (10.0 * (signal / noise).log10()).min(100.0) }
}
