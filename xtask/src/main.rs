//! `cargo xtask`: the command line of npu-bisect.

fn main() -> anyhow::Result<()> {
    anyhow::bail!("no command yet");
}
