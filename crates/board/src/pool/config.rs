//! Reads `boards.toml`, which says where the boards are and how to bring one back.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::Deserialize;

use crate::{
    cancel::Cancel,
    remote::{RemotePath, is_plain_name},
    transport::{Adb, Labgrid, Local, Place, Ssh, Transport, Trouble},
};

/// One board, as `boards.toml` describes it:
///
/// ```toml
/// [[board]]
/// name = "desk"                         # letters, digits and ._-
/// way = { ssh = "root@10.0.0.7", options = ["-p", "2222"] }
/// work = "/userdata/npu-bisect"         # a folder of the board with room for model and libraries
/// soc = "rv1126"                        # only equal boards are used together
/// libraries = ["/usr/lib/libOpenVX.so"] # on the board; their hashes must be equal too
/// reboot = ["ssh", "root@10.0.0.7", "reboot"]
/// power_cycle = ["uhubctl", "-a", "cycle", "-p", "3"]
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoardConfig {
    /// What people call it.
    pub name: String,
    /// How to get there.
    pub way: Way,
    /// Where to work on it.
    #[serde(default = "default_work")]
    pub work: String,
    /// What it is; the device tree's word for it when absent.
    #[serde(default)]
    pub soc: Option<String>,
    /// Files on the board whose contents must be equal on boards that are used together.
    #[serde(default)]
    pub libraries: Vec<String>,
    /// A POSIX shell command for the board that prints the NPU driver's version; Galcore's when absent.
    #[serde(default)]
    pub driver_command: Option<String>,
    /// Program and arguments, run here, that reboot it. Empty: there is no such way.
    #[serde(default)]
    pub reboot: Vec<String>,
    /// Program and arguments, run here, that cut its power and give it back. Empty: there is no such way.
    #[serde(default)]
    pub power_cycle: Vec<String>,
}

/// How to get to a board.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Way {
    /// `{ ssh = "user@host", options = […], program = "ssh" }`
    Ssh {
        /// The destination, as for `ssh`.
        ssh: String,
        /// More options for `ssh`.
        #[serde(default)]
        options: Vec<String>,
        /// The client program.
        #[serde(default)]
        program: Option<PathBuf>,
    },
    /// `{ adb = "serial", server_port = 5037, program = "adb" }`; the serial of a board behind TCP is `host:port`.
    Adb {
        /// The serial, as `adb devices` lists it.
        adb: String,
        /// The port of the adb server.
        #[serde(default)]
        server_port: Option<u16>,
        /// The client program.
        #[serde(default)]
        program: Option<PathBuf>,
    },
    /// `{ labgrid = "place", coordinator = "host:20408", options = […] }`, or with `labgrid = { soc = "rv1126" }` any place
    /// with these tags, waiting in the queue for `patience_s` seconds; the options are for ssh.
    Labgrid {
        /// The place, or tags.
        labgrid: LabgridPlace,
        /// The coordinator; `LG_COORDINATOR` when absent.
        #[serde(default)]
        coordinator: Option<String>,
        /// More options for `ssh`.
        #[serde(default)]
        options: Vec<String>,
        /// How long to wait for a place with the tags, seconds; an hour when absent.
        #[serde(default)]
        patience_s: Option<u64>,
        /// The client program.
        #[serde(default)]
        program: Option<PathBuf>,
    },
    /// `{ local = true }`: this machine is the board.
    Local {
        /// Always true.
        local: bool,
    },
}

/// Which place of a farm.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum LabgridPlace {
    /// The one of this name.
    Named(String),
    /// Any one with these tags.
    Tagged(BTreeMap<String, String>),
}

/// Why `boards.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It cannot be read.
    #[error("read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// It is not what it should be; the text names line and column.
    #[error("understand {}: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        source: Box<toml::de::Error>,
    },
    /// A board cannot be used as described.
    #[error("use the board {board:?} of {}: {reason}", path.display())]
    BadBoard {
        /// The file.
        path: PathBuf,
        /// The board.
        board: String,
        /// What is wrong.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BoardsFile {
    #[serde(default)]
    board: Vec<BoardConfig>,
}

fn default_work() -> String {
    "/data/local/tmp/npu-bisect".into()
}

/// The boards of a `boards.toml`, in its order.
///
/// # Errors
/// The file cannot be read or understood, two boards share a name, or a value cannot be.
pub fn read_boards(path: &Path) -> Result<Vec<BoardConfig>, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_path_buf(), source })?;
    let file: BoardsFile = toml::from_str(&text)
        .map_err(|source| ConfigError::Malformed { path: path.to_path_buf(), source: Box::new(source) })?;
    let mut names = BTreeSet::new();
    for board in &file.board {
        let bad = |reason: &str| {
            Err(ConfigError::BadBoard { path: path.to_path_buf(), board: board.name.clone(), reason: reason.into() })
        };
        if !is_plain_name(&board.name) {
            return bad("its name may have letters, digits and `._-` only");
        }
        if !names.insert(&board.name) {
            return bad("another board has the same name");
        }
        if RemotePath::new(board.work.as_bytes()).is_err() {
            return bad("`work` must be an absolute path");
        }
        if board.way == (Way::Local { local: false }) {
            return bad("`local` can only be true");
        }
    }
    Ok(file.board)
}

impl BoardConfig {
    /// Opens the way to the board, without going there yet.
    ///
    /// # Errors
    /// This machine lacks something that the way needs.
    pub fn connect(&self, cancel: &Cancel) -> Result<Arc<dyn Transport>, Trouble> {
        Ok(match &self.way {
            Way::Local { .. } => Arc::new(Local::new(cancel)),
            Way::Adb { adb, server_port, program } => {
                let mut transport = Adb::new(adb, &self.work_path()?, cancel);
                if let Some(port) = server_port {
                    transport = transport.server_port(*port);
                }
                match program {
                    Some(program) => Arc::new(transport.program(program)),
                    None => Arc::new(transport),
                }
            }
            Way::Labgrid { labgrid, coordinator, options, patience_s, program } => {
                let place = match labgrid {
                    LabgridPlace::Named(name) => Place::Named(name.clone()),
                    LabgridPlace::Tagged(tags) => {
                        let patience = Duration::from_secs(patience_s.unwrap_or(3600));
                        Place::Tagged { tags: tags.clone(), patience }
                    }
                };
                let transport = Labgrid::new(place, coordinator.as_deref(), options, cancel);
                match program {
                    Some(program) => Arc::new(transport.program(program)),
                    None => Arc::new(transport),
                }
            }
            Way::Ssh { ssh, options, program } => {
                let transport = Ssh::new(ssh, options, cancel)?;
                match program {
                    Some(program) => Arc::new(transport.program(program)),
                    None => Arc::new(transport),
                }
            }
        })
    }

    pub(super) fn work_path(&self) -> Result<RemotePath, Trouble> {
        RemotePath::new(self.work.as_bytes())
            .map_err(|error| Trouble::Damaged { board: self.name.clone(), reason: error.to_string() })
    }
}
