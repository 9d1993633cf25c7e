//! The two files of a model: what is written is read back, and what is damaged is refused with its place.

#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use std::{collections::BTreeMap, fs, path::PathBuf};

use op_graph::Name;
use paddle_model::{
    Attr, Block, DType, Model, ModelError, Op, Param, Program, TensorData, Var, read_params, read_program,
    write_params, write_program,
};

fn fixture(variant: &str, file: &str) -> Vec<u8> {
    fs::read(test_kit::fixtures().join("models").join(variant).join(file)).unwrap()
}

fn variants() -> Vec<PathBuf> {
    let entries = |dir: PathBuf| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let models = entries(test_kit::fixtures().join("models")).filter(|dir| dir.is_dir());
    models.flat_map(entries).filter(|dir| dir.join("model.pdmodel").is_file()).collect()
}

#[test]
fn a_real_model_is_read_back_as_it_was_written() {
    for dir in variants() {
        let model = Model::load_dir(&dir).unwrap();
        assert_eq!(read_program(&write_program(&model.program), "copy").unwrap(), model.program, "{}", dir.display());
        let stored = fs::read(dir.join("model.pdiparams")).unwrap();
        assert_eq!(write_params(&model.params), stored, "{}", dir.display());
    }
}

/// A program with the parameters `a` ([2, 2] singles) and `b` (two int8), and its parameter file.
fn small() -> (Program, Vec<u8>) {
    let vars = vec![Var::parameter("b", DType::Float32, &[7]), Var::parameter("a", DType::Float32, &[2, 2])];
    let program = Program { blocks: vec![Block { vars, ..Block::root() }], ..Program::default() };
    let params = BTreeMap::from([
        (Name::from("a"), Param::new(vec![2, 2], TensorData::Float32(vec![1.0, -2.0, 3.5, 0.0]))),
        (Name::from("b"), Param::new(vec![2], TensorData::Int8(vec![-127, 5]))),
    ]);
    (program, write_params(&params))
}

#[test]
fn parameters_are_taken_in_the_order_of_their_names_and_their_headers_win() {
    let (program, bytes) = small();
    let params = read_params(&program, &bytes, "small").unwrap();
    assert_eq!(params[&Name::from("a")].data, TensorData::Float32(vec![1.0, -2.0, 3.5, 0.0]));
    assert_eq!(params[&Name::from("b")], Param::new(vec![2], TensorData::Int8(vec![-127, 5])));
}

// The first value of `small` lies so: version 0, LoD levels 4, tensor version 12, length 16, description 20 to 25, elements 26 to 41.

#[test]
fn damage_is_reported_with_file_offset_and_variable() {
    type Damage = fn(&mut Vec<u8>);
    let cases: [(&str, Damage, usize, &str, &str); 10] = [
        ("an unknown version", |b| b[0] = 1, 0, "a", "the version of the variable is 1, only 0 is known"),
        ("absurdly many LoD levels", |b| b[11] = 0x7f, 4, "a", "LoD levels cannot fit"),
        ("an unknown tensor version", |b| b[12] = 9, 12, "a", "the version of the tensor is 9"),
        ("a negative length", |b| b[19] = 0xff, 16, "a", "has the negative length"),
        ("a lying length", |b| b[18] = 0x7f, 20, "a", "needs 8323078 bytes"),
        ("an unknown element type", |b| b[21] = 99, 20, "a", "element type code 99 is not known"),
        ("a size that is not there", |b| b[23] = 100, 26, "a", "the value (float32 [100, 2]) needs 800 bytes"),
        ("a negative size", |b| drop(b.splice(16..26, negative_size())), 20, "a", "the sizes [-1] are impossible"),
        (
            "a file cut short",
            |b| b.truncate(60),
            58,
            "b",
            "the length of the tensor description needs 4 bytes, 2 are left",
        ),
        ("a file too long", |b| b.push(0), 68, "b", "1 bytes follow the value of the last variable"),
    ];
    for (what, damage, offset, variable, text) in cases {
        let (program, mut bytes) = small();
        damage(&mut bytes);
        let error = read_params(&program, &bytes, "small.pdiparams").expect_err(what);
        let shown = error.to_string();
        let ModelError::Params { offset: at, variable: of, .. } = error else { panic!("{what}: {shown}") };
        assert_eq!((at, of), (offset, variable.into()), "{what}: {shown}");
        assert!(shown.contains("small.pdiparams") && shown.contains(text), "{what}: {shown}");
    }
}

