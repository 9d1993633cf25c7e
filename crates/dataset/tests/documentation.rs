//! `docs/data.md` says what the code does.

#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use std::{fs, path::Path};

use dataset::{Dataset, Scorer};

const DOCUMENTATION: &str = include_str!("../../../docs/data.md");

#[test]
fn the_example_loads_beside_its_data() {
    let example = DOCUMENTATION.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models/digits_detect");
    let dir = tempfile::tempdir().unwrap();
    for name in ["eval_u8_nhwc.npy", "eval_boxes.npy"] {
        fs::copy(fixture.join(name), dir.path().join(name)).unwrap();
    }
    let path = dir.path().join("any-name.toml");
    fs::write(&path, example).unwrap();
    let documented = Dataset::load(&path).unwrap();
    assert_eq!(documented.decoder(), Dataset::load(&fixture).unwrap().decoder());
    assert_eq!(Scorer::new(documented, None, None).unwrap().metric().name, "ap50");
}

#[test]
fn every_metric_is_documented_and_every_documented_metric_exists() {
    let table = DOCUMENTATION.split("| metric |").nth(1).unwrap().split("\n\n").next().unwrap();
    let names: Vec<&str> = table
        .lines()
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    for name in &names {
        assert_eq!(accuracy::metric(name).unwrap().info().name, *name);
    }
    for name in accuracy::FAMILIES.iter().filter_map(|family| family.usual.first()) {
        assert!(names.contains(name), "`{name}` is not documented");
    }
}
