//! Tensors as the kernels exchange them: a shape and a flat buffer, the last axis fastest (NCHW).

use crate::buffers;

/// The elements of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Real values.
    F32(Vec<f32>),
    /// 8-bit codes. A NPU's u8 code `c` is kept as `c - 128`, so that Lite's symmetric codes and the NPU's share a form
    /// (spec/paddle-lite.md D: "int8 code q ↔ u8 code q+128").
    I8(Vec<i8>),
    /// Indices and shapes.
    I32(Vec<i32>),
    /// Indices and shapes.
    I64(Vec<i64>),
}

/// A dense tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Data,
}

impl Drop for Tensor {
    fn drop(&mut self) {
        match &mut self.data {
            Data::F32(data) => buffers::leave_reals(std::mem::take(data)),
            Data::I8(data) => buffers::leave_codes(std::mem::take(data)),
            Data::I32(_) | Data::I64(_) => {}
        }
    }
}

impl Tensor {
    /// A tensor of `shape` (outermost axis first) over `data`.
    ///
    /// # Panics
    /// When the number of elements is not the shape's product.
    pub fn new(shape: Vec<usize>, data: Data) -> Self {
        let tensor = Self { shape, data };
        assert_eq!(tensor.shape.iter().product::<usize>(), tensor.len(), "a tensor's data must fill its shape");
        tensor
    }

    /// A tensor of real values.
    pub fn from_f32(shape: Vec<usize>, data: Vec<f32>) -> Self {
        Self::new(shape, Data::F32(data))
    }

    /// A tensor of 8-bit codes.
    pub fn from_codes(shape: Vec<usize>, data: Vec<i8>) -> Self {
        Self::new(shape, Data::I8(data))
    }

    /// The extent of each axis, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::F32(data) => data.len(),
            Data::I8(data) => data.len(),
            Data::I32(data) => data.len(),
            Data::I64(data) => data.len(),
        }
    }

    /// Has the tensor no element?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes its buffer holds.
    pub fn bytes(&self) -> usize {
        self.len()
            * match &self.data {
                Data::F32(_) | Data::I32(_) => 4,
                Data::I8(_) => 1,
                Data::I64(_) => 8,
            }
    }

    /// The real values, where it holds such.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.data {
            Data::F32(data) => Some(data),
            _ => None,
        }
    }

    /// The codes, where it holds such.
    pub fn as_codes(&self) -> Option<&[i8]> {
        match &self.data {
            Data::I8(data) => Some(data),
            _ => None,
        }
    }

    /// The real values to change, where it holds such.
    pub(crate) fn as_f32_mut(&mut self) -> Option<&mut [f32]> {
        match &mut self.data {
            Data::F32(data) => Some(data),
            _ => None,
        }
    }

    /// The codes to change, where it holds such.
    pub(crate) fn as_codes_mut(&mut self) -> Option<&mut [i8]> {
        match &mut self.data {
            Data::I8(data) => Some(data),
            _ => None,
        }
    }

    /// Itself under another shape of the same product.
    pub(crate) fn into_shape(mut self, shape: Vec<usize>) -> Self {
        Self::new(shape, std::mem::replace(&mut self.data, Data::I8(Vec::new())))
    }

    /// The same elements under another shape of the same product.
    pub(crate) fn reshaped(&self, shape: Vec<usize>) -> Self {
        Self::new(shape, self.data.clone())
    }

    /// The extents as batch, channels, height, width; missing trailing axes count as 1.
    pub(crate) fn nchw(&self) -> [usize; 4] {
        let axis = |index: usize| self.shape.get(index).copied().unwrap_or(1);
        [axis(0), axis(1), axis(2), self.shape.iter().skip(3).product()]
    }
}
