//! Tensor values with their element type, as the parameter file stores them.

use std::fmt;

/// The element type of a tensor (spec/paddle-lite.md G, type enum).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DType {
    /// One byte, 0 or 1.
    Bool,
    /// Signed 16 bit.
    Int16,
    /// Signed 32 bit.
    Int32,
    /// Signed 64 bit.
    Int64,
    /// IEEE half precision.
    Float16,
    /// IEEE single precision.
    Float32,
    /// IEEE double precision.
    Float64,
    /// Unsigned 8 bit.
    UInt8,
    /// Signed 8 bit.
    Int8,
    /// The upper half of a single.
    BFloat16,
}

impl DType {
    const CODES: [(Self, i32); 10] = [
        (Self::Bool, 0),
        (Self::Int16, 1),
        (Self::Int32, 2),
        (Self::Int64, 3),
        (Self::Float16, 4),
        (Self::Float32, 5),
        (Self::Float64, 6),
        (Self::UInt8, 20),
        (Self::Int8, 21),
        (Self::BFloat16, 22),
    ];

    /// The type behind Paddle's code; none where it is not an element type that this crate reads.
    pub fn from_code(code: i32) -> Option<Self> {
        Self::CODES.iter().find(|(_, c)| *c == code).map(|(dtype, _)| *dtype)
    }

    /// Paddle's code of the type.
    pub fn code(self) -> i32 {
        Self::CODES.iter().find(|(dtype, _)| *dtype == self).map_or(-1, |(_, code)| *code)
    }

    /// Bytes an element takes.
    pub fn size(self) -> usize {
        match self {
            Self::Bool | Self::UInt8 | Self::Int8 => 1,
            Self::Int16 | Self::Float16 | Self::BFloat16 => 2,
            Self::Int32 | Self::Float32 => 4,
            Self::Int64 | Self::Float64 => 8,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bool => "bool",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float16 => "float16",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::UInt8 => "uint8",
            Self::Int8 => "int8",
            Self::BFloat16 => "bfloat16",
        })
    }
}

/// The elements of a tensor in row-major order.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TensorData {
    /// Truth values as stored: 0 or 1 a byte.
    Bool(Vec<u8>),
    /// Signed 16 bit.
    Int16(Vec<i16>),
    /// Signed 32 bit.
    Int32(Vec<i32>),
    /// Signed 64 bit.
    Int64(Vec<i64>),
    /// Half precision, as bits.
    Float16(Vec<u16>),
    /// Single precision.
    Float32(Vec<f32>),
    /// Double precision.
    Float64(Vec<f64>),
    /// Unsigned 8 bit.
    UInt8(Vec<u8>),
    /// Signed 8 bit.
    Int8(Vec<i8>),
    /// Bfloat16, as bits.
    BFloat16(Vec<u16>),
}

impl TensorData {
    /// The element type.
    pub fn dtype(&self) -> DType {
        match self {
            Self::Bool(_) => DType::Bool,
            Self::Int16(_) => DType::Int16,
            Self::Int32(_) => DType::Int32,
            Self::Int64(_) => DType::Int64,
            Self::Float16(_) => DType::Float16,
            Self::Float32(_) => DType::Float32,
            Self::Float64(_) => DType::Float64,
            Self::UInt8(_) => DType::UInt8,
            Self::Int8(_) => DType::Int8,
            Self::BFloat16(_) => DType::BFloat16,
        }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::Bool(v) | Self::UInt8(v) => v.len(),
            Self::Int8(v) => v.len(),
            Self::Int16(v) => v.len(),
            Self::Float16(v) | Self::BFloat16(v) => v.len(),
            Self::Int32(v) => v.len(),
            Self::Float32(v) => v.len(),
            Self::Int64(v) => v.len(),
            Self::Float64(v) => v.len(),
        }
    }

    /// Is there no element?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements, where they are single precision.
    pub fn as_f32(&self) -> Option<&[f32]> {
        if let Self::Float32(values) = self { Some(values) } else { None }
    }

    /// The elements, where they are signed bytes.
    pub fn as_i8(&self) -> Option<&[i8]> {
        if let Self::Int8(values) = self { Some(values) } else { None }
    }

    /// The elements widened to 64 bit, where they are integers.
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        match self {
            Self::Int8(v) => Some(v.iter().map(|&x| x.into()).collect()),
            Self::UInt8(v) | Self::Bool(v) => Some(v.iter().map(|&x| x.into()).collect()),
            Self::Int16(v) => Some(v.iter().map(|&x| x.into()).collect()),
            Self::Int32(v) => Some(v.iter().map(|&x| x.into()).collect()),
            Self::Int64(v) => Some(v.clone()),
            Self::Float16(_) | Self::Float32(_) | Self::Float64(_) | Self::BFloat16(_) => None,
        }
    }

    /// Reads little-endian elements; bytes past the last whole element are left out.
    pub(crate) fn from_le_bytes(dtype: DType, bytes: &[u8]) -> Self {
        macro_rules! elements {
            ($t:ty) => {
                bytes.as_chunks().0.iter().map(|chunk| <$t>::from_le_bytes(*chunk)).collect()
            };
        }
        match dtype {
            DType::Bool => Self::Bool(bytes.to_vec()),
            DType::UInt8 => Self::UInt8(bytes.to_vec()),
            DType::Int8 => Self::Int8(elements!(i8)),
            DType::Int16 => Self::Int16(elements!(i16)),
            DType::Float16 => Self::Float16(elements!(u16)),
            DType::BFloat16 => Self::BFloat16(elements!(u16)),
            DType::Int32 => Self::Int32(elements!(i32)),
            DType::Float32 => Self::Float32(elements!(f32)),
            DType::Int64 => Self::Int64(elements!(i64)),
            DType::Float64 => Self::Float64(elements!(f64)),
        }
    }

    /// Appends the elements in little-endian order.
    pub(crate) fn write_le_bytes(&self, out: &mut Vec<u8>) {
        macro_rules! write {
            ($values:expr) => {
                $values.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes()))
            };
        }
        match self {
            Self::Bool(v) | Self::UInt8(v) => out.extend_from_slice(v),
            Self::Int8(v) => write!(v),
            Self::Int16(v) => write!(v),
            Self::Float16(v) | Self::BFloat16(v) => write!(v),
            Self::Int32(v) => write!(v),
            Self::Float32(v) => write!(v),
            Self::Int64(v) => write!(v),
            Self::Float64(v) => write!(v),
        }
    }
}

/// A persistable variable of a model: a weight, a bias, a quantization scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// The sizes, outermost first; empty for a scalar.
    pub dims: Vec<usize>,
    /// As many elements as the product of `dims`.
    pub data: TensorData,
    /// Level-of-detail offsets as stored, one byte string a level; usually none.
    pub lod: Vec<Vec<u8>>,
}

impl Param {
    /// A parameter without level-of-detail offsets.
    pub fn new(dims: Vec<usize>, data: TensorData) -> Self {
        Self { dims, data, lod: Vec::new() }
    }
}
