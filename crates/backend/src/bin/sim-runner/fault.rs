//! What a sick board does to a trial, on demand: `SIM_RUNNER_FAULT` names faults, separated by commas, and may say with
//! `@30` behind the last how many trials in a hundred are hit. The nonce decides which, so that a second attempt may pass. A name may come
//! more than once, for a fault that is more frequent. `SIM_RUNNER_SPARED=5` lets the first five trials on the board pass.

use std::{env, fs, process::Command};

use board::digest::Sha256;

use crate::Failure;

/// The variable that asks for faults.
const VARIABLE: &str = "SIM_RUNNER_FAULT";
/// The variable that says how many trials come before the first fault.
const SPARED: &str = "SIM_RUNNER_SPARED";
/// Where the trials of a board are counted: beside what is stored there, in the store so that nothing else is left behind.
const COUNT: &str = "../../store/trials";

/// One trial's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Hangs and ignores HUP, INT and TERM.
    Hang,
    /// Is killed from outside.
    Killed,
    /// Says that the machine is at fault.
    Machine,
    /// Refuses the placement.
    Refuse,
    /// Leaves bytes that are no manifest.
    Garbage,
    /// Leaves the first half of a manifest.
    Truncated,
    /// Leaves a manifest with another trial's nonce.
    Stale,
    /// Computes no numbers.
    Nan,
    /// Computes wrong numbers.
    Drift,
    /// Runs everything on the NPU and says nothing.
    Ignore,
}

const NAMES: [(&str, Fault); 10] = [
    ("hang", Fault::Hang),
    ("killed", Fault::Killed),
    ("machine", Fault::Machine),
    ("refuse", Fault::Refuse),
    ("garbage", Fault::Garbage),
    ("truncated", Fault::Truncated),
    ("stale", Fault::Stale),
    ("nan", Fault::Nan),
    ("drift", Fault::Drift),
    ("ignore", Fault::Ignore),
];

impl Fault {
    pub(crate) fn from_environment(nonce: &str) -> Self {
        let wish = env::var(VARIABLE).unwrap_or_default();
        let (names, percent) = wish.split_once('@').unwrap_or((&wish, "100"));
        let faults: Vec<Self> = names
            .split(',')
            .filter_map(|wanted| NAMES.iter().find(|(name, _)| *name == wanted).map(|(_, fault)| *fault))
            .collect();
        // A hash: the nonce of a test may be all zeros.
        let dice = Sha256::of(nonce.as_bytes()).to_string();
        let dice = dice.get(..8).and_then(|digits| usize::from_str_radix(digits, 16).ok()).unwrap_or(0);
        if faults.is_empty() || is_spared() || dice % 100 >= percent.parse().unwrap_or(100) {
            return Self::None;
        }
        faults[dice / 100 % faults.len()]
    }

    pub(crate) fn before_the_run(self) -> Result<(), Failure> {
        match self {
            Self::Hang => shell("trap '' HUP INT TERM; while :; do sleep 1000; done"),
            Self::Killed => shell("kill -KILL $PPID"),
            Self::Machine => Err(Failure::Machine("asked to".into())),
            Self::Refuse => Err(Failure::Refused("asked to".into())),
            _ => Ok(()),
        }
    }

    pub(crate) fn ignores_the_placement(self) -> bool {
        self == Self::Ignore
    }

    pub(crate) fn nonce(self, nonce: &str) -> String {
        if self == Self::Stale { "0".repeat(nonce.len()) } else { nonce.to_owned() }
    }

    pub(crate) fn value(self, value: f32) -> f32 {
        match self {
            Self::Nan => f32::NAN,
            Self::Drift => value * 0.5,
            _ => value,
        }
    }

    pub(crate) fn spoil(self, mut manifest: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Garbage => manifest.iter_mut().for_each(|byte| *byte ^= 0xA5),
            Self::Truncated => manifest.truncate(manifest.len() / 2),
            _ => {}
        }
        manifest
    }
}

fn is_spared() -> bool {
    let Some(spared) = env::var(SPARED).ok().and_then(|count| count.parse::<u32>().ok()) else { return false };
    let before = fs::read_to_string(COUNT).ok().and_then(|count| count.parse().ok()).unwrap_or(0);
    // A board that cannot count spares every trial.
    fs::write(COUNT, (before + 1).to_string()).is_err() || before < spared
}

fn shell(script: &str) -> Result<(), Failure> {
    Ok(Command::new("sh").args(["-c", script]).status().map(drop)?)
}
