//! The arrows between crates, so that no boundary is skipped by accident. `docs/architecture.md` shows the same map.

#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use std::{collections::BTreeSet, path::Path, process::Command};

use serde_json::Value;

/// Which crates of the workspace a crate may use, tests aside.
const MAY_USE: &[(&str, &[&str])] = &[
    ("op-graph", &[]),
    ("subgraph-log", &["op-graph"]),
    ("paddle-model", &["op-graph"]),
    ("accuracy", &[]),
    ("dataset", &["accuracy"]),
    ("partition-search", &[]),
    ("int8-sim", &["op-graph", "paddle-model"]),
    ("latency", &["op-graph", "paddle-model"]),
    ("board", &[]),
    ("lite-wheel", &["board"]),
    (
        "backend",
        &["op-graph", "subgraph-log", "paddle-model", "int8-sim", "board", "lite-wheel", "accuracy", "dataset"],
    ),
    ("trial-store", &[]),
    (
        "pipeline",
        &[
            "op-graph",
            "subgraph-log",
            "paddle-model",
            "accuracy",
            "dataset",
            "partition-search",
            "int8-sim",
            "board",
            "backend",
            "trial-store",
        ],
    ),
    ("report", &["trial-store"]),
    ("conformance", &["op-graph", "subgraph-log", "paddle-model", "board", "lite-wheel"]),
    ("fidelity", &["op-graph", "paddle-model", "accuracy", "dataset", "int8-sim"]),
    ("fuzz", &["board", "op-graph", "subgraph-log", "paddle-model", "dataset", "trial-store"]),
    ("test-kit", &[]),
];

/// The command line stands above them all.
const TOP: &str = "xtask";

/// Each crate of the workspace, and the workspace's crates that it uses outside its tests.
fn arrows() -> Vec<(String, BTreeSet<String>)> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |package: &Value| package["name"].as_str().unwrap().to_owned();
    let members: BTreeSet<String> = packages.iter().map(name).collect();
    let uses = |package: &Value| {
        let dependencies = package["dependencies"].as_array().unwrap();
        dependencies.iter().filter(|d| d["kind"] != "dev").map(name).filter(|used| members.contains(used)).collect()
    };
    packages.iter().map(|package| (name(package), uses(package))).collect()
}

#[test]
fn no_crate_uses_another_against_the_map() {
    let mut wrong = Vec::new();
    for (name, used) in arrows() {
        match MAY_USE.iter().find(|(known, _)| *known == name) {
            Some((_, may_use)) => {
                let skipped = used.iter().filter(|used| !may_use.contains(&used.as_str()));
                wrong.extend(skipped.map(|used| format!("`{name}` uses `{used}`")));
            }
            None if name == TOP => {}
            None => wrong.push(format!("`{name}` is not on the map; add it to MAY_USE and to docs/architecture.md")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_map_in_the_documentation_names_every_crate() {
    let text = include_str!("../../docs/architecture.md");
    let missing: Vec<String> =
        arrows().into_iter().map(|(name, _)| name).filter(|name| !text.contains(&format!("| `{name}` |"))).collect();
    assert!(missing.is_empty(), "docs/architecture.md lacks {}", missing.join(", "));
}

#[test]
fn folders_are_named_as_their_crates() {
    for (name, _) in arrows().into_iter().filter(|(name, _)| name != TOP) {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates").join(&name).is_dir(), "crates/{name}");
    }
}
