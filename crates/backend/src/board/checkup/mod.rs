//! Looks at everything that a search on boards needs, before the search does, and says what to do about what is missing.

mod host;
mod one_board;

use serde::Serialize;

pub use host::check_host;
pub use one_board::{Checkup, Examined};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// A search can run, but people should know.
    Warning,
    /// A search cannot run, or not with this board.
    Failed,
    /// Not needed, or not possible after what failed before.
    Skipped,
}

/// One check and what it found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The board; none for this machine.
    pub board: Option<String>,
    /// What was looked at: `ssh`, `free space`.
    pub check: &'static str,
    /// How it came out.
    pub state: State,
    /// What was found, for people.
    pub found: String,
    /// What to do; none where nothing needs to be done.
    pub remedy: Option<String>,
}

/// The equality of the boards that were examined: only equal ones are used together.
pub fn check_alike(examined: &[Examined]) -> Option<Finding> {
    let known: Vec<_> =
        examined.iter().filter_map(|board| Some((board.name.as_str(), board.identity.as_ref()?))).collect();
    let (first, reference) = known.first()?;
    let unlike: Vec<&str> = known.iter().filter(|(_, identity)| identity != reference).map(|(name, _)| *name).collect();
    if known.len() < 2 {
        return None;
    }
    let (state, found, remedy) = if unlike.is_empty() {
        (State::Ok, format!("{} boards have one SoC, driver and set of libraries", known.len()), None)
    } else {
        let remedy = "only the largest group of equal boards is used: give boards of different kinds a search each, or the same driver";
        (
            State::Warning,
            format!("{} differ from {first} in SoC, driver or libraries", unlike.join(", ")),
            Some(remedy.to_owned()),
        )
    };
    Some(Finding { board: None, check: "boards alike", state, found, remedy })
}
