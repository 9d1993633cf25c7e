//! `cargo xtask search --dry-run`: the plan, the first trials, and how many there may be; nothing is written.

use std::{fmt::Write, time::Duration};

use pipeline::{Case, Evaluation, Evaluator, Forecast, NoAnswer, Plan, Trial};

use crate::settings::Settings;

const CAVEAT: &str = "\
The last line of the table is for a model whose units all have to move. No bound holds for every model: refused placements, scores
that are not reproducible and effects that cancel take more trials. --max-trials and --max-time end a search with the best placement
so far. Times are those of the trials alone; trials that run side by side count once.
";

/// Stands for a user's program, which a dry run does not start.
pub(crate) struct NotStarted {
    /// Trials at the same time.
    pub(crate) jobs: usize,
}

impl Evaluator for NotStarted {
    fn name(&self) -> &'static str {
        "exec"
    }

    fn simulated(&self) -> bool {
        false
    }

    fn width(&self) -> usize {
        self.jobs
    }

    fn samples(&self) -> usize {
        0
    }

    fn has_cpu_baseline(&self) -> bool {
        false
    }

    fn evaluate(&self, _: &Trial) -> Result<Evaluation, NoAnswer> {
        Err(NoAnswer::Cancelled)
    }
}

/// How long one trial is taken to last.
pub(crate) enum Pace {
    /// One was timed.
    Timed(Duration),
    /// Nobody knows: a board needs ten seconds to five minutes.
    Boards,
}

/// The plan as text.
pub(crate) fn text(plan: &Plan<'_>, settings: &Settings, forecast: &Forecast, pace: &Pace) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_plan(&mut out, plan, settings)
        .and_then(|()| write_first(&mut out, plan, forecast))
        .and_then(|()| write_cases(&mut out, plan, forecast, pace));
    out
}

fn write_plan(out: &mut String, plan: &Plan<'_>, settings: &Settings) -> std::fmt::Result {
    let goal = match (settings.threshold, &settings.max_drop, &plan.wish.tolerance) {
        (Some(threshold), ..) => format!("a score of {threshold}"),
        (_, Some(drop), _) => format!("at most {drop} below the score without the NPU"),
        (_, _, Some(tolerance)) => format!("{tolerance}, as the data description says"),
        _ => "the evaluator judges by itself".to_owned(),
    };
    let metric = plan.evaluator.metric().map(|metric| format!("{metric}: ")).unwrap_or_default();
    writeln!(out, "  goal      {metric}{goal}")?;
    writeln!(out, "  strategy  {}, seed {}", plan.strategy, plan.seed)?;
    writeln!(out, "  pinned    {} op(s) to the CPU, {} to the NPU", plan.pin_cpu.len(), plan.pin_npu.len())?;
    writeln!(out, "  at once   {} trial(s)", plan.evaluator.width())
}

fn write_first(out: &mut String, plan: &Plan<'_>, forecast: &Forecast) -> std::fmt::Result {
    writeln!(out, "\nThe first trials")?;
    let mut baselines = Vec::new();
    if plan.evaluator.has_cpu_baseline() {
        baselines.push("the model without the NPU");
        baselines.push("everything on the NPU: if that passes, nothing has to move");
        baselines.push("every op forced to the CPU");
    } else {
        baselines.push("every op forced to the CPU");
        baselines.push("everything on the NPU: if that passes, nothing has to move");
    }
    baselines.truncate(forecast.baselines);
    for (number, what) in (1..).zip(baselines) {
        writeln!(out, "{number:>4}  {what}")?;
    }
    for (number, units) in (forecast.baselines + 1..).zip(&forecast.first) {
        let ops: Vec<_> = units.iter().flat_map(|&unit| plan.units.members(unit)).collect();
        let first = ops.first().map(|&&op| plan.subject.graph.record(op).to_string()).unwrap_or_default();
        let first: String = first.chars().take(60).collect();
        writeln!(
            out,
            "{number:>4}  {} of {} units ({} ops) on the CPU: {first} …",
            units.len(),
            plan.units.len(),
            ops.len()
        )?;
    }
    Ok(())
}

fn write_cases(out: &mut String, plan: &Plan<'_>, forecast: &Forecast, pace: &Pace) -> std::fmt::Result {
    let searches = forecast.cases.first().map_or(0, |case| case.trials.len());
    writeln!(
        out,
        "\nHow many trials: {} on {searches} made-up cases each, baselines and verification included",
        plan.strategy
    )?;
    let heads = match pace {
        Pace::Timed(each) => vec![format!("at {} a trial", spell(*each))],
        Pace::Boards => vec!["at 10 s a trial".to_owned(), "at 5 min a trial".to_owned()],
    };
    write!(out, "  {:>9}  {:>6} {:>6} {:>6}", "culprits", "least", "median", "most")?;
    heads.iter().try_for_each(|head| write!(out, "  {head:>24}"))?;
    writeln!(out)?;
    for case in &forecast.cases {
        write_case(out, case, pace)?;
    }
    let ground = if forecast.proved { "proved" } else { "never exceeded in its tests" };
    let ahead = if plan.evaluator.width() > 1 { "; trials side by side ask ahead" } else { "" };
    writeln!(
        out,
        "  worst case of {}: {} trials if more ops on the CPU never hurt and nothing is refused ({ground}{ahead})",
        plan.strategy, forecast.worst
    )?;
    out.write_str(CAVEAT)
}

fn write_case(out: &mut String, case: &Case, pace: &Pace) -> std::fmt::Result {
    let ends = |counts: &[usize]| (counts.first().copied().unwrap_or(0), counts.last().copied().unwrap_or(0));
    let (least, most) = ends(&case.trials);
    let median = case.trials.get(case.trials.len() / 2).copied().unwrap_or(0);
    write!(out, "  {:>9}  {least:>6} {median:>6} {most:>6}", case.culprits)?;
    let (soonest, latest) = ends(&case.rounds);
    let paces = match pace {
        Pace::Timed(each) => vec![*each],
        Pace::Boards => vec![Duration::from_secs(10), Duration::from_secs(300)],
    };
    for each in paces {
        let time = |rounds: usize| spell(each * rounds as u32);
        write!(out, "  {:>24}", format!("{} to {}", time(soonest), time(latest)))?;
    }
    writeln!(out)
}

fn spell(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 0.95 => format!("{:.0} ms", seconds * 1000.0),
        seconds if seconds < 9.95 => format!("{seconds:.1} s"),
        seconds if seconds < 99.5 => format!("{seconds:.0} s"),
        seconds if seconds < 99.5 * 60.0 => format!("{:.0} min", seconds / 60.0),
        seconds => format!("{:.1} h", seconds / 3600.0),
    }
}
