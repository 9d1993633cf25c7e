//! Where the console of a search goes: terminal, pipe, nowhere, or another program.

use std::{
    cell::RefCell,
    env,
    io::{self, IsTerminal},
};

use report::{Console, Mode};
use trial_store::{Entry, Lever};

/// Columns where nobody says how many there are.
const COLUMNS: usize = 80;

/// The flags that say what a search prints.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct View {
    /// Print the result alone
    #[arg(long)]
    quiet: bool,

    /// Print each event as a line of JSON on standard output, and nothing else there
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
}

/// The columns of the terminal behind a stream; none where there is no terminal.
#[cfg(unix)]
pub(crate) fn columns_of(stream: &impl std::os::fd::AsFd) -> Option<usize> {
    terminal_size::terminal_size_of(stream).map(|(width, _)| usize::from(width.0))
}

/// The columns of the terminal behind a stream; none where there is no terminal.
#[cfg(windows)]
pub(crate) fn columns_of(stream: &impl std::os::windows::io::AsHandle) -> Option<usize> {
    terminal_size::terminal_size_of(stream).map(|(width, _)| usize::from(width.0))
}

/// Prints what happens.
pub(crate) struct Screen {
    console: RefCell<Console>,
    mode: Mode,
}

impl Screen {
    /// For a run with these units, by name. `shared`: somebody else talks on the terminal too, so that nothing there may be drawn again.
    pub(crate) fn new(view: View, units: Vec<String>, lever: Lever, shared: bool) -> Self {
        let terminal = io::stderr().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb");
        let mode = match view {
            View { json: true, .. } => Mode::Json,
            View { quiet: true, .. } => Mode::Quiet,
            _ if terminal && !shared => Mode::Live,
            _ => Mode::Plain,
        };
        let colors = terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { console: RefCell::new(Console::new(mode, units, colors).with_lever(lever)), mode }
    }

    /// Says something for people.
    pub(crate) fn say(&self, text: &str) {
        if !matches!(self.mode, Mode::Quiet | Mode::Json) {
            eprintln!("{}", report::wrap(text, columns_of(&io::stderr())));
        }
    }

    /// Shows an event.
    pub(crate) fn show(&self, entry: &Entry) {
        let text = self.console.borrow_mut().show(entry, columns_of(&io::stderr()).unwrap_or(COLUMNS));
        if self.mode == Mode::Json { print!("{text}") } else { eprint!("{text}") }
    }

    /// Takes the status off the terminal.
    pub(crate) fn clear(&self) {
        eprint!("{}", self.console.borrow_mut().erase());
    }

    /// Prints the result, where standard output does not belong to a program.
    pub(crate) fn conclude(&self, result: &str) {
        if self.mode != Mode::Json {
            print!("{}", report::wrap(result, columns_of(&io::stdout())));
        }
    }
}
