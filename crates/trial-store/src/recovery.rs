//! Reading a journal after a crash: everything that was whole counts, and what was lost is said.

use std::{
    fmt,
    io::{self, BufRead},
    path::Path,
};

use crate::{
    Entry, StoreError,
    line::{LineError, MAX_LINE, decode},
};

/// The largest journal that is read or written, bytes; at 200 bytes an event this is five million of them.
pub(crate) const MAX_JOURNAL: u64 = 1 << 30;

/// A record that was being written when the process or the machine died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostTail {
    /// Its line, one-based.
    pub line: u64,
    /// Where it begins, in bytes; the journal is cut there.
    pub offset: u64,
    /// How many bytes of it were there.
    pub bytes: u64,
    /// How it shows.
    pub reason: String,
}

impl fmt::Display for LostTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, offset, bytes, reason } = self;
        write!(
            f,
            "line {line} of the journal was being written when the run died and is lost ({bytes} bytes from byte {offset} on: {reason})"
        )
    }
}

/// What a journal holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovery {
    /// Every whole record in order.
    pub entries: Vec<Entry>,
    /// The bytes that these take.
    pub good_len: u64,
    /// The torn record behind them, if there is one.
    pub lost_tail: Option<LostTail>,
}

/// Reads a journal as a stream; `path` is for messages.
///
/// Only one record is ever in flight, so a bad last line is a torn write and is reported in [`Recovery::lost_tail`].
///
/// # Errors
/// [`StoreError::Damaged`] for a bad line with another behind it or a gap in the numbering, [`StoreError::UnknownEntry`] for a
/// whole line that a newer tool wrote, [`StoreError::TooLarge`], [`StoreError::Io`].
pub fn recover(reader: impl BufRead, path: &Path) -> Result<Recovery, StoreError> {
    let mut reader = reader;
    let mut recovery = Recovery::default();
    let mut line = Vec::new();
    for number in 1.. {
        let bytes = read_line(&mut reader, &mut line).map_err(|source| StoreError::io("read", path, source))?;
        if bytes == 0 {
            break;
        }
        if let Some(lost) = recovery.lost_tail {
            let LostTail { line, offset, reason, .. } = lost;
            return Err(StoreError::Damaged { path: path.to_owned(), line, offset, reason });
        }
        let offset = recovery.good_len;
        if offset + bytes > MAX_JOURNAL {
            return Err(StoreError::TooLarge {
                action: "read",
                path: path.to_owned(),
                bytes: offset + bytes,
                limit: MAX_JOURNAL,
            });
        }
        match entry_of(&line, bytes) {
            Ok(entry) if entry.seq == recovery.entries.len() as u64 => {
                recovery.entries.push(entry);
                recovery.good_len += bytes;
            }
            Ok(entry) => {
                let reason = format!("it is record {} where record {} should be", entry.seq, recovery.entries.len());
                return Err(StoreError::Damaged { path: path.to_owned(), line: number, offset, reason });
            }
            Err(LineError::Unknown(reason)) => {
                return Err(StoreError::UnknownEntry { path: path.to_owned(), line: number, reason });
            }
            Err(LineError::Damaged(reason)) => {
                recovery.lost_tail = Some(LostTail { line: number, offset, bytes, reason });
            }
        }
    }
    Ok(recovery)
}

fn entry_of(line: &[u8], bytes: u64) -> Result<Entry, LineError> {
    if bytes > MAX_LINE as u64 {
        return Err(LineError::Damaged(format!("it is longer than {MAX_LINE} bytes")));
    }
    let body = line.strip_suffix(b"\n").ok_or_else(|| LineError::Damaged("it has no end".to_owned()))?;
    decode(body)
}

/// Reads up to and with the next newline and returns how many bytes that were; keeps no more than [`MAX_LINE`] of them.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    line.clear();
    let mut bytes = 0;
    loop {
        let chunk = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        let newline = chunk.iter().position(|&byte| byte == b'\n');
        let taken = newline.map_or(chunk.len(), |position| position + 1);
        line.extend_from_slice(&chunk[..taken.min(MAX_LINE - line.len())]);
        reader.consume(taken);
        bytes += taken as u64;
        if newline.is_some() || taken == 0 {
            return Ok(bytes);
        }
    }
}
