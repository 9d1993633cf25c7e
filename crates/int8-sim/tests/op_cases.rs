//! Single ops of every family, as one-op programs, against values computed by hand or with numpy.

mod common;

use common::{Case, floats, ints};
use int8_sim::RefusalClass;
use paddle_model::Attr;

#[test]
fn batch_norm_scales_each_channel_by_its_statistics() {
    Case::new("batch_norm")
        .feed("X", &[1, 2, 1, 2], &[1.0, 2.0, 3.0, 4.0])
        .weight("Scale", &[2], &[2.0, 1.0])
        .weight("Bias", &[2], &[0.5, -1.0])
        .weight("Mean", &[2], &[1.0, 3.0])
        .weight("Variance", &[2], &[4.0, 0.25])
        .attr("epsilon", Attr::Float(0.0))
        .output("Y")
        .on_both(&[floats(&[1, 2, 1, 2], &[0.5, 1.5, -1.0, 1.0])]);
}

#[test]
fn split_gives_the_named_sections_and_the_rest() {
    Case::new("split")
        .feed("X", &[1, 4, 1, 2], &[0., 1., 2., 3., 4., 5., 6., 7.])
        .attr("axis", Attr::Int(1))
        .attr("num", Attr::Int(0))
        .attr("sections", Attr::Ints(vec![1, -1]))
        .outputs("Out", 2)
        .on_both(&[floats(&[1, 1, 1, 2], &[0., 1.]), floats(&[1, 3, 1, 2], &[2., 3., 4., 5., 6., 7.])]);
    Case::new("split")
        .feed("X", &[1, 4], &[0., 1., 2., 3.])
        .attr("axis", Attr::Int(-1))
        .attr("num", Attr::Int(2))
        .outputs("Out", 2)
        .on_both(&[floats(&[1, 2], &[0., 1.]), floats(&[1, 2], &[2., 3.])]);
}

#[test]
fn unstack_takes_the_axis_away() {
    Case::new("unstack")
        .feed("X", &[1, 2, 2], &[0., 1., 2., 3.])
        .attr("axis", Attr::Int(1))
        .attr("num", Attr::Int(2))
        .outputs("Y", 2)
        .on_both(&[floats(&[1, 2], &[0., 1.]), floats(&[1, 2], &[2., 3.])]);
}

#[test]
fn squeeze_and_unsqueeze_move_axes_of_extent_one() {
    Case::new("squeeze2")
        .feed("X", &[1, 2, 1, 1], &[5., 6.])
        .attr("axes", Attr::Ints(vec![2, 3]))
        .on_both(&[floats(&[1, 2], &[5., 6.])]);
    Case::new("unsqueeze2")
        .feed("X", &[1, 2], &[5., 6.])
        .attr("axes", Attr::Ints(vec![1, -1]))
        .on_both(&[floats(&[1, 1, 2, 1], &[5., 6.])]);
}

#[test]
fn shuffle_channel_deals_the_groups_out_in_turn() {
    Case::new("shuffle_channel")
        .feed("X", &[1, 6, 1, 1], &[0., 1., 2., 3., 4., 5.])
        .attr("group", Attr::Int(2))
        .on_both(&[floats(&[1, 6, 1, 1], &[0., 3., 1., 4., 2., 5.])]);
}

#[test]
fn a_split_of_indices_keeps_them_whole_numbers() {
    Case::new("split")
        .int_feed("X", &[1, 2], &[7, 9])
        .attr("axis", Attr::Int(1))
        .attr("num", Attr::Int(2))
        .outputs("Out", 2)
        .on_cpu(&[ints(&[1, 1], &[7]), ints(&[1, 1], &[9])]);
}

/// A function of each element: its attributes, and values in and out.
fn check_unary(op_type: &str, attrs: &[(&str, Attr)], x: &[f32], y: &[f32]) {
    let case = Case::new(op_type).feed("X", &[1, x.len()], x);
    let case = attrs.iter().fold(case, |case, (name, value)| case.attr(name, value.clone()));
    let expected = [floats(&[1, y.len()], y)];
    if op_graph::TIMVX_OP_TYPES.contains(&op_type) { case.on_both(&expected) } else { case.on_cpu(&expected) }
}

