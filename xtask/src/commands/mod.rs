//! The list of commands: one module each, one line each.

mod test;

use std::process::ExitCode;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Check formatting and lints, run every test, build the docs
    Test(test::Args),
}

pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Test(args) => test::run(&args),
    }
}
