//! A log of 1 GB: four million lines of what `GLOG_v=5` prints, around one block.
//!
//! `cargo test -p xtask --release --test large_log -- --ignored --nocapture` writes the file, measures and prints.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

const LINES: usize = 4_000_000;
const BYTES: usize = 1 << 30;
/// Address space, kilobytes: memory in use cannot be more.
const MEMORY: usize = 200 * 1000;

/// Writes the log; returns the number of operators in its block.
fn write_log(path: &Path) -> usize {
    let fixtures = test_kit::fixtures().join("real/logs");
    let verbose = fs::read_to_string(fixtures.join("digits_resnet_pl_old.v5.merged.log")).unwrap();
    let noise: Vec<&str> = verbose.lines().filter(|line| line.starts_with('[') && !line.contains("subgraph")).collect();
    let block = fs::read_to_string(fixtures.join("digits_resnet_pl_old.default.stdout.log")).unwrap();
    let length = BYTES / LINES;
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
    for number in 0..LINES {
        if number == LINES / 2 {
            file.write_all(block.as_bytes()).unwrap();
        }
        // Real lines, cut or filled to the mean length.
        let line = noise[number % noise.len()].get(..length - 1).unwrap_or(noise[number % noise.len()]);
        writeln!(file, "{line:.<width$}", width = length - 1).unwrap();
    }
    file.into_inner().unwrap().sync_all().unwrap();
    let parsed = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("parse")
        .arg(fixtures.join("digits_resnet_pl_old.default.stdout.log"))
        .output();
    parsed.unwrap().stdout.split(|&byte| byte == b'\n').count() - 1
}

fn timed(command: &mut Command) -> (Duration, Output) {
    let started = Instant::now();
    let output = command.output().unwrap();
    (started.elapsed(), output)
}

#[test]
#[ignore = "writes a file of 1 GB"]
fn a_log_of_1_gb_is_parsed_in_bounded_memory_and_about_as_fast_as_grep_counts() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("board.log");
    let operators = write_log(&log);
    let limited = format!("ulimit -v {MEMORY}; exec \"$0\" parse \"$1\"");
    let (mut parsed, mut grepped) = (Duration::MAX, Duration::MAX);
    // Side by side, and the best of each: the first round also fills the page cache.
    for _ in 0..5 {
        let (time, output) = timed(Command::new("sh").args(["-c", &limited, env!("CARGO_BIN_EXE_xtask")]).arg(&log));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.stdout.split(|&byte| byte == b'\n').count() - 1, operators);
        parsed = parsed.min(time);
        let (time, output) = timed(Command::new("grep").args(["-c", "operators"]).arg(&log));
        assert!(output.status.success());
        grepped = grepped.min(time);
    }
    let ratio = parsed.as_secs_f64() / grepped.as_secs_f64();
    eprintln!(
        "{} bytes, less than {MEMORY} kB: {parsed:.2?}; grep -c {grepped:.2?}; {ratio:.2} times",
        fs::metadata(&log).unwrap().len()
    );
    assert!(ratio <= 1.5, "{ratio:.2} times grep's time");
}
