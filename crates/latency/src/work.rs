//! What a network does, in the units that the rates are in.

use op_graph::{Boundary, Clustering, OpId, TensorId};
use paddle_model::{Attr, LiteOp, LiteProgram, Weight};

/// An amount of work.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// Multiplications of dense convolutions and matrix products, in 10⁹.
    pub dense: f64,
    /// Multiplications of depthwise convolutions, in 10⁹.
    pub depthwise: f64,
    /// Elements that ops read and write (a byte each, as codes), in 10⁶.
    pub megabytes: f64,
    /// The number of ops, without those that are fused into a convolution and, on the NPU, those that only move elements.
    pub ops: f64,
}

impl Work {
    fn add(&mut self, other: Self) {
        self.dense += other.dense;
        self.depthwise += other.depthwise;
        self.megabytes += other.megabytes;
        self.ops += other.ops;
    }
}

/// What a placement does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Features {
    /// The ops on the CPU.
    pub cpu: Work,
    /// The ops on the NPU.
    pub npu: Work,
    /// The number of NPU subgraphs.
    pub clusters: f64,
    /// What crosses between CPU and NPU, in 10⁶ elements.
    pub crossing_megabytes: f64,
}

impl Features {
    /// How many rates there are.
    pub(crate) const COUNT: usize = 10;

    pub(crate) fn values(&self) -> [f64; Self::COUNT] {
        let of = |work: &Work| [work.dense, work.depthwise, work.megabytes, work.ops];
        let ([a, b, c, d], [e, f, g, h]) = (of(&self.cpu), of(&self.npu));
        [a, b, c, d, e, f, g, h, self.clusters, self.crossing_megabytes]
    }
}

/// The work of each op of a program.
#[derive(Clone, Debug)]
pub struct NetworkWork {
    cpu: Vec<Work>,
    npu: Vec<Work>,
    tensor_megabytes: Vec<f64>,
}

impl NetworkWork {
    /// Reads the work off a program; `shapes` has one entry a tensor version, as the simulator infers them. What has no known
    /// shape counts as no work.
    pub fn of(program: &LiteProgram, shapes: &[Option<Vec<usize>>]) -> Self {
        let size = |at: usize| {
            let shape = shapes.get(at).and_then(Option::as_ref);
            shape.map_or(0.0, |shape| shape.iter().product::<usize>() as f64)
        };
        let elements = |tensor: TensorId| size(tensor.index());
        let tensor_megabytes = (0..program.tensors.len()).map(|at| size(at) / 1e6).collect();
        let work = |op: OpId, fused: &[&str], uncounted: &[&str]| {
            let lite = &program.ops[op.index()];
            if FREE.contains(&lite.op_type.as_str()) || is_fused(program, op, fused) {
                return Work::default();
            }
            let graph = &program.graph;
            let produced: f64 = graph.outputs(op).into_iter().map(elements).sum();
            let computed = graph.inputs(op).into_iter().filter(|&tensor| graph.producer(tensor).is_some());
            let read: f64 = computed.clone().map(elements).sum();
            let (macs, depthwise) = multiplications(program, lite, produced, read);
            let (dense, depthwise) = if depthwise { (0.0, macs / 1e9) } else { (macs / 1e9, 0.0) };
            let ops = if uncounted.contains(&lite.op_type.as_str()) { 0.0 } else { 1.0 };
            Work { dense, depthwise, megabytes: (produced + read) / 1e6, ops }
        };
        let all =
            |fused: &[&str], uncounted: &[&str]| program.graph.ops().map(|op| work(op, fused, uncounted)).collect();
        Self { cpu: all(CPU_FUSED, &[]), npu: all(NPU_FUSED, NPU_MOVES), tensor_megabytes }
    }

    /// What one op does by itself, on the CPU and on the NPU; ops that are computed within another have no work of their own.
    pub fn op(&self, op: OpId) -> (Features, Features) {
        let at = |work: &[Work]| work.get(op.index()).copied().unwrap_or_default();
        (Features { cpu: at(&self.cpu), ..Features::default() }, Features { npu: at(&self.npu), ..Features::default() })
    }