#[test]
fn functions_of_each_element_give_the_values_of_numpy() {
    check_unary("abs", &[], &[-1.5, 2.0], &[1.5, 2.0]);
    check_unary("floor", &[], &[-1.5, 1.5], &[-2.0, 1.0]);
    check_unary("ceil", &[], &[-1.5, 1.5], &[-1.0, 2.0]);
    check_unary("round", &[], &[-2.5, 1.4], &[-3.0, 1.0]);
    check_unary("square", &[], &[-1.5, 2.0], &[2.25, 4.0]);
    check_unary("log", &[], &[1.0, 2.5], &[0.0, 0.916_290_76]);
    check_unary("sin", &[], &[0.5, -1.0], &[0.479_425_54, -0.841_470_96]);
    check_unary("cos", &[], &[0.5, -1.0], &[0.877_582_55, 0.540_302_3]);
    check_unary("sqrt", &[], &[4.0, 2.25], &[2.0, 1.5]);
    check_unary("rsqrt", &[], &[4.0, 2.0], &[0.5, 0.707_106_77]);
    check_unary("reciprocal", &[], &[4.0, -2.0], &[0.25, -0.5]);
    check_unary("sign", &[], &[-3.0, 0.0, 2.0], &[-1.0, 0.0, 1.0]);
    check_unary("erf", &[], &[0.5, -1.0, 7.0], &[0.520_499_9, -0.842_700_8, 1.0]);
    check_unary("gelu", &[("approximate", Attr::Bool(false))], &[1.0, -0.5], &[0.841_344_7, -0.154_268_77]);
    check_unary("gelu", &[("approximate", Attr::Bool(true))], &[1.0, -0.5], &[0.841_192, -0.154_286]);
    let softplus = [("beta", Attr::Float(2.0)), ("threshold", Attr::Float(20.0))];
    check_unary("softplus", &softplus, &[0.5, 11.0], &[0.656_630_9, 11.0]);
    check_unary("pow", &[("factor", Attr::Float(3.0))], &[2.0, -1.0], &[8.0, -1.0]);
    check_unary("clip", &[("min", Attr::Float(-1.0)), ("max", Attr::Float(6.0))], &[-2.0, 3.0, 7.0], &[-1.0, 3.0, 6.0]);
    check_unary("elu", &[("alpha", Attr::Float(2.0))], &[-1.0, 1.0], &[-1.264_241_1, 1.0]);
    check_unary("silu", &[], &[1.0, -1.0], &[0.731_058_6, -0.268_941_43]);
    check_unary("swish", &[("beta", Attr::Float(1.0))], &[1.0, -1.0], &[0.731_058_6, -0.268_941_43]);
    check_unary("thresholded_relu", &[("threshold", Attr::Float(1.0))], &[0.5, 1.5], &[0.0, 1.5]);
    check_unary("hard_tanh", &[("t_min", Attr::Float(-1.0)), ("t_max", Attr::Float(1.0))], &[-2.0, 0.5], &[-1.0, 0.5]);
    check_unary("log_softmax", &[("axis", Attr::Int(-1))], &[1.0, 2.0, 3.0], &[-2.407_606, -1.407_606, -0.407_605_96]);
    check_unary("norm", &[("axis", Attr::Int(1)), ("epsilon", Attr::Float(1e-10))], &[3.0, 4.0], &[0.6, 0.8]);
    check_unary("cumsum", &[("axis", Attr::Int(-1))], &[1.0, 2.0, 3.0], &[1.0, 3.0, 6.0]);
    check_unary("assign", &[], &[1.0, 2.0], &[1.0, 2.0]);
    check_unary("calib", &[("scale", Attr::Float(0.1))], &[1.0, 2.0], &[1.0, 2.0]);
    check_unary("fill_zeros_like", &[], &[1.0, 2.0], &[0.0, 0.0]);
    let fill = [("value", Attr::Float(2.5)), ("dtype", Attr::Int(-1))];
    check_unary("fill_any_like", &fill, &[1.0, 2.0], &[2.5, 2.5]);
}

