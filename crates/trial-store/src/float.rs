//! Floats that survive JSON exactly: a resumed search must see the bits of the first one, infinities included.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// For `#[serde(with = "float::optional")]`: finite numbers as numbers; `"inf"`, `"-inf"` and `"nan"` as text where
/// the format is for people (JSON knows none of the three), unchanged elsewhere.
pub(crate) mod optional {
    use super::{Deserialize, Deserializer, Readable, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde calls it with a reference")]
    pub(crate) fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            value.map(Readable).serialize(serializer)
        } else {
            value.serialize(serializer)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        if deserializer.is_human_readable() {
            Ok(Option::<Readable>::deserialize(deserializer)?.map(|readable| readable.0))
        } else {
            Option::deserialize(deserializer)
        }
    }
}

struct Readable(f64);

impl Serialize for Readable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            f64::INFINITY => serializer.serialize_str("inf"),
            f64::NEG_INFINITY => serializer.serialize_str("-inf"),
            number if number.is_nan() => serializer.serialize_str("nan"),
            number => serializer.serialize_f64(number),
        }
    }
}

impl<'de> Deserialize<'de> for Readable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum NumberOrName {
            Number(f64),
            Name(String),
        }
        match NumberOrName::deserialize(deserializer)? {
            NumberOrName::Number(number) => Ok(Self(number)),
            NumberOrName::Name(name) => match name.as_str() {
                "inf" => Ok(Self(f64::INFINITY)),
                "-inf" => Ok(Self(f64::NEG_INFINITY)),
                "nan" => Ok(Self(f64::NAN)),
                _ => Err(de::Error::custom(format!("`{name}` is not a number"))),
            },
        }
    }
}
