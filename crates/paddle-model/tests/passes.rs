//! What single passes do, on programs small enough to read. Each graph expected here is what `opt` 2.13rc0 printed for it.

#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use std::collections::BTreeMap;

use op_graph::Name;
use paddle_model::{Attr, Block, DType, LiteOptions, Model, Op, Param, Program, TensorData, Var};

/// `type(Argument=name,name …)->(Argument=name …)`, with attributes as they are.
fn op(text: &str, attrs: &[(&str, Attr)]) -> Op {
    let (op_type, rest) = text.split_once('(').unwrap();
    let (inputs, outputs) = rest.split_once(")->(").unwrap();
    let bind = |list: &str| {
        let arguments = list.trim_end_matches(')').split_whitespace().map(|argument| argument.split_once('=').unwrap());
        arguments.map(|(name, vars)| (name.to_owned(), vars.split(',').map(Name::from).collect())).collect()
    };
    Op {
        op_type: op_type.to_owned(),
        inputs: bind(inputs),
        outputs: bind(outputs),
        attrs: attrs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        is_target: None,
    }
}

fn scale(text: &str) -> Op {
    let attrs = [("scale", Attr::Float(1.0)), ("bias", Attr::Float(0.0)), ("bias_after_scale", Attr::Bool(true))];
    op(text, &attrs)
}

fn quant(text: &str) -> Op {
    op(text, &[("bit_length", Attr::Int(8)), ("is_test", Attr::Bool(true))])
}

fn model(ops: Vec<Op>, params: &[(&str, &[usize], &[f32])]) -> Model {
    let vars = params.iter().map(|(name, ..)| Var::parameter(*name, DType::Float32, &[])).collect();
    let param = |&(name, dims, values): &(&str, &[usize], &[f32])| {
        (Name::from(name), Param::new(dims.to_vec(), TensorData::Float32(values.to_vec())))
    };
    Model {
        program: Program { blocks: vec![Block { vars, ops, ..Block::root() }], ..Program::default() },
        params: params.iter().map(param).collect::<BTreeMap<_, _>>(),
    }
}

fn lines(model: &Model) -> Vec<String> {
    let program = model.lite_program(&LiteOptions::default()).unwrap();
    program.graph.records().iter().map(ToString::to_string).collect()
}

#[test]
fn an_op_reads_a_name_twice_where_a_fake_quantization_stood_between() {
    let ops = vec![
        op("feed(X=feed)->(Out=x)", &[]),
        quant("fake_quantize_dequantize_moving_average_abs_max(X=x InScale=s)->(Out=x.quant_dequant OutScale=s)"),
        op("concat(X=x,x.quant_dequant)->(Out=y)", &[("axis", Attr::Int(1))]),
        op("fetch(X=y)->(Out=fetch)", &[]),
    ];
    assert_eq!(lines(&model(ops, &[("s", &[1], &[2.0])])), ["feed:feed:x", "concat:x,x:y", "fetch:y:fetch"]);
}

#[test]
fn of_identity_scales_in_a_row_the_first_goes_and_its_producer_takes_its_name() {
    let ops = vec![
        op("feed(X=feed)->(Out=x)", &[]),
        op("relu(X=x)->(Out=y)", &[]),
        scale("scale(X=y)->(Out=s1)"),
        scale("scale(X=s1)->(Out=s2)"),
        op("fetch(X=s2)->(Out=fetch)", &[]),
    ];
    assert_eq!(lines(&model(ops, &[])), ["feed:feed:x", "relu:x:s1", "scale:s1:s2", "fetch:s2:fetch"]);
}

#[test]
fn an_identity_scale_stays_where_its_input_has_another_reader() {
    let ops = vec![
        op("feed(X=feed)->(Out=x)", &[]),
        op("relu(X=x)->(Out=y)", &[]),
        scale("scale(X=y)->(Out=s)"),
        op("fetch(X=s)->(Out=fetch)", &[]),
        op("fetch(X=y)->(Out=fetch)", &[]),
    ];
    assert_eq!(lines(&model(ops, &[])), ["feed:feed:x", "relu:x:y", "scale:y:s", "fetch:s:fetch", "fetch:y:fetch"]);
}

#[test]
fn a_program_without_an_attribute_that_paddle_lite_needs_is_refused_with_the_remedy_until_it_is_completed() {
    for (op_type, missing) in [("relu6", "threshold"), ("swish", "beta"), ("leaky_relu", "alpha")] {
        let activation = format!("{op_type}(X=x)->(Out=y)");
        let ops = [op("feed(X=feed)->(Out=x)", &[]), op(&activation, &[]), op("fetch(X=y)->(Out=fetch)", &[])];
        let mut model = model(ops.to_vec(), &[]);
        let refusal = model.lite_program(&LiteOptions::default()).unwrap_err();
        let told = refusal.to_string();
        for word in [format!("op 1 (`{op_type}`)"), format!("attribute `{missing}`"), "cargo xtask complete".to_owned()]
        {
            assert!(told.contains(&word), "{told}");
        }
        assert_eq!(model.complete(), 1);
        assert_eq!(lines(&model), ["feed:feed:x", &format!("{op_type}:x:y"), "fetch:y:fetch"]);
        assert_eq!(model.complete(), 0);
    }
}

