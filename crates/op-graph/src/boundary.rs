//! Boundaries: the tensors that cross between clusters and the CPU (spec/paddle-lite.md C4).

use serde::Serialize;

use crate::{Clustering, OpGraph, OpId, TensorId};

/// Where a boundary tensor comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Producer {
    /// No op writes it, and it is known not to be a weight.
    Source,
    /// An op on the CPU, `feed` included.
    Cpu(OpId),
    /// An op inside a cluster.
    Cluster {
        /// The cluster, by its position in the clustering.
        cluster: usize,
        /// The op.
        op: OpId,
    },
}

/// Who reads a tensor once each cluster is a single op.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reader {
    /// A cluster, by its position in the clustering.
    Cluster(usize),
    /// An op on the CPU, `fetch` included.
    Cpu(OpId),
}

/// A tensor that crosses between a cluster and the CPU, or between two clusters (which goes through the CPU as well).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BoundaryTensor {
    /// The tensor version.
    pub tensor: TensorId,
    /// The side it comes from.
    pub producer: Producer,
    /// The clusters that take it as an input, ascending; never the one that produces it.
    pub clusters: Vec<usize>,
    /// The CPU ops that read it, in log order.
    pub cpu: Vec<OpId>,
    /// Its size, where the graph knows shape and type ([`crate::TensorFacts::crossing_bytes`]).
    pub bytes: Option<u64>,
}

/// All boundary tensors of a clustering, in the order of their first appearance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Boundary {
    /// The tensors.
    pub tensors: Vec<BoundaryTensor>,
}

impl Boundary {
    /// The boundary of a clustering.
    ///
    /// A tensor that nothing reads never crosses. A tensor that no op writes is taken for a weight, which a cluster holds
    /// itself, unless the graph knows it not to be persistable.
    pub fn of(graph: &OpGraph, clustering: &Clustering) -> Self {
        let assignment = clustering.assignment(graph.op_count());
        let tensors = graph.tensors().filter_map(|tensor| boundary_tensor(graph, &assignment, tensor)).collect();
        Self { tensors }
    }

    /// The tensors that a cluster takes as inputs.
    pub fn inputs_of(&self, cluster: usize) -> impl Iterator<Item = &BoundaryTensor> {
        self.tensors.iter().filter(move |crossing| crossing.clusters.contains(&cluster))
    }

    /// The tensors that a cluster hands out.
    pub fn outputs_of(&self, cluster: usize) -> impl Iterator<Item = &BoundaryTensor> {
        let from = move |crossing: &&BoundaryTensor| matches!(crossing.producer, Producer::Cluster { cluster: c, .. } if c == cluster);
        self.tensors.iter().filter(from)
    }

    /// The bytes that cross in one inference: once out of the producing cluster and once into each reading cluster. None where a
    /// size is not known.
    pub fn bytes(&self) -> Option<u64> {
        self.tensors.iter().try_fold(0_u64, |sum, crossing| {
            let out = u64::from(matches!(crossing.producer, Producer::Cluster { .. }));
            sum.checked_add(crossing.bytes?.checked_mul(out + crossing.clusters.len() as u64)?)
        })
    }
}

fn boundary_tensor(graph: &OpGraph, assignment: &[Option<usize>], tensor: TensorId) -> Option<BoundaryTensor> {
    let producer = producer_side(graph, assignment, tensor)?;
    let own_cluster = match producer {
        Producer::Cluster { cluster, .. } => Some(cluster),
        Producer::Source | Producer::Cpu(_) => None,
    };
    let (mut clusters, mut cpu) = (Vec::new(), Vec::new());
    for reader in graph.consumers(tensor) {
        match assignment[reader.index()] {
            None => cpu.push(reader),
            cluster if cluster == own_cluster => {}
            Some(cluster) => clusters.push(cluster),
        }
    }
    clusters.sort_unstable();
    clusters.dedup();
    let crosses = !clusters.is_empty() || (own_cluster.is_some() && !cpu.is_empty());
    let bytes = graph.facts(tensor).and_then(crate::TensorFacts::crossing_bytes);
    crosses.then_some(BoundaryTensor { tensor, producer, clusters, cpu, bytes })
}

/// The side a tensor comes from; none for a weight.
pub(crate) fn producer_side(graph: &OpGraph, assignment: &[Option<usize>], tensor: TensorId) -> Option<Producer> {
    match graph.producer(tensor) {
        Some(op) => Some(match assignment[op.index()] {
            Some(cluster) => Producer::Cluster { cluster, op },
            None => Producer::Cpu(op),
        }),
        None => graph.facts(tensor).is_some_and(|facts| !facts.persistable).then_some(Producer::Source),
    }
}

/// Who reads a tensor from outside the cluster that writes it: clusters first, each once.
pub(crate) fn outside_readers(graph: &OpGraph, assignment: &[Option<usize>], tensor: TensorId) -> Vec<Reader> {
    let own_cluster = graph.producer(tensor).and_then(|op| assignment[op.index()]);
    let mut readers: Vec<Reader> = graph
        .consumers(tensor)
        .into_iter()
        .filter_map(|op| match assignment[op.index()] {
            Some(cluster) => (Some(cluster) != own_cluster).then_some(Reader::Cluster(cluster)),
            None => Some(Reader::Cpu(op)),
        })
        .collect();
    readers.sort_unstable();
    readers.dedup();
    readers
}
