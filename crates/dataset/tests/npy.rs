//! `.npy` and `.npz` as NumPy writes them, and as nobody should.

#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use std::path::{Path, PathBuf};

use dataset::{Array, Error, NpyError, Npz, Values, read_npy, read_npz, write_npy};
use proptest::prelude::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/npy").join(name)
}

#[test]
fn every_type_that_numpy_saved_is_read() {
    let arrays = read_npz(&fixture("types.npz")).unwrap();
    let floats = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25];
    let dtypes: Vec<(&str, String)> = arrays.iter().map(|(name, array)| (name.as_str(), array.to_string())).collect();
    let expected = [
        ("f16", "<f2 [2, 3]"),
        ("f32", "<f4 [2, 3]"),
        ("f64", "<f8 [2, 3]"),
        ("flag", "|b1 [2, 3]"),
        ("i32", "<i4 [2, 3]"),
        ("i64", "<i8 [2, 3]"),
        ("i8", "|i1 [2, 3]"),
        ("none", "<f4 [0, 4]"),
        ("row", "<f4 [3]"),
        ("scalar", "<f4 []"),
        ("u8", "|u1 [2, 3]"),
    ];
    assert_eq!(dtypes, expected.map(|(name, text)| (name, text.to_owned())));
    for name in ["f16", "f32", "f64"] {
        assert_eq!(arrays[name].to_f32(), floats);
    }
    assert_eq!(arrays["u8"].values(), &Values::U8(vec![0, 1, 2, 3, 4, 5]));
    assert_eq!(arrays["i8"].values(), &Values::I8(vec![0, -1, -2, -3, -4, -5]));
    assert_eq!(arrays["i32"].to_f32()[5], -500_000.0);
    assert_eq!(arrays["i64"].values(), &Values::I64((0..6).map(|i| i << 33).collect()));
    assert_eq!(arrays["flag"].to_f32(), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    assert_eq!(arrays["scalar"].to_f32(), [1.5]);
}

#[test]
fn one_array_of_an_archive_is_read_alone_and_a_missing_one_named() {
    let mut npz = Npz::open(&fixture("types.npz")).unwrap();
    assert_eq!(npz.array("row").unwrap().to_f32(), [0.0, 1.0, 2.0]);
    let error = npz.array("column").unwrap_err().to_string();
    assert!(error.contains("types.npz (column)"), "{error}");
}

#[test]
fn what_cannot_be_used_says_how_to_save_it_better() {
    let source = |name: &str| match read_npy(&fixture(name)).unwrap_err() {
        Error::Npy { source, .. } => source,
        other => panic!("{other}"),
    };
    assert_eq!(source("fortran.npy"), NpyError::FortranOrder);
    assert_eq!(source("complex.npy"), NpyError::Dtype("<c8".into()));
    assert_eq!(source("types.npz"), NpyError::Magic);
    assert!(matches!(read_npy(&fixture("absent.npy")), Err(Error::Read { .. })));
}

#[test]
fn a_file_that_is_cut_off_or_lies_about_its_size_is_refused_without_allocating_it() {
    let whole = Array::new(vec![3, 4], Values::F32(vec![1.0; 12])).unwrap().to_npy();
    for len in 0..whole.len() {
        assert!(Array::from_npy(&whole[..len]).is_err(), "{len} bytes");
    }
    let lie = |shape: &str| {
        let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend([0; 64]);
        Array::from_npy(&bytes).unwrap_err()
    };
    for shape in ["(99999999999,)", "(4294967296, 4294967296)", "(9,)"] {
        assert!(matches!(lie(shape), NpyError::Truncated { available: 64, .. }), "{shape}");
    }
    for shape in ["(-1,)", "(99999999999999999999,)", "3", "(1", "(a,)"] {
        assert!(matches!(lie(shape), NpyError::Header(_)), "{shape}");
    }
}

fn arrays() -> impl Strategy<Value = Array> {
    let values = |len: usize| {
        prop_oneof![
            prop::collection::vec(any::<bool>(), len).prop_map(Values::Bool),
            prop::collection::vec(any::<u8>(), len).prop_map(Values::U8),
            prop::collection::vec(any::<i8>(), len).prop_map(Values::I8),
            prop::collection::vec(any::<i32>(), len).prop_map(Values::I32),
            prop::collection::vec(any::<i64>(), len).prop_map(Values::I64),
            prop::collection::vec(-1e6f32..1e6, len).prop_map(Values::F32),
            prop::collection::vec(-1e6f64..1e6, len).prop_map(Values::F64),
        ]
    };
    prop::collection::vec(0usize..4, 0..4).prop_flat_map(move |shape| {
        values(shape.iter().product()).prop_map(move |values| Array::new(shape.clone(), values).unwrap())
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(array in arrays()) {
        let bytes = array.to_npy();
        prop_assert_eq!(bytes.windows(2).position(|w| w[0] == b'\n').map_or(bytes.len(), |i| i + 1) % 64, 0);
        prop_assert_eq!(Array::from_npy(&bytes).unwrap(), array);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), magic: bool) {
        let bytes = if magic { [b"\x93NUMPY".as_slice(), &bytes].concat() } else { bytes };
        let _ = Array::from_npy(&bytes);
    }

    #[test]
    fn a_damaged_header_never_panics(array in arrays(), at in 0usize..128, byte: u8) {
        let mut bytes = array.to_npy();
        let at = at.min(bytes.len() - 1);
        bytes[at] = byte;
        let _ = Array::from_npy(&bytes);
    }
}

#[test]
fn a_damaged_archive_never_panics() {
    let bytes = std::fs::read(fixture("types.npz")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged.npz");
    for at in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        std::fs::write(&path, &damaged).unwrap();
        let _ = read_npz(&path);
        std::fs::write(&path, &bytes[..at]).unwrap();
        assert!(read_npz(&path).is_err(), "cut at {at}");
    }
}

#[test]
fn a_written_file_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npy");
    let array = Array::new(vec![2, 2], Values::F32(vec![1.0, 2.0, 3.0, 4.0])).unwrap();
    write_npy(&path, &array).unwrap();
    assert_eq!(read_npy(&path).unwrap(), array);
    assert!(write_npy(&dir.path().join("no/such/dir.npy"), &array).is_err());
}