#[test]
fn prelu_has_a_slope_a_channel() {
    Case::new("prelu")
        .feed("X", &[1, 2, 1, 2], &[-1., 2., -3., 4.])
        .weight("Alpha", &[2], &[0.5, 0.1])
        .attr("mode", Attr::String("channel".into()))
        .on_both(&[floats(&[1, 2, 1, 2], &[-0.5, 2., -0.3, 4.])]);
}

#[test]
fn functions_of_two_tensors_broadcast() {
    let check = |op_type: &str, expected: &[f32]| {
        let expected = [floats(&[1, 2, 2], expected)];
        let case = Case::new(op_type)
            .feed("X", &[1, 2, 2], &[1., 2., 3., 4.])
            .feed("Y", &[1, 1, 2], &[2., 3.])
            .attr("axis", Attr::Int(-1));
        if op_graph::TIMVX_OP_TYPES.contains(&op_type) { case.on_both(&expected) } else { case.on_cpu(&expected) }
    };
    check("elementwise_pow", &[1., 8., 9., 64.]);
    check("elementwise_floordiv", &[0., 0., 1., 1.]);
    check("elementwise_mod", &[1., 2., 1., 1.]);
    check("fusion_elementwise_add_activation", &[3., 5., 5., 7.]);
    check("fusion_elementwise_sub_activation", &[-1., -1., 1., 1.]);
    check("fusion_elementwise_mul_activation", &[2., 6., 6., 12.]);
    check("fusion_elementwise_div_activation", &[0.5, 0.666_666_7, 1.5, 1.333_333_4]);
    check("fusion_elementwise_max_activation", &[2., 3., 3., 4.]);
    check("fusion_elementwise_min_activation", &[1., 2., 2., 3.]);
    check("fusion_elementwise_pow_activation", &[1., 8., 9., 64.]);
    check("fusion_elementwise_floordiv_activation", &[0., 0., 1., 1.]);
}

#[test]
fn comparisons_and_logic_give_truth_values() {
    let check = |op_type: &str, expected: &[i64]| {
        let expected = [ints(&[1, 3], expected)];
        let case = Case::new(op_type)
            .feed("X", &[1, 3], &[0., 2., 3.])
            .feed("Y", &[1, 3], &[0., 3., 2.])
            .attr("axis", Attr::Int(-1));
        if op_graph::TIMVX_OP_TYPES.contains(&op_type) { case.on_both(&expected) } else { case.on_cpu(&expected) }
    };
    check("equal", &[1, 0, 0]);
    check("not_equal", &[0, 1, 1]);
    check("less_than", &[0, 1, 0]);
    check("less_equal", &[1, 1, 0]);
    check("greater_than", &[0, 0, 1]);
    check("greater_equal", &[1, 0, 1]);
    check("logical_and", &[0, 1, 1]);
    check("logical_or", &[0, 1, 1]);
    check("logical_xor", &[0, 0, 0]);
    Case::new("logical_not").feed("X", &[1, 2], &[0., 1.]).on_both(&[ints(&[1, 2], &[1, 0])]);
}

#[test]
fn sum_and_where_take_three_tensors() {
    Case::new("sum")
        .feed("X", &[1, 2], &[1., 2.])
        .feed("X", &[1, 2], &[3., 4.])
        .feed("X", &[1, 2], &[5., 6.])
        .on_both(&[floats(&[1, 2], &[9., 12.])]);
    Case::new("where")
        .feed("Condition", &[1, 2], &[0., 1.])
        .feed("X", &[1, 2], &[1., 2.])
        .feed("Y", &[1, 2], &[3., 4.])
        .on_both(&[floats(&[1, 2], &[3., 2.])]);
}

