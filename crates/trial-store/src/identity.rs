//! What a file or a value is, told by its content alone.

use std::{fmt, fs::File, io, path::Path, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::StoreError;

/// A BLAKE3 hash of content, shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity([u8; 32]);

impl Identity {
    /// The identity of a byte string.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(blake3::hash(bytes).into())
    }

    /// The identity of a file's content, read as a stream.
    ///
    /// # Errors
    /// [`StoreError::Io`] where the file cannot be read.
    pub fn of_file(path: &Path) -> Result<Self, StoreError> {
        let hash = || -> io::Result<Self> {
            let mut hasher = blake3::Hasher::new();
            hasher.update_reader(File::open(path)?)?;
            Ok(Self(hasher.finalize().into()))
        };
        hash().map_err(|source| StoreError::io("read", path, source))
    }

    /// An identity made of several named fields. The domain says what kind of thing is identified, so that two kinds
    /// with equal fields differ.
    pub fn builder(domain: &str) -> IdentityBuilder {
        IdentityBuilder(blake3::Hasher::new()).field("domain", domain.as_bytes())
    }

    /// The 32 bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Collects the fields of a composed identity; see [`Identity::builder`].
#[derive(Clone, Debug)]
pub struct IdentityBuilder(blake3::Hasher);

impl IdentityBuilder {
    /// Adds a field. Name and value are length-prefixed, so that no two lists of fields hash the same bytes.
    pub fn field(mut self, name: &str, value: &[u8]) -> Self {
        for part in [name.as_bytes(), value] {
            self.0.update(&(part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
        self
    }

    /// The identity of the fields so far, in their order.
    pub fn finish(self) -> Identity {
        Identity(self.0.finalize().into())
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&blake3::Hash::from(self.0).to_hex())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({self})")
    }
}

/// A text that is no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read an identity: expected 64 hexadecimal digits")]
pub struct IdentityError;

impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        blake3::Hash::from_hex(text).map(|hash| Self(hash.into())).map_err(|_| IdentityError)
    }
}

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_and_its_bytes_have_one_identity() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.pdmodel");
        std::fs::write(&path, b"weights").unwrap();
        assert_eq!(Identity::of_file(&path).unwrap(), Identity::of_bytes(b"weights"));
        assert_ne!(Identity::of_bytes(b"weights"), Identity::of_bytes(b"weightz"));
    }

    #[test]
    fn moving_a_byte_between_fields_changes_the_identity() {
        let of = |first: &[u8], second: &[u8]| Identity::builder("t").field("a", first).field("b", second).finish();
        assert_ne!(of(b"xy", b"z"), of(b"x", b"yz"));
        assert_ne!(Identity::builder("t").finish(), Identity::builder("u").finish());
    }

    #[test]
    fn an_identity_reads_back_from_its_text_and_from_nothing_else() {
        let identity = Identity::of_bytes(b"");
        assert_eq!(identity.to_string().parse(), Ok(identity));
        for wrong in ["", "12", &"g".repeat(64), &"a".repeat(65)] {
            assert_eq!(wrong.parse::<Identity>(), Err(IdentityError));
        }
    }
}
