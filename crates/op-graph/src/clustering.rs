//! Clusters: the NPU subgraphs that Paddle Lite's detector forms from the ops it may send there.

use serde::{Deserialize, Serialize};

use crate::{OpGraph, OpId, OpSet, contraction::Contraction};

/// A partition of the ops on the NPU into clusters; ops in no cluster run on the CPU.
///
/// Canonical: members ascend, clusters are ordered by their first member, none is empty. Paddle Lite numbers clusters by
/// heap address, so two clusterings are compared as set partitions, which `==` on this type does.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Clustering {
    clusters: Vec<Vec<OpId>>,
}

/// Why a list of clusters is not a clustering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("take the list for a clustering: op {} is a member of two clusters", .0.index())]
pub struct SharedOp(pub OpId);

impl Clustering {
    /// The clusters that Paddle Lite forms when it may send the `marked` ops to the NPU, visiting ops in log order.
    ///
    /// Log order is the visit order of models whose ops keep their ids; for the others it is the best guess there is
    /// (spec/paddle-lite.md C3).
    pub fn form(graph: &OpGraph, marked: &OpSet) -> Self {
        Self::form_in_order(graph, marked, graph.ops())
    }

    /// As [`Clustering::form`], with another visit order; an op that the order leaves out is never grown from.
    pub fn form_in_order(graph: &OpGraph, marked: &OpSet, visit_order: impl IntoIterator<Item = OpId>) -> Self {
        let mut contraction = Contraction::new(graph);
        for op in visit_order {
            if marked.contains(op) && op.index() < graph.op_count() {
                contraction.grow(op, marked);
            }
        }
        let mut members = vec![Vec::new(); graph.op_count()];
        for op in marked.iter().filter(|op| op.index() < graph.op_count()) {
            members[contraction.root(op).index()].push(op);
        }
        Self::canonical(members)
    }

    /// A clustering from clusters in any order.
    ///
    /// # Errors
    /// When an op is a member twice.
    pub fn from_clusters(clusters: impl IntoIterator<Item = Vec<OpId>>) -> Result<Self, SharedOp> {
        let clusters: Vec<Vec<OpId>> = clusters.into_iter().collect();
        let mut seen = OpSet::new();
        for &op in clusters.iter().flatten() {
            if !seen.insert(op) {
                return Err(SharedOp(op));
            }
        }
        Ok(Self::canonical(clusters))
    }

    fn canonical(mut clusters: Vec<Vec<OpId>>) -> Self {
        clusters.retain(|members| !members.is_empty());
        for members in &mut clusters {
            members.sort_unstable();
        }
        clusters.sort_unstable();
        Self { clusters }
    }

    /// The clusters, each with its members.
    pub fn clusters(&self) -> &[Vec<OpId>] {
        &self.clusters
    }

    /// The number of clusters.
    pub fn len(&self) -> usize {
        self.clusters.len()
    }

    /// Is there no cluster, that is, does everything run on the CPU?
    pub fn is_empty(&self) -> bool {
        self.clusters.is_empty()
    }

    /// The cluster that an op is in, by its position in [`Clustering::clusters`].
    ///
    /// Searches; for many ops of one clustering take [`Clustering::assignment`].
    pub fn cluster_of(&self, op: OpId) -> Option<usize> {
        self.clusters.iter().position(|members| members.binary_search(&op).is_ok())
    }

    /// The cluster of each of the first `op_count` ops.
    pub fn assignment(&self, op_count: usize) -> Vec<Option<usize>> {
        let mut assignment = vec![None; op_count];
        for (cluster, members) in self.clusters.iter().enumerate() {
            for op in members {
                if let Some(entry) = assignment.get_mut(op.index()) {
                    *entry = Some(cluster);
                }
            }
        }
        assignment
    }

    /// All ops that are in a cluster.
    pub fn ops(&self) -> OpSet {
        self.clusters.iter().flatten().copied().collect()
    }
}

impl<'de> Deserialize<'de> for Clustering {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            clusters: Vec<Vec<OpId>>,
        }
        let raw = Raw::deserialize(deserializer)?;
        Self::from_clusters(raw.clusters).map_err(serde::de::Error::custom)
    }
}
