//! Ops that map one tensor to another of its shape.

use paddle_model::{Attr, DType};

use crate::programs::builder::{Draft, ProgramBuilder, Value, identity_scale, scale};

pub(super) fn activation(b: &mut ProgramBuilder) -> bool {
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
pub(super) fn unsupported(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dtype == DType::Float32) else { return false };
    let op_type = b.pick(&["sqrt", "rsqrt", "silu", "erf", "cos", "sign", "reciprocal", "mish"]);
    let out = unary(b, &x, op_type);
    b.offer(out);
    true
}

pub(super) fn softmax(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dtype == DType::Float32) else { return false };
    let read = b.read(&x);
    let out = b.fresh("softmax", &x.dims);
    b.push(Draft::new("softmax").input("X", &read).output("Out", &out.name).attr("axis", Attr::Int(-1)));
    b.offer(out);
    true
}

pub(super) fn dropout(b: &mut ProgramBuilder) -> bool {
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

/// A `scale`, which Paddle Lite may remove when it changes nothing.
pub(super) fn identity(b: &mut ProgramBuilder) -> bool {
    let Some(x) = b.choose(|v| v.dtype == DType::Float32) else { return false };
    let out = b.fresh("scale", &x.dims);
    let draft = if b.rng.bool() { identity_scale(&x.name, &out.name) } else { scale(&x.name, &out.name, 0.5, 0.5) };
    b.push(draft);
    b.offer(out);
    true
}

/// An op that overwrites its input, so that one name has two versions.
pub(super) fn in_place(b: &mut ProgramBuilder) -> bool {
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

pub(super) fn unary(b: &mut ProgramBuilder, x: &Value, op_type: &str) -> Value {
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
