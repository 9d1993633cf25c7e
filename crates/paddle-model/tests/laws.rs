//! Laws that hold for any model and any bytes: writing and reading are inverse, and nothing panics.

use std::{collections::BTreeMap, fs, sync::LazyLock};

use op_graph::Name;
use paddle_model::{
    Attr, Block, DType, LiteOptions, LiteRelease, Model, Op, Param, Program, TensorData, Var, VarKind, read_params,
    read_program, write_params, write_program,
};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::Index,
};

/// The two files of a few real models, both formats among them.
static REAL: LazyLock<Vec<(Vec<u8>, Vec<u8>)>> = LazyLock::new(|| {
    let read = |variant: &str, file: &str| {
        fs::read(test_kit::fixtures().join("models").join(variant).join(file)).expect("fixtures are there")
    };
    let variants =
        ["digits_resnet/pl_old", "digits_resnet/pc_onnx", "digits_seg/pc_old", "digits_mobilenet/pl_old_full"];
    variants.iter().map(|variant| (read(variant, "model.pdmodel"), read(variant, "model.pdiparams"))).collect()
});

fn name() -> impl Strategy<Value = Name> {
    prop_oneof![vec(any::<u8>(), 0..6).prop_map(|bytes| Name::from(bytes.as_slice())), "[a-c]".prop_map(Name::from)]
}

fn attr() -> impl Strategy<Value = Attr> {
    prop_oneof![
        any::<i32>().prop_map(Attr::Int),
        (-1e9_f32..1e9).prop_map(Attr::Float),
        name().prop_map(Attr::String),
        vec(any::<i32>(), 0..4).prop_map(Attr::Ints),
        vec(-1e9_f32..1e9, 0..4).prop_map(Attr::Floats),
        any::<bool>().prop_map(Attr::Bool),
        any::<i64>().prop_map(Attr::Long),
        vec(any::<i64>(), 0..4).prop_map(Attr::Longs),
        vec(name(), 0..3).prop_map(Attr::Vars),
    ]
}

/// One of the words of a text.
fn word(words: &'static str) -> impl Strategy<Value = String> {
    prop::sample::select(words.split_whitespace().collect::<Vec<_>>()).prop_map(str::to_owned)
}

/// The op types and attributes that some pass looks at, bound to few names, so that passes meet what they do not expect.
fn op() -> impl Strategy<Value = Op> {
    let op_type = word(
        "feed fetch conv2d matmul_v2 relu scale dropout fill_constant range assign_value reshape2 unsqueeze2
        fake_quantize_range_abs_max fake_dequantize_max_abs fake_channel_wise_dequantize_max_abs
        fake_quantize_dequantize_abs_max fake_quantize_dequantize_moving_average_abs_max
        fake_channel_wise_quantize_dequantize_abs_max quantize_linear dequantize_linear",
    );
    let argument = "X Y Out Input Filter Output Scale Scales ZeroPoint InScale OutScale Start End Step Mask";
    let attribute = "shape axes value dtype scale bias bias_after_scale bit_length max_range quant_bits groups is_test
        out_threshold str_value int32_values fp32_values X0_scale col";
    let usual = [Attr::Int(8), Attr::Float(1.0), Attr::Ints(vec![1, -1]), Attr::Bool(true)];
    let value = prop_oneof![attr(), prop::sample::select(usual.to_vec())];
    let bound = || btree_map(word(argument), vec("[a-e]".prop_map(Name::from), 0..3), 0..6);
    let attrs = btree_map(word(attribute), value, 0..8);
    (op_type, bound(), bound(), attrs).prop_map(|(op_type, inputs, outputs, attrs)| Op {
        op_type,
        inputs,
        outputs,
        attrs,
        is_target: None,
    })
}

fn var() -> impl Strategy<Value = Var> {
    let kind = prop::sample::select(vec![7, 8, 9, 10, 13, 17, 99]).prop_map(VarKind::from_code);
    (name(), kind, any::<bool>(), vec(-1_i64..9, 0..4)).prop_map(|(name, kind, persistable, dims)| Var {
        kind,
        persistable,
        ..Var::tensor(name, DType::Float32, &dims)
    })
}

fn program() -> impl Strategy<Value = Program> {
    (vec(var(), 0..5), vec(op(), 0..12), any::<i64>()).prop_map(|(vars, ops, version)| Program {
        version,
        blocks: vec![Block { vars, ops, ..Block::root() }],
        op_version_map: None,
    })
}

