//! One shell on the board that stays open, because opening one costs more than most commands: a shared ssh connection still
//! pays for a process, a login shell and its start-up files on each call.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{ChildStdin, ChildStdout, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use super::{Trouble, client};
use crate::{
    cancel::Cancel,
    group::{Group, LONGEST_PAUSE},
    output::copy_capped,
    process::{Command, Ending, ProcessError},
    remote::{Nonce, Reply, ends_reply, unwrap, wrap},
};

/// The longest reply that is taken, bytes: a trial's files and some more.
const REPLY_CAP: usize = 1 << 30;
/// How long the last message of a client that ended may take to arrive here.
const LAST_MESSAGE: Duration = Duration::from_millis(200);
/// How much of the client's messages is kept, bytes.
const MESSAGE_CAP: u64 = 64 << 10;

/// A client program that runs `/bin/sh` on a board. Killed when dropped.
#[derive(Debug)]
pub(super) struct Session {
    board: String,
    // Declared before the group: dropping it closes the shell's input, which ends it.
    requests: Sender<Vec<u8>>,
    chunks: Receiver<Vec<u8>>,
    group: Group,
    messages: PathBuf,
    /// Hears from the thread that keeps the messages when the client has closed them.
    all_messages: Receiver<()>,
    cancel: Cancel,
}

impl Session {
    /// Starts the client. What it has to say to people goes to the file `messages`.
    pub(super) fn start(board: String, client: &Command, messages: PathBuf, cancel: &Cancel) -> Result<Self, Trouble> {
        let file = File::create(&messages).map_err(|source| ProcessError::File { path: messages.clone(), source })?;
        let mut group = client.spawn(Stdio::piped())?;
        let (requests, outbox) = mpsc::channel();
        let (inbox, chunks) = mpsc::channel();
        let (closed, all_messages) = mpsc::channel();
        if let Some(stdin) = group.take_stdin() {
            thread::spawn(move || send_scripts(stdin, &outbox));
        }
        if let Some(stdout) = group.take_stdout() {
            thread::spawn(move || receive(stdout, &inbox));
        }
        if let Some(stderr) = group.take_stderr() {
            thread::spawn(move || {
                let _ = copy_capped(stderr, file, MESSAGE_CAP); // people lose a message at worst
                let _ = closed.send(()); // nobody may be waiting
            });
        }
        Ok(Self { board, requests, chunks, group, messages, all_messages, cancel: cancel.clone() })
    }

    /// Runs a script in the shell. After an error the session is of no more use.
    pub(super) fn run(&mut self, script: &[u8], deadline: Duration) -> Result<Reply, Trouble> {
        let nonce = Nonce::fresh();
        if self.requests.send(wrap(&nonce, script)).is_err() {
            return Err(self.ended());
        }
        let end = Instant::now() + deadline;
        let mut delivered = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.chunks.recv_timeout(left.min(LONGEST_PAUSE)) {
                Ok(chunk) => delivered.extend_from_slice(&chunk),
                Err(RecvTimeoutError::Disconnected) => return Err(self.ended()),
                Err(RecvTimeoutError::Timeout) if self.cancel.is_cancelled() => return Err(Trouble::Cancelled),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    return Err(Trouble::Silent { board: self.board.clone(), after: deadline });
                }
                Err(RecvTimeoutError::Timeout) => continue,
            }
            if ends_reply(&nonce, &delivered) {
                let reason = "its sentinels do not match".to_owned();
                return unwrap(&nonce, &delivered).ok_or(Trouble::Damaged { board: self.board.clone(), reason });
            }
            if delivered.len() > REPLY_CAP {
                let reason = format!("it sent more than {REPLY_CAP} bytes");
                return Err(Trouble::Damaged { board: self.board.clone(), reason });
            }
        }
    }

    fn ended(&mut self) -> Trouble {
        let ending = self.group.kill().unwrap_or(Ending::Exited(-1));
        // Why it ended is in its last message. A shared connection may hold the stream open for much longer.
        let _ = self.all_messages.recv_timeout(LAST_MESSAGE);
        Trouble::NoReply { board: self.board.clone(), ending, stderr: messages(&self.messages) }
    }
}

fn messages(path: &Path) -> String {
    client::tail(path).unwrap_or_default()
}

/// In a thread of its own, because a frozen connection would block it past every deadline.
fn send_scripts(mut stdin: ChildStdin, outbox: &Receiver<Vec<u8>>) {
    for script in outbox {
        if stdin.write_all(&script).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

fn receive(mut stdout: ChildStdout, inbox: &Sender<Vec<u8>>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match stdout.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) if inbox.send(buffer[..read].to_vec()).is_err() => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
