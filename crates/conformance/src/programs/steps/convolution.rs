//! Convolutions and the batch norm behind them, with their quantization ops.

use paddle_model::{Attr, Param, TensorData};

use super::activation::unary;
use crate::programs::builder::{Draft, ProgramBuilder, Value};

pub(super) fn conv(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose_map() else { return false };
    let channels = b.pick(&[2, 4, 4, 4, 6]);
    let out = convolve(b, &x, channels);
    let out = maybe_bias(b, out);
    let out = if b.chance(40) { unary(b, &out, "relu") } else { out };
    b.offer(out);
    true
}

pub(super) fn depthwise_conv(b: &mut ProgramBuilder) -> bool {
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

pub(super) fn conv_transpose(b: &mut ProgramBuilder) -> bool {
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

pub(super) fn batch_norm(b: &mut ProgramBuilder) -> bool {
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

/// A `conv2d` with its quantization ops, without bias.
pub(super) fn convolve(b: &mut ProgramBuilder, x: &Value, channels: usize) -> Value {
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
pub(super) fn maybe_bias(b: &mut ProgramBuilder, x: Value) -> Value {
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

fn conv_attrs(draft: Draft, stride: usize, padding: usize, groups: usize) -> Draft {
    draft
        .attr("strides", Attr::Ints(vec![stride as i32; 2]))
        .attr("paddings", Attr::Ints(vec![padding as i32; 2]))
        .attr("dilations", Attr::Ints(vec![1, 1]))
        .attr("groups", Attr::Int(groups as i32))
        .attr("padding_algorithm", Attr::String("EXPLICIT".into()))
        .attr("data_format", Attr::String("NCHW".into()))
}
