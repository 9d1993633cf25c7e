//! What every runner must do with a trial.

use backend::{
    Backend, SimulatedBackend, Trouble,
    board::{BoardBackend, Runner},
};
use board::trial::{Attempt, ManifestError, TrialError};
use int8_sim::CpuFlavour;
use op_graph::{OpSet, Placement, fused_units};
use serde_json::Value;

use crate::{
    built::{MACHINES, emulated_sim_runner, npu_runner, sim_runner},
    lab::Lab,
};

const ON: [&str; 6] =
    ["--model", "model/model.pdmodel", "--params", "model/model.pdiparams", "--input", "input0.raw=1,3,32,32"];

#[test]
fn the_simulator_serves_the_protocol() {
    check(&sim_runner());
}

#[test]
fn npu_runner_serves_the_protocol_on_every_processor() {
    for machine in &MACHINES {
        if let Some(runner) = npu_runner("npu_runner_serves_the_protocol_on_every_processor", machine) {
            check(&runner);
        }
    }
}

#[test]
fn the_simulator_serves_the_protocol_on_an_emulated_board() {
    if let Some(runner) = emulated_sim_runner("the_simulator_serves_the_protocol_on_an_emulated_board") {
        check(&runner);
    }
}

fn check(runner: &Runner) {
    let lab = Lab::new();
    gives_the_outputs_and_the_clusters_of_the_simulation(&lab, runner);
    reports_what_it_did(&lab, runner);
    only_loads_the_model_where_no_sample_is_asked_for(&lab, runner);
    tells_a_refused_placement_by_exit_code_and_manifest(&lab, runner);
    does_not_survive_an_empty_config(&lab, runner);
    tells_what_it_used_though_it_was_exported(&lab, runner);
    calls_what_it_cannot_run_untestable(&lab, runner);
}

fn middle(lab: &Lab) -> Placement {
    let units = fused_units(lab.graph(), &lab.candidates());
    units[units.len() / 2].iter().copied().collect()
}

/// A convolution without its bias, which the stack does not compile (spec/measured.md "What placements do").
fn refused(lab: &Lab) -> Placement {
    let conv = lab.graph().ops().find(|&op| lab.graph().record(op).op_type == *"conv2d");
    conv.into_iter().collect()
}

fn config(lab: &Lab, placement: &OpSet) -> Vec<u8> {
    subgraph_log::write(lab.graph(), placement).unwrap().text
}

fn gives_the_outputs_and_the_clusters_of_the_simulation(lab: &Lab, runner: &Runner) {
    let boards = lab.boards(runner);
    let (simulator, samples) = lab.simulator();
    let expected = SimulatedBackend::tim_vx(simulator.clone(), CpuFlavour::Int8, samples.clone());
    let npu = BoardBackend::tim_vx(&boards);
    npu.usable().unwrap();
    for placement in [Placement::new(), middle(lab)] {
        let outputs = npu.prepare(&placement).unwrap().run(&[3, 0, 1]).unwrap();
        assert_eq!(outputs, expected.prepare(&placement).unwrap().run(&[3, 0, 1]).unwrap(), "{placement:?}");
    }
    let cpu = BoardBackend::lite(&boards).prepare(&Placement::new()).unwrap().run(&[0]).unwrap();
    assert_eq!(
        cpu,
        SimulatedBackend::lite(simulator, CpuFlavour::Int8, samples)
            .prepare(&Placement::new())
            .unwrap()
            .run(&[0])
            .unwrap()
    );
    let refusal = npu.prepare(&refused(lab)).unwrap().run(&[0]);
    assert!(matches!(refusal, Err(Trouble::Refused(_))), "{refusal:?}");
    npu.settle().unwrap();
    assert!(npu.withdrawn().is_empty());
}

fn reports_what_it_did(lab: &Lab, runner: &Runner) {
    let outcome = lab.attempt(
        runner,
        &[&["--device", "timvx"], &ON[..], &["--samples", "2-3,0"]].concat(),
        Some(&config(lab, &middle(lab))),
    );
    let Ok(Attempt::Ran(ran)) = outcome.attempt else { panic!("{:?}: {}", outcome.attempt, outcome.stderr) };
    let manifest = ran.manifest.unwrap();
    assert_eq!((manifest.tensors[0].shape.as_slice(), manifest.tensors[0].bytes), (&[3, 10][..], 120));
    assert!(manifest.timings.load_ms.is_some() && manifest.timings.first_run_ms.is_some());
    assert_eq!(outcome.stdout.matches("subgraph operators:").count(), 1, "{}", outcome.stdout);
}

fn only_loads_the_model_where_no_sample_is_asked_for(lab: &Lab, runner: &Runner) {
    let outcome = lab.attempt(runner, &[&["--device", "timvx"], &ON[..4]].concat(), None);
    assert!(matches!(outcome.attempt, Ok(Attempt::Ran(_))), "{:?}: {}", outcome.attempt, outcome.stderr);
    assert!(outcome.stdout.contains("subgraph operators:"));
    assert_eq!(outcome.result["tensors"], Value::Array(Vec::new()));
}

fn tells_a_refused_placement_by_exit_code_and_manifest(lab: &Lab, runner: &Runner) {
    let config = config(lab, &refused(lab));
    let outcome = lab.attempt(runner, &[&["--device", "timvx"], &ON[..], &["--samples", "0"]].concat(), Some(&config));
    assert!(matches!(outcome.attempt, Ok(Attempt::Failed { code: 1, .. })), "{:?}", outcome.attempt);
    let reason = outcome.result["failed"]["reason"].as_str().unwrap();
    assert!(outcome.stderr.trim_end().ends_with(reason), "{reason:?} is not the last of {:?}", outcome.stderr);
    assert!(outcome.stdout.contains("subgraph operators:"), "the placement that is refused is shown");
}

fn does_not_survive_an_empty_config(lab: &Lab, runner: &Runner) {
    let outcome = lab.attempt(runner, &[&["--device", "timvx"], &ON[..], &["--samples", "0"]].concat(), Some(b""));
    let against = matches!(outcome.attempt, Ok(Attempt::Failed { code: 1, .. } | Attempt::Crashed { .. }));
    assert!(against, "{:?}: {}", outcome.attempt, outcome.stderr);
}

fn tells_what_it_used_though_it_was_exported(lab: &Lab, runner: &Runner) {
    let mut exported = runner.clone();
    exported.env.push(("SUBGRAPH_PARTITION_CONFIG_BUFFER".into(), "relu".into()));
    let outcome = lab.attempt(&exported, &[&["--device", "timvx"], &ON[..], &["--samples", "0"]].concat(), None);
    let found =
        matches!(outcome.attempt, Err(TrialError::Manifest(ManifestError::OtherConfig { used: Some(_), asked: None })));
    assert!(found, "{:?}: {}", outcome.attempt, outcome.stderr);
}

fn calls_what_it_cannot_run_untestable(lab: &Lab, runner: &Runner) {
    for words in
        [&["--device", "gpu"][..], &["--device", "timvx", "--model", "nowhere", "--params", "nowhere"], &["--quickly"]]
    {
        let outcome = lab.attempt(runner, words, None);
        assert!(
            matches!(outcome.attempt, Ok(Attempt::Untestable(_))),
            "{words:?}: {:?}: {}",
            outcome.attempt,
            outcome.stderr
        );
    }
}
