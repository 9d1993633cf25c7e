//! What the linter tells a user.

use std::{fmt::Write, fs};

use op_graph::Support;
use subgraph_log::{lint, parse};

fn explained(config: &[u8]) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/real/logs/digits_resnet_pl_old.default.stdout.log");
    let report = parse(&fs::read(root).expect("a fixture"));
    let graph = &report.chosen().expect("a block").ops;
    let mut text = format!("{}\n", config.escape_ascii());
    for diagnostic in lint(config, graph, Support::TimVx) {
        writeln!(text, "  {diagnostic}").expect("a string takes all");
    }
    text
}

#[test]
fn every_trap_is_explained() {
    let configs: [&[u8]; 28] = [
        b"",
        b"\n",
        b"\xff\xfer\0e\0l\0u\0",
        b"\xef\xbb\xbfrelu\nsoftmax\n",
        b"relu:batch_norm_0.tmp_2:relu_0.tmp_0\r\nrelu\r\n\r\n",
        b" relu\nrelu \n\trelu\n",
        b"relu: batch_norm_0.tmp_2:relu_0.tmp_0",
        b"relu\tbatch_norm_0.tmp_2\trelu_0.tmp_0",
        b"Relu",
        b"relu.*",
        b"rellu:batch_norm_0.tmp_2:relu_0.tmp_0",
        b"relu:batch_norm_0.tmp_3:relu_0.tmp_0",
        b"relu:relu_0.tmp_0:batch_norm_0.tmp_2",
        b"relu:batch_norm_0.tmp_2:relu_1.tmp_0",
        b"relu:batch_norm_0.tmp_2,batch_norm_0.tmp_2:relu_0.tmp_0",
        b"relu:,:,",
        b":batch_norm_0.tmp_2:relu_0.tmp_0",
        b"# a comment\n",
        b"# keep head-conv2d",
        b"relu:batch_norm_0.tmp_2:relu_0.tmp_0-pool2d:relu_0.tmp_0:pool2d_0.tmp_0",
        b"relu:batch-norm_0.tmp_2:relu_0.tmp_0",
        b"conv2d:relu_2.tmp_0",
        b"relu\nrelu\nrelu::",
        b"relu:batch_norm_0.tmp_2:relu_0.tmp_0:zzz",
        b"relu:batch_norm_0.tmp_2:relu_0:0.tmp_0",
        b"feed\nfetch:save_infer_model/scale_0.tmp_1:fetch",
        b"conv2d:x,conv2d_0.w_0:conv2d_0.tmp_0.dequantized",
        b"yolo_box",
    ];
    insta::assert_snapshot!(configs.map(explained).concat());
}
