//! How well the figures of a network are foretold from the other networks' alone.

use latency::{Chip, CostModel, Estimate, Features, Work, published};

/// How many of a chip's published figures are foretold within a factor of two, and how many there are.
fn within_two(chip: Chip) -> (usize, usize) {
    let mut ratios = Vec::new();
    for network in published().iter().filter(|network| network.chip == chip) {
        let model = CostModel::without(chip, network.name);
        for (features, ms) in [(network.on_cpu(), network.cpu_ms), (network.on_npu(), network.npu_ms)] {
            ratios.extend(ms.map(|ms| model.estimate(&features).total_ms() / ms));
        }
    }
    (ratios.iter().filter(|ratio| (0.5..=2.0).contains(*ratio)).count(), ratios.len())
}

#[test]
fn four_figures_of_five_are_foretold_within_a_factor_of_two() {
    // The table of docs/latency.md.
    let stated = [(12, 12), (12, 12), (12, 12), (11, 12), (10, 12), (10, 12), (9, 11)];
    assert_eq!(Chip::ALL.map(within_two), stated);
    for (near, all) in stated {
        assert!(near * 5 >= all * 4, "{near} of {all}");
    }
}

#[test]
fn a_measured_board_moves_the_estimates_to_itself() {
    let networks = published();
    let slow = |estimate: Estimate| estimate.total_ms() * 3.0 / 1e3;
    let of = |network: &latency::Network| [network.on_cpu(), network.on_npu()];
    let model = CostModel::published(Chip::A311D);
    let features: Vec<Features> = networks.iter().filter(|network| network.chip == Chip::A311D).flat_map(of).collect();
    let measured: Vec<(Features, f64)> = features[..4].iter().map(|f| (*f, slow(model.estimate(f)))).collect();
    let mut moved = model.clone();
    moved.recalibrate(&measured);
    for features in &features[4..] {
        let ratio = moved.estimate(features).total_ms() / 1e3 / slow(model.estimate(features));
        assert!((0.8..1.25).contains(&ratio), "{ratio}");
    }
}

#[test]
fn more_work_more_clusters_and_more_crossings_cost_more() {
    let work = Work { dense: 0.1, depthwise: 0.01, megabytes: 1.0, ops: 10.0 };
    let base = Features { cpu: work, npu: work, clusters: 1.0, crossing_megabytes: 0.1 };
    for chip in Chip::ALL {
        let model = CostModel::published(chip);
        let total = |features: Features| model.estimate(&features).total_ms();
        assert!(total(Features { clusters: 2.0, ..base }) > total(base));
        assert!(total(Features { crossing_megabytes: 0.2, ..base }) > total(base));
        assert!(total(Features { cpu: Work { dense: 0.2, ..work }, ..base }) > total(base));
    }
}
