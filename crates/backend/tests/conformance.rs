//! The laws that every backend keeps. A new backend is one line here.
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

mod common;

use std::{path::Path, sync::Arc};

use backend::{
    Backend, SimulatedBackend, Trouble,
    board::{BoardBackend, BoardProgram, Boards, BoardsOptions, Inputs, Runner},
    stage,
};
use board::{cancel::Cancel, pool::read_boards};
use common::{Staged, lite_host, paddle_lite};
use int8_sim::CpuFlavour;
use op_graph::{OpSet, Placement, Support};

const MODEL: &str = "digits_resnet/pl_old";
const SAMPLES: usize = 4;

fn check(backend: &dyn Backend, staged: &Staged) {
    backend.usable().unwrap();
    assert_eq!(backend.samples(), SAMPLES);
    assert!(backend.batch() > 0);
    let mut prepared = backend.prepare(&Placement::new()).unwrap();
    let all = prepared.run(&[0, 1, 2, 3]).unwrap().outputs;
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].shape(), [SAMPLES, 10]);
    assert!(all[0].data().iter().all(|value| value.is_finite()));

    let row = |sample: usize| &all[0].data()[10 * sample..][..10];
    let some = prepared.run(&[2, 0]).unwrap().outputs;
    assert_eq!(some[0].data(), [row(2), row(0)].concat(), "samples are named by their positions, in any order");
    assert_eq!(prepared.run(&[0, 1, 2, 3]).unwrap().outputs, all, "a run changes nothing for the next");
    let unknown = prepared.run(&[SAMPLES]);
    assert!(matches!(unknown, Err(Trouble::Device { .. })), "{unknown:?}");

    let graph = &staged.simulator.program().graph;
    let everything = Support::TimVx.ops(graph);
    let on_npu = prepared.clustering().map(op_graph::Clustering::ops);
    drop(prepared);
    let mut forced = backend.prepare(&everything).unwrap();
    match (backend.name(), on_npu) {
        ("lite", on_npu) => {
            assert!(on_npu.is_none(), "there is no NPU");
            assert_eq!(forced.run(&[0, 1, 2, 3]).unwrap().outputs, all, "a placement means nothing without an NPU");
        }
        ("timvx", on_npu) => {
            assert_eq!(on_npu.as_ref(), Some(&everything));
            assert_eq!(forced.clustering().map(op_graph::Clustering::ops), Some(OpSet::new()));
        }
        (other, _) => panic!("{other} is neither lite nor timvx"),
    }
}

#[test]
fn the_simulated_backends_keep_the_laws() {
    let staged = Staged::load(MODEL, SAMPLES);
    let samples = stage(staged.samples.clone());
    for cpu in [CpuFlavour::Int8, CpuFlavour::Float] {
        check(&SimulatedBackend::lite(Arc::clone(&staged.simulator), cpu, Arc::clone(&samples)), &staged);
        check(&SimulatedBackend::tim_vx(Arc::clone(&staged.simulator), cpu, Arc::clone(&samples)), &staged);
    }
}

#[test]
fn paddle_lite_on_this_pc_keeps_the_laws() {
    let Some(environment) = paddle_lite("paddle_lite_on_this_pc_keeps_the_laws") else { return };
    let staged = Staged::load(MODEL, SAMPLES);
    let (host, _folder) = lite_host(&environment, &staged);
    check(&host, &staged);
}

#[cfg(unix)]
#[test]
fn the_backends_on_boards_keep_the_laws() {
    let staged = Staged::load(MODEL, SAMPLES);
    let folder = tempfile::tempdir().unwrap();
    let boards = Arc::new(boards(folder.path(), &staged));
    check(&BoardBackend::lite(&boards), &staged);
    check(&BoardBackend::tim_vx(&boards), &staged);
}

/// A board that is a folder of this machine, on which the simulator plays the stack.
fn boards(folder: &Path, staged: &Staged) -> Boards {
    let list = folder.join("boards.toml");
    let entry = format!(
        "[[board]]\nname = \"one\"\nway = {{ local = true }}\nwork = {:?}\nsoc = \"sim\"\ndriver_command = \"echo 1.0\"\n",
        folder.join("board").to_str().unwrap()
    );
    std::fs::write(&list, entry).unwrap();
    let model = test_kit::fixtures().join("models").join(MODEL);
    let program = staged.simulator.program();
    let runner = Runner { program: env!("CARGO_BIN_EXE_sim-runner").into(), ..Runner::default() };
    let program = BoardProgram::new(
        program,
        Support::TimVx.ops(&program.graph),
        (&model.join("model.pdmodel"), &model.join("model.pdiparams")),
        Inputs::write(folder, staged.samples.clone()).unwrap(),
        runner,
    );
    let options = BoardsOptions { results: folder.to_owned(), timeout: None, check_every: 16, drivers: Vec::new() };
    Boards::start(read_boards(&list).unwrap(), program.unwrap(), options, &Cancel::new())
}
