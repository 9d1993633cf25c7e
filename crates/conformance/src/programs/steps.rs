//! The catalogue of ways in which a random program grows. To add one, write a function and name it in [`STEPS`].

use paddle_model::{Attr, DType, Param, TensorData};

use super::builder::{Draft, ProgramBuilder, Value, identity_scale, scale};

/// Adds ops if the program has tensors that fit, and says whether it did.
type Step = fn(&mut ProgramBuilder) -> bool;

/// Each way to grow with its weight in the draw.
const STEPS: &[(usize, Step)] = &[
    (14, conv),
    (4, depthwise_conv),
    (2, conv_transpose),
    (3, batch_norm),
    (14, activation),
    (8, unsupported),
    (3, pool),
    (3, gate),
    (14, binary),
    (3, binary_with_parameter),
    (2, itself_twice),
    (6, concat),
    (6, split),
    (2, slice),
    (3, identity),
    (2, in_place),
    (2, dropout),
    (2, transpose),
    (2, reshape),
    (2, interp),
    (2, softmax),
    (1, constant),
    (2, head),
    (1, arg_max),
];

/// Grows the program once; where a draw does not fit its tensors, draws again.
pub(super) fn grow(b: &mut ProgramBuilder) {
    let total: usize = STEPS.iter().map(|(weight, _)| weight).sum();
    // An activation fits every program, so that the draws end; the bound only makes that plain.
    for _ in 0..1000 {
        let mut draw = b.rng.usize(..total);
        let step = STEPS.iter().find(|(weight, _)| {
            let found = draw < *weight;
            draw = draw.saturating_sub(*weight);
            found
        });
        if step.is_some_and(|(_, step)| step(b)) {
            return;
        }
    }
}

fn conv_attrs(draft: Draft, stride: usize, padding: usize, groups: usize) -> Draft {
    draft
        .attr("strides", Attr::Ints(vec![stride as i32; 2]))
        .attr("paddings", Attr::Ints(vec![padding as i32; 2]))
        .attr("dilations", Attr::Ints(vec![1, 1]))
        .attr("groups", Attr::Int(groups as i32))
        .attr("padding_algorithm", Attr::String("EXPLICIT".into()))
        .attr("data_format", Attr::String("NCHW".into()))
}

fn conv(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose_map() else { return false };
    let channels = b.pick(&[2, 4, 4, 4, 6]);
    let out = convolve(b, &x, channels);
    let out = maybe_bias(b, out);
    let out = if b.chance(40) { unary(b, &out, "relu") } else { out };
    b.offer(out);
    true
}

/// A `conv2d` with its quantization ops, without bias.
fn convolve(b: &mut ProgramBuilder, x: &Value, channels: usize) -> Value {
    let [_, depth, height, width] = x.dims[..] else { return x.clone() };
    let kernel = b.pick(&[1, 3]);
    let stride = if height >= 4 && width >= 4 { b.pick(&[1, 1, 1, 2]) } else { 1 };
    let input = b.quantized_input(x);
    let weight = b.quantized_weight("conv2d", &[channels, depth, kernel, kernel], 0, &input);
    let out = b.fresh("conv2d", &[1, channels, (height - 1) / stride + 1, (width - 1) / stride + 1]);
    let draft = Draft::new("conv2d").input("Input", &input.name).input("Filter", &weight).output("Output", &out.name);
    b.push(conv_attrs(draft, stride, kernel / 2, 1));
    b.dequantized_output(out, &input, channels, 0)
}

