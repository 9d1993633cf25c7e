//! What makes two boards alike: the same numbers can be expected only from the same chip, driver and libraries.

use std::{collections::BTreeMap, time::Duration};

use super::BoardConfig;
use crate::{
    remote::quote,
    transport::{Transport, Trouble, shell_ok},
};

/// How long a board may take to tell.
const QUICK: Duration = Duration::from_secs(60);

/// The module's own word, else the kernel log's last (spec/boards.md "Recommendation").
const GALCORE: &str =
    "cat /sys/module/galcore/version 2>/dev/null || dmesg 2>/dev/null | grep -i 'galcore.*version' | tail -n 1";

/// What a board is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// The chip, as configured or as the device tree has it; empty when nobody knows.
    pub soc: String,
    /// The NPU driver's version, such as `6.4.4.3`; empty when the board has none.
    pub driver: String,
    /// Hashes of the configured libraries, by path; empty for one that is missing.
    pub libraries: BTreeMap<String, String>,
}

impl Identity {
    /// Asks a board.
    ///
    /// # Errors
    /// It does not answer.
    pub fn of(config: &BoardConfig, transport: &dyn Transport) -> Result<Self, Trouble> {
        let mut script =
            b"echo soc $({ tr '\\0' ' ' </proc/device-tree/compatible; } 2>/dev/null)\necho driver $(".to_vec();
        script.extend_from_slice(config.driver_command.as_deref().unwrap_or(GALCORE).as_bytes());
        script.extend_from_slice(b"\n)\n");
        for library in &config.libraries {
            script.extend_from_slice(b"echo library $({ sha256sum <");
            script.extend_from_slice(&quote(library.as_bytes()));
            script.extend_from_slice(b"; } 2>/dev/null)\n");
        }
        let answer = shell_ok(transport, "ask what it is", &script, QUICK)?;
        Ok(Self::parse(config, &String::from_utf8_lossy(&answer)))
    }

    fn parse(config: &BoardConfig, answer: &str) -> Self {
        let value = |key: &str| answer.lines().find_map(|line| line.strip_prefix(key)).unwrap_or("").trim().to_owned();
        let hashes = answer.lines().filter_map(|line| line.strip_prefix("library")).map(|rest| {
            // `sha256sum` puts a `-` behind the hash of its standard input.
            rest.split_whitespace().next().unwrap_or("").to_owned()
        });
        Self {
            soc: config.soc.clone().unwrap_or_else(|| value("soc")),
            driver: version(&value("driver")),
            libraries: config.libraries.iter().cloned().zip(hashes).collect(),
        }
    }
}

/// The version in a line such as `[    3.1] Galcore version 6.4.4.3.310723`, without the time that the kernel puts first.
fn version(line: &str) -> String {
    match line.to_ascii_lowercase().rfind("version") {
        Some(at) => line[at + "version".len()..].trim_matches([' ', ':', '=']).to_owned(),
        None => line.to_owned(),
    }
}

/// The identity that most boards share; among equals the one that comes first.
pub(super) fn choose<'a>(identities: impl Iterator<Item = &'a Identity>) -> Option<Identity> {
    let identities: Vec<&Identity> = identities.collect();
    let votes = |wanted: &Identity| identities.iter().filter(|identity| **identity == wanted).count();
    let most = identities.iter().map(|identity| votes(identity)).max()?;
    identities.iter().find(|identity| votes(identity) == most).map(|identity| (*identity).clone())
}
