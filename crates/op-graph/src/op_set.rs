//! Sets of ops as bit sets; a placement is one.

use std::fmt;

use fixedbitset::FixedBitSet;

use crate::OpId;

/// A set of ops of one graph.
///
/// Equality, order and hash depend on the members alone, not on the capacity.
#[derive(Clone, Default)]
pub struct OpSet(FixedBitSet);

/// The set of ops forced to the CPU.
pub type Placement = OpSet;

impl OpSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an op; true where it was not yet a member.
    pub fn insert(&mut self, op: OpId) -> bool {
        self.0.grow(op.index() + 1);
        !self.0.put(op.index())
    }

    /// Removes an op; true where it was a member.
    pub fn remove(&mut self, op: OpId) -> bool {
        let member = self.contains(op);
        if member {
            self.0.set(op.index(), false);
        }
        member
    }

    /// Is the op a member?
    pub fn contains(&self, op: OpId) -> bool {
        self.0.contains(op.index())
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.0.count_ones(..)
    }

    /// Is the set empty?
    pub fn is_empty(&self) -> bool {
        self.0.is_clear()
    }

    /// The members in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = OpId> + '_ {
        self.0.ones().map(OpId::new)
    }

    /// Is every member of `self` a member of `other`?
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// Do the two sets share no member?
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.0.is_disjoint(&other.0)
    }

    /// Members of either set.
    pub fn union(&self, other: &Self) -> Self {
        let mut bits = self.0.clone();
        bits.union_with(&other.0);
        Self(bits)
    }

    /// Members of both sets.
    pub fn intersection(&self, other: &Self) -> Self {
        self.iter().filter(|&op| other.contains(op)).collect()
    }

    /// Members of `self` that are not in `other`.
    pub fn difference(&self, other: &Self) -> Self {
        self.iter().filter(|&op| !other.contains(op)).collect()
    }
}

impl PartialEq for OpSet {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for OpSet {}

impl PartialOrd for OpSet {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OpSet {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.iter().cmp(other.iter())
    }
}

impl std::hash::Hash for OpSet {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        for op in self.iter() {
            op.hash(state);
        }
        usize::MAX.hash(state);
    }
}

impl fmt::Debug for OpSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(OpId::index)).finish()
    }
}

impl FromIterator<OpId> for OpSet {
    fn from_iter<I: IntoIterator<Item = OpId>>(ops: I) -> Self {
        let mut set = Self::new();
        set.extend(ops);
        set
    }
}

impl Extend<OpId> for OpSet {
    fn extend<I: IntoIterator<Item = OpId>>(&mut self, ops: I) {
        for op in ops {
            self.insert(op);
        }
    }
}
