//! Ops that change the height and width of a feature map, and the gates built on them.

use paddle_model::Attr;

use super::activation::unary;
use super::convolution::{convolve, maybe_bias};
use super::elementwise::elementwise;
use crate::programs::builder::{Draft, ProgramBuilder, Value};

pub(super) fn pool(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dims.len() == 4 && v.dims[2] >= 2 && v.dims[3] >= 2) else { return false };
    let out = pool2d(b, &x, false);
    b.offer(out);
    true
}

/// Squeeze and excitation: a tensor multiplied by a function of its own mean.
pub(super) fn gate(b: &mut ProgramBuilder) -> bool {
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

pub(super) fn interp(b: &mut ProgramBuilder) -> bool {
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
