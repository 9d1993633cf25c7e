//! The simulator on the shared models: against Paddle's fake quantization, against itself without a cache, and what it refuses.

use std::{collections::BTreeMap, path::PathBuf};

use int8_sim::{Config, CpuFlavour, Options, RefusalClass, Sample, Simulator, Stage, Tensor};
use op_graph::{OpId, OpSet, Support, fused_units};
use paddle_model::{LiteOptions, Model};
use proptest::prelude::*;

type Failure = Box<dyn std::error::Error>;

fn models() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/models"))
}

fn simulator(model: &str, options: Options) -> Result<Simulator, Failure> {
    let mut model = Model::load_dir(models().join(model))?;
    model.complete(); // some variants lack attributes, and Paddle Lite would not load them
    let program = model.lite_program(&LiteOptions::default())?;
    Ok(Simulator::new(program, options)?)
}

/// Smooth made-up images, the same in every run.
fn samples(simulator: &Simulator, count: usize) -> Vec<Sample> {
    let graph = &simulator.program().graph;
    let feed = graph.outputs(OpId::new(0))[0];
    let shape = simulator.shapes()[feed.index()].clone().unwrap_or_default();
    let image = |seed: usize| {
        let size: usize = shape.iter().product();
        let wave =
            |at: usize| ((at * (seed + 3)) as f32 * 0.013).sin() * 1.8 + ((at / 7 + seed) as f32 * 0.11).cos() * 0.4;
        Sample::new(vec![Tensor::from_f32(shape.clone(), (0..size).map(wave).collect())])
    };
    (0..count).map(image).collect()
}

fn movable(simulator: &Simulator) -> OpSet {
    Support::TimVx.ops(&simulator.program().graph)
}

fn ops_of_type(simulator: &Simulator, op_type: &str) -> Vec<OpId> {
    let graph = &simulator.program().graph;
    graph.ops().filter(|&op| graph.record(op).op_type == op_type).collect()
}

#[test]
fn every_variant_runs_on_the_cpu_in_both_flavours() -> Result<(), Failure> {
    let mut variants = 0;
    for model in std::fs::read_dir(models())? {
        let model = model?.path();
        for variant in std::fs::read_dir(&model).into_iter().flatten() {
            let variant = variant?.path();
            if !variant.join("model.pdmodel").is_file() {
                continue;
            }
            let name = variant.strip_prefix(models())?.to_string_lossy().into_owned();
            let simulator = simulator(&name, Options::default())?;
            for cpu in [CpuFlavour::Int8, CpuFlavour::Float] {
                let run = simulator.run(&Config::lite().with_cpu(cpu), &samples(&simulator, 1))?;
                let finite =
                    |tensor: &Tensor| tensor.as_f32().is_some_and(|values| values.iter().all(|x| x.is_finite()));
                assert!(run.outputs[0].iter().all(finite), "{name} in {cpu:?}");
            }
            variants += 1;
        }
    }
    assert!(variants >= 30, "only {variants} variants");
    Ok(())
}

#[test]
fn a_convolution_cannot_leave_its_bias_add_behind_on_the_npu() -> Result<(), Failure> {
    let simulator = simulator("digits_resnet/pl_old", Options::default())?;
    for conv in ops_of_type(&simulator, "conv2d") {
        let refusal = simulator.check(&Config::tim_vx([conv].into_iter().collect())).err().ok_or("it compiled")?;
        assert_eq!((refusal.stage, refusal.class), (Stage::Build, RefusalClass::DataType));
        let with_add = [conv, OpId::new(conv.index() + 1)].into_iter().collect();
        assert_eq!(simulator.check(&Config::tim_vx(with_add))?.len(), if conv.index() == 1 { 1 } else { 2 });
    }
    Ok(())
}

#[test]
fn the_tail_scale_makes_the_stack_refuse_in_two_ways() -> Result<(), Failure> {
    let simulator = simulator("digits_resnet/pl_old", Options::default())?;
    let alone = |op_type: &str| Config::tim_vx(ops_of_type(&simulator, op_type).into_iter().collect());
    let class = |config: &Config| simulator.check(config).map_err(|refusal| (refusal.stage, refusal.class)).err();
    assert_eq!(class(&alone("scale")), Some((Stage::Load, RefusalClass::RenamedOutput)));
    assert_eq!(class(&alone("softmax")), Some((Stage::Build, RefusalClass::UnmappedOperand)));
    Ok(())
}

#[test]
fn a_scaled_float_bias_keeps_an_onnx_export_off_the_npu_until_its_adds_move() -> Result<(), Failure> {
    let simulator = simulator("digits_detect/pl_onnx", Options::default())?;
    let all_npu = Config::tim_vx(OpSet::new());
    assert_eq!(simulator.check(&all_npu).map_err(|refusal| refusal.class).err(), Some(RefusalClass::ScaledFloat));
    let from_reshape = |op: &OpId| {
        let add = &simulator.program().ops[op.index()];
        add.input("Y").is_some_and(|name| name.to_string().starts_with("reshape2_"))
    };
    let adds: OpSet = ops_of_type(&simulator, "elementwise_add").into_iter().filter(from_reshape).collect();
    assert_eq!(adds.len(), 4);
    assert!(simulator.run(&Config::tim_vx(adds), &samples(&simulator, 1)).is_ok());
    Ok(())
}

