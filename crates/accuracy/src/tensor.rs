//! The plainest tensor that outputs can be handed over in.

use serde::{Deserialize, Serialize};

use crate::Error;

/// Row-major float32 values and their shape; of a whole trial, the first axis counts samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Vec<f32>,
}

/// A borrowed [`Tensor`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TensorRef<'a> {
    /// The shape; its product is the number of values.
    pub shape: &'a [usize],
    /// The values, row-major.
    pub data: &'a [f32],
}

impl Tensor {
    /// Values in a shape.
    ///
    /// # Errors
    /// When the values do not fill the shape.
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Result<Self, Error> {
        let wanted = shape.iter().try_fold(1usize, |product, &axis| product.checked_mul(axis));
        if wanted == Some(data.len()) {
            Ok(Self { shape, data })
        } else {
            Err(Error::Fill { shape, values: data.len() })
        }
    }

    /// The shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values, row-major.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The values, row-major.
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// The whole, borrowed.
    pub fn view(&self) -> TensorRef<'_> {
        TensorRef { shape: &self.shape, data: &self.data }
    }

    /// Length of the first axis, which counts samples; a scalar has one.
    pub fn samples(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// One sample, without the first axis.
    pub fn sample(&self, index: usize) -> Option<TensorRef<'_>> {
        let shape = self.shape.get(1..)?;
        // Not the product of the shape: of no samples, the other axes may be of any length.
        let len = self.data.len().checked_div(self.samples())?;
        let data = self.data.get(index.checked_mul(len)?..index.checked_add(1)?.checked_mul(len)?)?;
        (index < self.samples()).then_some(TensorRef { shape, data })
    }

    /// The given samples in the given order; `None` where one does not exist.
    pub fn select(&self, samples: &[usize]) -> Option<Self> {
        let rest = self.shape.get(1..)?;
        let mut data = Vec::new();
        for &index in samples {
            data.extend_from_slice(self.sample(index)?.data);
        }
        Some(Self { shape: std::iter::once(samples.len()).chain(rest.iter().copied()).collect(), data })
    }

    /// Samples of equal shape, one after the other; `None` where there are none or their shapes differ.
    pub fn stack(samples: &[TensorRef<'_>]) -> Option<Self> {
        let first = samples.first()?;
        if samples.iter().any(|s| s.shape != first.shape) {
            return None;
        }
        let shape = std::iter::once(samples.len()).chain(first.shape.iter().copied()).collect();
        Some(Self { shape, data: samples.iter().flat_map(|s| s.data).copied().collect() })
    }
}
