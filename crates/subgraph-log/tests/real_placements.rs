//! What the real Paddle Lite made of recorded configs, computed again from the operators and the config alone.

use std::{fs, path::PathBuf};

use op_graph::{Clustering, OpGraph, OpId, OpRecord, Support, fused_units};
use serde::Deserialize;
use subgraph_log::{PartitionConfig, Severity, lint, parse, write};

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/real")
}

fn records(path: PathBuf) -> Vec<OpRecord> {
    let lines: Vec<String> = serde_json::from_slice(&fs::read(path).expect("a fixture")).expect("a list of records");
    lines.iter().map(|line| OpRecord::parse(line.as_bytes()).expect("a record")).collect()
}

#[derive(Deserialize)]
struct Trial {
    tag: String,
    cpu_ops: Vec<String>,
    clusters: usize,
    cluster_ops: Option<Vec<Vec<OpId>>>,
}

fn models() -> Vec<PathBuf> {
    let models =
        fs::read_dir(fixtures().join("trials")).expect("fixtures").map(|entry| entry.expect("an entry").path());
    let mut models: Vec<PathBuf> = models.collect();
    models.sort();
    models
}

#[test]
fn forced_ops_and_clusters_of_every_recorded_trial_are_reproduced() {
    let mut seen = 0;
    for model in models() {
        let graph = OpGraph::from_records(records(model.join("ops.json")));
        for line in fs::read_to_string(model.join("trials.jsonl")).unwrap().lines() {
            let trial: Trial = serde_json::from_str(line).unwrap();
            let context = format!("{model:?} {}", trial.tag);
            let forced = PartitionConfig::parse(trial.cpu_ops.join("\n").as_bytes()).forced(&graph);
            assert_eq!(forced.len(), trial.cpu_ops.len(), "{context}");
            let clustering = Clustering::form(&graph, &Support::TimVx.ops(&graph).difference(&forced));
            let recorded = Clustering::from_clusters(trial.cluster_ops.unwrap()).unwrap();
            assert_eq!(clustering, recorded, "{context}");
            assert_eq!(clustering.len(), trial.clusters, "{context}");

            let written = write(&graph, &forced).unwrap();
            assert_eq!(written.lines.len(), forced.len(), "{context}");
            assert_eq!(PartitionConfig::parse(&written.text).forced(&graph), forced, "{context}");
            seen += 1;
        }
    }
    assert_eq!(seen, 692);
}

#[test]
fn fused_units_are_those_that_were_moved_together() {
    for model in models() {
        let graph = OpGraph::from_records(records(model.join("ops.json")));
        let units: Vec<Vec<String>> = serde_json::from_slice(&fs::read(model.join("units.json")).unwrap()).unwrap();
        let line = |op: &OpId| graph.record(*op).to_string();
        let fused = fused_units(&graph, &Support::TimVx.ops(&graph));
        let fused: Vec<Vec<String>> = fused.iter().map(|unit| unit.iter().map(line).collect()).collect();
        assert_eq!(fused, units, "{model:?}");
    }
}

#[test]
fn every_recorded_config_forces_what_it_forced() {
    let graph = OpGraph::from_records(records(fixtures().join("trials/digits_resnet.pl_old/ops.json")));
    let supported = Support::TimVx.ops(&graph);
    let mut seen = 0;
    for entry in fs::read_dir(fixtures().join("configs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        seen += 1;
        let config = fs::read(&path).unwrap();
        let log = fs::read(path.with_extension("log")).unwrap();
        if log.is_empty() {
            let found = lint(&config, &graph, Support::TimVx);
            assert!(found[0].severity == Severity::Error && found[0].message.contains("crashes"), "{path:?}");
            continue;
        }
        let report = parse(&log);
        let block = report.chosen().unwrap();
        assert_eq!(block.first_difference(graph.records()), None, "{path:?}");
        let forced = PartitionConfig::parse(&config).forced(&graph).intersection(&supported);
        assert_eq!(block.logged_cpu_ops().unwrap().intersection(&supported), forced, "{path:?}");
        let clustering = Clustering::form(&graph, &supported.difference(&forced));
        assert_eq!(block.logged_clustering.as_ref(), Some(&clustering), "{path:?}");

        let silent =
            forced.is_empty() && !lint(&config, &graph, Support::TimVx).iter().any(|d| d.severity > Severity::Note);
        assert!(!silent || path.ends_with("feed.txt"), "{path:?} does nothing, and the linter does not say why");
    }
    assert_eq!(seen, 25);
}