/// The bias as its own add, in the classic form or behind the `reshape2` of Paddle 2.6 (spec/models.md).
fn maybe_bias(b: &mut ProgramBuilder, x: Value) -> Value {
    if b.chance(30) {
        return x;
    }
    let channels = x.dims[1];
    let bias = b.parameter_name("bias");
    b.parameter(bias.clone(), Param::new(vec![channels], TensorData::Float32(vec![0.25; channels])));
    let out = b.fresh("elementwise_add", &x.dims);
    let (bias, axis) = if b.chance(25) {
        let wide = b.fresh("reshape2", &[1, channels, 1, 1]);
        let shape = b.fresh("xshape", &[0, channels]);
        b.push(
            Draft::new("reshape2")
                .input("X", &bias)
                .output("Out", &wide.name)
                .output("XShape", &shape.name)
                .attr("shape", Attr::Ints(vec![1, channels as i32, 1, 1])),
        );
        (wide.name, -1)
    } else {
        (bias, 1)
    };
    b.push(
        Draft::new("elementwise_add")
            .input("X", &x.name)
            .input("Y", &bias)
            .output("Out", &out.name)
            .attr("axis", Attr::Int(axis)),
    );
    out
}

fn depthwise_conv(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose_map() else { return false };
    let channels = x.dims[1];
    let input = b.quantized_input(&x);
    let weight = b.quantized_weight("depthwise_conv2d", &[channels, 1, 3, 3], 0, &input);
    let out = b.fresh("depthwise_conv2d", &x.dims);
    let draft =
        Draft::new("depthwise_conv2d").input("Input", &input.name).input("Filter", &weight).output("Output", &out.name);
    b.push(conv_attrs(draft, 1, 1, channels));
    let out = b.dequantized_output(out, &input, channels, 0);
    let out = maybe_bias(b, out);
    b.offer(out);
    true
}

fn conv_transpose(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dims.len() == 4 && v.dims[2] <= 8) else { return false };
    let (depth, channels) = (x.dims[1], 4);
    let input = b.quantized_input(&x);
    let weight = b.quantized_weight("conv2d_transpose", &[depth, channels, 2, 2], 1, &input);
    let out = b.fresh("conv2d_transpose", &[1, channels, x.dims[2] * 2, x.dims[3] * 2]);
    let draft =
        Draft::new("conv2d_transpose").input("Input", &input.name).input("Filter", &weight).output("Output", &out.name);
    b.push(conv_attrs(draft, 2, 0, 1));
    let out = b.dequantized_output(out, &input, channels, 1);
    b.offer(out);
    true
}

fn batch_norm(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose_map() else { return false };
    let read = b.read(&x);
    let out = b.fresh("batch_norm", &x.dims);
    let saved = [b.fresh("saved_mean", &[x.dims[1]]), b.fresh("saved_variance", &[x.dims[1]])];
    let mut draft = Draft::new("batch_norm");
    for (argument, output) in
        [("Scale", None), ("Bias", None), ("Mean", Some("MeanOut")), ("Variance", Some("VarianceOut"))]
    {
        let name = b.parameter_name("batch_norm");
        b.parameter(name.clone(), Param::new(vec![x.dims[1]], TensorData::Float32(vec![1.0; x.dims[1]])));
        draft = draft.input(argument, &name);
        if let Some(output) = output {
            draft = draft.output(output, &name);
        }
    }
    b.push(
        draft
            .input("X", &read)
            .output("Y", &out.name)
            .output("SavedMean", &saved[0].name)
            .output("SavedVariance", &saved[1].name)
            .attr("epsilon", Attr::Float(1e-5))
            .attr("momentum", Attr::Float(0.9))
            .attr("is_test", Attr::Bool(true))
            .attr("use_global_stats", Attr::Bool(true))
            .attr("data_layout", Attr::String("NCHW".into())),
    );
    b.offer(out);
    true
}

