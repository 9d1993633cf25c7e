//! The list of commands: one module each, one line each.

mod bench;
mod capture;
mod clusters;
mod complete;
mod conformance;
mod diff;
mod doctor;
mod explain;
mod fidelity;
mod fuzz;
mod init;
mod lint;
mod log;
mod ops;
mod parse;
mod replay;
pub(crate) mod report;
mod search;
mod test;
mod transfer;

use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Find the ops that must stay on the CPU, and write their subgraph.txt
    Search(Box<search::Args>),
    /// Ask five questions and write a commented search.toml
    Init(init::Args),
    /// Look at boards and at what a search on them needs, and say what to do about what is missing
    Doctor(doctor::Args),
    /// Get the log with the "subgraph operators" block from a board
    Capture(capture::Args),
    /// Print the trials of a run as a text to read, correct and replay
    Log(log::Args),
    /// Search again with the answers of a log, perhaps corrected by hand
    Replay(replay::Args),
    /// Say which ops are at risk on TIM-VX and what would cure it, without a trial
    Explain(explain::Args),
    /// Write the report page of a run directory
    Report(report::Args),
    /// Show two runs or two partition configs side by side
    Diff(diff::Args),
    /// Carry a subgraph.txt to a re-exported model whose tensor names changed
    Transfer(transfer::Args),
    /// Copy a model with the attributes that Paddle Lite needs and its exporter left out
    Complete(complete::Args),
    /// List the ops of a log, as a full subgraph.txt or as JSON
    Parse(parse::Args),
    /// List which ops the simulator has kernels for, and which the NPU may refuse
    Ops(ops::Args),
    /// Show what a subgraph.txt forces to the CPU, and the NPU clusters that are left
    Clusters(clusters::Args),
    /// Explain every trap in a subgraph.txt
    Lint(lint::Args),
    /// Compare the simulator with what the real stack answered
    Fidelity(fidelity::Args),
    /// Compare the log parser, the matcher and the clustering with Paddle Lite itself
    Conformance(conformance::Args),
    /// Feed mutated inputs to every parser, guided by coverage
    Fuzz(fuzz::Args),
    /// Compare the search strategies on seeded oracles
    Bench(bench::Args),
    /// Check formatting and lints, run every test, build the docs
    Test(test::Args),
}

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Search(args) => search::run(*args),
        Command::Init(args) => init::run(args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Capture(args) => capture::run(&args),
        Command::Log(args) => log::run(&args),
        Command::Replay(args) => replay::run(args),
        Command::Explain(args) => explain::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Transfer(args) => transfer::run(&args),
        Command::Complete(args) => complete::run(&args),
        Command::Parse(args) => parse::run(&args),
        Command::Ops(args) => ops::run(&args),
        Command::Clusters(args) => clusters::run(&args),
        Command::Lint(args) => lint::run(&args),
        Command::Fidelity(args) => fidelity::run(&args),
        Command::Conformance(args) => conformance::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Bench(args) => bench::run_bench(&args),
        Command::Test(args) => test::run(&args),
    }
}
