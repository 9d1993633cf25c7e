//! Behaves as one of FastDeploy's demos: `sim-runner demo MODEL_DIR INPUT [cpu]` runs one sample, which is raw float32 here and no image,
//! reads the partition config beside the model, prints the stack's block and the result as text, and exits with 0 whatever happens.

use std::{fs, path::Path};

use int8_sim::{Config, Sample, Simulator, Tensor};
use op_graph::{OpSet, Support};
use paddle_model::{LiteOptions, Model};
use subgraph_log::PartitionConfig;

use crate::{Failure, print, simulate};

/// How many pixels of a segmentation are printed, and how many a row.
const PIXELS: usize = 100;
const ROW: usize = 10;

pub(crate) fn run(words: &[String]) {
    if let Err(failure) = predict(words) {
        println!("Failed to predict. {failure:?}");
    }
}

fn predict(words: &[String]) -> Result<(), Failure> {
    let [folder, input, rest @ ..] = words else { return Err(Failure::Untestable("MODEL_DIR INPUT".into())) };
    let untestable = |error: &dyn std::fmt::Display| Failure::Untestable(error.to_string());
    let program = Model::load_dir(folder)
        .and_then(|model| model.lite_program(&LiteOptions::default()))
        .map_err(|error| untestable(&error))?;
    let simulator = simulate(program)?;
    let config = if rest.iter().any(|word| word == "cpu") { Config::lite() } else { placed(&simulator, folder)? };
    let bytes = fs::read(input)?;
    let values: Vec<f32> = bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four)).collect();
    // An image: square, three channels.
    let side = (values.len() / 3).isqrt();
    let sample = Sample::new(vec![Tensor::from_f32(vec![1, 3, side, side], values)]);
    let run = simulator.run(&config, &[sample]).map_err(|refusal| Failure::Refused(refusal.to_string()))?;
    let output = run.outputs.first().and_then(|outputs| outputs.first());
    let output = output.ok_or_else(|| Failure::Untestable("there is no output".into()))?;
    print!("{}", text(output).ok_or_else(|| Failure::Untestable("the output is of no known kind".into()))?);
    Ok(())
}

fn placed(simulator: &Simulator, folder: &str) -> Result<Config, Failure> {
    let program = simulator.program();
    let path = Path::new(folder).join("subgraph.txt");
    let forced = if let Ok(text) = fs::read(&path) {
        PartitionConfig::parse(&text).forced(&program.graph)
    } else {
        println!("Missing the subgraph custom partition configuration file {}", path.display());
        OpSet::new()
    };
    let clusterable = Support::TimVx.ops(&program.graph);
    print(&program.graph, &program.clustering(&clusterable.difference(&forced)))?;
    Ok(Config::tim_vx(forced.intersection(&clusterable)))
}

/// `[1, classes]` as a classification, `[1, classes, height, width]` as a segmentation.
fn text(output: &Tensor) -> Option<String> {
    let values = output.as_f32()?;
    match *output.shape() {
        [1, _] => {
            let (label, score) = values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
            Some(format!("ClassifyResult(\nlabel_ids: {label}, \nscores: {score:.6}, \n)\n"))
        }
        [1, classes, height, width] => {
            let plane = height * width;
            let score = |class: usize, pixel: usize| values.get(class * plane + pixel).copied().unwrap_or(f32::MIN);
            let label = |pixel| (0..classes).max_by(|&a, &b| score(a, pixel).total_cmp(&score(b, pixel))).unwrap_or(0);
            let labels: Vec<String> = (0..PIXELS).map(|pixel| format!("{}, ", label(pixel))).collect();
            let rows: Vec<String> = labels.chunks(ROW).map(|row| format!("[{}.....]\n", row.concat())).collect();
            let rows = rows.concat();
            Some(format!(
                "SegmentationResult Image masks 10 rows x 10 cols: \n{rows}...........\nresult shape is: [{height} {width}]\n"
            ))
        }
        _ => None,
    }
}
