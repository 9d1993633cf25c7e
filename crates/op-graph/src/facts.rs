//! What a model knows of a tensor and a log does not.

use serde::{Deserialize, Serialize};

/// The element type of a tensor, as the model stores it (spec/paddle-lite.md G).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // each variant says all there is
pub enum ElementType {
    Bool,
    Int8,
    Uint8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Bf16,
    Fp32,
    Fp64,
}

impl ElementType {
    /// Bytes an element takes.
    pub fn bytes(self) -> u64 {
        match self {
            Self::Bool | Self::Int8 | Self::Uint8 => 1,
            Self::Int16 | Self::Fp16 | Self::Bf16 => 2,
            Self::Int32 | Self::Fp32 => 4,
            Self::Int64 | Self::Fp64 => 8,
        }
    }
}

/// Shape, type and scale of one tensor version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TensorFacts {
    /// The shape; −1 where a dimension is not known before run time.
    pub dims: Vec<i64>,
    /// The element type before quantization.
    pub element: ElementType,
    /// Is it a weight, stored with the model?
    pub persistable: bool,
    /// The activation's int8 scale (abs-max / 127, spec/paddle-lite.md D), where it has one.
    pub scale: Option<f32>,
}

impl TensorFacts {
    /// The number of elements, where every dimension is known.
    pub fn element_count(&self) -> Option<u64> {
        self.dims.iter().try_fold(1_u64, |count, &dim| count.checked_mul(u64::try_from(dim).ok()?))
    }

    /// The bytes the tensor takes when it crosses a boundary: one an element where it has a scale, else its type's.
    pub fn crossing_bytes(&self) -> Option<u64> {
        let element_bytes = if self.scale.is_some() { 1 } else { self.element.bytes() };
        self.element_count()?.checked_mul(element_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(dims: &[i64], scale: Option<f32>) -> TensorFacts {
        TensorFacts { dims: dims.to_vec(), element: ElementType::Fp32, persistable: false, scale }
    }

    #[test]
    fn a_scaled_tensor_crosses_as_one_byte_an_element() {
        assert_eq!(facts(&[1, 3, 4, 4], None).crossing_bytes(), Some(192));
        assert_eq!(facts(&[1, 3, 4, 4], Some(0.1)).crossing_bytes(), Some(48));
        assert_eq!(facts(&[], None).crossing_bytes(), Some(4));
    }

    #[test]
    fn an_unknown_or_absurd_shape_has_no_size() {
        assert_eq!(facts(&[-1, 3], None).crossing_bytes(), None);
        assert_eq!(facts(&[i64::MAX, i64::MAX], None).crossing_bytes(), None);
    }
}
