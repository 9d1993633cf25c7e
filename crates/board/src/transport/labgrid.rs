//! Boards of a shared farm: labgrid says who may use which, and plain ssh does the rest, because a call of its client takes
//! 0.8 s (spec/boards.md "Farms").

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{Ssh, Transport, Trouble, client};
use crate::{
    cancel::Cancel,
    process::{Command, Ending},
    remote::{RemotePath, Reply},
};

/// How long a call of the client may take.
const CALL: Duration = Duration::from_secs(30);
/// How old the certainty that the place is still ours may be.
const RECHECK: Duration = Duration::from_secs(20);
/// How long a coordinator may take to come back, and a place to be had again, when it was lost.
const COMEBACK: Duration = Duration::from_secs(60);

/// What to acquire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The place of this name, now or not at all.
    Named(String),
    /// Any place with these tags, waiting in labgrid's queue for up to this long.
    Tagged {
        /// Keys and values.
        tags: BTreeMap<String, String>,
        /// How long to wait.
        patience: Duration,
    },
}

/// A board of a farm: acquired by the first command, released when this value is dropped.
#[derive(Debug)]
pub struct Labgrid {
    program: PathBuf,
    coordinator: Option<String>,
    place: Place,
    ssh_options: Vec<String>,
    cancel: Cancel,
    held: Mutex<Option<Held>>,
}

/// An acquired place.
#[derive(Debug)]
struct Held {
    place: String,
    token: Option<String>,
    /// The coordinator's line on the acquisition, its time included: another one means that somebody took the place away.
    holder: String,
    checked: Instant,
    ssh: Ssh,
}

impl Labgrid {
    /// A place of the farm whose coordinator is at `coordinator` (`host:port`; `LG_COORDINATOR` when absent). The options
    /// are for ssh, before those that lead to the address that labgrid tells.
    pub fn new(place: Place, coordinator: Option<&str>, ssh_options: &[String], cancel: &Cancel) -> Self {
        Self {
            program: "labgrid-client".into(),
            coordinator: coordinator.map(str::to_owned),
            place,
            ssh_options: ssh_options.to_vec(),
            cancel: cancel.clone(),
            held: Mutex::new(None),
        }
    }

