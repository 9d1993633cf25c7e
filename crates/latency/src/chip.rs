//! The chips with published latencies.

use std::{fmt, str::FromStr};

/// A chip of spec/latency.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Chip {
    /// Amlogic A311D: 4 Cortex-A73 and 2 Cortex-A53, 5 TOPS.
    A311D,
    /// Amlogic S905D3: 2 Cortex-A55, 1.2 TOPS.
    S905D3,
    /// Amlogic C308X: 2 Cortex-A55, 4 TOPS.
    C308X,
    /// Rockchip RK1808: 2 Cortex-A35, 3 TOPS.
    Rk1808,
    /// Rockchip RV1109: 2 Cortex-A7, 1.2 TOPS.
    Rv1109,
    /// Rockchip RV1126: 4 Cortex-A7, 2 TOPS.
    Rv1126,
    /// NXP i.MX 8M Plus: 4 Cortex-A53, 2.3 TOPS.
    Imx8mp,
}

/// A name that is no chip's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("find latencies of a chip `{0}`; there are a311d, s905d3, c308x, rk1808, rv1109, rv1126 and imx8mp")]
pub struct UnknownChip(pub String);

impl Chip {
    /// All, in the order of the columns of `data/published.tsv`.
    pub const ALL: [Self; 7] =
        [Self::A311D, Self::S905D3, Self::C308X, Self::Rk1808, Self::Rv1109, Self::Rv1126, Self::Imx8mp];

    /// The name that [`Chip::from_str`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::A311D => "a311d",
            Self::S905D3 => "s905d3",
            Self::C308X => "c308x",
            Self::Rk1808 => "rk1808",
            Self::Rv1109 => "rv1109",
            Self::Rv1126 => "rv1126",
            Self::Imx8mp => "imx8mp",
        }
    }
}

impl fmt::Display for Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Chip {
    type Err = UnknownChip;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|chip| chip.name().eq_ignore_ascii_case(name));
        known.ok_or_else(|| UnknownChip(name.to_owned()))
    }
}
