//! What a command writes, kept in files that cannot grow without bound.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::{Duration, Instant},
};

use crate::{group::Group, process::ProcessError};

/// How long output may still trickle in once the whole group is dead. Only a process that left the group can hold it open.
const DRAIN_GRACE: Duration = Duration::from_secs(1);

/// One output stream of a finished command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// The file that holds it.
    pub path: PathBuf,
    /// Bytes in the file.
    pub bytes: u64,
    /// Whether the command wrote more than the file holds: it passed the cap, or something that left the process group
    /// still holds the stream open.
    pub truncated: bool,
}

impl Captured {
    /// The file's bytes; at most the cap of the command that wrote it.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(&self.path)?.take(self.bytes).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// A stream that ended: which one, and whether some of it was dropped.
type Closed = (usize, io::Result<bool>);

/// Standard output and standard error of a running command on their way into files.
pub(crate) struct Streams {
    closing: Receiver<Closed>,
    closed: [Option<io::Result<bool>>; 2],
}

impl Streams {
    /// Starts to copy both streams, `cap` bytes of each.
    pub(crate) fn drain(group: &mut Group, files: [File; 2], cap: u64) -> Self {
        let (done, closing) = mpsc::channel();
        let [stdout, stderr] = files;
        if let Some(stream) = group.take_stdout() {
            drain_in_background(stream, stdout, cap, 0, done.clone());
        }
        if let Some(stream) = group.take_stderr() {
            drain_in_background(stream, stderr, cap, 1, done);
        }
        Self { closing, closed: [None, None] }
    }

    /// Waits up to `pause`, less if the last open stream closes: then it is true.
    pub(crate) fn wait_for_close(&mut self, pause: Duration) -> bool {
        if self.all_closed() {
            thread::sleep(pause);
            return false;
        }
        if let Ok((index, outcome)) = self.closing.recv_timeout(pause) {
            self.closed[index] = Some(outcome);
        }
        self.all_closed()
    }

    /// What was kept, once the command has ended.
    pub(crate) fn finish(mut self, paths: [&Path; 2]) -> Result<[Captured; 2], ProcessError> {
        let end = Instant::now() + DRAIN_GRACE;
        while !self.all_closed() && Instant::now() < end {
            self.wait_for_close(end.saturating_duration_since(Instant::now()));
        }
        let [stdout, stderr] = self.closed;
        Ok([captured(paths[0], stdout)?, captured(paths[1], stderr)?])
    }

    fn all_closed(&self) -> bool {
        self.closed.iter().all(Option::is_some)
    }
}

fn captured(path: &Path, outcome: Option<io::Result<bool>>) -> Result<Captured, ProcessError> {
    let at = |source| ProcessError::File { path: path.to_path_buf(), source };
    let truncated = outcome.unwrap_or(Ok(true)).map_err(at)?;
    let bytes = path.metadata().map_err(at)?.len();
    Ok(Captured { path: path.to_path_buf(), bytes, truncated })
}

fn drain_in_background(stream: impl Read + Send + 'static, file: File, cap: u64, index: usize, done: Sender<Closed>) {
    thread::spawn(move || {
        // Nobody listens any more once the drain grace is over.
        let _ = done.send((index, copy_capped(stream, file, cap)));
    });
}

/// Copies up to `cap` bytes, then reads and drops the rest so that the writer never blocks. Tells whether any was dropped.
pub(crate) fn copy_capped(mut stream: impl Read, mut file: File, cap: u64) -> io::Result<bool> {
    let kept = io::copy(&mut stream.by_ref().take(cap), &mut file);
    // Even with a full disk the program goes on, so that what it does on its board is not cut off half-way.
    let dropped = io::copy(&mut stream, &mut io::sink()).unwrap_or(0);
    kept.map(|_| dropped > 0)
}