#[test]
fn slices_cut_and_drop_axes() {
    let slice = |op_type: &str| {
        Case::new(op_type)
            .feed("Input", &[1, 4, 2], &[0., 1., 2., 3., 4., 5., 6., 7.])
            .attr("axes", Attr::Ints(vec![1]))
    };
    slice("slice")
        .attr("starts", Attr::Ints(vec![1]))
        .attr("ends", Attr::Ints(vec![-1]))
        .on_both(&[floats(&[1, 2, 2], &[2., 3., 4., 5.])]);
    slice("slice")
        .attr("starts", Attr::Ints(vec![3]))
        .attr("ends", Attr::Ints(vec![100]))
        .attr("decrease_axis", Attr::Ints(vec![1]))
        .on_both(&[floats(&[1, 2], &[6., 7.])]);
    let strided = |strides: i32| {
        slice("strided_slice")
            .attr("starts", Attr::Ints(vec![0]))
            .attr("ends", Attr::Ints(vec![3]))
            .attr("strides", Attr::Ints(vec![strides]))
    };
    strided(2).on_cpu(&[floats(&[1, 2, 2], &[0., 1., 4., 5.])]);
    strided(2).refused_on_npu(RefusalClass::Unsupported);
    strided(1).on_both(&[floats(&[1, 3, 2], &[0., 1., 2., 3., 4., 5.])]);
    slice("strided_slice")
        .attr("starts", Attr::Ints(vec![-1]))
        .attr("ends", Attr::Ints(vec![-100]))
        .attr("strides", Attr::Ints(vec![-2]))
        .on_cpu(&[floats(&[1, 2, 2], &[6., 7., 2., 3.])]);
}

#[test]
fn repetitions_and_turns_move_whole_slices() {
    let x = |op_type: &str| Case::new(op_type).feed("X", &[1, 2], &[1., 2.]);
    x("expand_v2").attr("shape", Attr::Ints(vec![2, -1])).on_both(&[floats(&[2, 2], &[1., 2., 1., 2.])]);
    x("expand").attr("expand_times", Attr::Ints(vec![1, 2])).on_cpu(&[floats(&[1, 4], &[1., 2., 1., 2.])]);
    x("tile").attr("repeat_times", Attr::Ints(vec![2, 1, 1])).on_cpu(&[floats(&[2, 1, 2], &[1., 2., 1., 2.])]);
    x("flip").attr("axis", Attr::Ints(vec![1])).on_cpu(&[floats(&[1, 2], &[2., 1.])]);
    Case::new("roll")
        .feed("X", &[1, 3], &[1., 2., 3.])
        .attr("axis", Attr::Longs(vec![1]))
        .attr("shifts", Attr::Longs(vec![1]))
        .on_cpu(&[floats(&[1, 3], &[3., 1., 2.])]);
    x("stack")
        .feed("X", &[1, 2], &[3., 4.])
        .attr("axis", Attr::Int(1))
        .output("Y")
        .on_both(&[floats(&[1, 2, 2], &[1., 2., 3., 4.])]);
    Case::new("meshgrid")
        .feed("X", &[2], &[1., 2.])
        .feed("X", &[3], &[3., 4., 5.])
        .outputs("Out", 2)
        .on_both(&[floats(&[2, 3], &[1., 1., 1., 2., 2., 2.]), floats(&[2, 3], &[3., 4., 5., 3., 4., 5.])]);
}

