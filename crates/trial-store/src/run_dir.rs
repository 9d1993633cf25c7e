//! The run directory: made once, locked by one process, opened again after any end.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    Clock, Entry, Event, History, Holder, Journal, LostTail, Manifest, RunPath, RunResumed, StoreError, Timestamp,
    atomic::{is_temporary, sync_parent, write_atomically},
    lock::Lock,
    recover,
    trials_file::TrialsFile,
};

const MANIFEST: &str = "run.json";
const JOURNAL: &str = "journal.jsonl";
const TRIALS: &str = "trials.jsonl";
const TOOL_LOG: &str = "tool.log";

/// The largest `run.json` that is read, bytes.
const MAX_MANIFEST: u64 = 16 << 20;

/// A run that this process writes to. Threads may share it.
pub struct RunDir {
    root: PathBuf,
    manifest: Manifest,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
    writer: Mutex<Writer>,
    /// Released last.
    _lock: Lock,
}

struct Writer {
    journal: Journal,
    history: History,
    trials: TrialsFile,
}

/// What [`RunDir::open_existing`] found.
#[derive(Debug)]
pub struct Recovered {
    /// What is known, this resumption included.
    pub history: History,
    /// Every event before this resumption.
    pub entries: Vec<Entry>,
    /// A torn record that was cut off.
    pub lost_tail: Option<LostTail>,
    /// The process that held the run and died.
    pub dead_holder: Option<Holder>,
}

/// A run as [`read_run`] found it; another process may be writing to it.
#[derive(Debug)]
pub struct Snapshot {
    /// `run.json`.
    pub manifest: Manifest,
    /// Every event so far.
    pub entries: Vec<Entry>,
    /// What they add up to.
    pub history: History,
    /// A last record that is torn, or is being written right now.
    pub lost_tail: Option<LostTail>,
}

impl RunDir {
    /// Makes a run directory (0700), or takes an empty one. The clock gives every timestamp of the run; the first event is the
    /// caller's [`Event::RunStarted`].
    ///
    /// # Errors
    /// [`StoreError::AlreadyARun`], [`StoreError::NotEmpty`], [`StoreError::Locked`], [`StoreError::Io`].
    pub fn create(path: &Path, manifest: Manifest, clock: impl Clock) -> Result<Self, StoreError> {
        make_private_dir(path).map_err(|source| StoreError::io("create", path, source))?;
        refuse_used(path)?;
        let (lock, _) = Lock::acquire(path, clock())?;
        refuse_used(path)?; // another process may have been quicker
        let manifest = Manifest { created: clock(), ..manifest };
        let journal_path = path.join(JOURNAL);
        let (journal, _) = Journal::open(&journal_path)?;
        sync_parent(&journal_path).map_err(|source| StoreError::io("create", &journal_path, source))?;
        // Last, because it makes the directory a run.
        write_manifest(path, &manifest)?;
        Ok(Self::assemble(path, manifest, clock, lock, journal, History::default()))
    }

    /// Opens a run to go on with it: locks it, cuts off a torn record, and notes the resumption in the journal.
    ///
    /// # Errors
    /// [`StoreError::NotARun`], [`StoreError::Locked`], [`StoreError::Format`], [`StoreError::Manifest`],
    /// [`StoreError::Damaged`], [`StoreError::UnknownEntry`], [`StoreError::Io`].
    pub fn open_existing(path: &Path, clock: impl Clock) -> Result<(Self, Recovered), StoreError> {
        let manifest = read_manifest(path)?;
        plain(path, Lock::NAME)?;
        let (lock, dead_holder) = Lock::acquire(path, clock())?;
        remove_temporaries(path)?;
        let (mut journal, recovery) = Journal::open(&plain(path, JOURNAL)?)?;
        let mut history = History::of(&recovery.entries);
        let resumed = RunResumed {
            // Who ends by itself empties the lock file.
            in_order: dead_holder.is_none(),
            lost_bytes: recovery.lost_tail.as_ref().map_or(0, |tail| tail.bytes),
            unanswered: history.unanswered().map(|trial| trial.number).collect(),
        };
        history.apply(&journal.append(clock(), Event::RunResumed(resumed))?);
        let run = Self::assemble(path, manifest, clock, lock, journal, history.clone());
        run.writer().trials.rewrite(&history)?;
        let (entries, lost_tail) = (recovery.entries, recovery.lost_tail);
        Ok((run, Recovered { history, entries, lost_tail, dead_holder }))
    }

    fn assemble(
        path: &Path,
        manifest: Manifest,
        clock: impl Clock,
        lock: Lock,
        journal: Journal,
        history: History,
    ) -> Self {
        let writer = Mutex::new(Writer { journal, history, trials: TrialsFile::new(&path.join(TRIALS)) });
        Self { root: path.to_owned(), manifest, clock: Box::new(clock), writer, _lock: lock }
    }

    /// Where the run is.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// What the run was asked to do.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// A copy of what is known so far.
    pub fn history(&self) -> History {
        self.writer().history.clone()
    }

