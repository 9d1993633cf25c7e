//! The copy of a model that the wheel's runtime can load with every op on the CPU. Each change leaves the values as they are and
//! goes round one defect of Paddle Lite 2.13rc0 (docs/conformance.md).

use std::collections::BTreeMap;

use op_graph::Name;
use paddle_model::{Arguments, Attr, Block, DType, LiteProgram, Model, Op, Param, TensorData, Var};

/// Ops whose weights can be codes, with the axis of the output channels in them.
const WEIGHTED: [(&str, usize); 6] =
    [("conv2d", 0), ("depthwise_conv2d", 0), ("conv2d_transpose", 1), ("matmul", 1), ("matmul_v2", 1), ("mul", 1)];

/// The copy.
pub(super) fn loadable(model: &Model) -> Model {
    let mut copy = model.clone();
    if let Some(block) = copy.program.blocks.first_mut() {
        name_shape_outputs(block);
        fold_reshaped_biases(block, &copy.params);
        widen_scales(block, &mut copy.params);
    }
    copy
}

/// The types of the ops whose weights are codes: the lines of a mixed-precision file that has them computed in float.
pub(super) fn quantized_types(model: &LiteProgram) -> Vec<&str> {
    let known = WEIGHTED.iter().map(|(op_type, _)| *op_type);
    known.filter(|op_type| model.ops.iter().any(|op| op.op_type == *op_type && op.enable_int8)).collect()
}

/// `FlattenContiguousRangeOp::InferType` reads the optional output `XShape` unasked, and exporters drop it: a segmentation fault.
fn name_shape_outputs(block: &mut Block) {
    let without =
        |op: &&mut Op| op.op_type == "flatten_contiguous_range" && op.outputs.get("XShape").is_none_or(Vec::is_empty);
    for (index, op) in block.ops.iter_mut().filter(without).enumerate() {
        let name = Name::from(format!("npu_bisect_xshape_{index}"));
        block.vars.push(Var::tensor(name.clone(), DType::Float32, &[0]));
        op.outputs.insert("XShape".into(), vec![name]);
    }
}

/// A bias behind a `reshape2`, as Paddle 2.6 exports it, aborts a fusion pass of the CPU's (spec/measured.md): the bias is added in
/// the classic form (spec/models.md), which computes the same. What read it through a fake quantization reads it as it is.
fn fold_reshaped_biases(block: &mut Block, params: &BTreeMap<Name, Param>) {
    let is_added = |name: &Name| {
        let mut readers = block.ops.iter().filter(|op| op.inputs.values().flatten().any(|read| read == name));
        readers.all(|op| op.op_type == "elementwise_add" || is_quantization(op))
    };
    let found = block.ops.iter().filter_map(|op| reshaped_bias(op, params));
    let reshaped: BTreeMap<Name, Name> = found.filter(|(out, _)| is_added(out)).collect();
    let folded = |out: &Name| reshaped.contains_key(out);
    block.ops.retain(|op| !(op.op_type == "reshape2" && op.outputs.values().flatten().any(folded)));
    for (out, bias) in &reshaped {
        bypass_quantization(block, out);
        for op in &mut block.ops {
            for read in op.inputs.values_mut().flatten().filter(|read| *read == out) {
                *read = bias.clone();
                op.attrs.insert("axis".into(), Attr::Int(1));
            }
        }
    }
}

/// The output and the input of a `reshape2` that makes a 1-D parameter 1 × channels × 1 × 1.
fn reshaped_bias(op: &Op, params: &BTreeMap<Name, Param>) -> Option<(Name, Name)> {
    let lone = |arguments: &Arguments, name: &str| arguments.get(name)?.first().cloned();
    let by_attribute = ["Shape", "ShapeTensor"].iter().all(|name| op.inputs.get(*name).is_none_or(Vec::is_empty));
    let for_channels = match op.attrs.get("shape") {
        Some(Attr::Ints(shape)) => matches!(shape[..], [1, _, 1, 1]),
        _ => false,
    };
    let bias = lone(&op.inputs, "X").filter(|_| op.op_type == "reshape2" && by_attribute && for_channels)?;
    (params.get(&bias)?.dims.len() == 1).then_some((lone(&op.outputs, "Out")?, bias))
}

fn is_quantization(op: &Op) -> bool {
    op.op_type.starts_with("fake_quantize_dequantize")
        || ["quantize_linear", "dequantize_linear"].contains(&op.op_type.as_str())
}

/// Has the readers of the quantized forms of a tensor read the tensor itself.
fn bypass_quantization(block: &mut Block, name: &Name) {
    let quantizes = |op: &Op| is_quantization(op) && op.inputs.get("X").is_some_and(|read| read.contains(name));
    while let Some(at) = block.ops.iter().position(quantizes) {
        let form = block.ops.remove(at);
        let forms: Vec<&Name> =
            ["Out", "Y"].iter().filter_map(|argument| form.outputs.get(*argument)?.first()).collect();
        for read in block.ops.iter_mut().flat_map(|op| op.inputs.values_mut().flatten()) {
            if forms.contains(&&*read) {
                *read = name.clone();
            }
        }
    }
}

/// `RestoreConv2DFromInt8ToFp32` wants a scale for each output channel and aborts on one for the whole weight, as the onnx format has
/// it: the one is repeated.
fn widen_scales(block: &mut Block, params: &mut BTreeMap<Name, Param>) {
    let axes: BTreeMap<Name, usize> = WEIGHTED
        .iter()
        .flat_map(|(op_type, axis)| {
            let readers = block.ops.iter().filter(move |op| op.op_type == *op_type);
            readers.flat_map(|op| op.inputs.values().flatten().cloned()).map(|name| (name, *axis))
        })
        .collect();
    for op in block.ops.iter_mut().filter(|op| op.op_type == "dequantize_linear") {
        let first = |arguments: &Arguments, name: &str| arguments.get(name)?.first().cloned();
        let names = [first(&op.inputs, "X"), first(&op.inputs, "Scale"), first(&op.inputs, "ZeroPoint")];
        let [Some(weight), Some(scale), Some(zero_point)] = names else { continue };
        let axis = first(&op.outputs, "Y").and_then(|out| axes.get(&out).copied());
        let Some((axis, channels)) = axis.and_then(|axis| Some((axis, *params.get(&weight)?.dims.get(axis)?))) else {
            continue;
        };
        let Some(&[step]) = params.get(&scale).and_then(|param| param.data.as_f32()) else { continue };
        params.insert(scale.clone(), Param::new(vec![channels], TensorData::Float32(vec![step; channels])));
        params.insert(zero_point.clone(), Param::new(vec![channels], TensorData::Int32(vec![0; channels])));
        for var in block.vars.iter_mut().filter(|var| var.name == scale || var.name == zero_point) {
            var.dims = vec![channels as i64];
        }
        op.attrs.insert("quant_axis".into(), Attr::Int(axis as i32));
    }
}
