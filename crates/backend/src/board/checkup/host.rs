//! The client programs of this machine.

use std::{path::Path, time::Duration};

use board::{
    pool::{BoardConfig, Way},
    process::Command,
};

use super::{Finding, State};

/// How long a client may take to tell its version; labgrid's needs a second.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client program, how it tells its version, and where it comes from.
struct Client {
    name: &'static str,
    version: &'static str,
    remedy: &'static str,
}

const CLIENTS: [Client; 3] = [
    Client { name: "ssh", version: "-V", remedy: "install OpenSSH's client (Debian: `apt install openssh-client`)" },
    Client {
        name: "adb",
        version: "version",
        remedy: "install Android's platform tools (Debian: `apt install adb`), or say with `program` in boards.toml where adb is",
    },
    Client { name: "labgrid-client", version: "--version", remedy: "`pip install labgrid`, on PATH" },
];

/// Which of the clients are installed, and whether these boards need them.
pub fn check_host(boards: &[BoardConfig]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for client in &CLIENTS {
        let mut programs: Vec<&Path> = boards.iter().filter_map(|board| needed(client.name, &board.way)).collect();
        programs.sort_unstable();
        programs.dedup();
        findings.extend(programs.iter().map(|program| check(client, program, true)));
        if programs.is_empty() {
            findings.push(check(client, Path::new(client.name), false));
        }
    }
    findings
}

/// The program by which this way would be gone, where it takes this client.
fn needed<'a>(client: &'static str, way: &'a Way) -> Option<&'a Path> {
    let program = match (client, way) {
        ("ssh", Way::Ssh { program, .. })
        | ("adb", Way::Adb { program, .. })
        | ("labgrid-client", Way::Labgrid { program, .. }) => program,
        // To a place of a farm leads plain ssh.
        ("ssh", Way::Labgrid { .. }) => &None,
        _ => return None,
    };
    Some(program.as_deref().unwrap_or(Path::new(client)))
}

fn check(client: &Client, program: &Path, needed: bool) -> Finding {
    let finding = |state, found: String, remedy: Option<String>| Finding {
        board: None,
        check: client.name,
        state,
        found,
        remedy,
    };
    match (version(program, client.version), needed) {
        (Ok(version), _) => finding(State::Ok, version, None),
        (Err(reason), true) => finding(State::Failed, reason, Some(client.remedy.to_owned())),
        (Err(_), false) => finding(State::Skipped, "not installed, and no board needs it".to_owned(), None),
    }
}

fn version(program: &Path, argument: &str) -> Result<String, String> {
    let failed = |error: &dyn std::fmt::Display| format!("failed to {error}");
    let scratch = tempfile::tempdir().map_err(|error| failed(&error))?;
    let (stdout, stderr) = (scratch.path().join("stdout"), scratch.path().join("stderr"));
    let finished =
        Command::new(program).arg(argument).deadline(PATIENCE).run(&stdout, &stderr).map_err(|error| failed(&error))?;
    let said = |captured: board::process::Captured| {
        let text = String::from_utf8_lossy(&captured.read().unwrap_or_default()).into_owned();
        text.lines().next().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned)
    };
    Ok(said(finished.stdout).or_else(|| said(finished.stderr)).unwrap_or_else(|| "installed".to_owned()))
}
