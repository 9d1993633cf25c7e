//! What the tests share: real sshd on loopback as boards, and a program that serves the trial protocol.
#![allow(dead_code, unused_imports, unreachable_pub, clippy::unwrap_used)] // each test program uses a part of it

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use board::{cancel::Cancel, remote::RemotePath, transport::Ssh};
pub use test_kit::{Sshd, eventually, running_with};

/// Far beyond what any command here needs.
pub const LONG: Duration = Duration::from_secs(60);

/// A path of this machine as a path on a "board" that is this machine.
pub fn remote(path: &Path) -> RemotePath {
    RemotePath::new(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())).unwrap()
}

/// The way to the board behind a daemon.
pub fn ssh(sshd: &Sshd) -> Ssh {
    Ssh::new("127.0.0.1", sshd.options(), &Cancel::new()).unwrap()
}

/// A folder for that board's work.
pub fn work(sshd: &Sshd) -> RemotePath {
    remote(&sshd.dir.path().join("work"))
}

/// A program that serves the trial protocol; its first argument says how it behaves, see the script.
pub fn runner(dir: &Path) -> PathBuf {
    let path = dir.join("runner.sh");
    fs::write(&path, include_str!("runner.sh")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}
