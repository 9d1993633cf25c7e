//! Units: what the search moves as one, and the way from a set of units to a placement.

use op_graph::{OpGraph, OpId, OpSet, Placement, fused_units, op_units, type_units};
use serde::{Deserialize, Serialize};

/// How ops are grouped into units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grouping {
    /// Every op by itself.
    Op,
    /// A convolution or matrix product with its bias add, batch norm and activation, where each has one consumer: the
    /// stack refuses to compile a convolution whose bias add is on the other side (spec/measured.md).
    #[default]
    Fused,
    /// All ops of one type.
    Type,
}

/// The candidates of a search, grouped; unit indices are topological by first member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Units {
    members: Vec<Vec<OpId>>,
}

impl Units {
    /// Groups the candidate ops of a graph.
    pub fn group(graph: &OpGraph, candidates: &OpSet, grouping: Grouping) -> Self {
        let members = match grouping {
            Grouping::Op => op_units(candidates),
            Grouping::Fused => fused_units(graph, candidates),
            Grouping::Type => type_units(graph, candidates),
        };
        Self { members }
    }

    /// The number of units.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Is there nothing to move?
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The ops of a unit, in log order.
    pub fn members(&self, unit: usize) -> &[OpId] {
        &self.members[unit]
    }

    /// A class per unit: equal for units whose first ops are of one type.
    pub fn classes(&self, graph: &OpGraph) -> Vec<usize> {
        let types: Vec<_> = self.iter().map(|ops| ops.first().map(|&op| &graph.record(op).op_type)).collect();
        types.iter().map(|wanted| types.iter().position(|other| other == wanted).unwrap_or_default()).collect()
    }

    /// All units in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[OpId]> {
        self.members.iter().map(Vec::as_slice)
    }

    /// The placement that forces exactly the ops of these units.
    pub fn placement(&self, units: impl IntoIterator<Item = usize>) -> Placement {
        units.into_iter().flat_map(|unit| self.members[unit].iter().copied()).collect()
    }
}
