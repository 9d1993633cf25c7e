//! `depthwise_conv2d_transpose` becomes `conv2d_transpose` in place; Paddle Lite does so wherever the CPU is an ARM.

use crate::lite::ssa::SsaGraph;

pub(in crate::lite) fn run(graph: &mut SsaGraph) {
    for op in graph.ops_of_type("depthwise_conv2d_transpose") {
        "conv2d_transpose".clone_into(&mut graph.desc_mut(op).op_type);
    }
}
