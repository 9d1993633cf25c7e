//! NumPy's `.npy` files: how inputs, labels and reference outputs are stored.

use std::{fmt, fs, io::Write, path::Path};

use half::f16;

use crate::{Error, error::NpyError};

const MAGIC: &[u8] = b"\x93NUMPY";

/// More axes than any tensor has; a header that claims more is damaged.
const MAX_AXES: usize = 32;

/// An array as stored: shape and values, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    values: Values,
}

/// The values of an [`Array`], row-major.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Values {
    Bool(Vec<bool>),
    U8(Vec<u8>),
    I8(Vec<i8>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    F16(Vec<f16>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// Runs `$body` with `$values` bound to the vector within, whatever its type.
macro_rules! each_type {
    ($of:expr, $values:ident => $body:expr) => {
        match $of {
            Values::Bool($values) => $body,
            Values::U8($values) => $body,
            Values::I8($values) => $body,
            Values::I32($values) => $body,
            Values::I64($values) => $body,
            Values::F16($values) => $body,
            Values::F32($values) => $body,
            Values::F64($values) => $body,
        }
    };
}

impl Values {
    /// How many values there are.
    pub fn len(&self) -> usize {
        each_type!(self, values => values.len())
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type as NumPy writes it, e.g. `<f4`.
    pub fn dtype(&self) -> &'static str {
        match self {
            Self::Bool(_) => "|b1",
            Self::U8(_) => "|u1",
            Self::I8(_) => "|i1",
            Self::I32(_) => "<i4",
            Self::I64(_) => "<i8",
            Self::F16(_) => "<f2",
            Self::F32(_) => "<f4",
            Self::F64(_) => "<f8",
        }
    }

    fn width(dtype: &str) -> Option<usize> {
        match dtype {
            "|b1" | "|u1" | "|i1" => Some(1),
            "<f2" => Some(2),
            "<i4" | "<f4" => Some(4),
            "<i8" | "<f8" => Some(8),
            _ => None,
        }
    }

    fn from_bytes(dtype: &str, bytes: &[u8]) -> Option<Self> {
        fn each<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
            bytes.as_chunks::<N>().0.iter().map(|&chunk| read(chunk)).collect()
        }
        Some(match dtype {
            "|b1" => Self::Bool(bytes.iter().map(|&b| b != 0).collect()),
            "|u1" => Self::U8(bytes.to_vec()),
            "|i1" => Self::I8(bytes.iter().map(|&b| b as i8).collect()),
            "<i4" => Self::I32(each(bytes, i32::from_le_bytes)),
            "<i8" => Self::I64(each(bytes, i64::from_le_bytes)),
            "<f2" => Self::F16(each(bytes, f16::from_le_bytes)),
            "<f4" => Self::F32(each(bytes, f32::from_le_bytes)),
            "<f8" => Self::F64(each(bytes, f64::from_le_bytes)),
            _ => return None,
        })
    }

    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Bool(values) => values.iter().map(|&v| u8::from(v)).collect(),
            Self::U8(values) => values.clone(),
            Self::I8(values) => values.iter().map(|&v| v as u8).collect(),
            Self::I32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::I64(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::F16(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::F32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::F64(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
    }
}

impl Array {
    /// Values in a shape.
    ///
    /// # Errors
    /// When the values do not fill the shape.
    pub fn new(shape: Vec<usize>, values: Values) -> Result<Self, NpyError> {
        if element_count(&shape) == Some(values.len()) {
            Ok(Self { shape, values })
        } else {
            Err(NpyError::Fill { values: values.len(), shape })
        }
    }

    /// The shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values, row-major.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The values from `range` as float32 (64-bit values are rounded); `None` where the range is out of bounds.
    pub fn f32_range(&self, range: std::ops::Range<usize>) -> Option<Vec<f32>> {
        Some(match &self.values {
            Values::Bool(v) => v.get(range)?.iter().map(|&x| f32::from(u8::from(x))).collect(),
            Values::U8(v) => v.get(range)?.iter().map(|&x| x.into()).collect(),
            Values::I8(v) => v.get(range)?.iter().map(|&x| x.into()).collect(),
            Values::I32(v) => v.get(range)?.iter().map(|&x| x as f32).collect(),
            Values::I64(v) => v.get(range)?.iter().map(|&x| x as f32).collect(),
            Values::F16(v) => v.get(range)?.iter().map(|&x| x.into()).collect(),
            Values::F32(v) => v.get(range)?.to_vec(),
            Values::F64(v) => v.get(range)?.iter().map(|&x| x as f32).collect(),
        })
    }

    /// All values as float32 (64-bit values are rounded).
    pub fn to_f32(&self) -> Vec<f32> {
        self.f32_range(0..self.values.len()).unwrap_or_default()
    }

    /// All values as integers, or the position of the first that is none.
    pub(crate) fn to_i64(&self) -> Result<Vec<i64>, usize> {
        fn whole(values: impl Iterator<Item = f64>) -> Result<Vec<i64>, usize> {
            // 2^53: beyond it, not every integer is a float.
            let int = |x: f64| (x.fract() == 0.0 && x.abs() < 9_007_199_254_740_992.0).then_some(x as i64);
            values.enumerate().map(|(i, x)| int(x).ok_or(i)).collect()
        }
        match &self.values {
            Values::Bool(v) => Ok(v.iter().map(|&x| x.into()).collect()),
            Values::U8(v) => Ok(v.iter().map(|&x| x.into()).collect()),
            Values::I8(v) => Ok(v.iter().map(|&x| x.into()).collect()),
            Values::I32(v) => Ok(v.iter().map(|&x| x.into()).collect()),
            Values::I64(v) => Ok(v.clone()),
            Values::F16(v) => whole(v.iter().map(|&x| x.into())),
            Values::F32(v) => whole(v.iter().map(|&x| x.into())),
            Values::F64(v) => whole(v.iter().copied()),
        }
    }

    /// Reads the bytes of a `.npy` file.
    ///
    /// # Errors
    /// When they are not one, its type is not among [`Values`], it is in Fortran order, or it ends too early.
    pub fn from_npy(bytes: &[u8]) -> Result<Self, NpyError> {
        let header = Header::parse(bytes)?;
        let width = Values::width(&header.dtype).ok_or_else(|| NpyError::Dtype(header.dtype.clone()))?;
        let available = bytes.len() - header.end;
        let needed = element_count(&header.shape)
            .and_then(|count| count.checked_mul(width))
            .filter(|&needed| needed <= available)
            .ok_or_else(|| NpyError::Truncated {
                shape: header.shape.clone(),
                dtype: header.dtype.clone(),
                available,
            })?;
        let data = &bytes[header.end..header.end + needed];
        let values = Values::from_bytes(&header.dtype, data).ok_or_else(|| NpyError::Dtype(header.dtype.clone()))?;
        Self::new(header.shape, values)
    }

    /// The bytes of a `.npy` file (format 1.0).
    pub fn to_npy(&self) -> Vec<u8> {
        let axes: Vec<String> = self.shape.iter().map(ToString::to_string).collect();
        // A tuple of one needs its comma.
        let shape = if axes.len() == 1 { format!("{},", axes[0]) } else { axes.join(", ") };
        let mut header =
            format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({shape}), }}", self.values.dtype());
        // The data starts at a multiple of 64 bytes, one line end before it.
        let unpadded = MAGIC.len() + 4 + header.len() + 1;
        header.push_str(&" ".repeat(unpadded.next_multiple_of(64) - unpadded));
        header.push('\n');
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(self.values.to_bytes());
        bytes
    }
}

/// One line such as `<f4 [160, 80, 4]`.
impl fmt::Display for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.values.dtype(), self.shape)
    }
}

