//! `cargo xtask`: the command line of npu-bisect. One file per command under `commands/`.

mod board_args;
mod commands;
mod describe;
mod dry_run;
mod estimate;
mod exit;
mod input;
mod interrupt;
mod layers;
mod memory;
mod on_boards;
mod screen;
mod session;
mod settings;
mod setup;
mod start;

use std::process::ExitCode;

use clap::Parser;

/// Find the operators that lose accuracy on a VeriSilicon NPU, and keep just those on the CPU.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: commands::Command,
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    match std::panic::catch_unwind(|| commands::run(command)) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => exit::report(&error),
        Err(_) => ExitCode::from(exit::INTERNAL), // the panic hook has said what happened
    }
}