    /// Uses another client than the `labgrid-client` on `PATH`.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// The place that is held at this moment.
    pub fn holds(&self) -> Option<String> {
        self.lock().as_ref().map(|held| held.place.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Held>> {
        // A panic elsewhere leaves a place that is held or not, and the next check tells.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs labgrid's client, whose exit code and output can be believed.
    fn ask(&self, args: &[&str], token: Option<&str>, deadline: Duration, cancel: &Cancel) -> Result<String, Trouble> {
        let mut command = Command::new(&self.program).deadline(deadline).cancel(cancel);
        if let Some(coordinator) = &self.coordinator {
            command = command.args(["-x", coordinator]);
        }
        if let Some(token) = token {
            command = command.env("LG_TOKEN", token);
        }
        let scratch = tempfile::tempdir().map_err(Trouble::file(&std::env::temp_dir()))?;
        let (out, err) = (scratch.path().join("stdout"), scratch.path().join("stderr"));
        let finished = command.args(args).run(&out, &err)?;
        let code = match finished.ending {
            Ending::Exited(0) => {
                let output = finished.stdout.read().map_err(Trouble::file(&out))?;
                return Ok(String::from_utf8_lossy(&output).into_owned());
            }
            Ending::TimedOut => return Err(Trouble::Silent { board: self.label(), after: deadline }),
            Ending::Cancelled => return Err(Trouble::Cancelled),
            Ending::Exited(code) | Ending::Signalled(code) => code,
        };
        let output = client::tail(&err).unwrap_or_default();
        Err(Trouble::Refused { board: self.label(), what: format!("labgrid-client {}", args.join(" ")), code, output })
    }

    fn acquire(&self) -> Result<Held, Trouble> {
        let (token, name) = match &self.place {
            Place::Named(name) => (None, name.clone()),
            Place::Tagged { tags, patience } => (Some(self.reserve(tags, *patience)?), "+".to_owned()),
        };
        let acquired = self.ask(&["-p", &name, "acquire"], token.as_deref(), CALL, &self.cancel);
        let place = match acquired {
            Ok(text) => text.trim().strip_prefix("acquired place ").unwrap_or(&name).to_owned(),
            Err(trouble) => {
                // The place itself may be held by another search of the same user: it is not ours to release.
                self.cancel_reservation(token.as_deref());
                return Err(trouble);
            }
        };
        let details = self.holder(&place).and_then(|holder| {
            let env = self.ask(&["-p", &place, "env"], None, CALL, &self.cancel)?;
            Ok((holder, self.ssh(&env)?))
        });
        match details {
            Ok((holder, ssh)) => Ok(Held { place, token, holder, checked: Instant::now(), ssh }),
            Err(trouble) => {
                self.release(&place, token.as_deref());
                Err(trouble)
            }
        }
    }

    fn reserve(&self, tags: &BTreeMap<String, String>, patience: Duration) -> Result<String, Trouble> {
        let filters: Vec<String> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let args: Vec<&str> =
            ["reserve", "--wait", "--shell"].into_iter().chain(filters.iter().map(String::as_str)).collect();
        let text = self.ask(&args, None, patience, &self.cancel)?;
        let token = text.lines().find_map(|line| line.trim().strip_prefix("export LG_TOKEN="));
        token.map(str::to_owned).ok_or_else(|| self.puzzled("reserve", &text))
    }

    /// The coordinator's line on who holds a place.
    fn holder(&self, place: &str) -> Result<String, Trouble> {
        let table = self.ask(&["who"], None, CALL, &self.cancel)?;
        // `User  Host  Place  Changed`
        let line = table.lines().skip(1).find(|line| line.split_whitespace().nth(2) == Some(place));
        line.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).ok_or_else(|| self.lost(place, "nobody"))
    }

    fn ssh(&self, env: &str) -> Result<Ssh, Trouble> {
        let value = |key: &str| {
            let line = env.lines().find_map(|line| line.trim().trim_start_matches("- ").strip_prefix(key));
            line.map(|value| value.trim().trim_matches(['\'', '"']).to_owned()).filter(|value| !value.is_empty())
        };
        let address = value("address:").ok_or_else(|| self.puzzled("env", env))?;
        let host = value("username:").map_or(address.clone(), |user| format!("{user}@{address}"));
        let port = value("port:").unwrap_or_else(|| "22".into());
        let options = self.ssh_options.iter().cloned().chain(["-p".into(), port]);
        Ssh::new(&host, options, &self.cancel)
    }

    fn release(&self, place: &str, token: Option<&str>) {
        // Even after Ctrl-C: a place that is not released stays locked for ever.
        let _ = self.ask(&["-p", place, "release"], token, CALL, &Cancel::new());
        self.cancel_reservation(token);
    }

    fn cancel_reservation(&self, token: Option<&str>) {
        if let Some(token) = token {
            let _ = self.ask(&["cancel-reservation", token], None, CALL, &Cancel::new());
        }
    }

    /// Does something with the board once it is sure that it is ours.
    fn with_board<T>(&self, work: impl FnOnce(&Ssh) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let mut slot = self.lock();
        if slot.is_none() {
            *slot = Some(self.acquire()?);
        }
        let Some(held) = slot.as_mut() else { return Err(self.lost("?", "nobody")) };
        if held.checked.elapsed() >= RECHECK {
            let holder = self.holder(&held.place)?;
            if holder != held.holder {
                return Err(self.lost(&held.place, &holder));
            }
            held.checked = Instant::now();
        }
        work(&held.ssh)
    }

    fn lost(&self, place: &str, holder: &str) -> Trouble {
        Trouble::Refused {
            board: self.label(),
            what: format!("use the place {place}"),
            code: 1,
            output: format!("it is held by {holder}"),
        }
    }

    fn puzzled(&self, command: &str, text: &str) -> Trouble {
        let reason = format!("`labgrid-client {command}` said {:?}", text.chars().take(300).collect::<String>());
        Trouble::Damaged { board: self.label(), reason }
    }
}

impl Transport for Labgrid {
    fn label(&self) -> String {
        match &self.place {
            Place::Named(name) => format!("labgrid {name}"),
            Place::Tagged { tags, .. } => format!("labgrid {tags:?}"),
        }
    }

    fn shell(&self, script: &[u8], deadline: Duration) -> Result<Reply, Trouble> {
        self.with_board(|ssh| ssh.shell(script, deadline))
    }

    fn push(&self, local: &Path, remote: &RemotePath, deadline: Duration) -> Result<(), Trouble> {
        self.with_board(|ssh| ssh.push(local, remote, deadline))
    }

    fn pull(&self, files: &[(RemotePath, PathBuf)], max_bytes: u64, deadline: Duration) -> Result<(), Trouble> {
        self.with_board(|ssh| ssh.pull(files, max_bytes, deadline))
    }

    /// A new connection; the place itself is acquired again when it was lost, as all are when the coordinator restarts.
    fn reconnect(&self) {
        let mut slot = self.lock();
        let end = Instant::now() + COMEBACK;
        let mut pause = Duration::from_millis(500);
        while let Some(held) = slot.as_mut() {
            match self.holder(&held.place) {
                Ok(holder) if holder == held.holder => {
                    held.checked = Instant::now();
                    return held.ssh.reconnect();
                }
                // Somebody else's now, or nobody's: the next command acquires.
                Ok(_) => *slot = None,
                Err(Trouble::Refused { what, .. }) if what.starts_with("use the place") => *slot = None,
                Err(_) if self.cancel.is_cancelled() || Instant::now() + pause > end => return,
                Err(_) => thread::sleep(pause),
            }
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    fn power_cycle(&self) -> bool {
        let slot = self.lock();
        let Some(held) = slot.as_ref() else { return false };
        self.ask(&["-p", &held.place, "power", "cycle"], None, 4 * CALL, &self.cancel).is_ok()
    }
}

impl Drop for Labgrid {
    fn drop(&mut self) {
        if let Some(held) = self.lock().take() {
            self.release(&held.place, held.token.as_deref());
        }
    }
}
