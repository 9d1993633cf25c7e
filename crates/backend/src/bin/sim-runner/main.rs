//! Serves the trial protocol from the simulator, on whatever machine plays the board. Its command line is that of `npu-runner`, and so
//! is what it prints and writes; the partition config goes through its text, as on the real stack.

mod args;
mod demo;
mod fault;

use std::{
    env, fs,
    io::{self, Write},
    process::ExitCode,
    time::{Duration, Instant},
};

use args::{Args, Device};
use board::digest::Sha256;
use fault::Fault;
use int8_sim::{Config, Options, Sample, Simulator, Tensor};
use op_graph::{Clustering, DotStyle, OpGraph, OpSet, Support};
use paddle_model::{LiteOptions, LiteProgram, Model};
use serde_json::{Value, json};
use subgraph_log::{BlockStyle, PartitionConfig, print_block};

/// Why a trial gave no outputs; each has its exit code (the table in `board::trial`).
#[derive(Debug)]
pub(crate) enum Failure {
    /// The stack does not run the placement.
    Refused(String),
    /// This machine is at fault.
    Machine(String),
    /// The model itself cannot be run here.
    Untestable(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Machine(error.to_string())
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    if let [first, rest @ ..] = &words[..]
        && first == "demo"
    {
        demo::run(rest);
        return ExitCode::SUCCESS;
    }
    let (code, text) = match serve() {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Refused(text)) => (1, text),
        Err(Failure::Machine(text)) => (75, text),
        Err(Failure::Untestable(text)) => (125, text),
    };
    eprintln!("sim-runner: {text}");
    ExitCode::from(code)
}

fn serve() -> Result<(), Failure> {
    let args = Args::parse(env::args().skip(1)).map_err(Failure::Untestable)?;
    let nonce = fs::read_to_string("nonce")?;
    let fault = Fault::from_environment(&nonce);
    let used = if args.device == Device::Cpu { None } else { partition_config()? };
    let outcome = fault.before_the_run().and_then(|()| run(&args, used.as_deref(), fault));
    let mut manifest = match &outcome {
        Ok(ran) => ran.clone(),
        Err(Failure::Refused(reason)) => json!({"failed": {"reason": reason}}),
        Err(_) => return outcome.map(drop),
    };
    manifest["version"] = json!(1);
    manifest["nonce"] = json!(fault.nonce(&nonce));
    manifest["config_sha256"] = json!(used.map(|bytes| Sha256::of(&bytes).to_string()));
    fs::write("result.part", fault.spoil(manifest.to_string().into_bytes()))?;
    fs::rename("result.part", "result.json")?;
    outcome.map(drop)
}

/// Runs the samples and writes their outputs; what the manifest says of them.
fn run(args: &Args, partition: Option<&[u8]>, fault: Fault) -> Result<Value, Failure> {
    let started = Instant::now();
    let simulator = load(args)?;
    let config = configuration(args, simulator.program(), partition, fault)?;
    let load_ms = milliseconds(started.elapsed());
    let running = Instant::now();
    let run = simulator.run(&config, &args.read_samples()?).map_err(|refusal| Failure::Refused(refusal.to_string()))?;
    std::thread::sleep(args.pause);
    let mut tensors = Vec::new();
    if !args.samples.is_empty() {
        for (index, name) in simulator.program().fetches.iter().enumerate() {
            tensors.push(write_output(index, &name.to_string(), &run.outputs, fault)?);
        }
    }
    let timings = json!({"load_ms": load_ms, "first_run_ms": milliseconds(running.elapsed()), "run_ms": []});
    Ok(json!({"tensors": tensors, "timings": timings}))
}

fn load(args: &Args) -> Result<Simulator, Failure> {
    let program = Model::load(&args.model, &args.params)
        .and_then(|model| model.lite_program(&LiteOptions::default()))
        .map_err(|error| Failure::Untestable(error.to_string()))?;
    simulate(program)
}

pub(crate) fn simulate(program: LiteProgram) -> Result<Simulator, Failure> {
    Simulator::new(program, Options::default()).map_err(|error| Failure::Untestable(error.to_string()))
}

/// How to run; prints the block as the real stack does when it divides a model.
fn configuration(
    args: &Args,
    program: &LiteProgram,
    partition: Option<&[u8]>,
    fault: Fault,
) -> Result<Config, Failure> {
    if args.device == Device::Cpu {
        return Ok(Config::lite());
    }
    if partition.is_some_and(<[u8]>::is_empty) {
        std::process::abort(); // as the real reader does on an empty file (spec/measured.md "The partition config")
    }
    let forced = match partition {
        Some(bytes) if !fault.ignores_the_placement() => PartitionConfig::parse(bytes).forced(&program.graph),
        _ => OpSet::new(),
    };
    let clusterable = Support::TimVx.ops(&program.graph);
    print(&program.graph, &program.clustering(&clusterable.difference(&forced)))?;
    Ok(Config::tim_vx(forced.intersection(&clusterable)))
}

/// Where Paddle Lite looks, in its order (spec/paddle-lite.md B2): what the runner hands it, then the environment.
fn partition_config() -> Result<Option<Vec<u8>>, Failure> {
    match fs::read("subgraph.txt") {
        Ok(bytes) => return Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    if let Some(path) = env::var_os("SUBGRAPH_PARTITION_CONFIG_FILE") {
        return Ok(Some(fs::read(path)?));
    }
    Ok(env::var("SUBGRAPH_PARTITION_CONFIG_BUFFER").ok().map(String::into_bytes))
}

fn print(graph: &OpGraph, clustering: &Clustering) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(b"[I 11/23  2:22: 1.395 optimizer.cc:103 ApplyPasses] == Running pass: nnadapter_subgraph_pass\n")?;
    stdout.write_all(&print_block(graph, clustering, BlockStyle::WithOperators, DotStyle::default()))?;
    stdout.write_all(
        b"[I 11/23  2:22: 1.397 optimizer.cc:123 ApplyPasses] == Finished running: nnadapter_subgraph_pass\n",
    )
}

/// Writes one output of all samples, joined along the first axis, and describes it.
fn write_output(index: usize, name: &str, samples: &[Vec<Tensor>], fault: Fault) -> Result<Value, Failure> {
    let mut shape = Vec::new();
    let mut bytes = Vec::new();
    for sample in samples {
        let part = sample.get(index).ok_or_else(|| Failure::Untestable(format!("{name} was not computed")))?;
        let values = part.as_f32().ok_or_else(|| Failure::Untestable(format!("{name} is not float")))?;
        bytes.extend(values.iter().flat_map(|&value| fault.value(value).to_le_bytes()));
        match shape.first_mut() {
            None => shape = part.shape().to_vec(),
            Some(axis) => *axis += part.shape().first().copied().unwrap_or(1),
        }
    }
    let file = format!("out{index}.raw");
    fs::write(&file, &bytes)?;
    let sha256 = Sha256::of(&bytes).to_string();
    Ok(json!({
        "name": name, "dtype": "float32", "shape": shape, "file": file, "bytes": bytes.len(), "sha256": sha256
    }))
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The samples of all inputs, as the simulator takes them.
fn samples_of(inputs: Vec<Vec<Tensor>>) -> Vec<Sample> {
    let count = inputs.first().map_or(0, Vec::len);
    let mut columns: Vec<_> = inputs.into_iter().map(Vec::into_iter).collect();
    (0..count).map(|_| Sample::new(columns.iter_mut().filter_map(Iterator::next).collect())).collect()
}
