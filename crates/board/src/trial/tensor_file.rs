//! The files that tensors come in: raw bytes, or NumPy's `.npy`, which Python programs write more easily.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{DType, ManifestError, Tensor};

/// The first bytes of every `.npy`.
const MAGIC: &[u8] = b"\x93NUMPY";
/// More than any header that describes one tensor; NumPy pads to 64 bytes.
pub(super) const LONGEST_HEADER: u64 = 16 << 10;

/// The folder of a trial's tensor files on this machine, a part of the folder into which the trial was fetched. They are large and of
/// no use once they are scored: the folder is removed when this value is dropped, and what tells of the trial stays.
#[derive(Debug, PartialEq, Eq)]
pub struct TensorFolder(PathBuf);

impl TensorFolder {
    /// That of a trial that is fetched into a folder. It need not exist.
    pub(super) fn of(trial: &Path) -> Self {
        Self(trial.join("tensors"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TensorFolder {
    fn drop(&mut self) {
        // A trial that reported no tensors has none; of one that stays, nothing but space is lost.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Tensor {
    /// Whether the file is a `.npy`, told by its name.
    pub fn is_npy(&self) -> bool {
        Path::new(&self.file).extension().is_some_and(|extension| extension == "npy")
    }

    /// The tensor's elements, little-endian in row-major order, from the folder of its trial's tensors ([`TensorFolder::path`]).
    ///
    /// # Errors
    /// The file cannot be read, or holds another tensor than the manifest says.
    pub fn read(&self, folder: &Path) -> Result<Vec<u8>, ManifestError> {
        let wrong = |reason: String| ManifestError::Nonsense(format!("the file of {:?} {reason}", self.name));
        let mut contents =
            fs::read(folder.join(&self.file)).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        if self.is_npy() {
            let header = Header::of(&contents).ok_or_else(|| wrong("is no `.npy` that is understood".into()))?;
            if header.descr != descr(self.dtype) || header.shape != self.shape {
                return Err(wrong(format!("holds {} {:?}", header.descr, header.shape)));
            }
            contents.drain(..header.bytes);
        }
        if Some(contents.len() as u64) == self.element_bytes() {
            Ok(contents)
        } else {
            Err(wrong(format!("holds {} bytes of elements", contents.len())))
        }
    }

    /// How many bytes the elements take, or `None` for more than there can be.
    pub(super) fn element_bytes(&self) -> Option<u64> {
        let elements = self.shape.iter().try_fold(1_u64, |product, &extent| product.checked_mul(extent))?;
        elements.checked_mul(self.dtype.size())
    }
}

/// What NumPy calls a type.
fn descr(dtype: DType) -> &'static str {
    match dtype {
        DType::Float16 => "<f2",
        DType::Float32 => "<f4",
        DType::Float64 => "<f8",
        DType::Int8 => "|i1",
        DType::Uint8 => "|u1",
        DType::Int16 => "<i2",
        DType::Int32 => "<i4",
        DType::Int64 => "<i8",
        DType::Bool => "|b1",
    }
}

/// `{'descr': '<f4', 'fortran_order': False, 'shape': (1, 10), }` behind magic, version and length.
struct Header {
    bytes: usize,
    descr: String,
    shape: Vec<u64>,
}

impl Header {
    fn of(contents: &[u8]) -> Option<Self> {
        let rest = contents.strip_prefix(MAGIC)?;
        let (version, rest) = rest.split_at_checked(2)?;
        let length_bytes = if version[0] == 1 { 2 } else { 4 };
        let (length, rest) = rest.split_at_checked(length_bytes)?;
        let length = length.iter().rev().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
        let text = std::str::from_utf8(rest.get(..length)?).ok()?;
        let value = |key: &str| Some(text.split_once(&format!("'{key}':"))?.1.trim_start());
        if !value("fortran_order")?.starts_with("False") {
            return None;
        }
        let descr = value("descr")?.strip_prefix('\'')?.split_once('\'')?.0.to_owned();
        let extents = value("shape")?.strip_prefix('(')?.split_once(')')?.0;
        let extents = extents.split(',').map(str::trim).filter(|extent| !extent.is_empty());
        let shape = extents.map(|extent| extent.parse().ok()).collect::<Option<_>>()?;
        Some(Self { bytes: MAGIC.len() + 2 + length_bytes + length, descr, shape })
    }
}
