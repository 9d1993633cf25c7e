//! A program that stays up and answers line for line, so that the cost of its start is paid once.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{ChildStdin, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError},
    thread,
    time::{Duration, Instant},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    group::{Group, LONGEST_PAUSE},
    output::copy_capped,
    process::{Command, Ending, ProcessError},
};

/// Why a request got no answer. After each of these the program is dead, and the next request starts it afresh.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// The program could not be started or got rid of.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The program ended, or closed its output, before it answered.
    #[error("get an answer: the program ended first ({ending:?}); its messages are in {}", stderr.display())]
    Died {
        /// How it ended.
        ending: Ending,
        /// What it wrote to standard error.
        stderr: PathBuf,
    },
    /// No answer came in time.
    #[error("get an answer within {:.1} s", after.as_secs_f64())]
    TimedOut {
        /// The deadline of the request.
        after: Duration,
    },
    /// The user wanted to stop.
    #[error("get an answer: interrupted")]
    Cancelled,
    /// The program sent a line that nobody asked for, so later answers could be taken for earlier ones.
    #[error("trust the program: it sent a line that nobody asked for: {line:?}")]
    Unasked {
        /// The start of that line.
        line: String,
    },
    /// The answer is longer than the command's output cap or is not one line of UTF-8.
    #[error("read the answer: {reason}")]
    Garbled {
        /// What is wrong.
        reason: String,
    },
    /// The answer is not the JSON that was expected.
    #[error("understand the answer {line:?}: {source}")]
    Json {
        /// The start of the answer.
        line: String,
        /// What is wrong and where.
        source: serde_json::Error,
    },
    /// The request holds a line break, or does not serialize.
    #[error("write the request: {reason}")]
    Request {
        /// What is wrong.
        reason: String,
    },
}

/// A program that answers each line on its standard input with one line on its standard output.
///
/// It starts with the first request, in a process group of its own, and is killed when this value is dropped. A program
/// that crashed, hung or sent nonsense is killed at once and started again by the next request.
#[derive(Debug)]
pub struct LineProcess {
    command: Command,
    stderr: PathBuf,
    running: Option<Running>,
    starts: u32,
}

#[derive(Debug)]
struct Running {
    // Declared first: dropping it closes the program's input before the group is killed.
    requests: Sender<Vec<u8>>,
    answers: Receiver<Result<String, LineError>>,
    group: Group,
}

impl LineProcess {
    /// A program that has not been started yet; what it writes to standard error goes to the file `stderr`, from each start
    /// anew. The command's own deadline and input are not used; its output cap limits one answer and that file.
    pub fn new(command: Command, stderr: impl AsRef<Path>) -> Self {
        Self { command, stderr: stderr.as_ref().into(), running: None, starts: 0 }
    }

    /// How often the program has been started.
    pub fn starts(&self) -> u32 {
        self.starts
    }

    /// Sends a value as one line of JSON and reads the answer as one.
    ///
    /// # Errors
    /// As [`LineProcess::request`]; also when the answer is not the JSON of an `A`.
    pub fn request_json<A: DeserializeOwned>(
        &mut self,
        question: &impl Serialize,
        deadline: Duration,
    ) -> Result<A, LineError> {
        let line = serde_json::to_string(question).map_err(|err| LineError::Request { reason: err.to_string() })?;
        let answer = self.request(&line, deadline)?;
        serde_json::from_str(&answer).map_err(|source| {
            self.running = None;
            LineError::Json { line: start_of(&answer), source }
        })
    }

    /// Sends one line, without its line break, and waits for the answering one.
    ///
    /// # Errors
    /// See [`LineError`].
    pub fn request(&mut self, line: &str, deadline: Duration) -> Result<String, LineError> {
        if line.contains('\n') {
            return Err(LineError::Request { reason: "it holds a line break".into() });
        }
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.start()?,
        };
        // Only a program that answered keeps running.
        let answer = self.exchange(&mut running, line, deadline)?;
        self.running = Some(running);
        Ok(answer)
    }

    fn exchange(&self, running: &mut Running, line: &str, deadline: Duration) -> Result<String, LineError> {
        match running.answers.try_recv() {
            Ok(Ok(line)) => return Err(LineError::Unasked { line: start_of(&line) }),
            Ok(Err(err)) => return Err(err),
            Err(TryRecvError::Disconnected) => return Err(self.died(running)?),
            Err(TryRecvError::Empty) => {}
        }
        if running.requests.send(format!("{line}\n").into_bytes()).is_err() {
            return Err(self.died(running)?);
        }
        let end = Instant::now() + deadline;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match running.answers.recv_timeout(left.min(LONGEST_PAUSE)) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Disconnected) => return Err(self.died(running)?),
                Err(RecvTimeoutError::Timeout) if self.command.cancelled() => return Err(LineError::Cancelled),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    return Err(LineError::TimedOut { after: deadline });
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn died(&self, running: &mut Running) -> Result<LineError, ProcessError> {
        Ok(LineError::Died { ending: running.group.kill()?, stderr: self.stderr.clone() })
    }

    fn start(&mut self) -> Result<Running, LineError> {
        let stderr =
            File::create(&self.stderr).map_err(|source| ProcessError::File { path: self.stderr.clone(), source })?;
        let mut group = self.command.spawn(Stdio::piped())?;
        self.starts += 1;
        let cap = self.command.cap();
        let (requests, outbox) = mpsc::channel();
        let (inbox, answers) = mpsc::channel();
        if let Some(stdin) = group.take_stdin() {
            thread::spawn(move || write_requests(stdin, &outbox));
        }
        if let Some(stdout) = group.take_stdout() {
            thread::spawn(move || read_answers(BufReader::new(stdout), cap, &inbox));
        }
        if let Some(stream) = group.take_stderr() {
            // The program's messages are a courtesy: a full disk must not stop it.
            thread::spawn(move || copy_capped(stream, stderr, cap));
        }
        Ok(Running { requests, answers, group })
    }
}

/// In a thread of its own, because a program that does not read would block it past every deadline.
fn write_requests(mut stdin: ChildStdin, outbox: &Receiver<Vec<u8>>) {
    for request in outbox {
        if stdin.write_all(&request).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

fn read_answers(mut stdout: impl BufRead, cap: u64, inbox: &Sender<Result<String, LineError>>) {
    while let Some(answer) = read_answer(&mut stdout, cap).transpose() {
        let last = answer.is_err();
        if inbox.send(answer).is_err() || last {
            return;
        }
    }
}

/// One line without its break, or `None` at the end of the output.
fn read_answer(stdout: &mut impl BufRead, cap: u64) -> Result<Option<String>, LineError> {
    let garbled = |reason: &str| LineError::Garbled { reason: reason.into() };
    let mut line = Vec::new();
    let read: io::Result<usize> = stdout.by_ref().take(cap).read_until(b'\n', &mut line);
    if read.is_err() || line.is_empty() {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        // Too long, or cut off by the program's death; the latter is told apart by the end of the output that follows.
        let cut_off = stdout.fill_buf().map_or(true, <[u8]>::is_empty);
        return if cut_off { Ok(None) } else { Err(garbled("it is longer than the output cap")) };
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map(Some).map_err(|_| garbled("it is not UTF-8"))
}

fn start_of(line: &str) -> String {
    line.chars().take(200).collect()
}
