//! The append-only journal, the only truth of a run: an event counts once it is on disk.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, Write},
    path::{Path, PathBuf},
};

use crate::{
    Entry, Event, Recovery, StoreError, Timestamp,
    line::{MAX_LINE, encode},
    recover,
    recovery::MAX_JOURNAL,
};

/// The writing end of a journal. Only the holder of the run's lock may have one.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    /// Where the last whole record ends.
    good_len: u64,
    next_seq: u64,
    /// An append failed and what is on disk behind `good_len` is unknown.
    broken: bool,
}

impl Journal {
    /// Opens or creates a journal, and cuts off a torn tail, which the answer reports.
    ///
    /// # Errors
    /// As [`recover`], or [`StoreError::Io`].
    pub fn open(path: &Path) -> Result<(Self, Recovery), StoreError> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(|source| StoreError::io("open", path, source))?;
        let recovery = recover(BufReader::new(&file), path)?;
        if recovery.lost_tail.is_some() {
            file.set_len(recovery.good_len)
                .and_then(|()| file.sync_all())
                .map_err(|source| StoreError::io("cut the torn end off", path, source))?;
        }
        let (good_len, next_seq) = (recovery.good_len, recovery.entries.len() as u64);
        Ok((Self { file, path: path.to_owned(), good_len, next_seq, broken: false }, recovery))
    }

    /// Writes an event and returns when it is on disk.
    ///
    /// After an error the event does not count and the journal ends with the last whole record: the call may be
    /// repeated once the cause is gone, except after [`StoreError::Unwritable`].
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::TooLarge`], [`StoreError::Encode`], [`StoreError::Unwritable`].
    pub fn append(&mut self, at: Timestamp, event: Event) -> Result<Entry, StoreError> {
        if self.broken {
            return Err(StoreError::Unwritable(self.path.clone()));
        }
        let entry = Entry { seq: self.next_seq, at, event };
        let line = encode(&entry).map_err(|source| StoreError::Encode { path: self.path.clone(), source })?;
        // What could not be read back is not written.
        for (bytes, limit) in [(line.len() as u64, MAX_LINE as u64), (self.good_len + line.len() as u64, MAX_JOURNAL)] {
            if bytes > limit {
                return Err(StoreError::TooLarge { action: "append to", path: self.path.clone(), bytes, limit });
            }
        }
        self.write(&line).map_err(|source| StoreError::io("append to", &self.path, source))?;
        self.good_len += line.len() as u64;
        self.next_seq += 1;
        Ok(entry)
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(line) {
            self.broken = self.file.set_len(self.good_len).is_err();
            return Err(error);
        }
        // After a failed flush the kernel may call lost pages clean, so the end of the file cannot be trusted again.
        self.file.sync_data().inspect_err(|_| self.broken = true)
    }
}
