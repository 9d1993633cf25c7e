//! The flags of the commands that look at boards outside a search. They mean what they mean for a search.

use std::path::PathBuf;

use board::pool::BoardConfig;

use crate::{on_boards, settings::Settings};

#[derive(clap::Args)]
pub(crate) struct BoardArgs {
    /// The boards.toml that says where the boards are (docs/boards.md)
    #[arg(long, value_name = "FILE")]
    pub(crate) boards: Option<PathBuf>,

    /// The program that runs trials on the boards, built for them
    #[arg(long, value_name = "FILE")]
    pub(crate) runner: Option<PathBuf>,

    /// More arguments for that program
    #[arg(long, value_name = "ARGUMENTS", allow_hyphen_values = true)]
    runner_args: Option<String>,

    /// The folder of libraries that comes with that program
    #[arg(long, value_name = "DIR")]
    pub(crate) libraries: Option<PathBuf>,

    /// What the boards' kind needs: a311d, imx8mp, rv1126, s905d3, or a file of your own
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) profile: Option<String>,

    /// A variable for that program, NAME=VALUE (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    board_env: Vec<String>,
}

impl BoardArgs {
    /// The boards of the file.
    pub(crate) fn listed(&self) -> anyhow::Result<Vec<BoardConfig>> {
        on_boards::listed(&self.settings())
    }

    /// The same flags as a search has them.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            boards: self.boards.clone(),
            runner: self.runner.clone(),
            runner_args: self.runner_args.clone(),
            libraries: self.libraries.clone(),
            profile: self.profile.clone(),
            board_env: self.board_env.clone(),
            ..Settings::default()
        }
    }
}
