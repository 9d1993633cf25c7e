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
        time(&self.rates, &features.values()).0
    }

    /// Moves the rates to what a board measured: work with seconds. A few trials move what they all share, the speed of the
    /// chip; many tell the rates apart.
    pub fn recalibrate(&mut self, measured: &[(Features, f64)]) {
        let samples: Vec<_> = measured.iter().map(|(features, seconds)| (features.values(), seconds * 1e3)).collect();
        self.rates = fit(&self.rates, &samples);
    }
}

/// How much of computing and moving overlaps: on the CPU the longer of the two decides.
const CPU_OVERLAP: f64 = f64::INFINITY;

/// On the NPU they overlap in part, as the root of the sum of their squares.
const NPU_OVERLAP: f64 = 2.0;

/// The time of work under the logarithms of rates, and by how much it grows with each of these, in milliseconds.
pub(crate) fn time(
    rates: &[f64; Features::COUNT],
    values: &[f64; Features::COUNT],
) -> (Estimate, [f64; Features::COUNT]) {
    let mut parts: [f64; Features::COUNT] = std::array::from_fn(|at| rates[at].exp() * values[at]);
    for (side, overlap) in [(0..4, CPU_OVERLAP), (4..8, NPU_OVERLAP)] {
        let [dense, depthwise, moved, _] = &mut parts[side] else { continue };
        let [for_computing, for_moving] = shares(*dense + *depthwise, *moved, overlap);
        *dense *= for_computing;
        *depthwise *= for_computing;
        *moved *= for_moving;
    }
    let ms = |range: std::ops::Range<usize>| parts[range].iter().sum();
    (Estimate { cpu_ms: ms(0..4), npu_ms: ms(4..8), crossings_ms: ms(8..Features::COUNT) }, parts)
}

/// How much of computing and of moving the time `(computing^p + moving^p)^(1/p)` of both together consists of.
fn shares(computing: f64, moving: f64, p: f64) -> [f64; 2] {
    let longer = computing.max(moving);
    if longer <= 0.0 {
        return [1.0; 2];
    }
    if p == f64::INFINITY {
        return if computing >= moving { [1.0, 0.0] } else { [0.0, 1.0] };
    }
    let both = ((computing / longer).powf(p) + (moving / longer).powf(p)).powf(1.0 / p) * longer;
    [computing, moving].map(|part| (part / both).powf(p - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_growths_are_the_slopes_of_the_time_and_add_up_to_it(
            values in prop::array::uniform10(0.1f64..10.0), rates in prop::array::uniform10(-2.0f64..2.0),
        ) {
            let (estimate, growths) = time(&rates, &values);
            let total = estimate.total_ms();
            prop_assert!((growths.iter().sum::<f64>() - total).abs() < 1e-9 * total);
            for (at, growth) in growths.iter().enumerate() {
                let mut more = rates;
                more[at] += 1e-6;
                let slope = (time(&more, &values).0.total_ms() - total) / 1e-6;
                prop_assert!((slope - growth).abs() < 1e-3 * total, "{at}: {slope} and {growth}");
            }
        }
    }
}
