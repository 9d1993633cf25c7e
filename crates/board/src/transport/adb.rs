//! Boards behind the user's own `adb`, whose exit codes, line ends and error streams depend on how old the board's adbd is
//! (spec/boards.md "Never trust a transport's exit code"); what is done here holds for all of them.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Transport, Trouble, client, shell_ok};
use crate::{
    cancel::Cancel,
    process::Command,
    remote::{Nonce, RemotePath, Reply, quote, wrap},
};

/// How long `adb` may take to drop a connection or make one.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest script that is passed as an argument. A legacy adbd takes 4096 bytes in one message.
const LONGEST_ARGUMENT: usize = 3000;

/// A board that runs adbd, over USB or TCP.
#[derive(Clone, Debug)]
pub struct Adb {
    program: PathBuf,
    server_port: Option<u16>,
    serial: String,
    folder: RemotePath,
    cancel: Cancel,
}

impl Adb {
    /// The board that `adb devices` lists as `serial`; `host:port` is connected to when needed. Longer scripts pass through
    /// `folder` on the board, which is made when it is missing.
    pub fn new(serial: &str, folder: &RemotePath, cancel: &Cancel) -> Self {
        Self {
            program: "adb".into(),
            server_port: None,
            serial: serial.to_owned(),
            folder: folder.clone(),
            cancel: cancel.clone(),
        }
    }

    /// Uses another client than the `adb` on `PATH`.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// Uses the adb server on this port; by default the one that `ANDROID_ADB_SERVER_PORT` names, or 5037.
    pub fn server_port(mut self, port: u16) -> Self {
        self.server_port = Some(port);
        self
    }

    fn client(&self, deadline: Duration) -> Command {
        let command = Command::new(&self.program).deadline(deadline).cancel(&self.cancel);
        match self.server_port {
            Some(port) => command.arg("-P").arg(port.to_string()),
            None => command,
        }
    }

    /// A client for this board: without `-s`, a second one at the same host would be an error.
    fn board_client(&self, deadline: Duration) -> Command {
        self.client(deadline).args(["-s", &self.serial])
    }

    /// Runs a client whose own word counts for nothing.
    fn run_unjudged(command: &Command) -> Result<(), Trouble> {
        let scratch = tempfile::tempdir().map_err(Trouble::file(&std::env::temp_dir()))?;
        command.run(&scratch.path().join("stdout"), &scratch.path().join("stderr"))?;
        Ok(())
    }

    fn send(&self, local: &Path, remote: &RemotePath, deadline: Duration) -> Result<(), Trouble> {
        Self::run_unjudged(
            &self.board_client(deadline).arg("push").arg(local).arg(client::os_string(remote.as_bytes())),
        )
    }
}

impl Transport for Adb {
    fn label(&self) -> String {
        format!("adb {}", self.serial)
    }

    fn shell(&self, script: &[u8], deadline: Duration) -> Result<Reply, Trouble> {
        let nonce = Nonce::fresh();
        let script = wrap(&nonce, script);
        let remote_command = if script.len() <= LONGEST_ARGUMENT {
            script
        } else {
            let local = tempfile::NamedTempFile::new().map_err(Trouble::file(&std::env::temp_dir()))?;
            fs::write(local.path(), &script).map_err(Trouble::file(local.path()))?;
            let remote = self.folder.join(&format!("script-{nonce}"));
            self.send(local.path(), &remote, deadline)?;
            // Half a script is no command (see `wrap`), so one that did not arrive whole brings no sentinel.
            let path = quote(remote.as_bytes());
            [b"sh ", path.as_slice(), b"; rm -f ", &path].concat()
        };
        let command = self.board_client(deadline).arg("shell").arg(client::os_string(&remote_command));
        client::reply(&self.label(), &nonce, &command)
    }

    fn push(&self, local: &Path, remote: &RemotePath, deadline: Duration) -> Result<(), Trouble> {
        self.send(local, remote, deadline)?;
        let script = [b"wc -c <", quote(remote.as_bytes()).as_slice(), b" 2>&1"].concat();
        let told = shell_ok(self, &format!("store {remote}"), &script, deadline)?;
        client::check_stored(&self.label(), local, &told)
    }

    fn pull(&self, files: &[(RemotePath, PathBuf)], max_bytes: u64, deadline: Duration) -> Result<(), Trouble> {
        // `adb pull` would follow links and knows no limit, so the board looks first.
        let told = shell_ok(self, "look at files", &client::measure_files(files, max_bytes), deadline)?;
        let told = String::from_utf8_lossy(&told);
        let mut sizes = told.lines();
        for (remote, local) in files {
            let _ = fs::remove_file(local);
            let pull = self.board_client(deadline).arg("pull").arg(client::os_string(remote.as_bytes())).arg(local);
            Self::run_unjudged(&pull)?;
            let expected = sizes.next().and_then(|size| size.trim().parse::<u64>().ok());
            if local.metadata().ok().map(|about| about.len()) != expected {
                let reason = format!("{remote} did not arrive whole");
                return Err(Trouble::Damaged { board: self.label(), reason });
            }
        }
        Ok(())
    }

    fn reconnect(&self) {
        // A failed `adb connect` returns 0 like a good one; the next command shows which it was.
        if self.serial.contains(':') {
            let _ = Self::run_unjudged(&self.client(CONNECT).args(["disconnect", &self.serial]));
            let _ = Self::run_unjudged(&self.client(CONNECT).args(["connect", &self.serial]));
        } else {
            let _ = Self::run_unjudged(&self.board_client(CONNECT).arg("reconnect"));
        }
    }
}