/// A description of one dimension of size −1, with its length before it.
fn negative_size() -> Vec<u8> {
    let desc = [&[8, 5, 16][..], &[0xff; 9], &[1]].concat();
    [&(desc.len() as i32).to_le_bytes()[..], &desc].concat()
}

#[test]
fn a_parameter_missing_from_the_program_is_noticed() {
    let (mut program, bytes) = small();
    program.blocks[0].vars.pop();
    let error = read_params(&program, &bytes, "small").expect_err("`a` is in the file only").to_string();
    assert!(error.contains("so the program names too few"), "{error}");
}

#[test]
fn a_program_that_is_none_is_refused_with_its_file() {
    let cases: [(&[u8], &str); 4] = [
        (b"", "the program has no block"),
        (b"{\"ops\": []}", "decode p.pdmodel as a Paddle program"),
        (&[0x0a, 0xff, 0xff, 0xff, 0x7f], "decode p.pdmodel as a Paddle program"),
        (&fixture("digits_resnet/fp32", "model.pdmodel")[..9000], "decode p.pdmodel as a Paddle program"),
    ];
    for (bytes, text) in cases {
        let error = read_program(bytes, "p.pdmodel").expect_err(text).to_string();
        assert!(error.contains(text) && error.contains("p.pdmodel"), "{error}");
    }
}

#[test]
fn every_kind_of_attribute_survives_writing() {
    let attrs = [
        Attr::Int(-1),
        Attr::Float(0.5),
        Attr::String(Name::from(&b"\xff-:,"[..])),
        Attr::Ints(vec![1, -2]),
        Attr::Floats(vec![]),
        Attr::Strings(vec!["a".into(), "".into()]),
        Attr::Bool(true),
        Attr::Bools(vec![true, false]),
        Attr::Block(3),
        Attr::Long(i64::MIN),
        Attr::Blocks(vec![0, 1]),
        Attr::Longs(vec![i64::MAX]),
        Attr::Float64s(vec![1e300]),
        Attr::Var("v".into()),
        Attr::Vars(vec!["v".into()]),
        Attr::Float64(-0.25),
    ];
    let op = Op {
        op_type: "any".to_owned(),
        attrs: attrs.into_iter().enumerate().map(|(i, attr)| (format!("a{i}"), attr)).collect(),
        is_target: Some(false),
        ..Op::default()
    };
    let program = Program { blocks: vec![Block { ops: vec![op], ..Block::root() }], version: 7, op_version_map: None };
    assert_eq!(read_program(&write_program(&program), "copy").unwrap(), program);
}

#[test]
fn a_folder_is_searched_for_the_names_that_paddle_lite_knows() {
    let (pdmodel, pdiparams) =
        (fixture("digits_resnet/pl_old", "model.pdmodel"), fixture("digits_resnet/pl_old", "model.pdiparams"));
    let expected = Model::from_bytes(&pdmodel, &pdiparams).unwrap();
    for (program, params) in [
        ("__model__", "params"),
        ("model", "weights"),
        ("model.pdmodel", "model.pdiparams"),
        ("inference.pdmodel", "other.pdiparams"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(program), &pdmodel).unwrap();
        fs::write(dir.path().join(params), &pdiparams).unwrap();
        assert_eq!(Model::load_dir(dir.path()).unwrap(), expected, "{program} {params}");
    }
}

#[test]
fn uncombined_parameters_are_read_from_a_file_each() {
    let model = Model::load_dir(test_kit::fixtures().join("models/digits_resnet/pl_old")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("__model__"), write_program(&model.program)).unwrap();
    for (name, param) in &model.params {
        let path = dir.path().join(name.as_str().unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, write_params(&BTreeMap::from([(name.clone(), param.clone())]))).unwrap();
    }
    assert_eq!(Model::load_dir(dir.path()).unwrap(), model);
}

#[test]
fn a_variable_whose_name_leaves_the_folder_is_refused() {
    let vars = vec![Var::parameter("../../etc/passwd", DType::Float32, &[1])];
    let program = Program { blocks: vec![Block { vars, ..Block::root() }], ..Program::default() };
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("__model__"), write_program(&program)).unwrap();
    let error = Model::load_dir(dir.path()).expect_err("the name is no file name").to_string();
    assert!(error.contains("cannot be a file name"), "{error}");
}

#[test]
fn an_empty_folder_is_refused_with_the_names_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let error = Model::load_dir(dir.path()).expect_err("there is nothing").to_string();
    assert!(error.contains("__model__, model, model.pdmodel, inference.pdmodel"), "{error}");
}