#[test]
fn gathers_take_rows_by_index() {
    let table = [0., 1., 10., 11., 20., 21.];
    Case::new("gather")
        .feed("X", &[3, 2], &table)
        .int_weight("Index", &[2], &[2, 0])
        .on_both(&[floats(&[2, 2], &[20., 21., 0., 1.])]);
    Case::new("lookup_table_v2")
        .weight("W", &[3, 2], &table)
        .int_feed("Ids", &[1, 2], &[1, 1])
        .on_cpu(&[floats(&[1, 2, 2], &[10., 11., 10., 11.])]);
    Case::new("lookup_table_v2")
        .weight("W", &[3, 2], &table)
        .int_feed("Ids", &[1, 2], &[1, 1])
        .refused_on_npu(RefusalClass::TensorType);
    Case::new("lookup_table")
        .weight("W", &[3, 2], &table)
        .int_feed("Ids", &[1, 2, 1], &[1, 0])
        .on_cpu(&[floats(&[1, 2, 2], &[10., 11., 0., 1.])]);
}

#[test]
fn paddings_surround_the_tensor() {
    let pad2d = |mode: &str| {
        Case::new("pad2d")
            .feed("X", &[1, 1, 2, 2], &[1., 2., 3., 4.])
            .attr("paddings", Attr::Ints(vec![1, 0, 0, 1]))
            .attr("mode", Attr::String(mode.into()))
            .attr("pad_value", Attr::Float(9.0))
    };
    pad2d("constant").on_cpu(&[floats(&[1, 1, 3, 3], &[9., 9., 9., 1., 2., 9., 3., 4., 9.])]);
    pad2d("reflect").on_cpu(&[floats(&[1, 1, 3, 3], &[3., 4., 3., 1., 2., 1., 3., 4., 3.])]);
    pad2d("edge").on_cpu(&[floats(&[1, 1, 3, 3], &[1., 2., 2., 1., 2., 2., 3., 4., 4.])]);
    Case::new("pad3d")
        .feed("X", &[1, 1, 1, 1, 2], &[1., 2.])
        .attr("paddings", Attr::Ints(vec![1, 0, 0, 1, 0, 0]))
        .attr("mode", Attr::String("constant".into()))
        .attr("value", Attr::Float(0.0))
        .on_cpu(&[floats(&[1, 1, 1, 2, 3], &[0., 1., 2., 0., 0., 0.])]);
}

#[test]
fn normalizations_use_the_statistics_of_the_tensor() {
    let affine = |op_type: &str, shape: &[usize], size: usize| {
        Case::new(op_type)
            .feed("X", shape, &[1., 3., 2., 6.])
            .weight("Scale", &[size], &[1., 2.])
            .weight("Bias", &[size], &[0., 1.])
            .attr("epsilon", Attr::Float(0.0))
            .output("Y")
    };
    affine("layer_norm", &[2, 2], 2)
        .attr("begin_norm_axis", Attr::Int(1))
        .on_both(&[floats(&[2, 2], &[-1., 3., -1., 3.])]);
    affine("instance_norm", &[1, 2, 1, 2], 2).on_both(&[floats(&[1, 2, 1, 2], &[-1., 1., -1., 3.])]);
    affine("group_norm", &[1, 2, 1, 2], 2)
        .attr("groups", Attr::Int(2))
        .on_cpu(&[floats(&[1, 2, 1, 2], &[-1., 1., -1., 3.])]);
    affine("layer_norm", &[1, 2, 2], 2).attr("begin_norm_axis", Attr::Int(1)).refused_on_npu(RefusalClass::Unsupported);
    Case::new("lrn")
        .feed("X", &[1, 2, 1, 1], &[1., 2.])
        .attr("n", Attr::Int(3))
        .attr("k", Attr::Float(1.0))
        .attr("alpha", Attr::Float(1.0))
        .attr("beta", Attr::Float(0.5))
        .on_cpu(&[floats(&[1, 2, 1, 1], &[0.408_248_3, 0.816_496_6])]);
}

#[test]
fn reductions_take_axes_away_or_keep_them() {
    let x =
        |op_type: &str| Case::new(op_type).feed("X", &[1, 2, 2], &[1., 4., 3., 2.]).attr("dim", Attr::Ints(vec![1]));
    let kept = |op_type: &str| x(op_type).attr("keep_dim", Attr::Bool(true));
    kept("reduce_max").on_both(&[floats(&[1, 1, 2], &[3., 4.])]);
    kept("reduce_sum").on_both(&[floats(&[1, 1, 2], &[4., 6.])]);
    x("reduce_min").on_cpu(&[floats(&[1, 2], &[1., 2.])]);
    x("reduce_prod").attr("reduce_all", Attr::Bool(true)).on_cpu(&[floats(&[1], &[24.])]);
}