fn param() -> impl Strategy<Value = Param> {
    vec(0_usize..4, 0..4).prop_flat_map(|dims| {
        let len = dims.iter().product::<usize>();
        let data = prop_oneof![
            vec(-1e9_f32..1e9, len).prop_map(TensorData::Float32),
            vec(any::<i8>(), len).prop_map(TensorData::Int8),
            vec(any::<i32>(), len).prop_map(TensorData::Int32),
            vec(any::<i64>(), len).prop_map(TensorData::Int64),
            vec(any::<u16>(), len).prop_map(TensorData::Float16),
            vec(any::<u8>(), len).prop_map(TensorData::UInt8),
        ];
        (data, vec(vec(any::<u8>(), 0..9), 0..2)).prop_map(move |(data, lod)| Param { dims: dims.clone(), data, lod })
    })
}

/// Every reader and pass over a model; none may panic.
fn try_everything(pdmodel: &[u8], pdiparams: &[u8]) {
    if let Ok(model) = Model::from_bytes(pdmodel, pdiparams) {
        for release in [LiteRelease::V2_13Rc, LiteRelease::Develop] {
            for scale_level in 0..4 {
                let _ = model.lite_program(&LiteOptions { release, scale_level });
            }
        }
    }
}

/// Flips, inserts or removes a few bytes.
fn mutate(bytes: &mut Vec<u8>, edits: &[(Index, u8, u8)]) {
    for (place, kind, value) in edits {
        let at = place.index(bytes.len().max(1));
        match kind % 4 {
            0 if at < bytes.len() => drop(bytes.remove(at)),
            1 => bytes.insert(at.min(bytes.len()), *value),
            2 => bytes.truncate(at.max(bytes.len() / 2)),
            _ if at < bytes.len() => bytes[at] = *value,
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn a_written_program_reads_back(program in program()) {
        prop_assert_eq!(read_program(&write_program(&program), "copy").expect("it was just written"), program);
    }

    #[test]
    fn written_parameters_read_back(params in btree_map(name(), param(), 0..5)) {
        let vars = params.keys().map(|name| Var::parameter(name.clone(), DType::Float32, &[])).collect();
        let program = Program { blocks: vec![Block { vars, ..Block::root() }], ..Program::default() };
        let read = read_params(&program, &write_params(&params), "copy").expect("they were just written");
        prop_assert_eq!(read, params);
    }

    #[test]
    fn arbitrary_bytes_never_panic(pdmodel in vec(any::<u8>(), 0..200), pdiparams in vec(any::<u8>(), 0..200)) {
        try_everything(&pdmodel, &pdiparams);
        let (real, _) = &REAL[0];
        try_everything(real, &pdiparams);
    }

    #[test]
    fn an_arbitrary_program_over_few_names_never_panics(
        mut program in program(),
        params in btree_map("[a-e]".prop_map(Name::from), param(), 0..5),
    ) {
        program.blocks[0].vars = params.keys().map(|name| Var::parameter(name.clone(), DType::Float32, &[])).collect();
        try_everything(&write_program(&program), &write_params(&params));
    }

    #[test]
    fn a_damaged_real_model_never_panics(
        model in 0_usize..4,
        in_program in vec((any::<Index>(), any::<u8>(), any::<u8>()), 0..4),
        in_params in vec((any::<Index>(), any::<u8>(), any::<u8>()), 0..4),
    ) {
        let (mut pdmodel, mut pdiparams) = REAL[model].clone();
        mutate(&mut pdmodel, &in_program);
        mutate(&mut pdiparams, &in_params);
        try_everything(&pdmodel, &pdiparams);
    }
}

#[test]
fn a_chain_of_thousands_of_ops_is_ordered_without_recursion() {
    let name = |i: usize| vec![Name::from(format!("v{i}"))];
    let relu = |i: usize| Op {
        op_type: "relu".to_owned(),
        inputs: BTreeMap::from([("X".to_owned(), name(i))]),
        outputs: BTreeMap::from([("Out".to_owned(), name(i + 1))]),
        ..Op::default()
    };
    let ops = (0..100_000).map(relu).collect();
    let program = Program { blocks: vec![Block { ops, ..Block::root() }], ..Program::default() };
    let model = Model { program, params: BTreeMap::new() };
    let program = model.lite_program(&LiteOptions::default()).expect("nothing is wrong with it");
    assert_eq!(program.graph.op_count(), 100_000);
}
