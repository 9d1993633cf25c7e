//! What Paddle Lite inserts where int8 meets float outside the clusters, and where that goes wrong (spec/paddle-lite.md C5, C6).

use serde::Serialize;

use crate::{
    Clustering, Name, OpGraph, OpId, OpSet, Reader, TensorId,
    boundary::{outside_readers, producer_side},
};

/// A `calib` op that Paddle Lite inserts on the CPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Calib {
    /// int8 → float: one a tensor, shared by all that read it as float.
    Dequantize {
        /// The tensor.
        tensor: TensorId,
        /// The readers that share it.
        readers: Vec<Reader>,
    },
    /// float → int8: one for each reader, although several may read the same tensor.
    Quantize {
        /// The tensor.
        tensor: TensorId,
        /// The reader it is for.
        reader: Reader,
    },
}

/// An int8 tensor that a cluster shifts in place by 128 while others may still have to read it.
///
/// The NPU driver's host code shifts an int8 input inside Paddle Lite's own tensor; whoever reads that tensor later sees
/// values that are off by 128 (read in the source, not measured: spec/paddle-lite.md C5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShiftHazard {
    /// The tensor.
    pub tensor: TensorId,
    /// The cluster that shifts it.
    pub cluster: usize,
    /// The readers that may come after that cluster.
    pub later: Vec<Reader>,
}

/// What Paddle Lite makes of the tensors outside the clusters, given which of them have a scale.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Conversions {
    /// The inserted ops, ordered by tensor.
    pub calibs: Vec<Calib>,
    /// Tensors in danger of being read after a shift, ordered by tensor and cluster.
    pub hazards: Vec<ShiftHazard>,
}

/// CPU ops that have an int8 kernel.
const INT8_ON_CPU: [&str; 6] = ["conv2d", "conv2d_transpose", "depthwise_conv2d", "matmul", "matmul_v2", "mul"];

/// Those among them whose int8 kernel can also write int8.
const INT8_OUT_ON_CPU: [&str; 3] = ["conv2d", "conv2d_transpose", "depthwise_conv2d"];

/// CPU ops that take and give whatever precision there is.
const ANY_PRECISION: [&str; 14] = [
    "arg_max",
    "assign",
    "cast",
    "flatten",
    "flatten2",
    "flatten_contiguous_range",
    "reshape",
    "reshape2",
    "shape",
    "squeeze",
    "squeeze2",
    "transpose2",
    "unsqueeze",
    "unsqueeze2",
];

/// `ANY_PRECISION` ops whose output does not carry their input's values.
const NEW_VALUES: [&str; 3] = ["arg_max", "cast", "shape"];

fn is_one_of(op_type: &Name, list: &[&str]) -> bool {
    list.iter().any(|known| op_type == known)
}

impl Conversions {
    /// The conversions of a clustering; `scaled` says which tensors have an int8 scale.
    pub fn of(graph: &OpGraph, clustering: &Clustering, scaled: impl Fn(TensorId) -> bool) -> Self {
        let assignment = clustering.assignment(graph.op_count());
        let host = Host { graph, assignment, scaled: &scaled };
        let is_int8 = host.int8_tensors();
        let mut conversions = Self::default();
        let mut ancestors = ClusterAncestors::new(graph, clustering, &host.assignment);
        for tensor in graph.tensors() {
            if producer_side(graph, &host.assignment, tensor).is_none() {
                continue;
            }
            let readers = outside_readers(graph, &host.assignment, tensor);
            let calibs = host.calibs(tensor, is_int8[tensor.index()], &readers);
            if is_int8[tensor.index()] {
                conversions.hazards.extend(shift_hazards(tensor, &readers, &calibs, &mut ancestors));
            }
            conversions.calibs.extend(calibs);
        }
        conversions
    }
}

/// The CPU side of a partitioned graph.
struct Host<'a> {
    graph: &'a OpGraph,
    assignment: Vec<Option<usize>>,
    scaled: &'a dyn Fn(TensorId) -> bool,
}

