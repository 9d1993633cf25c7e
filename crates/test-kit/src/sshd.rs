//! A real sshd on loopback, to be a board.

use std::{
    fs,
    io::Read,
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{
    processes::{descendants, eventually, name_of},
    require_program,
};

fn quiet(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A real sshd on a loopback port, with keys of its own. It and its sessions are killed when this value is dropped.
#[derive(Debug)]
pub struct Sshd {
    /// Its keys, its configuration, and room for a board's work.
    pub dir: tempfile::TempDir,
    /// Where it listens.
    pub port: u16,
    program: PathBuf,
    respawns: bool,
    daemon: Child,
}

impl Sshd {
    /// `None` after the skip was said: there is no sshd on this machine.
    pub fn start(test: &str) -> Option<Self> {
        Self::start_with(test, "")
    }

    /// The same, with more lines of configuration: `SetEnv A=b` for what runs behind it.
    pub fn start_with(test: &str, more: &str) -> Option<Self> {
        Self::launch(test, more, false)
    }

    /// The same, and a second after it was killed it comes up again, as a board that reboots.
    pub fn start_respawning(test: &str, more: &str) -> Option<Self> {
        Self::launch(test, more, true)
    }

    fn launch(test: &str, more: &str, respawns: bool) -> Option<Self> {
        let program = require_program(test, "sshd")?;
        require_program(test, "ssh")?;
        let dir = tempfile::Builder::new().prefix("sshd-").tempdir_in("/tmp").unwrap();
        for key in ["host", "user"] {
            let path = dir.path().join(key);
            assert!(
                quiet("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status().unwrap().success()
            );
        }
        fs::copy(dir.path().join("user.pub"), dir.path().join("authorized")).unwrap();
        // The folder that Debian's sshd wants; where only root may make it, sshd says so.
        let _ = fs::create_dir_all("/run/sshd");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = dir.path().display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {at}/host\nAuthorizedKeysFile {at}/authorized\nPidFile none\n\
             StrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nMaxStartups 100\nMaxSessions 100\n{more}\n"
        );
        fs::write(dir.path().join("config"), config).unwrap();
        let daemon = Self::spawn(&program, dir.path(), respawns);
        let sshd = Self { dir, port, program, respawns, daemon };
        sshd.wait_until_up();
        Some(sshd)
    }

    fn spawn(program: &Path, dir: &Path, respawns: bool) -> Child {
        let log = fs::File::create(dir.join("log")).unwrap();
        let mut init = quiet("/bin/sh");
        let script = if respawns { "while :; do \"$0\" \"$@\"; sleep 1; done" } else { "exec \"$0\" \"$@\"" };
        init.args(["-c", script]).arg(program).args(["-D", "-e", "-f"]).arg(dir.join("config"));
        init.stderr(log).process_group(0).spawn().unwrap()
    }

    fn wait_until_up(&self) {
        eventually("sshd greets", || {
            let mut greeting = [0; 4];
            TcpStream::connect(("127.0.0.1", self.port)).is_ok_and(|mut stream| {
                stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
                    && stream.read_exact(&mut greeting).is_ok()
            })
        });
    }

    /// The user's way to this board.
    pub fn options(&self) -> Vec<String> {
        let key = self.dir.path().join("user");
        let mut options: Vec<String> = ["-F", "none", "-p", &self.port.to_string(), "-i"].map(String::from).into();
        options.push(key.to_str().unwrap().into());
        for option in ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentityAgent=none"] {
            options.extend(["-o".into(), option.into()]);
        }
        options
    }

    /// Sends a signal to the daemon and to every sshd process of its sessions; the jobs run on.
    pub fn signal(&self, signal: &str) {
        assert!(quiet("kill").arg(signal).args(self.processes().iter().map(u32::to_string)).status().is_ok());
    }

    /// The daemon and the processes of its sessions.
    pub fn processes(&self) -> Vec<u32> {
        let mut processes = descendants(self.daemon.id());
        processes.retain(|pid| name_of(*pid).starts_with("sshd"));
        processes
    }

    /// Starts the daemon again after [`Sshd::signal`] killed it.
    pub fn restart(&mut self) {
        let _ = self.daemon.wait();
        self.daemon = Self::spawn(&self.program, self.dir.path(), self.respawns);
        self.wait_until_up();
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let processes = self.processes();
        // What would start the daemon again ends first.
        let _ = self.daemon.kill();
        let _ = quiet("kill").arg("-KILL").args(processes.iter().map(u32::to_string)).status();
        let _ = self.daemon.wait();
    }
}