#[test]
fn positions_of_extremes_are_whole_numbers() {
    let x = |op_type: &str| Case::new(op_type).feed("X", &[1, 3], &[1., 5., 3.]);
    x("arg_max").attr("axis", Attr::Long(1)).on_cpu(&[ints(&[1], &[1])]);
    x("arg_max").attr("axis", Attr::Long(1)).refused_on_npu(RefusalClass::TensorType);
    x("arg_min").attr("axis", Attr::Long(-1)).attr("dtype", Attr::Int(2)).on_both(&[ints(&[1], &[0])]);
    let top = [floats(&[1, 2], &[5., 3.]), ints(&[1, 2], &[1, 2])];
    x("top_k").attr("k", Attr::Int(2)).output("Out").output("Indices").on_cpu(&top);
    x("top_k_v2").attr("k", Attr::Int(2)).output("Out").output("Indices").on_cpu(&top);
    x("argsort")
        .attr("axis", Attr::Int(-1))
        .output("Out")
        .output("Indices")
        .on_cpu(&[floats(&[1, 3], &[1., 3., 5.]), ints(&[1, 3], &[0, 2, 1])]);
}

#[test]
fn tensors_are_made_of_attributes_and_shapes() {
    Case::new("shape").feed("Input", &[1, 3, 5], &[0.0; 15]).on_cpu(&[ints(&[3], &[1, 3, 5])]);
    Case::new("shape").feed("Input", &[1, 2], &[0.0; 2]).refused_on_npu(RefusalClass::UnmappedOperand);
    let fill = || {
        Case::new("fill_constant")
            .feed("ValueTensor", &[1], &[3.])
            .attr("shape", Attr::Longs(vec![2]))
            .attr("dtype", Attr::Int(5))
    };
    fill().on_cpu(&[floats(&[2], &[3., 3.])]);
    fill().refused_on_npu(RefusalClass::Unsupported);
    Case::new("fill_constant_batch_size_like")
        .feed("Input", &[2, 1], &[0., 0.])
        .attr("shape", Attr::Ints(vec![-1, 2]))
        .attr("value", Attr::Float(1.0))
        .attr("dtype", Attr::Int(5))
        .on_both(&[floats(&[2, 2], &[1.; 4])]);
    Case::new("range")
        .feed("Start", &[1], &[1.])
        .weight("End", &[1], &[4.])
        .weight("Step", &[1], &[1.])
        .on_cpu(&[floats(&[3], &[1., 2., 3.])]);
    Case::new("cast")
        .feed("X", &[1, 2], &[1.9, -1.9])
        .attr("out_dtype", Attr::Int(2))
        .on_both(&[ints(&[1, 2], &[1, -1])]);
    Case::new("cast")
        .int_feed("X", &[1, 2], &[3, 4])
        .attr("out_dtype", Attr::Int(5))
        .on_cpu(&[floats(&[1, 2], &[3., 4.])]);
    Case::new("one_hot_v2")
        .int_feed("X", &[1, 2], &[2, 0])
        .attr("depth", Attr::Int(3))
        .on_cpu(&[floats(&[1, 2, 3], &[0., 0., 1., 1., 0., 0.])]);
}