fn unary(b: &mut ProgramBuilder, x: &Value, op_type: &str) -> Value {
    let read = b.read(x);
    let out = b.fresh(op_type, &x.dims);
    let draft = Draft::new(op_type).input("X", &read).output("Out", &out.name);
    b.push(match op_type {
        "relu6" => draft.attr("threshold", Attr::Float(6.0)),
        "leaky_relu" => draft.attr("alpha", Attr::Float(0.1)),
        "hard_swish" => {
            draft.attr("threshold", Attr::Float(6.0)).attr("scale", Attr::Float(6.0)).attr("offset", Attr::Float(3.0))
        }
        "hard_sigmoid" => draft.attr("slope", Attr::Float(0.2)).attr("offset", Attr::Float(0.5)),
        "swish" => draft.attr("beta", Attr::Float(1.0)),
        "gelu" => draft.attr("approximate", Attr::Bool(false)),
        "clip" => draft.attr("min", Attr::Float(0.0)).attr("max", Attr::Float(1.0)),
        "mish" => draft.attr("threshold", Attr::Float(20.0)),
        _ => draft,
    });
    out
}

fn activation(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dtype == DType::Float32) else { return false };
    let op_type = b.pick(&[
        "relu",
        "relu",
        "relu",
        "relu6",
        "sigmoid",
        "tanh",
        "leaky_relu",
        "hard_swish",
        "hard_sigmoid",
        "swish",
        "gelu",
        "clip",
        "exp",
        "abs",
        "square",
    ]);
    let out = unary(b, &x, op_type);
    b.offer(out);
    true
}

/// Ops that the device does not take, which cut clusters (spec/paddle-lite.md C1).
fn unsupported(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dtype == DType::Float32) else { return false };
    let op_type = b.pick(&["sqrt", "rsqrt", "silu", "erf", "cos", "sign", "reciprocal", "mish"]);
    let out = unary(b, &x, op_type);
    b.offer(out);
    true
}

fn pool2d(b: &mut ProgramBuilder, x: &Value, global: bool) -> Value {
    let read = b.read(x);
    let size = if global { [1, 1] } else { [x.dims[2] / 2, x.dims[3] / 2] };
    let out = b.fresh("pool2d", &[1, x.dims[1], size[0], size[1]]);
    let kernel = if global { 1 } else { 2 };
    let kind = b.pick(&["avg", "max"]);
    b.push(
        Draft::new("pool2d")
            .input("X", &read)
            .output("Out", &out.name)
            .attr("pooling_type", Attr::String(kind.into()))
            .attr("ksize", Attr::Ints(vec![kernel; 2]))
            .attr("strides", Attr::Ints(vec![kernel; 2]))
            .attr("paddings", Attr::Ints(vec![0, 0]))
            .attr("global_pooling", Attr::Bool(false))
            .attr("adaptive", Attr::Bool(global))
            .attr("exclusive", Attr::Bool(true))
            .attr("ceil_mode", Attr::Bool(false))
            .attr("padding_algorithm", Attr::String("EXPLICIT".into()))
            .attr("data_format", Attr::String("NCHW".into())),
    );
    out
}

fn pool(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dims.len() == 4 && v.dims[2] >= 2 && v.dims[3] >= 2) else { return false };
    let out = pool2d(b, &x, false);
    b.offer(out);
    true
}

/// Squeeze and excitation: a tensor multiplied by a function of its own mean.
fn gate(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose_map() else { return false };
    let mean = pool2d(b, &x, true);
    let squeezed = convolve(b, &mean, 2);
    let squeezed = maybe_bias(b, squeezed);
    let excited = convolve(b, &squeezed, x.dims[1]);
    let gate = unary(b, &excited, "hard_sigmoid");
    let out = elementwise(b, "elementwise_mul", &x, &gate);
    b.offer(out);
    true
}

fn elementwise(b: &mut ProgramBuilder, op_type: &str, x: &Value, y: &Value) -> Value {
    let (read_x, read_y) = (b.read(x), b.read(y));
    let out = b.fresh(op_type, &x.dims);
    b.push(
        Draft::new(op_type)
            .input("X", &read_x)
            .input("Y", &read_y)
            .output("Out", &out.name)
            .attr("axis", Attr::Int(-1)),
    );
    out
}

