//! What the stack around the arithmetic does: how it types tensors, what it drops, what it refuses
//! (spec/paddle-lite.md C4, C5, D; spec/measured.md "What placements do").

use op_graph::{OpId, TensorId};
use paddle_model::{LiteOp, LiteProgram, TensorData, Weight};

use crate::{
    Refusal, RefusalClass,
    families::resize::Coordinates,
    npu::{NpuOperation, Operand, Precision, ZeroPoints},
    program::{Attributes, read_version},
};

/// Weight scales closer than this to the first make a per-tensor weight (spec/paddle-lite.md D, NNAdapter types).
const SAME_SCALE: f32 = 1e-5;

/// Per-channel weights whose scales hardly differ count as per-tensor, with the first scale.
pub(crate) fn weight_precision(steps: &[f32]) -> Precision {
    let first = steps.first().copied().unwrap_or_default();
    if steps.iter().any(|step| (step - first).abs() > SAME_SCALE) {
        Precision::Int8PerChannel(steps.into())
    } else {
        Precision::Int8 { scale: first }
    }
}

/// A float constant for which the op carries a scale, as the biases behind a `reshape2` of the onnx-format exports: the
/// converter checks that a float operand has none (`utility.cc:503`; spec/measured.md "What placements do"). Only element-wise ops
/// hand a constant's scale on unconditionally.
pub(crate) fn is_scaled_float(op: &LiteOp, weight: &Weight) -> bool {
    op.op_type.starts_with("elementwise_") && matches!(weight.data, TensorData::Float32(_))
}

/// Are two activation scales the same to the converter?
pub(crate) fn same_scale(a: f32, b: f32) -> bool {
    (a - b).abs() <= SAME_SCALE
}

/// An output takes its input's element type but not its scale: an 8-bit output without a scale of its own has scale 0, except
/// that a reshape hands its input's scale on (spec/paddle-lite.md D).
pub(crate) fn output_precision(kind: &dyn NpuOperation, input: &Precision, step: Option<f32>) -> Precision {
    match input {
        Precision::Int8 { scale } => {
            let own = step.unwrap_or(if kind.hands_scale_on() { *scale } else { 0.0 });
            Precision::Int8 { scale: own }
        }
        other => other.clone(),
    }
}

/// A convolution's own bias is quantized by a cast, which cuts toward zero (spec/paddle-lite.md D).
pub(crate) fn truncated_bias(bias: f32, step: f32) -> i32 {
    (bias / step) as i32
}

/// A bias that the driver folds in from an add behind the convolution or matrix product is rounded, half away from zero
/// (`fuse_conv2d_add_into_conv2d.cc`, `QuantizeData`).
pub(crate) fn folded_bias(bias: f32, step: f32) -> i32 {
    (bias / step).round() as i32
}

/// The scales for the folded bias of a fully connected op: `QuantizeData` is called without a channel axis, so per-channel
/// weights get the first channel's scale for every bias (`fuse_matmul_add_into_fully_connected.cc`).
pub(crate) fn folded_linear_bias_step(steps: &[f32]) -> f32 {
    steps.first().copied().unwrap_or_default()
}

/// Does the driver take an identity `scale` for no operation at all, its output being its input (`converter/scale.cc`)?
pub(crate) fn is_identity_scale(op: &LiteOp) -> bool {
    let scale = op.float("scale").unwrap_or(1.0);
    let bias = op.float("bias").unwrap_or(0.0);
    op.op_type == "scale" && (scale - 1.0).abs() <= 1e-5 && bias.abs() <= 1e-5
}

/// Which zero point a u8 tensor gets (spec/paddle-lite.md D, symm → asymm), in the codes kept here: 0, or what the op's rule says.
pub(crate) fn zero_point(rule: ZeroPoints, input: &Precision) -> i32 {
    match rule {
        ZeroPoints::OutputZero => -128,
        ZeroPoints::FromInput => input.quant().map_or(0, |quant| quant.zero_point),
        ZeroPoints::Middle | ZeroPoints::Untouched => 0,
    }
}

/// A code handed back to Lite: the zero point is taken off and the result clamped to int8, so that of a tensor with u8 zero
/// point 0 only half the range returns (spec/paddle-lite.md D, `Asymm2SymmData`).
pub(crate) fn handed_back(code: i8, zero_point: i32) -> i8 {
    (i32::from(code) - zero_point).clamp(-128, 127) as i8
}

/// A cluster whose output no operation stands for.
pub(crate) fn no_operand_for_output(program: &LiteProgram, tensor: TensorId) -> Refusal {
    let name = program.graph.tensor_name(tensor);
    Refusal::build(
        RefusalClass::UnmappedOperand,
        program.graph.producer(tensor),
        format!("no operand for output `{name}`"),
    )
}

/// An input or output of the cluster that no operation touches, because the converter dropped the op that did
/// (`engine.cc:150`: `tensors_.find(operand)`).
pub(crate) fn untouched_operand(program: &LiteProgram, tensor: TensorId) -> Refusal {
    let name = program.graph.tensor_name(tensor);
    Refusal::build(
        RefusalClass::UnmappedOperand,
        program.graph.consumers(tensor).first().copied(),
        format!("`{name}` enters a cluster in which no operation reads it"),
    )
}

