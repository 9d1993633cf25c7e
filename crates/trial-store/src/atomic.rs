//! Files that are there whole or not at all, whenever the power fails.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::StoreError;

/// What the name of a half-written file ends in.
const TEMPORARY: &str = ".part";

/// Replaces a file by these bytes: written beside it, flushed, renamed over it, and the directory flushed.
///
/// # Errors
/// [`StoreError::Io`]; the old file is unchanged then.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = temporary(path);
    let written =
        write_new(&temporary, bytes).and_then(|()| fs::rename(&temporary, path)).and_then(|()| sync_parent(path));
    written.map_err(|source| {
        // Only tidies up; the first error is the one to report.
        let _ = fs::remove_file(&temporary);
        StoreError::io("write", path, source)
    })
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // `create_new` follows no link that someone left under this name.
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(TEMPORARY);
    path.with_file_name(name)
}

/// Is this the name of a file that [`write_atomically`] did not finish?
pub(crate) fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(TEMPORARY)
}

/// Makes a new or renamed directory entry last.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