impl Host<'_> {
    /// Which tensors hold int8 while they are outside a cluster, by tensor.
    fn int8_tensors(&self) -> Vec<bool> {
        let mut is_int8 = vec![false; self.graph.tensor_count()];
        for op in self.graph.ops() {
            for tensor in self.graph.outputs(op) {
                is_int8[tensor.index()] = self.writes_int8(op, tensor, &is_int8);
            }
        }
        is_int8
    }

    fn writes_int8(&self, op: OpId, output: TensorId, is_int8: &[bool]) -> bool {
        let op_type = &self.graph.record(op).op_type;
        if self.assignment[op.index()].is_some() {
            (self.scaled)(output)
        } else if is_one_of(op_type, &INT8_OUT_ON_CPU) {
            let reads_int8 = |reader: OpId| self.has_int8_kernel(reader);
            let readers = self.graph.consumers(output);
            (self.scaled)(output) && !readers.is_empty() && readers.into_iter().all(reads_int8)
        } else {
            is_one_of(op_type, &ANY_PRECISION)
                && !is_one_of(op_type, &NEW_VALUES)
                && self.graph.inputs(op).iter().any(|input| is_int8[input.index()])
        }
    }

    fn has_int8_kernel(&self, op: OpId) -> bool {
        self.assignment[op.index()].is_none() && is_one_of(&self.graph.record(op).op_type, &INT8_ON_CPU)
    }

    /// The precision a reader wants: `None` where it takes what there is.
    fn wants_int8(&self, reader: Reader, tensor: TensorId) -> Option<bool> {
        match reader {
            Reader::Cluster(_) => Some((self.scaled)(tensor)),
            Reader::Cpu(op) if self.has_int8_kernel(op) => Some((self.scaled)(tensor)),
            Reader::Cpu(op) => (!is_one_of(&self.graph.record(op).op_type, &ANY_PRECISION)).then_some(false),
        }
    }

    fn calibs(&self, tensor: TensorId, is_int8: bool, readers: &[Reader]) -> Vec<Calib> {
        let wanting = |int8: bool| readers.iter().copied().filter(move |&r| self.wants_int8(r, tensor) == Some(int8));
        if is_int8 {
            let readers: Vec<Reader> = wanting(false).collect();
            if readers.is_empty() { Vec::new() } else { vec![Calib::Dequantize { tensor, readers }] }
        } else {
            wanting(true).map(|reader| Calib::Quantize { tensor, reader }).collect()
        }
    }
}

/// Which nodes of the partitioned graph run before a cluster in any case, found at the first question about it.
struct ClusterAncestors<'a> {
    graph: &'a OpGraph,
    clustering: &'a Clustering,
    assignment: &'a [Option<usize>],
    before: Vec<Option<OpSet>>,
}

impl<'a> ClusterAncestors<'a> {
    fn new(graph: &'a OpGraph, clustering: &'a Clustering, assignment: &'a [Option<usize>]) -> Self {
        Self { graph, clustering, assignment, before: vec![None; clustering.len()] }
    }

    fn runs_before(&mut self, reader: Reader, cluster: usize) -> bool {
        let op = match reader {
            Reader::Cpu(op) => op,
            Reader::Cluster(other) => self.clustering.clusters()[other][0],
        };
        if self.before[cluster].is_none() {
            self.before[cluster] = Some(self.ancestors(cluster));
        }
        self.before[cluster].as_ref().is_some_and(|before| before.contains(op))
    }

    /// All ops in front of a cluster, each other cluster being one node.
    fn ancestors(&self, cluster: usize) -> OpSet {
        let mut seen = OpSet::new();
        let mut pending: Vec<OpId> = self.clustering.clusters()[cluster].clone();
        while let Some(op) = pending.pop() {
            let before = self.graph.inputs(op).into_iter().filter_map(|tensor| self.graph.producer(tensor));
            for producer in before {
                let node = match self.assignment[producer.index()] {
                    Some(own) if own == cluster => continue,
                    Some(other) => self.clustering.clusters()[other].as_slice(),
                    None => &[producer],
                };
                pending.extend(node.iter().copied().filter(|&member| seen.insert(member)));
            }
        }
        seen
    }
}

fn shift_hazards(
    tensor: TensorId,
    readers: &[Reader],
    calibs: &[Calib],
    ancestors: &mut ClusterAncestors<'_>,
) -> Vec<ShiftHazard> {
    // Readers behind the shared dequantization are safe as soon as one of them is known to run before the cluster.
    let behind_calib: &[Reader] = match calibs {
        [Calib::Dequantize { readers, .. }] => readers,
        _ => &[],
    };
    let mut hazards = Vec::new();
    for &reader in readers {
        let Reader::Cluster(cluster) = reader else { continue };
        let calib_is_before = behind_calib.iter().any(|&other| ancestors.runs_before(other, cluster));
        let mut may_come_later = |other: Reader| {
            let safe =
                if behind_calib.contains(&other) { calib_is_before } else { ancestors.runs_before(other, cluster) };
            other != reader && !safe
        };
        let later: Vec<Reader> = readers.iter().copied().filter(|&other| may_come_later(other)).collect();
        if !later.is_empty() {
            hazards.push(ShiftHazard { tensor, cluster, later });
        }
    }
    hazards
}
