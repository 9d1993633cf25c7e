//! Which ops Paddle Lite offers to the NPU: by type name alone, whatever the attributes (spec/paddle-lite.md C1).

use crate::{Name, OpGraph, OpSet};

/// The op types that NNAdapter's `verisilicon_timvx` device registers, sorted by bytes.
///
/// An op of such a type may still be refused when its cluster is compiled: shapes and attributes are not looked at before.
pub const TIMVX_OP_TYPES: [&str; 101] = [
    "abs",
    "arg_max",
    "arg_min",
    "assign",
    "batch_norm",
    "bilinear_interp",
    "bilinear_interp_v2",
    "calib",
    "cast",
    "clip",
    "concat",
    "conv2d",
    "conv2d_transpose",
    "depthwise_conv2d",
    "dropout",
    "elementwise_add",
    "elementwise_div",
    "elementwise_floordiv",
    "elementwise_max",
    "elementwise_min",
    "elementwise_mul",
    "elementwise_pow",
    "elementwise_sub",
    "equal",
    "exp",
    "expand_v2",
    "fc",
    "fill_any_like",
    "fill_constant",
    "fill_constant_batch_size_like",
    "fill_zeros_like",
    "flatten",
    "flatten2",
    "flatten_contiguous_range",
    "floor",
    "fusion_elementwise_add_activation",
    "fusion_elementwise_div_activation",
    "fusion_elementwise_floordiv_activation",
    "fusion_elementwise_max_activation",
    "fusion_elementwise_min_activation",
    "fusion_elementwise_mul_activation",
    "fusion_elementwise_pow_activation",
    "fusion_elementwise_sub_activation",
    "gather",
    "gelu",
    "greater_equal",
    "greater_than",
    "hard_sigmoid",
    "hard_swish",
    "instance_norm",
    "layer_norm",
    "leaky_relu",
    "less_equal",
    "less_than",
    "log",
    "log_softmax",
    "logical_and",
    "logical_not",
    "lookup_table",
    "lookup_table_v2",
    "matmul",
    "matmul_v2",
    "meshgrid",
    "mul",
    "nearest_interp",
    "nearest_interp_v2",
    "norm",
    "not_equal",
    "pool2d",
    "pow",
    "prelu",
    "reduce_max",
    "reduce_mean",
    "reduce_sum",
    "relu",
    "relu6",
    "reshape",
    "reshape2",
    "scale",
    "shape",
    "shuffle_channel",
    "sigmoid",
    "sin",
    "slice",
    "softmax",
    "softplus",
    "split",
    "square",
    "squeeze",
    "squeeze2",
    "stack",
    "strided_slice",
    "sum",
    "swish",
    "tanh",
    "transpose",
    "transpose2",
    "unsqueeze",
    "unsqueeze2",
    "unstack",
    "where",
];

/// Does the `verisilicon_timvx` device register this op type?
pub fn timvx_supported(op_type: &Name) -> bool {
    TIMVX_OP_TYPES.binary_search_by(|known| known.as_bytes().cmp(op_type.as_bytes())).is_ok()
}

/// Is this one of the two pseudo ops at the ends of a program, which no accelerator takes?
pub fn is_feed_or_fetch(op_type: &Name) -> bool {
    op_type == "feed" || op_type == "fetch"
}

/// Which op types an accelerator takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Support {
    /// The [`TIMVX_OP_TYPES`].
    #[default]
    TimVx,
    /// Everything but feed and fetch: for the log of an accelerator whose list is not known.
    AnyButFeedFetch,
}

impl Support {
    /// Does the accelerator take this op type?
    pub fn takes(self, op_type: &Name) -> bool {
        match self {
            Self::TimVx => timvx_supported(op_type),
            Self::AnyButFeedFetch => !is_feed_or_fetch(op_type),
        }
    }

    /// The ops of a graph that the accelerator takes.
    pub fn ops(self, graph: &OpGraph) -> OpSet {
        graph.ops().filter(|&op| self.takes(&graph.record(op).op_type)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_holds_no_type_twice() {
        assert!(TIMVX_OP_TYPES.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn support_goes_by_the_exact_type_name() {
        for known in ["conv2d", "relu", "where", "abs", "fusion_elementwise_add_activation"] {
            assert!(timvx_supported(&Name::from(known)), "{known}");
        }
        for unknown in ["feed", "fetch", "Relu", "relu ", "", "silu", "pad2d", "bmm", "conv2", "conv2dd"] {
            assert!(!timvx_supported(&Name::from(unknown)), "{unknown}");
        }
    }
}
