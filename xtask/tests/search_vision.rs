//! Networks of PaddlePaddle itself from end to end: the log of the real `opt`, the search on the simulated NPU, and the real `opt` again
//! with the `subgraph.txt` that was written.

#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use conformance::{Environment, ModelFiles, Opt};
use op_graph::{OpRecord, Support};
use serde_json::Value;

const NETWORKS: [&str; 3] = ["mobilenet_v1", "mobilenet_v2", "shufflenet_v2"];

fn network(name: &str) -> PathBuf {
    test_kit::fixtures().join("vision").join(name)
}

/// Searches with the log of the real `opt`; gives the result.
fn search(name: &str, run: &Path) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["search", "--cache=false", "--model"])
        .arg(network(name))
        .arg("--log")
        .arg(network(name).join("opt-2.13rc0.log"))
        .arg("--out")
        .arg(run)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&fs::read(run.join("result.json")).unwrap()).unwrap()
}

/// The ops that stay on the CPU, as sets of names: their order in a record means nothing.
fn on_cpu(result: &Value) -> Vec<OpRecord> {
    let records = result["cpu_ops"].as_array().unwrap().iter();
    let mut records: Vec<OpRecord> =
        records.map(|record| sorted(OpRecord::parse(record.as_str().unwrap().as_bytes()).unwrap())).collect();
    records.sort_unstable();
    records
}

fn sorted(mut record: OpRecord) -> OpRecord {
    record.inputs.sort_unstable();
    record.outputs.sort_unstable();
    record
}

#[test]
fn three_networks_are_searched_from_the_log_of_the_real_opt_which_honours_what_was_written() {
    let test = "three_networks_are_searched_from_the_log_of_the_real_opt_which_honours_what_was_written";
    let folder = tempfile::tempdir().unwrap();
    let results = NETWORKS.map(|name| (name, search(name, &folder.path().join(name))));
    for (name, result) in &results {
        assert_eq!(result["verified"], true, "{name}");
        assert!(result["score_npu"].as_f64() < result["threshold"].as_f64(), "{name}: there is something to find");
        assert!(result["score"].as_f64() >= result["threshold"].as_f64(), "{name}");
        assert!(!on_cpu(result).is_empty(), "{name}");
    }

    let environment = test_kit::fixtures().join("..").join(lite_wheel::DEFAULT_FOLDER);
    let opt = match Environment::prepare(&environment) {
        Ok(environment) => Opt::new(&environment),
        Err(error) if error.is_lack_of_python() => return test_kit::skip_anywhere(test, &format!("failed to {error}")),
        Err(error) => return test_kit::skip(test, &format!("failed to {error}")),
    };
    for (name, result) in &results {
        let config = fs::read(folder.path().join(name).join("subgraph.txt")).unwrap();
        let answer = opt.run(&ModelFiles::in_folder(&network(name)), Some(&config), folder.path(), "").unwrap();
        let report = subgraph_log::parse(&answer.log);
        let block = report.chosen().unwrap();
        let clusters = block.logged_clustering.as_ref().unwrap();
        let forced = Support::TimVx.ops(&block.ops).difference(&clusters.ops());
        let mut forced: Vec<OpRecord> = forced.iter().map(|op| sorted(block.ops.record(op).clone())).collect();
        forced.sort_unstable();
        assert_eq!(forced, on_cpu(result), "{name}");
        assert_eq!(result["cluster_ops"].as_array().unwrap().len(), clusters.len(), "{name}");
    }
}
