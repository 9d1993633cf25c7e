//! Sets of units: what a placement is to the search.

use std::fmt;

use fixedbitset::FixedBitSet;
use serde::{Deserialize, Serialize};

/// A set of units out of `0..n`: the units that run on the CPU; all others run on the NPU.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "Repr", try_from = "Repr")]
pub struct UnitSet {
    bits: FixedBitSet,
}

impl UnitSet {
    /// No unit of `0..n`: everything on the NPU.
    pub fn empty(n: usize) -> Self {
        Self { bits: FixedBitSet::with_capacity(n) }
    }

    /// Every unit of `0..n`: everything on the CPU.
    pub fn full(n: usize) -> Self {
        let mut set = Self::empty(n);
        set.bits.insert_range(..);
        set
    }

    /// The listed units of `0..n`. Units at or above `n` are left out.
    pub fn of(n: usize, units: impl IntoIterator<Item = usize>) -> Self {
        let mut set = Self::empty(n);
        for unit in units {
            set.insert(unit);
        }
        set
    }

    /// How many units there are to choose from (`n`, not the size of the set).
    pub fn universe(&self) -> usize {
        self.bits.len()
    }

    /// The number of units in the set.
    pub fn len(&self) -> usize {
        self.bits.count_ones(..)
    }

    /// Whether no unit is in the set.
    pub fn is_empty(&self) -> bool {
        self.bits.is_clear()
    }

    /// Whether `unit` is in the set; false for a unit outside `0..n`.
    pub fn contains(&self, unit: usize) -> bool {
        self.bits.contains(unit)
    }

    /// Adds a unit; one outside `0..n` is ignored.
    pub fn insert(&mut self, unit: usize) {
        if unit < self.bits.len() {
            self.bits.insert(unit);
        }
    }

    /// Takes a unit out.
    pub fn remove(&mut self, unit: usize) {
        if unit < self.bits.len() {
            self.bits.set(unit, false);
        }
    }

    /// The units in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.bits.ones()
    }

    /// The set and the listed units.
    pub fn with(&self, units: impl IntoIterator<Item = usize>) -> Self {
        let mut set = self.clone();
        units.into_iter().for_each(|unit| set.insert(unit));
        set
    }

    /// The set without the listed units.
    pub fn without(&self, units: impl IntoIterator<Item = usize>) -> Self {
        let mut set = self.clone();
        units.into_iter().for_each(|unit| set.remove(unit));
        set
    }

    /// The units in either set.
    pub fn union(&self, other: &Self) -> Self {
        let mut set = self.clone();
        set.bits.union_with(&other.bits);
        set
    }

    /// The units in both sets.
    pub fn intersection(&self, other: &Self) -> Self {
        let mut set = self.clone();
        set.bits.intersect_with(&other.bits);
        set
    }

    /// The units of this set that are not in `other`.
    pub fn difference(&self, other: &Self) -> Self {
        let mut set = self.clone();
        set.bits.difference_with(&other.bits);
        set
    }

    /// Every unit that is not in the set.
    pub fn complement(&self) -> Self {
        let mut set = self.clone();
        set.bits.toggle_range(..);
        set
    }

    /// Whether every unit of this set is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.bits.is_subset(&other.bits)
    }
}

impl fmt::Debug for UnitSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The serialised form: `{"n":4,"units":[1,3]}`.
#[derive(Serialize, Deserialize)]
struct Repr {
    n: usize,
    units: Vec<usize>,
}

impl From<UnitSet> for Repr {
    fn from(set: UnitSet) -> Self {
        Self { n: set.universe(), units: set.iter().collect() }
    }
}

impl TryFrom<Repr> for UnitSet {
    type Error = String;

    fn try_from(repr: Repr) -> Result<Self, String> {
        // A set never holds more than its universe, and a universe of more than this is no network.
        const MOST: usize = 1 << 24;
        if repr.n > MOST {
            return Err(format!("read a unit set: {} units are more than {MOST}", repr.n));
        }
        match repr.units.iter().find(|&&unit| unit >= repr.n) {
            Some(unit) => Err(format!("read a unit set: unit {unit} is outside 0..{}", repr.n)),
            None => Ok(Self::of(repr.n, repr.units)),
        }
    }
}
