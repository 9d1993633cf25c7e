//! What networks end in: fully connected layers and indices.

use paddle_model::{Attr, DType, Param, TensorData};

use crate::programs::builder::{Draft, ProgramBuilder, Value};

/// Flatten and a fully connected layer.
pub(super) fn head(b: &mut ProgramBuilder) -> bool {
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

pub(super) fn arg_max(b: &mut ProgramBuilder) -> bool {
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
