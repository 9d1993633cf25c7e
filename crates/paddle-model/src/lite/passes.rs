//! Paddle Lite's passes up to the point where it prints `subgraph operators:`, one file each, and what they share.

pub(super) mod delete_quant;
pub(super) mod dequant_linear;
mod fold;
pub(super) mod fold_assign_value;
pub(super) mod fold_fill_constant;
pub(super) mod fold_range;
pub(super) mod fold_reshape;
pub(super) mod fold_scale;
pub(super) mod fold_ssd_boxes;
pub(super) mod fold_unsqueeze;
pub(super) mod fuse_dequant;
pub(super) mod fuse_norm;
pub(super) mod identity_dropout;
pub(super) mod identity_scale;
pub(super) mod op_transformation;
mod prior_box;
pub(super) mod propagate_scales;
pub(super) mod quant_dequant;
pub(super) mod quant_dequant_linear;
mod weights;
pub(super) mod zero_dim;

use super::{
    scope::Scope,
    ssa::{OpIx, SsaGraph, VarIx},
};
use crate::{Attr, ModelError};

/// The op types that run in int8, in the order their passes go (spec/paddle-lite.md C3).
const CONV_OR_PRODUCT: [&str; 6] = ["conv2d", "depthwise_conv2d", "conv2d_transpose", "mul", "matmul", "matmul_v2"];

fn is_conv(op_type: &str) -> bool {
    CONV_OR_PRODUCT[..3].contains(&op_type)
}

fn is_product(op_type: &str) -> bool {
    CONV_OR_PRODUCT[3..].contains(&op_type)
}

/// The largest code of a width, 127 for 8 bits.
fn code_range(bits: i32) -> f32 {
    ((1_i32 << (bits - 1)) - 1) as f32
}

/// The op's attribute `bit_length`.
fn bit_length(graph: &SsaGraph, op: OpIx) -> Result<i32, ModelError> {
    let bits = graph.desc(op).attrs.get("bit_length").and_then(Attr::as_int);
    match bits {
        Some(bits @ 2..=16) => Ok(bits as i32),
        Some(bits) => Err(graph.abort(op, format!("its attribute `bit_length` is {bits}"))),
        None => Err(graph.abort(op, "it has no attribute `bit_length`".to_owned())),
    }
}

/// The steps behind the constant thresholds that a variable holds; at least one.
fn steps(graph: &SsaGraph, scope: &Scope, op: OpIx, thresholds: VarIx, bits: i32) -> Result<Vec<f32>, ModelError> {
    let name = &graph.var(thresholds).name;
    let values = scope.floats(name).filter(|values| !values.is_empty());
    let values = values.ok_or_else(|| graph.abort(op, format!("its scale `{name}` is no constant of singles")))?;
    Ok(values.iter().map(|threshold| threshold / code_range(bits)).collect())
}
