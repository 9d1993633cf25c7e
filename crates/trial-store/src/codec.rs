//! The only place that knows bincode: values of the cache as bytes, behind a version and a checksum.
//!
//! bincode 2 is pinned and unmaintained (docs/adr/0002-bincode.md), so nothing but copies may be stored this way.

use serde::{Serialize, de::DeserializeOwned};

use crate::Identity;

/// Names the encoding and its version; another encoder gets another number.
const MAGIC: [u8; 4] = *b"nbc\x01";
const CHECK: usize = 8;
/// The most bytes that one value may claim to hold when it is decoded.
const LIMIT: usize = 1 << 30;

/// Why a value could not be encoded or decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The bytes are not a value that this codec wrote, or were changed since.
    #[error("decode a stored value: {0}")]
    Damaged(&'static str),
    /// The bytes are whole but are a value of another type.
    #[error("decode a stored value: {0}")]
    OtherType(String),
    /// The value cannot be written in this encoding.
    #[error("encode a value: {0}")]
    Encode(String),
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<LIMIT>()
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let body = bincode::serde::encode_to_vec(value, config()).map_err(|error| CodecError::Encode(error.to_string()))?;
    Ok([&MAGIC, check(&body).as_slice(), &body].concat())
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or(CodecError::Damaged("it does not begin as this tool writes values"))?;
    let (expected, body) = rest.split_at_checked(CHECK).ok_or(CodecError::Damaged("it is cut off"))?;
    if expected != check(body) {
        return Err(CodecError::Damaged("its checksum does not match"));
    }
    let (value, used) =
        bincode::serde::decode_from_slice(body, config()).map_err(|error| CodecError::OtherType(error.to_string()))?;
    if used == body.len() {
        Ok(value)
    } else {
        Err(CodecError::OtherType(format!("{} bytes are left over", body.len() - used)))
    }
}

fn check(body: &[u8]) -> [u8; CHECK] {
    let mut check = [0; CHECK];
    check.copy_from_slice(&Identity::of_bytes(body).as_bytes()[..CHECK]);
    check
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Cause, Measurement, Unresolved};

    proptest! {
        #[test]
        fn a_value_reads_back_and_no_changed_byte_goes_unnoticed(
            outputs in proptest::collection::vec(any::<f32>(), 0..50), position in any::<prop::sample::Index>(), flip in 1..=255_u8
        ) {
            let mut bytes = encode(&outputs).unwrap();
            let back: Vec<f32> = decode(&bytes).unwrap();
            prop_assert!(outputs.iter().map(|x| x.to_bits()).eq(back.iter().map(|x| x.to_bits())));
            let index = position.index(bytes.len());
            bytes[index] ^= flip;
            prop_assert!(decode::<Vec<f32>>(&bytes).is_err());
        }

        #[test]
        fn no_bytes_behind_a_right_checksum_make_the_decoder_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let forged = [&MAGIC, check(&body).as_slice(), &body].concat();
            let _ = decode::<Vec<f32>>(&forged);
            let _ = decode::<Measurement>(&forged);
            let _ = decode::<Vec<Vec<String>>>(&forged);
        }
    }

    #[test]
    fn a_measurement_with_infinities_and_reasons_reads_back() {
        let measurement = Measurement {
            score: Some(f64::NEG_INFINITY),
            error_power: Some(0.1),
            unresolved: Some(Unresolved { cause: Cause::Refused, detail: "compile".into() }),
            ..Measurement::default()
        };
        assert_eq!(decode(&encode(&measurement).unwrap()), Ok(measurement));
    }
}
