//! Rates from whole trials: the time that a trial takes besides its samples is told apart from theirs.

use crate::{CostModel, Features};

/// Trials from which the time besides the samples can be told.
const ENOUGH: usize = 4;
/// Steps between no such time and all of the shortest trial.
const STEPS: usize = 20;

/// A trial that was timed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timed {
    /// What one sample has to do.
    pub features: Features,
    /// How long the whole trial took.
    pub seconds: f64,
    /// How many samples it ran.
    pub samples: u32,
}

impl CostModel {
    /// Moves the rates to timed trials, as [`CostModel::recalibrate`] does. What every trial takes besides its samples (a process that starts,
    /// a model that is compiled) is that share of the shortest one with which the estimates are off by the most even factor. False, and
    /// nothing moved, with fewer than four trials: they do not tell that share.
    pub fn recalibrate_on_trials(&mut self, trials: &[Timed]) -> bool {
        let usable = |trial: &&Timed| trial.seconds.is_finite() && trial.seconds > 0.0 && trial.samples > 0;
        let trials: Vec<&Timed> = trials.iter().filter(usable).collect();
        if trials.len() < ENOUGH {
            return false;
        }
        let least = trials.iter().map(|trial| trial.seconds).fold(f64::INFINITY, f64::min);
        let besides = (0..STEPS).map(|step| least * step as f64 / STEPS as f64);
        let each = |besides: f64| -> Vec<(Features, f64)> {
            trials.iter().map(|t| (t.features, (t.seconds - besides) / f64::from(t.samples))).collect()
        };
        let measured = besides.map(each).min_by(|a, b| self.unevenness(a).total_cmp(&self.unevenness(b)));
        self.recalibrate(&measured.unwrap_or_default());
        true
    }

    /// The variance of ln(measured / estimated).
    fn unevenness(&self, measured: &[(Features, f64)]) -> f64 {
        let ratios =
            measured.iter().map(|(features, seconds)| (seconds * 1e3 / self.estimate(features).total_ms()).ln());
        let ratios: Vec<f64> = ratios.filter(|ratio| ratio.is_finite()).collect();
        let mean = ratios.iter().sum::<f64>() / ratios.len().max(1) as f64;
        ratios.iter().map(|ratio| (ratio - mean).powi(2)).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chip, Work};

    fn placement(on_cpu: f64) -> Features {
        let work = |share: f64| Work { dense: 2.0 * share, megabytes: 10.0 * share, ops: 40.0 * share, depthwise: 0.0 };
        Features { cpu: work(on_cpu), npu: work(1.0 - on_cpu), clusters: 2.0, crossing_megabytes: 0.2 }
    }

    #[test]
    fn trials_of_a_slower_board_move_the_estimate_though_each_takes_seconds_to_start() {
        let mut model = CostModel::published(Chip::A311D);
        let before = model.clone();
        let slower = |features: &Features| 3.0 * before.estimate(features).total_ms() / 1000.0;
        let trials: Vec<Timed> = [0.0, 0.1, 0.3, 0.6, 1.0]
            .map(|on_cpu| {
                let features = placement(on_cpu);
                Timed { features, seconds: 8.0 + 32.0 * slower(&features), samples: 32 }
            })
            .to_vec();
        assert!(!model.recalibrate_on_trials(&trials[..3]), "three trials tell too little");
        assert!(model.recalibrate_on_trials(&trials));
        for on_cpu in [0.0, 0.5, 1.0] {
            let (foretold, real) = (model.estimate(&placement(on_cpu)).total_ms() / 1000.0, slower(&placement(on_cpu)));
            assert!((0.7..1.4).contains(&(foretold / real)), "{on_cpu}: {foretold} for {real}");
        }
    }
}
