//! What each target does with its bytes.

use std::{io::Cursor, path::Path, sync::LazyLock};

use board::{
    fastdeploy::{Unreadable, parse_results},
    remote::{JobEnd, Nonce, unwrap},
    trial::read_manifest,
};
use dataset::Array;
use op_graph::{Clustering, OpGraph, OpRecord, OpSet, Support};
use paddle_model::{
    Block, DType, LiteOptions, Model, Param, Program, TensorData, Var, read_params, read_program, write_program,
};
use subgraph_log::{PartitionConfig, lint, parse, write};
use trial_store::{History, Identity, Manifest, TrialLog, recover};

/// Ops that a random input names are few; more than this many make one run slow without finding more.
const MAX_OPS: usize = 2000;

/// The largest weight that a model under test gets.
const MAX_ELEMENTS: usize = 1 << 16;

/// A log, its graph, the clusters, and a config that selects every op.
pub(crate) fn log(data: &[u8]) {
    let report = parse(data);
    let Ok(block) = report.chosen() else { return };
    if block.ops.op_count() <= MAX_OPS {
        selects_exactly(&block.ops, &block.ops.ops().collect());
        let _ = Clustering::form(&block.ops, &Support::TimVx.ops(&block.ops));
    }
}

/// A partition config against a fixed model: what it forces can be written and selects the same again.
pub(crate) fn partition_config(data: &[u8]) {
    let records = ["feed:feed:x", "conv2d:x,w:y", "relu:y:z", "relu:z:a-b", "conv2d:z,w:c", "fetch:c:fetch"];
    let ops = OpGraph::from_records(records.iter().filter_map(|line| OpRecord::parse(line.as_bytes()).ok()).collect());
    selects_exactly(&ops, &PartitionConfig::parse(data).forced(&ops));
    let _ = lint(data, &ops, Support::TimVx);
}

fn selects_exactly(ops: &OpGraph, placement: &OpSet) {
    if let Ok(written) = write(ops, placement) {
        assert_eq!(PartitionConfig::parse(&written.text).forced(ops), *placement);
    }
}

/// A program: written and read again it stays as it is, and with weights of its own shapes it becomes a graph or an error.
pub(crate) fn pdmodel(data: &[u8]) {
    let Ok(program) = read_program(data, "input") else { return };
    // The first writing drops what the program type has no place for, such as the shape of an unknown element type.
    let (once, twice) = (rewritten(&program), rewritten(&rewritten(&program)));
    assert!(once == twice || format!("{once:?}") == format!("{twice:?}"), "NaN equals nothing, the text does");
    let stored = program.blocks.iter().flat_map(|block| &block.vars).filter(|var| var.is_stored());
    let params = stored.map(|var| (var.name.clone(), weights(var))).collect();
    let _ = Model { program, params }.lite_program(&LiteOptions::default());
}

fn rewritten(program: &Program) -> Program {
    read_program(&write_program(program), "input").expect("a written program can be read")
}

/// Values for a variable, of its type and shape where that is small.
fn weights(var: &Var) -> Param {
    let dims: Option<Vec<usize>> = var.dims.iter().map(|&size| usize::try_from(size).ok()).collect();
    let elements = |dims: &Vec<usize>| dims.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    let dims = dims.filter(|dims| elements(dims).is_some_and(|elements| elements <= MAX_ELEMENTS)).unwrap_or_default();
    let elements = elements(&dims).unwrap_or_default();
    let values = match var.dtype {
        Some(DType::Int8) => TensorData::Int8(vec![3; elements]),
        _ => TensorData::Float32(vec![0.5; elements]),
    };
    Param::new(dims, values)
}

/// Parameters of a program with three variables.
pub(crate) fn pdiparams(data: &[u8]) {
    let vars = [("a", DType::Float32), ("b", DType::Int8), ("c", DType::Int64)];
    let vars = vars.map(|(name, dtype)| Var::parameter(name, dtype, &[2, 3])).to_vec();
    let program = Program { blocks: vec![Block { vars, ..Block::root() }], ..Program::default() };
    let _ = read_params(&program, data, "input");
}

