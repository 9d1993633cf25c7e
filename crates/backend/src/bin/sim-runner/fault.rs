//! What a sick board does to a trial, on demand: `SIM_RUNNER_FAULT` names faults, separated by commas, and may say with
//! `@30` behind the last how many trials in a hundred are hit. The nonce decides which, so that a second attempt may pass. A name may come
//! more than once, for a fault that is more frequent. `SIM_RUNNER_DIARY` names a file that gets a line for each trial, with its fault; with
//! `SIM_RUNNER_SPARED=5` the first five in it are spared.

use std::{
    env,
    fs::{self, OpenOptions},
    io::Write,
    process::Command,
};

use board::digest::Sha256;

use crate::Failure;

/// The variable that asks for faults.
const VARIABLE: &str = "SIM_RUNNER_FAULT";
/// The variable that says how many trials come before the first fault.
const SPARED: &str = "SIM_RUNNER_SPARED";
/// The variable that names the diary.
const DIARY: &str = "SIM_RUNNER_DIARY";

/// What befalls a whole board, in the language of the board.
const DISASTER: &str = include_str!("disaster.sh");

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
    /// The connection is cut.
    Cut,
    /// The connection stands still.
    Frozen,
    /// The disk is full, until the next connection.
    Full,
    /// The board reboots: nothing runs any more, and what was stored is gone.
    Reboot,
}

const NAMES: [(&str, Fault); 14] = [
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
    ("cut", Fault::Cut),
    ("frozen", Fault::Frozen),
    ("full", Fault::Full),
    ("reboot", Fault::Reboot),
];

impl Fault {
    pub(crate) fn from_environment(nonce: &str) -> Self {
        let spared = is_spared();
        let fault = if spared { Self::None } else { Self::drawn(nonce) };
        note(fault);
        fault
    }

    fn drawn(nonce: &str) -> Self {
        let wish = env::var(VARIABLE).unwrap_or_default();
        let (names, percent) = wish.split_once('@').unwrap_or((&wish, "100"));
        let faults: Vec<Self> = names
            .split(',')
            .filter_map(|wanted| NAMES.iter().find(|(name, _)| *name == wanted).map(|(_, fault)| *fault))
            .collect();
        // A hash: the nonce of a test may be all zeros.
        let dice = Sha256::of(nonce.as_bytes()).to_string();
        let dice = dice.get(..8).and_then(|digits| usize::from_str_radix(digits, 16).ok()).unwrap_or(0);
        if faults.is_empty() || dice % 100 >= percent.parse().unwrap_or(100) {
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
            Self::Cut => disaster("cut"),
            Self::Frozen => disaster("frozen"),
            Self::Reboot => disaster("reboot"),
            Self::Full => disaster("full").and(Err(Failure::Refused("no space is left".into()))),
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
    let Some(spared) = env::var(SPARED).ok().and_then(|count| count.parse::<usize>().ok()) else { return false };
    let diary = env::var(DIARY).ok().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    diary.lines().count() < spared
}

fn note(fault: Fault) {
    let name = NAMES.iter().find(|(_, its)| *its == fault).map_or("none", |(name, _)| name);
    let Some(diary) = env::var_os(DIARY) else { return };
    if let Ok(mut diary) = OpenOptions::new().create(true).append(true).open(diary) {
        // One write a line, so that the lines of several boards do not mix; a diary that cannot be kept changes no trial.
        let _ = diary.write_all(format!("{name}\n").as_bytes());
    }
}

fn disaster(what: &str) -> Result<(), Failure> {
    let own = std::process::id().to_string();
    Ok(Command::new("sh").args(["-c", DISASTER, "disaster", what, &own]).status().map(drop)?)
}

fn shell(script: &str) -> Result<(), Failure> {
    Ok(Command::new("sh").args(["-c", script]).status().map(drop)?)
}
