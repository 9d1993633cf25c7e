//! `cargo xtask fuzz`: libFuzzer over every parser, on the stable toolchain.
//!
//! The coverage that libFuzzer needs is LLVM's, and stable rustc passes the flags for it on: neither nightly, nor
//! `RUSTC_BOOTSTRAP`, nor cargo-fuzz is needed, only a C++ compiler for libFuzzer itself. What is given up is `AddressSanitizer`,
//! which has little to find in code without `unsafe`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    thread,
};

use anyhow::{Context, bail};
use fuzz::{TARGETS, Target};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Fuzz only these targets
    targets: Vec<String>,
    /// How long each target runs
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// What cargo-fuzz passes as well.
const INSTRUMENTED: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
    "-Cdebug-assertions",
    "-Coverflow-checks",
    "-Ccodegen-units=1",
];

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut chosen = Vec::new();
    for name in &args.targets {
        let known = || TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(", ");
        let target = TARGETS.iter().find(|target| target.name == name);
        chosen.push(target.with_context(|| format!("failed to find the target `{name}`; there are {}", known()))?);
    }
    if chosen.is_empty() {
        chosen.extend(TARGETS);
    }
    let folder = target_folder().join("fuzz");
    let program = build(&folder)?;
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    let mut broken = Vec::new();
    for batch in chosen.chunks(at_once) {
        let started = batch.iter().map(|target| start(target, &program, &folder, args.seconds));
        let children = started.collect::<anyhow::Result<Vec<(Child, PathBuf)>>>()?;
        for (target, (mut child, log)) in batch.iter().zip(children) {
            let status = child.wait().with_context(|| format!("failed to wait for {}", target.name))?;
            let text = fs::read_to_string(&log).with_context(|| format!("failed to read {}", log.display()))?;
            eprintln!("== {}: {}", target.name, last_line(&text));
            if !status.success() {
                eprintln!("{text}");
                broken.push(target.name);
            }
        }
    }
    if !broken.is_empty() {
        bail!(
            "inputs broke {}; find them in {} and keep each in fixtures/fuzz/TARGET",
            broken.join(", "),
            folder.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn target_folder() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    env::var_os("CARGO_TARGET_DIR").map_or_else(beside, PathBuf::from)
}

/// Builds the instrumented program in a folder of its own, so that no other build is disturbed.
fn build(folder: &Path) -> anyhow::Result<PathBuf> {
    let version = Command::new("rustc").arg("-vV").output().context("failed to start rustc")?;
    let version = String::from_utf8(version.stdout).context("failed to read rustc's version")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("failed to find rustc's host")?;
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--package", "fuzz", "--features", "libfuzzer"])
        // With a named target the flags do not reach build scripts and macros.
        .args(["--target", host, "--target-dir"])
        .arg(folder)
        .env("CARGO_ENCODED_RUSTFLAGS", INSTRUMENTED.join("\x1f"))
        .status()
        .context("failed to start cargo build")?;
    if !status.success() {
        bail!("failed to build the fuzz targets ({status}); libFuzzer needs a C++ compiler");
    }
    Ok(folder.join(host).join("release/fuzz"))
}

/// Starts one target; what it finds goes on in the corpus of its folder at the next run.
fn start(target: &Target, program: &Path, folder: &Path, seconds: u32) -> anyhow::Result<(Child, PathBuf)> {
    let own = folder.join(target.name);
    let (corpus, seeds) = (own.join("corpus"), own.join("seeds"));
    for needed in [&corpus, &seeds] {
        fs::create_dir_all(needed).with_context(|| format!("failed to create {}", needed.display()))?;
    }
    for (number, path) in target.inputs(&test_kit::fixtures()).iter().enumerate() {
        fs::copy(path, seeds.join(number.to_string())).with_context(|| format!("failed to copy {}", path.display()))?;
    }
    let log = own.join("log");
    let output = fs::File::create(&log).with_context(|| format!("failed to create {}", log.display()))?;
    let child = Command::new(program)
        .env("FUZZ_TARGET", target.name)
        .args([&corpus, &seeds])
        .arg(format!("-max_total_time={seconds}"))
        .args(["-timeout=10", "-rss_limit_mb=2048", "-max_len=40000", "-print_final_stats=0"])
        .arg(format!("-artifact_prefix={}/", own.display()))
        .stdout(Stdio::null())
        .stderr(output)
        .spawn()
        .with_context(|| format!("failed to start {}", program.display()))?;
    Ok((child, log))
}

fn last_line(text: &str) -> &str {
    text.lines().rev().find(|line| line.starts_with('#') || line.starts_with("Done")).unwrap_or("no output")
}
