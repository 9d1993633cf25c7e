//! What a run may choose.

use op_graph::{OpSet, Placement};

/// Where the program runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Paddle Lite on the CPU alone.
    Lite,
    /// The NPU through TIM-VX, with some ops forced to the CPU.
    TimVx {
        /// The ops forced to the CPU.
        forced: Placement,
    },
}

/// How the convolutions and matrix products on the CPU compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CpuFlavour {
    /// Int8, as on ARM.
    #[default]
    Int8,
    /// Float with dequantized weights, as when the mixed-precision file names them, and as in the recorded trials
    /// (spec/measured.md, caveats).
    Float,
}

/// One way to run the program.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Where it runs.
    pub target: Target,
    /// How the CPU side computes.
    pub cpu: CpuFlavour,
    /// The ops that the mixed-precision file names: they lose their scales and compute in float wherever they are
    /// (spec/paddle-lite.md B4).
    pub mixed_float: OpSet,
}

impl Config {
    /// On the CPU alone, in int8.
    pub fn lite() -> Self {
        Self { target: Target::Lite, cpu: CpuFlavour::Int8, mixed_float: OpSet::new() }
    }

    /// On the NPU, but for the forced ops.
    pub fn tim_vx(forced: Placement) -> Self {
        Self { target: Target::TimVx { forced }, cpu: CpuFlavour::Int8, mixed_float: OpSet::new() }
    }

    /// The same with another CPU flavour.
    pub fn with_cpu(mut self, cpu: CpuFlavour) -> Self {
        self.cpu = cpu;
        self
    }

    /// The same with a mixed-precision file.
    pub fn with_mixed_float(mut self, ops: OpSet) -> Self {
        self.mixed_float = ops;
        self
    }
}
