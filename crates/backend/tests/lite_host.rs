//! The simulated Paddle Lite against the real one, as far as x86 can tell (docs/conformance.md).
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

mod common;

use std::sync::Arc;

use accuracy::Tensor;
use backend::{Backend, LiteHost, SimulatedBackend, Trouble, stage};
use common::{Staged, lite_host, paddle_lite};
use int8_sim::CpuFlavour;
use op_graph::Placement;

const SAMPLES: usize = 8;

/// Signal to noise of the real outputs against the simulated ones, dB; infinite where they are equal.
fn decibels(real: &Tensor, simulated: &Tensor) -> f64 {
    let pairs = || real.data().iter().zip(simulated.data()).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let signal: f64 = pairs().map(|(_, b)| b * b).sum();
    let noise: f64 = pairs().map(|(a, b)| (a - b) * (a - b)).sum();
    10.0 * (signal / noise).log10()
}

/// The share of samples, pixels or boxes whose best class is the same; the classes run along axis 1 of an image, else along the last.
fn same_class(real: &Tensor, simulated: &Tensor) -> f64 {
    let shape = real.shape();
    let axis = if shape.len() == 4 { 1 } else { shape.len() - 1 };
    let (classes, inner): (usize, usize) = (shape[axis], shape[axis + 1..].iter().product());
    let best = |values: &[f32], at: usize| {
        let score = |class: usize| values[at / inner * classes * inner + class * inner + at % inner];
        (1..classes).fold(0, |best, class| if score(class) > score(best) { class } else { best })
    };
    let count = real.data().len() / classes;
    let same = (0..count).filter(|&at| best(real.data(), at) == best(simulated.data(), at)).count();
    same as f64 / count as f64
}

fn outputs(backend: &dyn Backend) -> Result<Vec<Tensor>, Trouble> {
    let all: Vec<usize> = (0..SAMPLES).collect();
    Ok(backend.prepare(&Placement::new())?.run(&all)?.outputs)
}

#[test]
fn the_simulated_cpu_in_float_agrees_with_the_real_runtime_on_every_model_and_variant() {
    let test = "the_simulated_cpu_in_float_agrees_with_the_real_runtime_on_every_model_and_variant";
    let Some(environment) = paddle_lite(test) else { return };
    let models = ["digits_detect", "digits_mobilenet", "digits_mobilenet_unequal", "digits_resnet", "digits_seg"];
    for name in models.iter().flat_map(|model| {
        ["fp32", "pl_old", "pc_old", "pl_old_full", "pl_onnx", "pc_onnx"].map(|variant| format!("{model}/{variant}"))
    }) {
        let staged = Staged::load(&name, SAMPLES);
        let (host, _folder) = lite_host(&environment, &staged);
        let real = outputs(&host).unwrap_or_else(|trouble| panic!("{name}: failed to {trouble}"));
        let lite = |cpu| SimulatedBackend::lite(Arc::clone(&staged.simulator), cpu, stage(staged.samples.clone()));
        let (float, int8) = (outputs(&lite(CpuFlavour::Float)).unwrap(), outputs(&lite(CpuFlavour::Int8)).unwrap());
        for (index, ((real, float), int8)) in real.iter().zip(&float).zip(&int8).enumerate() {
            assert_eq!(real.shape(), float.shape(), "{name}");
            let (db, same) = (decibels(real, float), same_class(real, float));
            let (db8, same8) = (decibels(real, int8), same_class(real, int8));
            println!(
                "{name} output {index}: float {db:.1} dB, {:.2} % same class; int8 {db8:.1} dB, {:.2} % same class",
                100.0 * same,
                100.0 * same8
            );
            assert!(db > 120.0 && same >= 1.0, "{name} output {index}: {db:.1} dB, {same}");
        }
    }
}

#[test]
fn a_model_that_aborts_paddle_lite_is_a_crash_with_its_last_words_and_the_next_request_starts_it_again() {
    let test = "a_model_that_aborts_paddle_lite_is_a_crash_with_its_last_words_and_the_next_request_starts_it_again";
    let Some(environment) = paddle_lite(test) else { return };
    let staged = Staged::load("digits_resnet/pl_old", 1);
    let folder = tempfile::tempdir().unwrap();
    let host = LiteHost::new(&environment, &staged.model, &staged.samples, folder.path()).unwrap();
    let good = std::fs::read(folder.path().join("model.pdmodel")).unwrap();
    std::fs::write(folder.path().join("model.pdmodel"), b"no program").unwrap();
    let trouble = host.prepare(&Placement::new()).unwrap().run(&[0]).unwrap_err();
    assert!(matches!(&trouble, Trouble::Crashed(_)), "{trouble}");
    std::fs::write(folder.path().join("model.pdmodel"), good).unwrap();
    assert!(host.prepare(&Placement::new()).unwrap().run(&[0]).is_ok());
}