    /// What a placement does: ops of a cluster on the NPU, the others on the CPU.
    pub fn features(&self, program: &LiteProgram, clustering: &Clustering) -> Features {
        let mut features = Features { clusters: clustering.len() as f64, ..Features::default() };
        let clusters = clustering.assignment(self.cpu.len());
        for (cluster, (cpu, npu)) in clusters.iter().zip(self.cpu.iter().zip(&self.npu)) {
            match cluster {
                Some(_) => features.npu.add(*npu),
                None => features.cpu.add(*cpu),
            }
        }
        let boundaries = Boundary::of(&program.graph, clustering);
        for cluster in 0..clustering.len() {
            let crossing = boundaries.inputs_of(cluster).chain(boundaries.outputs_of(cluster));
            features.crossing_megabytes +=
                crossing.filter_map(|b| self.tensor_megabytes.get(b.tensor.index())).sum::<f64>();
        }
        features
    }
}

/// Multiplications, and whether they are a depthwise convolution's.
fn multiplications(program: &LiteProgram, op: &LiteOp, produced: f64, read: f64) -> (f64, bool) {
    let weight = |argument: &str| op.input(argument).and_then(|name| program.weights.get(name));
    let each = |weight: &Weight, from: usize| weight.dims.iter().skip(from).product::<usize>() as f64;
    match op.op_type.as_str() {
        "conv2d" | "depthwise_conv2d" => weight("Filter").map_or((0.0, false), |filter| {
            let groups = op.attrs.get("groups").and_then(Attr::as_int).unwrap_or(1);
            (produced * each(filter, 1), groups > 1 && filter.dims.get(1) == Some(&1))
        }),
        "conv2d_transpose" => weight("Filter").map_or((0.0, false), |filter| (read * each(filter, 1), false)),
        "mul" | "matmul" | "matmul_v2" => {
            // A weight [k, n] serves k·n multiplications a row, whichever way it lies.
            let rows = |w: &Weight| read / w.dims.first().copied().unwrap_or(1).max(1) as f64;
            weight("Y").map_or((0.0, false), |w| (rows(w) * each(w, 0), false))
        }
        _ => (0.0, false),
    }
}

/// Ops that move and compute nothing.
const FREE: &[&str] = &[
    "feed",
    "fetch",
    "reshape",
    "reshape2",
    "flatten",
    "flatten2",
    "flatten_contiguous_range",
    "squeeze",
    "squeeze2",
    "unsqueeze",
    "unsqueeze2",
    "dropout",
];

/// What on the NPU is no operation of its own to start, but elements that move.
const NPU_MOVES: &[&str] =
    &["concat", "split", "slice", "stack", "unstack", "transpose", "transpose2", "shuffle_channel"];

/// What the CPU computes within a convolution or product before it.
const CPU_FUSED: &[&str] =
    &["batch_norm", "elementwise_add", "relu", "relu6", "leaky_relu", "hard_swish", "swish", "sigmoid", "scale"];

/// What the NPU does: normalization, bias, relu and relu6 alone (spec/paddle-lite.md D, timvx HAL order).
const NPU_FUSED: &[&str] = &["batch_norm", "elementwise_add", "relu", "relu6"];

/// Is the op one of the fused ones right behind a convolution or product, or behind another such?
fn is_fused(program: &LiteProgram, op: OpId, fused: &[&str]) -> bool {
    const HOSTS: &[&str] = &["conv2d", "depthwise_conv2d", "conv2d_transpose", "mul", "matmul", "matmul_v2"];
    let is = |op: OpId, types: &[&str]| types.contains(&program.ops[op.index()].op_type.as_str());
    let mut op = op;
    while is(op, fused) {
        let producers: Vec<OpId> =
            program.graph.inputs(op).into_iter().filter_map(|tensor| program.graph.producer(tensor)).collect();
        match producers[..] {
            [producer] if is(producer, HOSTS) => return true,
            [producer] => op = producer,
            // An addend that is computed is work of its own.
            _ => return false,
        }
    }
    false
}
