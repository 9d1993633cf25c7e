//! What is believed of a `result.json`, and what is not.
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use board::{
    digest::Sha256,
    remote::Nonce,
    trial::{DType, Manifest, ManifestError, read_manifest},
};
use proptest::prelude::*;

const CAP: u64 = 1000;

/// A manifest with the given fields besides version, nonce and config.
fn read(fields: &str) -> Result<Manifest, ManifestError> {
    let nonce = Nonce::fresh();
    let config = Sha256::of(b"relu\n");
    let text = format!(r#"{{"version":1,"nonce":"{nonce}","config_sha256":"{config}",{fields}}}"#);
    read_manifest(text.as_bytes(), &nonce, Some(config), CAP)
}

fn tensor(dtype: &str, shape: &str, file: &str, bytes: u64) -> String {
    let sha256 = Sha256::of(b"");
    format!(r#"{{"name":"t","dtype":"{dtype}","shape":{shape},"file":"{file}","bytes":{bytes},"sha256":"{sha256}"}}"#)
}

#[test]
fn tensors_of_every_type_and_a_score_are_read() {
    for (dtype, size) in
        [("float16", 2), ("float32", 4), ("float64", 8), ("int8", 1), ("uint8", 1), ("bool", 1), ("int64", 8)]
    {
        let manifest = read(&format!(r#""tensors":[{}]"#, tensor(dtype, "[2,3]", "out0.raw", 6 * size))).unwrap();
        assert_eq!(manifest.tensors[0].dtype.size(), size);
        assert_eq!(manifest.score, None);
    }
    let scalar =
        read(&format!(r#""tensors":[{}],"extra":{{"NaN":"NaN \" Infinity"}}"#, tensor("int32", "[]", "s", 4))).unwrap();
    assert_eq!(scalar.tensors[0].dtype, DType::Int32);
    assert_eq!(read(r#""score":0.5,"timings":{"load_ms":3,"run_ms":[1,2.5]}"#).unwrap().timings.run_ms, [1.0, 2.5]);
}

#[test]
fn scores_that_are_no_number_are_reported_as_nan() {
    for score in ["NaN", "Infinity", "-Infinity", "null"] {
        assert!(read(&format!(r#""score": {score}"#)).unwrap().score.unwrap().is_nan(), "{score}");
    }
}

#[test]
fn nonsense_is_refused() {
    let tensors = |list: &[String]| format!(r#""tensors":[{}]"#, list.join(","));
    let good = || tensor("float32", "[2]", "a", 8);
    let cases = [
        r#""timings":{}"#.to_owned(),
        format!(r#"{},"score":1"#, tensors(&[good()])),
        r#""score":"0.9""#.into(),
        r#""score":1,"timings":{"run_ms":[-1]}"#.into(),
        r#""score":1,"timings":{"load_ms":1e999}"#.into(),
        tensors(&[good(), good()]),
        tensors(&[tensor("float32", "[2]", "a", 4)]),
        tensors(&[tensor("float32", "[18446744073709551615,3]", "a", 4)]),
        tensors(&[tensor("float32", "[-1]", "a", 4)]),
        tensors(&[tensor("float99", "[1]", "a", 4)]),
        tensors(&[tensor("int8", "[1001]", "a", 1001)]),
        tensors(&[tensor("int8", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "a", 1)]),
        tensors(&["{}".into()]),
    ];
    for case in cases {
        assert!(read(&case).is_err(), "{case}");
    }
    for file in
        ["", ".", "..", "../x", "/etc/passwd", "a/b", "-rf", ".hidden", "a b", "stdout", "result.json", "a\\u0000"]
    {
        assert!(read(&tensors(&[tensor("int8", "[1]", file, 1)])).is_err(), "{file:?}");
    }
}

#[test]
fn another_version_nonce_or_config_is_refused() {
    let (nonce, config) = (Nonce::fresh(), Sha256::of(b""));
    let read = |text: String, config| read_manifest(text.as_bytes(), &nonce, config, CAP);
    let with = |version: u32, nonce: &Nonce, config: &str| {
        format!(r#"{{"version":{version},"nonce":"{nonce}","config_sha256":{config},"score":1}}"#)
    };
    let quoted = format!("\"{config}\"");
    assert!(read(with(1, &nonce, &quoted), Some(config)).is_ok());
    assert!(read(with(1, &nonce, "null"), None).is_ok());
    assert!(matches!(read(with(2, &nonce, "null"), None), Err(ManifestError::Version(2))));
    assert!(matches!(read(with(1, &Nonce::fresh(), "null"), None), Err(ManifestError::Stale)));
    assert!(matches!(read(with(1, &nonce, &quoted), None), Err(ManifestError::OtherConfig { .. })));
    assert!(matches!(read(with(1, &nonce, "null"), Some(config)), Err(ManifestError::OtherConfig { .. })));
    assert!(matches!(read(with(1, &nonce, "\"abc\""), Some(config)), Err(ManifestError::Json(_))));
}

fn npy(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00", (header.len() as u16).to_le_bytes().as_slice(), header.as_bytes(), data].concat()
}

#[test]
fn tensors_are_read_raw_and_from_npy_and_must_be_what_was_announced() {
    let folder = tempfile::tempdir().unwrap();
    let elements = [0, 0, 128, 63, 0, 0, 0, 63];
    let read = |file: &str, contents: &[u8]| {
        std::fs::write(folder.path().join(file), contents).unwrap();
        let fields = format!(r#""tensors":[{}]"#, tensor("float32", "[1,2]", file, contents.len() as u64));
        self::read(&fields)?.tensors[0].read(folder.path())
    };
    assert_eq!(read("a.raw", &elements).unwrap(), elements);
    assert_eq!(read("a.npy", &npy("<f4", "False", "(1, 2)", &elements)).unwrap(), elements);
    for wrong in [
        npy("<f8", "False", "(1, 2)", &elements),
        npy("<f4", "True", "(1, 2)", &elements),
        npy("<f4", "False", "(2,)", &elements),
        npy("<f4", "False", "(1, 2)", &elements[..7]),
        npy("<f4", "False", "(1, 2)", &[0; 9]),
        b"\x93NUMPY\x01\x00\xff\xff{'descr'".to_vec(),
        vec![0; 20],
    ] {
        assert!(read("a.npy", &wrong).is_err(), "{wrong:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(read_manifest(&bytes, &Nonce::fresh(), None, CAP).is_err());
    }

    #[test]
    fn a_manifest_cut_short_anywhere_is_refused(cut in 0usize..60) {
        let nonce = Nonce::fresh();
        let text = format!(r#"{{"version":1,"nonce":"{nonce}","score":0.5}}"#);
        let end = cut.min(text.len() - 1);
        prop_assert!(read_manifest(&text.as_bytes()[..end], &nonce, None, CAP).is_err());
    }
}