/// What Paddle Lite refuses before anything is compiled; `assignment` holds the cluster of each op.
pub(crate) fn check_at_load(program: &LiteProgram, assignment: &[Option<usize>]) -> Result<(), Refusal> {
    let on_cpu = |op: OpId| assignment[op.index()].is_none();
    for op in program.graph.ops().filter(|&op| on_cpu(op)) {
        if is_identity_scale(&program.ops[op.index()]) {
            renamed_cluster_output(program, assignment, op)?;
        }
    }
    broken_links(program, on_cpu)
}

/// A convolution and its bias add both on the CPU are fused; where the bias is a folded `reshape2` (Paddle 2.6's export form), the
/// fusion leaves a link of the graph one-sided, which the check before the next such fusion finds
/// (`ssa_graph.cc CheckBidirectionalConnection`; spec/measured.md "What placements do").
fn broken_links(program: &LiteProgram, on_cpu: impl Fn(OpId) -> bool) -> Result<(), Refusal> {
    let bias_add = |conv: OpId| {
        let lite = &program.ops[conv.index()];
        let is_conv = matches!(lite.op_type.as_str(), "conv2d" | "depthwise_conv2d");
        let output = *program.graph.outputs(conv).first().filter(|_| is_conv)?;
        let &[add] = program.graph.consumers(output).as_slice() else { return None };
        let bias = program.ops[add.index()].input("Y").and_then(|name| program.weights.get(name))?;
        let is_add = program.ops[add.index()].op_type == "elementwise_add";
        (is_add && on_cpu(conv) && on_cpu(add)).then_some((add, bias.dims.len() > 1))
    };
    let pairs: Vec<(OpId, bool)> = program.graph.ops().filter_map(bias_add).collect();
    match pairs.iter().find(|&&(_, folded)| folded) {
        Some(&(add, _)) if pairs.len() > 1 => {
            let text = "fusing a bias that comes out of a reshape2 leaves a one-sided link in the graph";
            Err(Refusal::load(RefusalClass::BrokenLinks, Some(add), text))
        }
        _ => Ok(()),
    }
}

/// `remove_scale1_pass` runs after the partition: it removes an identity `scale` on the CPU and lets the op before it write the
/// scale's output. Where that op is a cluster, its list of outputs still has the old name (`subgraph_op.cc:76`).
fn renamed_cluster_output(program: &LiteProgram, assignment: &[Option<usize>], scale: OpId) -> Result<(), Refusal> {
    let Some(name) = program.ops[scale.index()].input("X") else { return Ok(()) };
    let producer = read_version(program, scale, name).and_then(|version| program.graph.producer(version));
    if producer.is_none_or(|producer| assignment[producer.index()].is_none()) {
        return Ok(());
    }
    let text = format!("the identity scale on the CPU is removed and cluster output `{name}` is not found any more");
    Err(Refusal::load(RefusalClass::RenamedOutput, Some(scale), text))
}

/// The driver has no tensor for symmetric int8 or for int64, which an operand keeps where no pass converted it
/// (spec/paddle-lite.md D, "HAL accepts only").
pub(crate) fn check_tensor_types<'a>(
    op: Option<OpId>,
    operands: impl Iterator<Item = &'a Operand>,
) -> Result<(), Refusal> {
    for operand in operands {
        let name = match operand.precision {
            Precision::Int8 { .. } => "QUANT_INT8_SYMM_PER_LAYER",
            Precision::Int64 => "INT64",
            _ => continue,
        };
        return Err(Refusal::build(RefusalClass::TensorType, op, format!("no device tensor with precision={name}")));
    }
    Ok(())
}

/// The driver maps the axes of a reduction with the rank of the output, so that without `keep_dim` other axes are reduced than
/// the model says (spec/paddle-lite.md E: `converter/reduce.cc:33`; ovxlib adds the input's rank to negative axes).
pub(crate) fn axes_by_output_rank(axes: &[i64], rank: usize, keep_dims: bool) -> Vec<i64> {
    let rank = rank as i64;
    let output_rank = if keep_dims { rank } else { (rank - axes.len() as i64).max(1) };
    // NNAdapter's axis to WHCN with the output's rank, ovxlib's wrap with the input's, and back to NCHW with the input's.
    let mapped = |&axis: &i64| {
        let axis = if axis < 0 { axis + output_rank } else { axis };
        let whcn = output_rank - 1 - axis;
        let whcn = if whcn < 0 { whcn + rank } else { whcn };
        rank - 1 - whcn
    };
    axes.iter().map(mapped).collect()
}

/// The driver ignores `align_mode`: half-pixel centres only where the output is more than four times the input, in whole
/// numbers (spec/paddle-lite.md E: `converter/resize_linear.cc:56`).
pub(crate) fn device_coordinates(input: [usize; 2], output: [usize; 2]) -> Coordinates {
    let ratio = |axis: usize| output[axis] / input[axis].max(1);
    if ratio(0) > 4 || ratio(1) > 4 { Coordinates::HalfPixel } else { Coordinates::Asymmetric }
}