fn element_count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |product, &axis| product.checked_mul(axis))
}

struct Header {
    dtype: String,
    shape: Vec<usize>,
    /// Where the data starts.
    end: usize,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, NpyError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(NpyError::Magic)?;
        let (start, len) = match rest {
            [1, _, a, b, ..] => (10, usize::from(u16::from_le_bytes([*a, *b]))),
            [2 | 3, _, a, b, c, d, ..] => (12, u32::from_le_bytes([*a, *b, *c, *d]) as usize),
            [version, ..] => return Err(NpyError::Version(*version)),
            [] => return Err(NpyError::Header("it ends after the magic bytes".into())),
        };
        let end = start + len;
        let text = bytes.get(start..end).ok_or_else(|| NpyError::Header("it ends within the header".into()))?;
        let text = String::from_utf8_lossy(text);
        let bad = |what: &str| NpyError::Header(format!("{what} in `{}`", text.trim_end()));
        let dtype = value_of(&text, "descr").and_then(quoted).ok_or_else(|| bad("no plain `descr`"))?;
        match value_of(&text, "fortran_order") {
            Some(order) if order.starts_with("False") => {}
            Some(order) if order.starts_with("True") => return Err(NpyError::FortranOrder),
            _ => return Err(bad("no `fortran_order`")),
        }
        let shape = value_of(&text, "shape").and_then(tuple).ok_or_else(|| bad("no `shape`"))?;
        Ok(Self { dtype: dtype.to_owned(), shape, end })
    }
}

/// What follows `'key':` in the header, a Python dict literal.
fn value_of<'t>(header: &'t str, key: &str) -> Option<&'t str> {
    let (_, rest) = header.split_once(&format!("'{key}'"))?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

fn quoted(text: &str) -> Option<&str> {
    Some(text.strip_prefix('\'')?.split_once('\'')?.0)
}

fn tuple(text: &str) -> Option<Vec<usize>> {
    let (inside, _) = text.strip_prefix('(')?.split_once(')')?;
    let axes: Vec<usize> = inside
        .split(',')
        .map(str::trim)
        .filter(|axis| !axis.is_empty())
        .map(|axis| axis.parse().ok())
        .collect::<Option<_>>()?;
    (axes.len() <= MAX_AXES).then_some(axes)
}

/// Reads a `.npy` file.
///
/// # Errors
/// When it cannot be read, or is not a `.npy` file of a type in [`Values`].
pub fn read_npy(path: &Path) -> Result<Array, Error> {
    let bytes = fs::read(path).map_err(|source| Error::Read { path: path.into(), source })?;
    Array::from_npy(&bytes).map_err(|source| Error::Npy { path: path.into(), entry: None, source })
}

/// Writes a `.npy` file.
///
/// # Errors
/// When it cannot be written.
pub fn write_npy(path: &Path, array: &Array) -> Result<(), Error> {
    fs::File::create(path)
        .and_then(|mut file| file.write_all(&array.to_npy()))
        .map_err(|source| Error::Write { path: path.into(), source })
}