const BINARY: [&str; 8] = [
    "elementwise_add",
    "elementwise_add",
    "elementwise_add",
    "elementwise_sub",
    "elementwise_mul",
    "elementwise_div",
    "elementwise_max",
    "elementwise_min",
];

fn binary(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dtype == DType::Float32) else { return false };
    let Some(y) = b.choose(|v| v.dims == x.dims && v.name != x.name && v.dtype == x.dtype) else { return false };
    let op_type = b.pick(&BINARY);
    let (x, y) = if b.rng.bool() { (x, y) } else { (y, x) };
    let out = elementwise(b, op_type, &x, &y);
    let out = if b.chance(30) { unary(b, &out, "relu") } else { out };
    b.offer(out);
    true
}

fn binary_with_parameter(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose_map() else { return false };
    let name = b.parameter_name("constant");
    let y = Value { name: name.clone(), dims: vec![1], dtype: DType::Float32 };
    b.parameter(name, Param::new(vec![1], TensorData::Float32(vec![0.5])));
    let read = b.read(&x);
    let op_type = b.pick(&BINARY);
    let out = b.fresh(op_type, &x.dims);
    b.push(
        Draft::new(op_type).input("X", &read).input("Y", &y.name).output("Out", &out.name).attr("axis", Attr::Int(-1)),
    );
    b.offer(out);
    true
}

/// An op that reads one tensor twice: one link in the log (spec/paddle-lite.md A4).
fn itself_twice(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dtype == DType::Float32) else { return false };
    let op_type = b.pick(&BINARY);
    let out = elementwise(b, op_type, &x, &x);
    b.offer(out);
    true
}

fn concat(b: &mut ProgramBuilder) -> bool {
    let Some(first) = b.choose_map() else { return false };
    let mut parts = vec![first.clone()];
    for _ in 0..b.rng.usize(1..4) {
        let next = b.choose(|v| v.dims.len() == 4 && v.dims[2..] == first.dims[2..] && v.dtype == first.dtype);
        parts.extend(next);
    }
    let channels: usize = parts.iter().map(|part| part.dims[1]).sum();
    if parts.len() < 2 || channels > 24 {
        return false;
    }
    let names: Vec<_> = parts.iter().map(|part| b.read(part)).collect();
    let out = b.fresh("concat", &[1, channels, first.dims[2], first.dims[3]]);
    b.push(Draft::new("concat").inputs("X", &names).output("Out", &out.name).attr("axis", Attr::Int(1)));
    b.offer(out);
    true
}

fn split(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dims.len() == 4 && v.dims[1] % 2 == 0 && v.dtype == DType::Float32) else {
        return false;
    };
    let parts = if x.dims[1].is_multiple_of(4) { b.pick(&[2, 2, 4]) } else { 2 };
    let size = x.dims[1] / parts;
    let read = b.read(&x);
    let outs: Vec<Value> = (0..parts).map(|_| b.fresh("split", &[1, size, x.dims[2], x.dims[3]])).collect();
    let names: Vec<_> = outs.iter().map(|out| out.name.clone()).collect();
    b.push(
        Draft::new("split")
            .input("X", &read)
            .outputs("Out", &names)
            .attr("axis", Attr::Int(1))
            .attr("num", Attr::Int(0))
            .attr("sections", Attr::Ints(vec![size as i32; parts])),
    );
    // Now and then the last part is dead: an output without any reader.
    let kept = if b.chance(15) { parts - 1 } else { parts };
    outs.into_iter().take(kept).for_each(|out| b.offer(out));
    true
}

