//! Boards behind the user's own `ssh`, so that `~/.ssh/config`, jump hosts, agents and hardware keys work.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use super::{Transport, Trouble, client, session::Session, shell_ok};
use crate::{
    cancel::Cancel,
    process::Command,
    remote::{Nonce, RemotePath, Reply, quote, wrap_reading},
};

/// How long `ssh` may take for what concerns only this machine.
const LOCAL_CALL: Duration = Duration::from_secs(5);

/// A board that runs an ssh server.
///
/// The first call opens a connection that pushes share (from 0.41 s a call down to 0.16 s, spec/boards.md "Recommendation"),
/// and a shell that stays open for all commands, which then cost a few milliseconds; dropping this value closes both.
#[derive(Debug)]
pub struct Ssh {
    program: PathBuf,
    host: String,
    options: Vec<OsString>,
    cancel: Cancel,
    session: Mutex<Option<Session>>,
    /// Tells the sockets of shared connections apart: one that was asked to end may still take calls for a moment.
    connection: AtomicU32,
    /// Holds the socket of the shared connection and the client's messages.
    folder: tempfile::TempDir,
}

impl Ssh {
    /// A board that `ssh HOST` reaches. `options` come before the host, and before this program's own, which ssh therefore
    /// takes only where the user gave none: `["-p", "2222"]`, `["-o", "ServerAliveInterval=1"]`.
    ///
    /// # Errors
    /// No temporary folder can be made.
    pub fn new(
        host: &str,
        options: impl IntoIterator<Item = impl Into<OsString>>,
        cancel: &Cancel,
    ) -> Result<Self, Trouble> {
        Ok(Self {
            program: "ssh".into(),
            host: host.to_owned(),
            options: options.into_iter().map(Into::into).collect(),
            cancel: cancel.clone(),
            session: Mutex::new(None),
            connection: AtomicU32::new(0),
            folder: socket_folder()?,
        })
    }

    /// Uses another client than the `ssh` on `PATH`.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    fn client(&self, deadline: Duration) -> Command {
        let mut command = Command::new(&self.program).deadline(deadline).cancel(&self.cancel).args(&self.options);
        command = command.arg("-T");
        for option in
            ["BatchMode=yes", "ConnectTimeout=10", "ServerAliveInterval=5", "ServerAliveCountMax=3", "LogLevel=ERROR"]
        {
            command = command.arg("-o").arg(option);
        }
        // The ssh of Windows cannot share connections.
        if cfg!(unix) {
            let mut path = OsString::from("ControlPath=");
            path.push(self.folder.path().join(format!("{}-%C", self.connection.load(Ordering::SeqCst))));
            command = command.args(["-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-o"]).arg(path);
        }
        command
    }

    /// `--` before the host: one that starts with `-` must not become an option.
    fn remote(&self, command: Command, remote_command: &[u8]) -> Command {
        command.arg("--").arg(&self.host).arg(client::os_string(remote_command))
    }

    fn open(&self) -> Result<Session, Trouble> {
        // The scripts travel as input: no limit on their length, and the login shell, whatever it is, never reads them.
        let client = self.remote(self.client(LOCAL_CALL), b"exec /bin/sh");
        Session::start(self.label(), &client, self.folder.path().join("messages"), &self.cancel)
    }

    fn session(&self) -> MutexGuard<'_, Option<Session>> {
        // A panic elsewhere leaves at worst a session that the next command finds dead.
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for Ssh {
    fn label(&self) -> String {
        format!("ssh {}", self.host)
    }

    fn shell(&self, script: &[u8], deadline: Duration) -> Result<Reply, Trouble> {
        let mut slot = self.session();
        let mut session = match slot.take() {
            Some(session) => session,
            None => self.open()?,
        };
        // Only a session that answered is used again.
        let reply = session.run(script, deadline)?;
        *slot = Some(session);
        Ok(reply)
    }

    fn push(&self, local: &Path, remote: &RemotePath, deadline: Duration) -> Result<(), Trouble> {
        let nonce = Nonce::fresh();
        let script = wrap_reading(&nonce, &client::store_input(remote));
        let command = [b"exec /bin/sh -c ", quote(&script).as_slice()].concat();
        let command = self.remote(self.client(deadline).stdin_file(local), &command);
        let reply = client::reply(&self.label(), &nonce, &command)?;
        if reply.code == 0 {
            return client::check_stored(&self.label(), local, &reply.output);
        }
        Err(Trouble::Refused {
            board: self.label(),
            what: format!("store {remote}"),
            code: reply.code,
            output: reply.text(),
        })
    }

    fn pull(&self, files: &[(RemotePath, PathBuf)], max_bytes: u64, deadline: Duration) -> Result<(), Trouble> {
        let stream = shell_ok(self, "read files", &client::stream_files(files, max_bytes), deadline)?;
        client::unpack_files(&self.label(), files, &stream)
    }

    fn reconnect(&self) {
        *self.session() = None;
        let leave = self.client(LOCAL_CALL).cancel(&Cancel::new()).args(["-O", "exit", "--"]).arg(&self.host);
        // Without a shared connection it fails, and that is as good.
        let _ = leave.run(&self.folder.path().join("stdout"), &self.folder.path().join("stderr"));
        self.connection.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        self.reconnect();
    }
}

/// In `/tmp` where there is one: the path of a socket may have 104 bytes, and ssh appends some sixty.
fn socket_folder() -> Result<tempfile::TempDir, Trouble> {
    let parent = if cfg!(unix) { PathBuf::from("/tmp") } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("npu-").tempdir_in(&parent).map_err(Trouble::file(&parent))
}