#[test]
fn shape_arithmetic_stays_in_whole_numbers() {
    let two = |op_type: &str| {
        Case::new(op_type).int_feed("X", &[1, 2], &[7, 9]).int_feed("Y", &[1, 2], &[2, 2]).attr("axis", Attr::Int(-1))
    };
    two("elementwise_mul").on_cpu(&[ints(&[1, 2], &[14, 18])]);
    two("elementwise_div").on_cpu(&[ints(&[1, 2], &[3, 4])]);
    Case::new("scale")
        .int_feed("X", &[1, 1], &[5])
        .attr("scale", Attr::Float(2.0))
        .attr("bias", Attr::Float(1.0))
        .on_cpu(&[ints(&[1, 1], &[11])]);
    Case::new("concat")
        .int_feed("X", &[1, 1], &[5])
        .int_feed("X", &[1, 1], &[6])
        .attr("axis", Attr::Int(1))
        .on_cpu(&[ints(&[1, 2], &[5, 6])]);
    Case::new("reshape2")
        .feed("X", &[1, 4], &[1., 2., 3., 4.])
        .int_weight("Shape", &[3], &[0, -1, 2])
        .on_cpu(&[floats(&[1, 2, 2], &[1., 2., 3., 4.])]);
    Case::new("nearest_interp_v2")
        .feed("X", &[1, 1, 1, 1], &[5.])
        .int_weight("SizeTensor", &[1], &[2])
        .int_weight("SizeTensor", &[1], &[1])
        .on_cpu(&[floats(&[1, 1, 2, 1], &[5., 5.])]);
}

#[test]
fn products_of_variables_broadcast_their_batches() {
    Case::new("bmm")
        .feed("X", &[1, 1, 2], &[1., 2.])
        .feed("Y", &[1, 2, 2], &[1., 2., 3., 4.])
        .on_cpu(&[floats(&[1, 1, 2], &[7., 10.])]);
    Case::new("matmul_v2")
        .feed("X", &[2, 1, 2], &[1., 2., 3., 4.])
        .feed("Y", &[2, 2], &[1., 2., 3., 4.])
        .attr("trans_x", Attr::Bool(false))
        .attr("trans_y", Attr::Bool(true))
        .on_both(&[floats(&[2, 1, 2], &[5., 11., 11., 25.])]);
    Case::new("fc")
        .feed("Input", &[1, 2], &[1., 2.])
        .weight("W", &[2, 2], &[1., 2., 3., 4.])
        .weight("Bias", &[2], &[0.5, -20.])
        .attr("in_num_col_dims", Attr::Int(1))
        .attr("activation_type", Attr::String("relu".into()))
        .on_both(&[floats(&[1, 2], &[7.5, 0.])]);
}

#[test]
fn a_transposed_convolution_spreads_each_element_over_its_filter() {
    Case::new("conv2d_transpose")
        .feed("Input", &[1, 1, 1, 2], &[1., 2.])
        .weight("Filter", &[1, 1, 1, 2], &[10., 1.])
        .attr("strides", Attr::Ints(vec![1, 1]))
        .attr("paddings", Attr::Ints(vec![0, 0]))
        .attr("dilations", Attr::Ints(vec![1, 1]))
        .attr("groups", Attr::Int(1))
        .output("Output")
        .on_both(&[floats(&[1, 1, 1, 3], &[10., 21., 2.])]);
    let two_channels = |groups: i32, per_group: usize, filter: &[f32]| {
        Case::new("conv2d_transpose")
            .feed("Input", &[1, 2, 1, 1], &[1., 2.])
            .weight("Filter", &[2, per_group, 2, 1], filter)
            .attr("strides", Attr::Ints(vec![2, 2]))
            .attr("paddings", Attr::Ints(vec![0, 0]))
            .attr("groups", Attr::Int(groups))
            .output("Output")
    };
    two_channels(2, 1, &[1., 2., 3., 4.]).on_both(&[floats(&[1, 2, 2, 1], &[1., 2., 6., 8.])]);
    two_channels(1, 1, &[1., 2., 3., 4.]).on_both(&[floats(&[1, 1, 2, 1], &[7., 10.])]);
    two_channels(1, 1, &[1., 2., 3., 4.])
        .attr("output_size", Attr::Ints(vec![3, 2]))
        .refused_on_npu(RefusalClass::Unsupported);
}

