//! `cargo xtask fidelity`: the simulator beside what the real stack answered.

use std::{path::PathBuf, process::ExitCode};

use fidelity::{ModelReport, Report, compare_all, compare_ops};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shared models, as MODEL/VARIANT
    #[arg(long, value_name = "DIR", default_value = "fixtures/models")]
    models: PathBuf,

    /// The recorded trials, as MODEL.VARIANT
    #[arg(long, value_name = "DIR", default_value = "fixtures/real/trials")]
    trials: PathBuf,

    /// The recorded single ops
    #[arg(long, value_name = "DIR", default_value = "fixtures/real/ops")]
    ops: PathBuf,

    /// Every trial too
    #[arg(long)]
    verbose: bool,

    /// The whole report as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut report = compare_all(&args.models, &args.trials)?;
    report.ops = compare_ops(&args.ops)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print_report(&report, args.verbose);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_report(report: &Report, verbose: bool) {
    println!("{:<34}{:>7}{:>10}{:>9}{:>9}{:>10}", "single op", "cases", "elements", "exact", "within 1", "worst off");
    for (op, figures) in &report.ops {
        let share = |part: usize| 100.0 * part as f64 / figures.elements.max(1) as f64;
        let (exact, near) = (share(figures.exact), share(figures.within_one));
        let (cases, elements, worst) = (figures.cases, figures.elements, figures.max_off);
        println!("{op:<34}{cases:>7}{elements:>10}{exact:>8.2}%{near:>8.2}%{worst:>10}");
    }
    println!();
    println!("{:<34}{:>7}{:>10}{:>9}{:>9}{:>10}", "recording", "trials", "foreseen", "ran", "agree", ">= 30 dB");
    for (name, model) in &report.models {
        print_model(name, model, verbose);
    }
    println!();
    println!(
        "refusals foreseen {:.1} % (precision {:.3}, recall {:.3}), task agreement {:.2} %, outputs at 30 dB or better {:.1} %",
        100.0 * report.refusals_accuracy,
        report.refusals_precision,
        report.refusals_recall,
        100.0 * report.task_agreement,
        100.0 * report.share_ge_30db,
    );
    match report.spearman_min {
        Some(spearman) => println!("lowest measurable rank correlation of unit sensitivities: {spearman:.3}"),
        None => println!("rank correlation of unit sensitivities: not measurable"),
    }
}

fn print_model(name: &str, model: &ModelReport, verbose: bool) {
    let totals = &model.totals;
    println!(
        "{name:<34}{:>7}{:>9.1}%{:>9}{:>8.2}%{:>9.1}%",
        totals.trials,
        100.0 * totals.refusals_accuracy,
        totals.compared,
        100.0 * totals.task_agreement,
        100.0 * totals.share_ge_30db,
    );
    if totals.graph_check > 0 {
        println!("  {} more trials were stopped by the load-time graph check", totals.graph_check);
    }
    for ranking in model.rankings.iter().filter(|ranking| ranking.units > 0) {
        let spearman = ranking.spearman.map_or_else(|| "not measurable".into(), |spearman| format!("{spearman:.3}"));
        println!(
            "  {}: {} units over {:.1} dB, rank correlation {spearman}",
            ranking.kind, ranking.units, ranking.spread_db
        );
    }
    for (op_type, db) in model.by_op_type.iter().filter(|_| verbose) {
        println!("  all {op_type} on the CPU: outputs agree to {db:.1} dB");
    }
    for trial in model.trials.iter().filter(|_| verbose) {
        let worst = trial.sqnr_db.as_ref().and_then(|db| db.iter().copied().reduce(f64::min));
        let figure = worst.map_or_else(String::new, |db| format!("{db:.1} dB"));
        println!("  {:<20} recorded: {:<18} simulated: {:<18} {figure}", trial.tag, trial.recorded, trial.simulated);
    }
}
