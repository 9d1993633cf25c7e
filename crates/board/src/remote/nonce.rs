//! Values that cannot have been seen before, so that an old answer is never taken for a new one.

use std::fmt;

/// 32 random hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Nonce(String);

impl Nonce {
    /// A fresh one.
    ///
    /// # Panics
    /// When the system has no randomness, which no supported system lacks once it is up.
    pub fn fresh() -> Self {
        let mut bytes = [0_u8; 16];
        getrandom::fill(&mut bytes).expect("every supported system has a source of randomness");
        Self(format!("{:032x}", u128::from_be_bytes(bytes)))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
