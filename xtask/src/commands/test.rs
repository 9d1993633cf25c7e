//! `cargo xtask test`: everything that must be green before a change lands.

use std::{
    env, fs,
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::{Context, bail};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run only these steps
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Step>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Step {
    Fmt,
    Clippy,
    Tests,
    Docs,
}

impl Step {
    const ALL: [Self; 4] = [Self::Fmt, Self::Clippy, Self::Tests, Self::Docs];

    fn cargo_args(self) -> &'static [&'static str] {
        match self {
            Self::Fmt => &["fmt", "--all", "--check"],
            Self::Clippy => &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
            Self::Tests => &["test", "--workspace", "--no-fail-fast"],
            Self::Docs => &["doc", "--workspace", "--no-deps"],
        }
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let skips = env::temp_dir().join(format!("npu-bisect-skips-{}", std::process::id()));
    for step in Step::ALL.into_iter().filter(|step| args.only.is_empty() || args.only.contains(step)) {
        let started = Instant::now();
        let line = step.cargo_args().join(" ");
        eprintln!("== cargo {line}");
        let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(step.cargo_args())
            .env("RUSTDOCFLAGS", "-D warnings")
            .env(test_kit::SKIP_LOG, &skips)
            .status()
            .with_context(|| format!("failed to start cargo {line}"))?;
        if !status.success() {
            bail!("`cargo {line}` failed ({status})");
        }
        eprintln!("== done in {:.0} s", started.elapsed().as_secs_f64());
    }
    report_skips(&fs::read_to_string(&skips).unwrap_or_default());
    let _ = fs::remove_file(&skips); // absent unless a test was skipped
    Ok(ExitCode::SUCCESS)
}

fn report_skips(log: &str) {
    let count = log.lines().count();
    eprintln!("== all green, {count} test(s) skipped");
    for line in log.lines() {
        eprintln!("   skipped: {line}");
    }
}