#[test]
fn two_folded_reshape_biases_on_the_cpu_break_the_graph() -> Result<(), Failure> {
    let simulator = simulator("digits_seg/pl_old_reshape_bias", Options::default())?;
    let all_cpu = Config::tim_vx(movable(&simulator));
    assert_eq!(simulator.check(&all_cpu).map_err(|refusal| refusal.class).err(), Some(RefusalClass::BrokenLinks));
    assert!(simulator.check(&Config::lite()).is_ok());
    Ok(())
}

#[test]
fn no_forced_op_is_one_cluster_and_every_forced_op_equals_the_cpu() -> Result<(), Failure> {
    let simulator = simulator("digits_mobilenet/pl_old", Options::default())?;
    let samples = samples(&simulator, 2);
    assert_eq!(simulator.run(&Config::tim_vx(OpSet::new()), &samples)?.clustering.len(), 1);
    let all_forced = simulator.run(&Config::tim_vx(movable(&simulator)), &samples)?;
    assert!(all_forced.clustering.is_empty());
    assert_eq!(all_forced.outputs, simulator.run(&Config::lite(), &samples)?.outputs);
    Ok(())
}

#[test]
fn a_unit_alone_on_the_npu_disturbs_less_than_all_of_them() -> Result<(), Failure> {
    let simulator = simulator("digits_resnet/pl_old", Options::default())?;
    let samples = samples(&simulator, 4);
    let units = fused_units(&simulator.program().graph, &movable(&simulator));
    let sensitivity = simulator.sensitivity(&units, &samples, CpuFlavour::Int8)?;
    assert_eq!(sensitivity.len(), units.len());
    let all = simulator.sensitivity(&[Vec::new()], &samples, CpuFlavour::Int8)?.remove(0);
    assert_eq!(all.alone?.sqnr_db(), f64::INFINITY, "no unit on the NPU is the CPU");
    let all_npu = all.all_but?.sqnr_db();
    let alone: Vec<f64> = sensitivity.iter().filter_map(|unit| Some(unit.alone.as_ref().ok()?.sqnr_db())).collect();
    let calmer = alone.iter().filter(|&&db| db > all_npu).count();
    assert!(alone.len() > 15 && calmer * 10 >= alone.len() * 8, "{calmer} of {} above {all_npu}", alone.len());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_run_with_a_full_a_tiny_and_no_cache_gives_the_same(
        placements in prop::collection::vec(prop::collection::vec(any::<bool>(), 30), 1..6),
        float_cpu in any::<bool>(),
    ) {
        let cpu = if float_cpu { CpuFlavour::Float } else { CpuFlavour::Int8 };
        let with_cache = |cache_bytes| simulator("digits_resnet/pl_old", Options { cache_bytes }).map_err(|error| error.to_string());
        let cached = with_cache(64 << 20).map_err(TestCaseError::fail)?;
        let tiny = with_cache(100_000).map_err(TestCaseError::fail)?;
        let samples = samples(&cached, 2);
        let units = fused_units(&cached.program().graph, &movable(&cached));
        for placement in placements {
            let on_cpu = units.iter().zip(&placement).filter(|&(_, &on_cpu)| on_cpu);
            let forced: OpSet = on_cpu.flat_map(|(unit, _)| unit.iter().copied()).collect();
            let config = Config::tim_vx(forced).with_cpu(cpu);
            let fresh = with_cache(0).map_err(TestCaseError::fail)?;
            let expected = fresh.run(&config, &samples).map(|run| run.outputs);
            prop_assert_eq!(cached.run(&config, &samples).map(|run| run.outputs), expected.clone());
            prop_assert_eq!(tiny.run(&config, &samples).map(|run| run.outputs), expected);
            prop_assert!(tiny.cached_bytes() <= 100_000);
        }
    }
}

/// The classes that a refusal may name; the names are part of the reports' format.
#[test]
fn refusal_classes_read_as_words() {
    let names: BTreeMap<RefusalClass, String> = [
        RefusalClass::RenamedOutput,
        RefusalClass::BrokenLinks,
        RefusalClass::UnmappedOperand,
        RefusalClass::DataType,
        RefusalClass::ScaledFloat,
    ]
    .into_iter()
    .map(|class| (class, serde_json::to_string(&class).unwrap_or_default()))
    .collect();
    assert_eq!(names[&RefusalClass::RenamedOutput], "\"renamed_output\"");
    assert_eq!(names[&RefusalClass::ScaledFloat], "\"scaled_float\"");
}