    /// Writes an event to the journal; when this returns, it is on disk and counts. Pass the entry on to the console.
    ///
    /// # Errors
    /// As [`Journal::append`]; the event does not count then. `trials.jsonl` may lag behind on a full disk: it is derived from the journal,
    /// and made whole with the next answer or the next opening.
    pub fn append(&self, event: Event) -> Result<Entry, StoreError> {
        let mut guard = self.writer();
        let Writer { journal, history, trials } = &mut *guard;
        let entry = journal.append((self.clock)(), event)?;
        history.apply(&entry);
        if let Event::TrialAnswered(answered) = &entry.event {
            // An error here must not look like a lost answer; the full disk shows at the next append.
            let _ = trials.add(history, answered.trial);
        }
        Ok(entry)
    }

    /// Writes a file of the run, such as `subgraph.txt`, whole or not at all; makes the directories that lead to it.
    ///
    /// # Errors
    /// [`StoreError::Path`] for a name that leads out of the run, [`StoreError::Io`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, StoreError> {
        let path = self.resolve(name)?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|source| StoreError::io("create", parent, source))?;
        }
        write_atomically(&path, bytes)?;
        Ok(path)
    }

    /// Removes a file of the run, if it is there.
    ///
    /// # Errors
    /// As [`RunDir::write`].
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.resolve(name)?;
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", &path, source)),
            _ => Ok(()),
        }
    }

    /// The full path of a file of the run.
    ///
    /// # Errors
    /// [`StoreError::Path`] where it would lead out of the run.
    pub fn resolve(&self, name: &str) -> Result<PathBuf, StoreError> {
        Ok(RunPath::new(name)?.under(&self.root)?)
    }

    /// Adds lines to `tool.log`, each behind the time. Not flushed: no fact may be there alone.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn log(&self, text: &str) -> Result<(), StoreError> {
        let at = (self.clock)().to_string();
        let lines = text.lines().flat_map(|line| [at.as_str(), " ", line, "\n"]).collect::<String>();
        let path = self.resolve(TOOL_LOG)?;
        let mut options = OpenOptions::new();
        let written =
            options.create(true).append(true).open(&path).and_then(|mut file| file.write_all(lines.as_bytes()));
        written.map_err(|source| StoreError::io("append to", &path, source))
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // A panic of another thread leaves the writer whole: each step of an append ends in a valid state.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a run without locking or changing it, for reports and for looking on.
///
/// # Errors
/// As [`RunDir::open_existing`], except for the lock.
pub fn read_run(path: &Path) -> Result<Snapshot, StoreError> {
    let manifest = read_manifest(path)?;
    let journal = plain(path, JOURNAL)?;
    let file = File::open(&journal).map_err(|source| StoreError::io("open", &journal, source))?;
    let recovery = recover(BufReader::new(file), &journal)?;
    let history = History::of(&recovery.entries);
    Ok(Snapshot { manifest, entries: recovery.entries, history, lost_tail: recovery.lost_tail })
}

pub(crate) fn make_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
        builder.mode(0o700).create(path)?;
        // The directory may have been there before.
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
    }
    #[cfg(not(unix))]
    builder.create(path)
}

/// A file of a run, which must not be a link to somewhere else.
fn plain(run: &Path, name: &str) -> Result<PathBuf, StoreError> {
    Ok(RunPath::new(name)?.under(run)?)
}

/// Refuses a directory that holds a run or anything else; what an interrupted creation left is fine.
fn refuse_used(path: &Path) -> Result<(), StoreError> {
    let io = |source| StoreError::io("read", path, source);
    let mut names = Vec::new();
    for found in fs::read_dir(path).map_err(io)? {
        names.push(found.map_err(io)?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    if names.iter().any(|name| name == MANIFEST) {
        return Err(StoreError::AlreadyARun(path.to_owned()));
    }
    let empty_journal = fs::metadata(path.join(JOURNAL)).is_ok_and(|journal| journal.len() == 0);
    let harmless =
        |name: &String| Lock::path(path).ends_with(name) || is_temporary(name) || (name == JOURNAL && empty_journal);
    match names.into_iter().find(|name| !harmless(name)) {
        Some(found) => Err(StoreError::NotEmpty { path: path.to_owned(), found: found.escape_debug().to_string() }),
        None => Ok(()),
    }
}

fn write_manifest(run: &Path, manifest: &Manifest) -> Result<(), StoreError> {
    let path = run.join(MANIFEST);
    let mut text =
        serde_json::to_string_pretty(manifest).map_err(|source| StoreError::Encode { path: path.clone(), source })?;
    text.push('\n');
    write_atomically(&path, text.as_bytes())?;
    sync_parent(run).map_err(|source| StoreError::io("create", run, source))
}

fn read_manifest(run: &Path) -> Result<Manifest, StoreError> {
    let path = plain(run, MANIFEST)?;
    let io = |source| StoreError::io("read", &path, source);
    let size = match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(StoreError::NotARun(run.to_owned())),
        size => size.map_err(io)?.len(),
    };
    if size > MAX_MANIFEST {
        return Err(StoreError::TooLarge { action: "read", path: path.clone(), bytes: size, limit: MAX_MANIFEST });
    }
    Manifest::parse(&fs::read(&path).map_err(io)?, &path)
}

fn remove_temporaries(run: &Path) -> Result<(), StoreError> {
    let io = |source| StoreError::io("tidy", run, source);
    for found in fs::read_dir(run).map_err(io)? {
        let found = found.map_err(io)?;
        if is_temporary(&found.file_name().to_string_lossy()) {
            fs::remove_file(found.path()).map_err(io)?;
        }
    }
    Ok(())
}