#[test]
fn detector_heads_decode_and_suppress() {
    Case::new("box_coder")
        .feed("TargetBox", &[1, 1, 4], &[0., 0., 0., 0.])
        .weight("PriorBox", &[1, 4], &[0., 0., 2., 4.])
        .weight("PriorBoxVar", &[1, 4], &[0.1, 0.1, 0.2, 0.2])
        .attr("code_type", Attr::String("decode_center_size".into()))
        .attr("box_normalized", Attr::Bool(true))
        .output("OutputBox")
        .on_cpu(&[floats(&[1, 1, 4], &[0., 0., 2., 4.])]);
    Case::new("multiclass_nms3")
        .feed("BBoxes", &[1, 3, 4], &[0., 0., 10., 10., 0., 0., 10., 9., 20., 20., 30., 30.])
        .feed("Scores", &[1, 1, 3], &[0.8, 0.9, 0.7])
        .attr("score_threshold", Attr::Float(0.1))
        .attr("nms_threshold", Attr::Float(0.5))
        .attr("nms_top_k", Attr::Int(100))
        .attr("keep_top_k", Attr::Int(100))
        .attr("background_label", Attr::Int(-1))
        .output("Out")
        .output("Index")
        .output("NmsRoisNum")
        .on_cpu(&[
            floats(&[2, 6], &[0., 0.9, 0., 0., 10., 9., 0., 0.7, 20., 20., 30., 30.]),
            ints(&[2, 1], &[1, 2]),
            ints(&[1], &[2]),
        ]);
    Case::new("yolo_box")
        .feed("X", &[1, 6, 1, 1], &[0.; 6])
        .int_weight("ImgSize", &[1, 2], &[64, 32])
        .attr("anchors", Attr::Ints(vec![16, 16]))
        .attr("class_num", Attr::Int(1))
        .attr("conf_thresh", Attr::Float(0.1))
        .attr("downsample_ratio", Attr::Int(32))
        .attr("clip_bbox", Attr::Bool(true))
        .output("Boxes")
        .output("Scores")
        .on_cpu(&[floats(&[1, 1, 4], &[8., 16., 24., 48.]), floats(&[1, 1, 1], &[0.25])]);
    Case::new("grid_sampler")
        .feed("X", &[1, 1, 2, 2], &[1., 2., 3., 4.])
        .feed("Grid", &[1, 1, 2, 2], &[0., 0., -1., 1.])
        .attr("mode", Attr::String("bilinear".into()))
        .attr("padding_mode", Attr::String("zeros".into()))
        .attr("align_corners", Attr::Bool(true))
        .output("Output")
        .on_cpu(&[floats(&[1, 1, 1, 2], &[2.5, 3.])]);
}

#[test]
fn codes_on_the_npu_are_the_function_rounded_to_nearest_even() {
    let case = |op_type: &str| Case::new(op_type).feed("X", &[1, 4], &[-1.0, -0.5, 0.5, 1.0]);
    let close = |actual: Vec<f32>, expected: [f32; 4]| {
        assert!(actual.iter().zip(expected).all(|(a, e)| (a - e).abs() < 1e-6), "{actual:?} instead of {expected:?}");
    };
    close(case("abs").on_codes(0.25, 0.25).unwrap(), [1.0, 0.5, 0.5, 1.0]);
    // 0.25 over a step of 0.1 is 2.5, which goes to 2.
    close(case("square").on_codes(0.25, 0.1).unwrap(), [1.0, 0.2, 0.2, 1.0]);
    assert_eq!(case("pow").on_codes(0.25, 0.25).unwrap_err().class, RefusalClass::DataType);
}

#[test]
fn every_op_type_that_tim_vx_takes_has_kernels() {
    for op_type in op_graph::TIMVX_OP_TYPES {
        let coverage = int8_sim::families::coverage(op_type);
        assert!(coverage.cpu && coverage.npu, "`{op_type}` has {coverage:?}");
    }
}