/// An array of numbers.
pub(crate) fn npy(data: &[u8]) {
    let _ = Array::from_npy(data);
}

/// A journal as it is, and with every checksum made right, which chance never does.
pub(crate) fn journal(data: &[u8]) {
    replay(data);
    let lines = data.split(|&byte| byte == b'\n').map(|line| {
        let body = line.iter().position(|&byte| byte == b',').map_or(line, |comma| &line[comma + 1..]);
        let check = Identity::of_bytes(body).to_string();
        [b"{\"check\":\"", &check.as_bytes()[..16], b"\",", body, b"\n"].concat()
    });
    replay(&lines.collect::<Vec<_>>().concat());
}

fn replay(journal: &[u8]) {
    let path = Path::new("journal.jsonl");
    let Ok(recovery) = recover(Cursor::new(journal), path) else { return };
    let whole = &journal[..recovery.good_len as usize];
    let again = recover(Cursor::new(whole), path).expect("the whole records alone are a journal");
    assert!(again.lost_tail.is_none() && again.entries.len() == recovery.entries.len());
    let manifest = Manifest::new("fuzz", 0);
    let log = TrialLog::of(&manifest, &History::of(&recovery.entries));
    same_text(&log);
}

/// The most bytes that a board may say its outputs have.
const MAX_OUTPUT: u64 = 1 << 30;

/// What a board says of a trial.
pub(crate) fn board_result(data: &[u8]) {
    let (nonce, data) = with_nonce(data);
    if let Ok(result) = read_manifest(&data, nonce, None, MAX_OUTPUT) {
        assert!(result.tensors.iter().map(|tensor| tensor.bytes).sum::<u64>() <= MAX_OUTPUT);
        assert!(result.tensors.iter().all(|tensor| !tensor.file.contains(['/', '\\']) && tensor.file != ".."));
    }
}

/// What a transport delivers, and the supervisor's last line in it.
pub(crate) fn board_reply(data: &[u8]) {
    let (nonce, data) = with_nonce(data);
    if let Some(reply) = unwrap(nonce, &data) {
        assert!(reply.output.len() <= data.len());
        let _ = JobEnd::parse(&reply.text());
    }
}

/// What a FastDeploy demo prints. A line that is no result shifts an error by one and changes nothing else.
pub(crate) fn fastdeploy_result(data: &[u8]) {
    let stdout = String::from_utf8_lossy(data);
    let shifted = parse_results(&format!("Predict Done!\n{stdout}"));
    match parse_results(&stdout) {
        Ok(results) => {
            assert!(results.len() <= stdout.lines().count());
            let shifted = shifted.expect("the same results behind a line that is none");
            assert_eq!(format!("{results:?}"), format!("{shifted:?}"), "NaN equals nothing, the text does");
        }
        Err(error) => {
            assert!((1..=stdout.lines().count()).contains(&error.line), "{error}");
            assert_eq!(shifted, Err(Unreadable { line: error.line + 1, ..error }));
        }
    }
}

/// The nonce of this process, and the bytes with it in the place of each `NONCE`, because no input can guess it.
fn with_nonce(data: &[u8]) -> (&'static Nonce, Vec<u8>) {
    static NONCE: LazyLock<Nonce> = LazyLock::new(Nonce::fresh);
    let mut out = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(5).position(|window| window == b"NONCE") {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(NONCE.as_str().as_bytes());
        rest = &rest[at + 5..];
    }
    out.extend_from_slice(rest);
    (&NONCE, out)
}

/// The manifest of a run.
pub(crate) fn manifest(data: &[u8]) {
    let _ = Manifest::parse(data, Path::new("run.json"));
}

/// A log that a person edited.
pub(crate) fn trial_log(data: &[u8]) {
    if let Ok(log) = TrialLog::parse(data) {
        same_text(&log);
        let _ = log.answers();
    }
}

/// Compared as text, because NaN equals nothing. Trial 0 is no number that a log may use.
fn same_text(log: &TrialLog) {
    if log.trials.iter().all(|trial| trial.number > 0) {
        let text = log.to_string();
        let again = TrialLog::parse(text.as_bytes()).expect("a written log can be read");
        assert_eq!(again.to_string(), text);
    }
}