/// Two quantized products of one input that meet in no later op, the second read by a relu.
fn two_products() -> Vec<Op> {
    let dequant = |text: &str, max_range| op(text, &[("max_range", Attr::Float(max_range))]);
    vec![
        op("feed(X=feed)->(Out=x)", &[]),
        quant("fake_quantize_moving_average_abs_max(InScale=s X=x)->(Out=xq OutScale=s)"),
        op("mul(X=xq Y=w1)->(Out=a)", &[]),
        dequant("fake_dequantize_max_abs(Scale=s X=a)->(Out=a.dequantized)", 127.0 * 127.0 / 2.54),
        op("mul(X=xq Y=w2)->(Out=b)", &[]),
        dequant("fake_dequantize_max_abs(Scale=s X=b)->(Out=b.dequantized)", 127.0 * 127.0 / 1.27),
        op("relu(X=b.dequantized)->(Out=y)", &[]),
        op("fetch(X=y)->(Out=fetch)", &[]),
    ]
}

const WEIGHTS: [(&str, &[usize], &[f32]); 3] =
    [("s", &[1], &[12.7]), ("w1", &[1, 2], &[127.0, -3.0]), ("w2", &[1, 2], &[5.0, 127.0])];

#[test]
fn a_fused_product_is_created_anew_and_listed_where_it_is_first_needed() {
    let expected =
        ["feed:feed:x", "mul:x,w2:b.dequantized", "relu:b.dequantized:y", "fetch:y:fetch", "mul:x,w1:a.dequantized"];
    assert_eq!(lines(&model(two_products(), &WEIGHTS)), expected);
}

#[test]
fn thresholds_become_steps_and_stored_codes_become_int8() {
    let program = model(two_products(), &WEIGHTS).lite_program(&LiteOptions::default()).unwrap();
    let mul = &program.ops[1];
    assert!(mul.enable_int8 && mul.bit_length == 8);
    assert_eq!(mul.input_scale("X", 0), Some(&[12.7 / 127.0][..]));
    let weight = &program.weights[&Name::from("w2")];
    assert_eq!(weight.data, TensorData::Int8(vec![5, 127]));
    let scales = weight.scales.as_ref().unwrap();
    assert!((scales.steps[0] - 0.01).abs() < 1e-7 && scales.steps.len() == 1 && scales.axis == 1);
    assert!(!mul.is_quantized(), "its output has no scale");
}

#[test]
fn a_product_whose_raw_output_has_another_reader_keeps_its_dequantization() {
    let mut ops = two_products();
    ops.push(op("fetch(X=b)->(Out=fetch)", &[]));
    let lines = lines(&model(ops, &WEIGHTS));
    assert!(lines.contains(&"fake_dequantize_max_abs:b:b.dequantized".to_owned()), "{lines:?}");
}

#[test]
fn a_reshaped_bias_becomes_a_weight_and_loses_its_other_readers() {
    let ops = vec![
        op("feed(X=feed)->(Out=x)", &[]),
        op("reshape2(X=bias)->(Out=r XShape=rx)", &[("shape", Attr::Ints(vec![1, -1, 1, 1]))]),
        op("elementwise_add(X=x Y=r)->(Out=y)", &[]),
        op("elementwise_mul(X=y Y=bias)->(Out=z)", &[]),
        op("fetch(X=z)->(Out=fetch)", &[]),
    ];
    let model = model(ops, &[("bias", &[2], &[1.0, 2.0])]);
    assert_eq!(lines(&model), ["feed:feed:x", "elementwise_add:x,r:y", "elementwise_mul:y:z", "fetch:z:fetch"]);
    let program = model.lite_program(&LiteOptions::default()).unwrap();
    assert_eq!(program.weights[&Name::from("r")].dims, [1, 2, 1, 1]);
    assert!(program.weights.contains_key(&Name::from("bias")), "the op still reads it when it runs");
}

#[test]
fn scales_spread_further_at_each_level() {
    let ops = || {
        vec![
            op("feed(X=feed)->(Out=x)", &[]),
            op("sigmoid(X=x)->(Out=a)", &[]),
            quant("fake_quantize_dequantize_moving_average_abs_max(InScale=s X=a)->(Out=aq OutScale=s)"),
            op("relu(X=aq)->(Out=b)", &[]),
            op("softmax(X=b)->(Out=c)", &[]),
            op("fetch(X=c)->(Out=fetch)", &[]),
        ]
    };
    let has_output_scale = |scale_level: u8| -> Vec<bool> {
        let options = LiteOptions { scale_level, ..LiteOptions::default() };
        let program = model(ops(), &[("s", &[1], &[1.27])]).lite_program(&options).unwrap();
        program.ops[1..4].iter().map(|op| op.output_scale("Out", 0).is_some()).collect()
    };
    let expected = [[false, false, false], [true, false, false], [true, true, false], [true, true, true]];
    for (level, expected) in expected.iter().enumerate() {
        assert_eq!(has_output_scale(level as u8), expected, "level {level}: sigmoid, relu, softmax");
    }
}

#[test]
fn what_paddle_lite_aborts_on_is_an_error_that_names_the_op() {
    let mut ops = two_products();
    ops[1].attrs.remove("bit_length");
    let error = model(ops, &WEIGHTS).lite_program(&LiteOptions::default()).expect_err("it has no width").to_string();
    assert_eq!(
        error,
        "rewrite op 1 (`fake_quantize_moving_average_abs_max`) as Paddle Lite does: it has no attribute `bit_length`"
    );
}