fn slice(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dims.len() == 4 && v.dims[1] >= 2 && v.dtype == DType::Float32) else { return false };
    let kept = x.dims[1] / 2;
    let read = b.read(&x);
    let out = b.fresh("slice", &[1, kept, x.dims[2], x.dims[3]]);
    b.push(
        Draft::new("slice")
            .input("Input", &read)
            .output("Out", &out.name)
            .attr("axes", Attr::Ints(vec![1]))
            .attr("starts", Attr::Ints(vec![0]))
            .attr("ends", Attr::Ints(vec![kept as i32]))
            .attr("infer_flags", Attr::Ints(vec![1]))
            .attr("decrease_axis", Attr::Ints(vec![])),
    );
    b.offer(out);
    true
}

/// A `scale`, which Paddle Lite may remove when it changes nothing.
fn identity(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dtype == DType::Float32) else { return false };
    let out = b.fresh("scale", &x.dims);
    let draft = if b.rng.bool() { identity_scale(&x.name, &out.name) } else { scale(&x.name, &out.name, 0.5, 0.5) };
    b.push(draft);
    b.offer(out);
    true
}

/// An op that overwrites its input, so that one name has two versions.
fn in_place(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dtype == DType::Float32) else { return false };
    if b.is_quantized(&x) {
        return false;
    }
    let draft = if b.rng.bool() {
        scale(&x.name, &x.name, 2.0, 0.0)
    } else {
        Draft::new("relu").input("X", &x.name).output("Out", &x.name)
    };
    b.push(draft);
    true
}

fn dropout(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dtype == DType::Float32) else { return false };
    let out = b.fresh("dropout", &x.dims);
    let mask = b.fresh("dropout_mask", &x.dims);
    let kind = b.pick(&["upscale_in_train", "upscale_in_train", "downgrade_in_infer"]);
    b.push(
        Draft::new("dropout")
            .input("X", &x.name)
            .output("Out", &out.name)
            .output("Mask", &mask.name)
            .attr("dropout_prob", Attr::Float(0.5))
            .attr("is_test", Attr::Bool(true))
            .attr("fix_seed", Attr::Bool(false))
            .attr("seed", Attr::Int(0))
            .attr("dropout_implementation", Attr::String(kind.into())),
    );
    b.offer(out);
    true
}

/// There and back, with the `XShape` output that only training reads.
fn transpose(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose_map() else { return false };
    let mut from = x.clone();
    for axes in [[0, 2, 3, 1], [0, 3, 1, 2]] {
        let dims: Vec<usize> = axes.iter().map(|&axis| from.dims[axis as usize]).collect();
        let read = b.read(&from);
        let out = b.fresh("transpose", &dims);
        let shape = b.fresh("xshape", &[0]);
        b.push(
            Draft::new("transpose2")
                .input("X", &read)
                .output("Out", &out.name)
                .output("XShape", &shape.name)
                .attr("axis", Attr::Ints(axes.to_vec())),
        );
        from = out;
    }
    b.offer(from);
    true
}

fn reshape(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dims.len() == 4 && v.dims[1] % 2 == 0 && v.dtype == DType::Float32) else {
        return false;
    };
    let dims = [1, x.dims[1] / 2, x.dims[2] * 2, x.dims[3]];
    let read = b.read(&x);
    let out = b.fresh("reshape2", &dims);
    let shape = b.fresh("xshape", &[0]);
    b.push(
        Draft::new("reshape2")
            .input("X", &read)
            .output("Out", &out.name)
            .output("XShape", &shape.name)
            .attr("shape", Attr::Ints(dims.iter().map(|&size| size as i32).collect())),
    );
    b.offer(out);
    true
}

fn interp(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dims.len() == 4 && v.dims[2] <= 8 && v.dims[3] <= 8) else { return false };
    let (op_type, method) = b.pick(&[("nearest_interp_v2", "nearest"), ("bilinear_interp_v2", "bilinear")]);
    let read = b.read(&x);
    let out = b.fresh(op_type, &[1, x.dims[1], x.dims[2] * 2, x.dims[3] * 2]);
    b.push(
        Draft::new(op_type)
            .input("X", &read)
            .output("Out", &out.name)
            .attr("interp_method", Attr::String(method.into()))
            .attr("scale", Attr::Floats(vec![2.0, 2.0]))
            .attr("out_h", Attr::Int(-1))
            .attr("out_w", Attr::Int(-1))
            .attr("align_corners", Attr::Bool(false))
            .attr("align_mode", Attr::Int(0))
            .attr("data_layout", Attr::String("NCHW".into())),
    );
    b.offer(out);
    true
}

