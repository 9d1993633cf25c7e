//! The error of each op's result, on a shared model.

use std::path::PathBuf;

use int8_sim::{Config, Options, Sample, Simulator, Tensor};
use op_graph::{OpId, Placement, Support};
use paddle_model::{LiteOptions, Model};

type Failure = Box<dyn std::error::Error>;

fn simulator() -> Result<Simulator, Failure> {
    let model = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/models/digits_seg/pl_old"));
    Ok(Simulator::new(Model::load_dir(model)?.lite_program(&LiteOptions::default())?, Options::default())?)
}

fn samples() -> Vec<Sample> {
    let image = |seed: usize| (0..3 * 64 * 64).map(move |at| ((at * (seed + 3)) as f32 * 0.013).sin() * 1.8).collect();
    (0..2).map(|seed| Sample::new(vec![Tensor::from_f32(vec![1, 3, 64, 64], image(seed))])).collect()
}

#[test]
fn the_same_placement_has_no_error_anywhere() -> Result<(), Failure> {
    let simulator = simulator()?;
    let config = Config::tim_vx(Placement::new());
    let errors = simulator.layer_errors(&config, &config, &samples())?;
    assert!(errors.iter().flatten().count() > 20);
    for error in errors.iter().flatten() {
        assert_eq!((error.sqnr_db(), error.cosine()), (f64::INFINITY, 1.0));
    }
    Ok(())
}

#[test]
fn the_last_op_has_the_error_of_the_output_and_ops_before_the_only_one_on_the_npu_have_none() -> Result<(), Failure> {
    let (simulator, samples) = (simulator()?, samples());
    let graph = &simulator.program().graph;
    let movable = Support::TimVx.ops(graph);
    let resize = graph.ops().find(|&op| graph.record(op).op_type == "bilinear_interp_v2").ok_or("no resize")?;
    let config = Config::tim_vx(movable.difference(&[resize].into_iter().collect()));
    let errors = simulator.layer_errors(&Config::lite(), &config, &samples)?;

    let (before, after) = (simulator.run(&Config::lite(), &samples)?, simulator.run(&config, &samples)?);
    let values = |run: &int8_sim::Run| -> Vec<f32> {
        run.outputs.iter().flatten().flat_map(|output| output.as_f32().unwrap_or_default().to_vec()).collect()
    };
    let (before, after) = (values(&before), values(&after));
    let signal: f64 = before.iter().map(|x| f64::from(*x).powi(2)).sum();
    let noise: f64 = before.iter().zip(&after).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    let last = graph.ops().filter(|&op| graph.record(op).op_type != "fetch").last().ok_or("no op")?;
    let last = errors[last.index()].ok_or("the last op has no error")?;
    assert!((last.sqnr_db() - 10.0 * (signal / noise).log10()).abs() < 1e-6, "{last:?}");

    let own = errors[resize.index()].ok_or("the resize has no error")?;
    assert!(own.sqnr_db() < 40.0 && own.cosine() > 0.9, "{own:?}");
    let ahead = (0..resize.index()).filter_map(|op| errors[OpId::new(op).index()]);
    assert!(ahead.clone().count() > 10 && ahead.into_iter().all(|error| error.sqnr_db() == f64::INFINITY));
    Ok(())
}
