//! What the tests share: real sshd on loopback as boards, and a program that serves the trial protocol.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // each test program uses a part of it

pub mod adbd;

use std::{
    fs,
    io::Read,
    net::{TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use board::{cancel::Cancel, remote::RemotePath, transport::Ssh};

/// Far beyond what any command here needs.
pub const LONG: Duration = Duration::from_secs(60);

/// A path of this machine as a path on a "board" that is this machine.
pub fn remote(path: &Path) -> RemotePath {
    RemotePath::new(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())).unwrap()
}

/// Waits for something that other processes are about to do.
pub fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !happened() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::yield_now();
    }
}

fn quiet(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A real sshd on a loopback port, with keys of its own. It and its sessions are killed when this value is dropped.
pub struct Sshd {
    pub dir: tempfile::TempDir,
    pub port: u16,
    program: PathBuf,
    daemon: Child,
}

impl Sshd {
    /// `None` after the skip was said: there is no sshd on this machine.
    pub fn start(test: &str) -> Option<Self> {
        let program = test_kit::require_program(test, "sshd")?;
        test_kit::require_program(test, "ssh")?;
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
             StrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\nMaxStartups 100\nMaxSessions 100\n"
        );
        fs::write(dir.path().join("config"), config).unwrap();
        let daemon = Self::spawn(&program, dir.path());
        let sshd = Self { dir, port, program, daemon };
        sshd.wait_until_up();
        Some(sshd)
    }

    fn spawn(program: &Path, dir: &Path) -> Child {
        let log = fs::File::create(dir.join("log")).unwrap();
        quiet(program).args(["-D", "-e", "-f"]).arg(dir.join("config")).stderr(log).process_group(0).spawn().unwrap()
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

    pub fn ssh(&self) -> Ssh {
        Ssh::new("127.0.0.1", self.options(), &Cancel::new()).unwrap()
    }

    /// A folder for this board's work.
    pub fn work(&self) -> RemotePath {
        remote(&self.dir.path().join("work"))
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
        self.daemon = Self::spawn(&self.program, self.dir.path());
        self.wait_until_up();
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.signal("-KILL");
        let _ = self.daemon.wait();
    }
}

fn name_of(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default()
}

/// A process and all below it.
fn descendants(root: u32) -> Vec<u32> {
    let parent_of = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<u32>().ok()
    };
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, parent_of(pid)?)))
        .collect();
    let mut found = vec![root];
    let mut at = 0;
    while at < found.len() {
        let above = found[at];
        found.extend(parents.iter().filter(|(_, parent)| *parent == above).map(|(pid, _)| *pid));
        at += 1;
    }
    found
}

/// Processes whose command line holds `mark`, zombies left out.
pub fn running_with(mark: &str) -> Vec<u32> {
    let holds = |pid: &u32| {
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(mark))
    };
    let own = std::process::id();
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own && holds(pid))
        .collect()
}

/// A program that serves the trial protocol; its first argument says how it behaves, see the script.
pub fn runner(dir: &Path) -> PathBuf {
    let path = dir.join("runner.sh");
    fs::write(&path, include_str!("runner.sh")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}
