//! Paddle Lite's published latencies (spec/latency.md) with the work of the networks they are of.

use crate::{Chip, Features, Work};

/// Work of the networks: `scripts/export_networks.py`, `examples/features.rs`.
const WORK: &str = include_str!("../data/networks.tsv");

/// Milliseconds, CPU and NPU of each chip in turn; `-` where none is published.
const TIMES: &str = include_str!("../data/published.tsv");

/// The networks whose work is known; the table has two more, which PaddlePaddle itself does not offer.
pub const NETWORKS: [&str; 6] =
    ["mobilenet_v1", "mobilenet_v2", "mobilenet_v3", "shufflenet_v2", "resnet50", "ssd_mobilenet_v1"];

/// One network on one chip.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// One of [`NETWORKS`].
    pub name: &'static str,
    /// Where it ran.
    pub chip: Chip,
    /// What it does on the CPU.
    pub cpu: Work,
    /// What it does on the NPU, where less is fused.
    pub npu: Work,
    /// Its inputs and outputs, in 10⁶ elements.
    pub crossing_megabytes: f64,
    /// On one thread of the CPU.
    pub cpu_ms: Option<f64>,
    /// On the NPU, as one cluster.
    pub npu_ms: Option<f64>,
}

impl Network {
    /// All of it on the CPU.
    pub fn on_cpu(&self) -> Features {
        Features { cpu: self.cpu, ..Features::default() }
    }

    /// All of it on the NPU.
    pub fn on_npu(&self) -> Features {
        let crossing_megabytes = self.crossing_megabytes;
        Features { npu: self.npu, clusters: 1.0, crossing_megabytes, ..Features::default() }
    }
}

/// Every figure, network by network.
pub fn published() -> Vec<Network> {
    let rows = |text: &'static str| text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t'));
    let mut networks = Vec::new();
    for mut times in rows(TIMES) {
        let name = times.next().unwrap_or_default();
        let Some(row) = rows(WORK).find(|row| row.clone().next() == Some(name)) else { continue };
        let mut numbers = row.skip(1).map(|text| text.parse().unwrap_or_default());
        let mut next = || numbers.next().unwrap_or_default();
        let mut work = || Work { dense: next(), depthwise: next(), megabytes: next(), ops: next() };
        let (cpu, npu) = (work(), work());
        let crossing_megabytes = next();
        let times: Vec<Option<f64>> = times.map(|text| text.parse().ok()).collect();
        for (chip, pair) in Chip::ALL.into_iter().zip(times.chunks_exact(2)) {
            networks.push(Network { name, chip, cpu, npu, crossing_megabytes, cpu_ms: pair[0], npu_ms: pair[1] });
        }
    }
    networks
}
