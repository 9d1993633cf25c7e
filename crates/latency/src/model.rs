//! Rates of one chip, and what they make of a placement.

use crate::{Chip, Features, fit::fit, published};

/// A guess at each rate before anything is known of a chip: milliseconds for 10⁹ dense and depthwise multiplications, for 10⁶
/// elements moved and for an op, on a Cortex-A73 and on a NPU of 5 TOPS; then for a cluster and for 10⁶ elements that cross. The
/// published table has no network cut in two, so the last two stay guesses until trials are timed.
const GUESS: [f64; Features::COUNT] = [60.0, 200.0, 6.0, 0.02, 3.0, 20.0, 0.25, 0.03, 0.3, 3.0];

/// How long work takes on a chip.
#[derive(Clone, Debug)]
pub struct CostModel {
    /// The logarithms of the rates.
    rates: [f64; Features::COUNT],
}

/// How long a placement takes, by where the time goes, in milliseconds. An estimate, never a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// The ops on the CPU, one thread.
    pub cpu_ms: f64,
    /// The ops on the NPU.
    pub npu_ms: f64,
    /// Starting clusters and moving tensors to and from them.
    pub crossings_ms: f64,
}

impl Estimate {
    /// All of it.
    pub fn total_ms(&self) -> f64 {
        self.cpu_ms + self.npu_ms + self.crossings_ms
    }
}

impl CostModel {
    /// The model that fits the published latencies of a chip.
    pub fn published(chip: Chip) -> Self {
        Self::without(chip, "")
    }

    /// The same without the figures of one network, to see how well those are foretold.
    pub fn without(chip: Chip, network: &str) -> Self {
        let mut samples = Vec::new();
        for published in published().iter().filter(|published| published.chip == chip && published.name != network) {
            samples.extend(published.cpu_ms.map(|ms| (published.on_cpu().values(), ms)));
            samples.extend(published.npu_ms.map(|ms| (published.on_npu().values(), ms)));
        }
        Self { rates: fit(&GUESS.map(f64::ln), &samples) }
    }

    /// How long a placement with this work takes.
    pub fn estimate(&self, features: &Features) -> Estimate {
        let values = features.values();
        let ms = |range: std::ops::Range<usize>| range.map(|at| self.rates[at].exp() * values[at]).sum();
        Estimate { cpu_ms: ms(0..4), npu_ms: ms(4..8), crossings_ms: ms(8..Features::COUNT) }
    }

    /// Moves the rates to what a board measured: work with seconds. A few trials move what they all share, the speed of the
    /// chip; many tell the rates apart.
    pub fn recalibrate(&mut self, measured: &[(Features, f64)]) {
        let samples: Vec<_> = measured.iter().map(|(features, seconds)| (features.values(), seconds * 1e3)).collect();
        self.rates = fit(&self.rates, &samples);
    }
}