fn softmax(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dtype == DType::Float32) else { return false };
    let read = b.read(&x);
    let out = b.fresh("softmax", &x.dims);
    b.push(Draft::new("softmax").input("X", &read).output("Out", &out.name).attr("axis", Attr::Int(-1)));
    b.offer(out);
    true
}

/// An op without inputs.
fn constant(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose_map() else { return false };
    let constant = b.fresh("fill_constant", &x.dims);
    b.push(
        Draft::new("fill_constant")
            .output("Out", &constant.name)
            .attr("shape", Attr::Longs(x.dims.iter().map(|&size| size as i64).collect()))
            .attr("value", Attr::Float(0.5))
            .attr("str_value", Attr::String("0.5".into()))
            .attr("force_cpu", Attr::Bool(false))
            .attr("dtype", Attr::Int(DType::Float32.code())),
    );
    let out = elementwise(b, "elementwise_add", &x, &constant);
    b.offer(out);
    true
}

/// Flatten and a fully connected layer.
fn head(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose_map() else { return false };
    let size = x.dims[1..].iter().product();
    let read = b.read(&x);
    let flat = b.fresh("flatten", &[1, size]);
    let shape = b.fresh("xshape", &[0]);
    b.push(
        Draft::new("flatten_contiguous_range")
            .input("X", &read)
            .output("Out", &flat.name)
            .output("XShape", &shape.name)
            .attr("start_axis", Attr::Int(1))
            .attr("stop_axis", Attr::Int(3)),
    );
    let op_type = b.pick(&["matmul_v2", "matmul_v2", "mul"]);
    let input = b.quantized_input(&flat);
    let weight = b.quantized_weight(op_type, &[size, 6], 1, &input);
    let out = b.fresh(op_type, &[1, 6]);
    let draft = Draft::new(op_type).input("X", &input.name).input("Y", &weight).output("Out", &out.name);
    b.push(if op_type == "mul" {
        draft.attr("x_num_col_dims", Attr::Int(1)).attr("y_num_col_dims", Attr::Int(1))
    } else {
        draft.attr("trans_x", Attr::Bool(false)).attr("trans_y", Attr::Bool(false))
    });
    let out = b.dequantized_output(out, &input, 6, 1);
    let out = maybe_bias_of_row(b, out);
    b.offer(out);
    true
}

fn maybe_bias_of_row(b: &mut ProgramBuilder, x: Value) -> Value {
    if b.chance(30) {
        return x;
    }
    let bias = b.parameter_name("bias");
    b.parameter(bias.clone(), Param::new(vec![x.dims[1]], TensorData::Float32(vec![0.25; x.dims[1]])));
    let out = b.fresh("elementwise_add", &x.dims);
    b.push(
        Draft::new("elementwise_add")
            .input("X", &x.name)
            .input("Y", &bias)
            .output("Out", &out.name)
            .attr("axis", Attr::Int(1)),
    );
    out
}

fn arg_max(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose_map() else { return false };
    let read = b.read(&x);
    let name = b.fresh("arg_max", &[1]).name;
    let out = b.declare_as(name, &[1, x.dims[2], x.dims[3]], DType::Int64);
    b.push(
        Draft::new("arg_max")
            .input("X", &read)
            .output("Out", &out.name)
            .attr("axis", Attr::Long(1))
            .attr("keepdims", Attr::Bool(false))
            .attr("flatten", Attr::Bool(false))
            .attr("dtype", Attr::Int(DType::Int64.code())),
    );
    b.offer(out);
    true
}
