//! NumPy's `.npz` archives: many named arrays in one file.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use zip::ZipArchive;

use crate::{Array, Error, error::NpyError};

/// An entry that unpacks to more is refused: a few bytes of archive may claim any size.
const MAX_ENTRY_BYTES: u64 = 1 << 30;

/// An open `.npz` archive; arrays are read one at a time.
pub struct Npz {
    path: Box<Path>,
    archive: ZipArchive<BufReader<File>>,
}

impl Npz {
    /// Opens an archive and reads its table of contents.
    ///
    /// # Errors
    /// When it cannot be read or is not a zip archive.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| Error::Read { path: path.into(), source })?;
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|e| bad(path, None, &e))?;
        Ok(Self { path: path.into(), archive })
    }

    /// Names of the arrays, without `.npy`, in byte order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.archive.file_names().filter_map(|name| name.strip_suffix(".npy").map(str::to_owned)).collect();
        names.sort_unstable();
        names
    }

    /// Reads one array.
    ///
    /// # Errors
    /// When it is not in the archive, is damaged, is larger than 1 GiB, or is not a `.npy` of a type in
    /// [`Values`](crate::Values).
    pub fn array(&mut self, name: &str) -> Result<Array, Error> {
        let entry = self.archive.by_name(&format!("{name}.npy")).map_err(|e| bad(&self.path, Some(name), &e))?;
        let mut bytes = Vec::new();
        entry
            .take(MAX_ENTRY_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| Error::Read { path: self.path.join(name), source })?;
        if bytes.len() as u64 > MAX_ENTRY_BYTES {
            return Err(npy(&self.path, Some(name), NpyError::TooLarge { limit: MAX_ENTRY_BYTES }));
        }
        Array::from_npy(&bytes).map_err(|source| npy(&self.path, Some(name), source))
    }
}

/// Reads every array of a `.npz` archive.
///
/// # Errors
/// As [`Npz::open`] and [`Npz::array`].
pub fn read_npz(path: &Path) -> Result<BTreeMap<String, Array>, Error> {
    let mut npz = Npz::open(path)?;
    npz.names().into_iter().map(|name| Ok((name.clone(), npz.array(&name)?))).collect()
}

fn npy(path: &Path, entry: Option<&str>, source: NpyError) -> Error {
    Error::Npy { path: path.into(), entry: entry.map(str::to_owned), source }
}

fn bad(path: &Path, entry: Option<&str>, error: &zip::result::ZipError) -> Error {
    npy(path, entry, NpyError::Archive(error.to_string()))
}
