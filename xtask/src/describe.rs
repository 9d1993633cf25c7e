//! A first `data.toml` for a model whose data are an array or a folder of images: what can be read off the model is filled in, what
//! cannot is marked to be checked.

use std::{fmt::Write as _, path::Path};

use anyhow::{Context, bail};
use dataset::Dataset;
use op_graph::{Name, OpId};
use paddle_model::LiteProgram;

/// Is this a data description, and not the data themselves?
pub(crate) fn is_description(path: &Path) -> bool {
    path.join(dataset::DESCRIPTION_FILE).is_file() || path.extension().is_some_and(|extension| extension == "toml")
}

/// The text of a `data.toml` that feeds the model with a `.npy` array or a folder of images.
pub(crate) fn describe(program: &LiteProgram, data: &Path) -> anyhow::Result<String> {
    let [feed] = &program.feeds[..] else {
        bail!("the model has {} inputs; describe them in a data.toml by hand (docs/data.md)", program.feeds.len());
    };
    let shape = input_shape(program, feed).unwrap_or_default();
    let quoted = |path: &Path| toml::Value::String(path.to_string_lossy().into_owned()).to_string();
    let absolute = std::path::absolute(data)?;
    let mut text =
        format!("# Data for `cargo xtask search`; docs/data.md explains every key.\ntask = \"{}\"\n\n", task(program));
    text += "[[inputs]]\n";
    if data.is_dir() {
        let &[_, _, height, width] = &shape[..] else {
            bail!("the model's input `{feed}` has shape {shape:?}, which no image has; give a .npy array");
        };
        let _ = writeln!(text, "images = {}", quoted(&absolute)); // writing to a string cannot fail
        if height > 0 && width > 0 {
            let _ = writeln!(text, "size = [{height}, {width}]");
        } else {
            text += "# The model takes any size; without `size` all images must have the same.\n# size = [224, 224]\n";
        }
    } else {
        let _ = writeln!(text, "file = {}", quoted(&absolute));
    }
    text += "# CHECK: must be what the model was exported with. Each value becomes (value / 255 - mean) / std; a float array is taken as it is.\n";
    let is_image = data.is_dir() || is_bytes(data);
    let comment = if is_image { "" } else { "# " };
    let _ = writeln!(text, "{comment}mean = [0.485, 0.456, 0.406]\n{comment}std = [0.229, 0.224, 0.225]");
    text += "\n# With labels the score can be the model's own accuracy; without, it is the agreement with the model on the CPU.\n";
    text += "# [labels]\n# file = \"labels.npy\"\n";
    Ok(text)
}

/// Does the data fit the inputs of the model?
pub(crate) fn check_shapes(program: &LiteProgram, data: &Dataset) -> anyhow::Result<()> {
    let inputs = data.inputs();
    if inputs.len() != program.feeds.len() {
        bail!("the model has {} input(s), {} describes {}", program.feeds.len(), data.path().display(), inputs.len());
    }
    for (feed, input) in program.feeds.iter().zip(inputs) {
        let Some(expected) = input_shape(program, feed) else { continue };
        let given = input.shape();
        let fits = expected.len() == given.len() + 1
            && expected[1..].iter().zip(given).all(|(&expected, &given)| expected < 0 || expected == given as i64);
        if !fits {
            let path = data.path().display();
            bail!("the model's input `{feed}` has shape {expected:?} (-1: any), one sample of {path} has {given:?}");
        }
    }
    Ok(())
}

fn input_shape(program: &LiteProgram, feed: &Name) -> Option<Vec<i64>> {
    let is_feed =
        |op: &OpId| program.ops[op.index()].op_type == "feed" && program.ops[op.index()].output("Out") == Some(feed);
    let op = program.graph.ops().find(is_feed)?;
    let dims = &program.tensor(*program.graph.outputs(op).first()?).dims;
    (!dims.is_empty()).then(|| dims.clone())
}

/// The task that the shapes of the outputs suggest.
fn task(program: &LiteProgram) -> &'static str {
    let fetches = program.graph.ops().filter(|op| program.ops[op.index()].op_type == "fetch");
    let read = fetches.filter_map(|op| program.graph.inputs(op).first().copied());
    let ranks: Vec<usize> = read.map(|tensor| program.tensor(tensor).dims.len()).collect();
    match ranks[..] {
        [2] => "classification",
        [4] => "segmentation",
        _ => "raw",
    }
}

fn is_bytes(array: &Path) -> bool {
    dataset::read_npy(array).is_ok_and(|array| matches!(array.values(), dataset::Values::U8(_)))
}

/// Writes the description beside the settings; what is there stays.
pub(crate) fn write(program: &LiteProgram, data: &Path, beside: &Path) -> anyhow::Result<std::path::PathBuf> {
    let path = beside.with_file_name(dataset::DESCRIPTION_FILE);
    if path.exists() {
        bail!("{} exists already; name it as the data description, or remove it", path.display());
    }
    if !data.exists() {
        bail!("there is no {}", data.display());
    }
    let text = describe(program, data).with_context(|| data.display().to_string())?;
    trial_store::write_atomically(&path, text.as_bytes()).map_err(|error| anyhow::anyhow!("failed to {error}"))?;
    Ok(path)
}
