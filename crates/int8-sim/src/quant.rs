//! Affine quantization of one tensor, on the i8 codes this crate keeps.

/// Scale and zero point of a tensor of codes: `value = (code - zero_point) * scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quant {
    /// The step between two codes.
    pub scale: f32,
    /// The code of the value zero; the NPU's u8 zero point less 128, so 0 for a symmetric tensor.
    pub zero_point: i32,
}

impl Quant {
    /// Symmetric codes, as Paddle Lite's (spec/paddle-lite.md D).
    pub fn symmetric(scale: f32) -> Self {
        Self { scale, zero_point: 0 }
    }

    /// The NPU's u8 quantization with its own zero point.
    pub fn from_u8(scale: f32, zero_point: i32) -> Self {
        Self { scale, zero_point: zero_point - 128 }
    }

    /// The code less the zero point.
    pub fn offset(self, code: i8) -> i32 {
        i32::from(code) - self.zero_point
    }

    /// The real value of a code.
    pub fn value(self, code: i8) -> f64 {
        f64::from(self.offset(code)) * f64::from(self.scale)
    }
}
