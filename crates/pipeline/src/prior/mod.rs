//! Priors: how suspect each unit is before its first trial. Each source is optional, and they combine by rank; a wrong one only costs trials.

mod earlier;
mod known;
mod simulated;
mod user;

pub use earlier::earlier_run;
pub use known::known_deviations;
pub use simulated::simulated;
pub use user::UserPrior;

/// One suspicion a unit out of several: the mean of the ranks, because the scales of the sources have nothing in common.
pub fn combined(priors: &[Vec<f64>]) -> Option<Vec<f64>> {
    let count = priors.first()?.len();
    let mut sum = vec![0.0; count];
    for ranks in priors.iter().map(|prior| ranks(prior)) {
        sum.iter_mut().zip(ranks).for_each(|(sum, rank)| *sum += rank);
    }
    Some(sum)
}

/// The rank of each value, ties sharing the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let below = |value: f64| values.iter().filter(|&&other| other < value).count();
    let equal = |value: f64| values.iter().filter(|&&other| other == value).count();
    values.iter().map(|&value| below(value) as f64 + (equal(value) as f64 - 1.0) / 2.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priors_of_any_scale_weigh_the_same() {
        let combined = combined(&[vec![0.0, 1000.0, 5.0], vec![0.1, 0.2, 0.3]]).unwrap();
        assert_eq!(combined, [0.0, 3.0, 3.0]);
        assert_eq!(super::combined(&[]), None);
    }

    #[test]
    fn ties_share_the_mean_of_their_ranks() {
        assert_eq!(ranks(&[2.0, 1.0, 2.0, 3.0]), [1.5, 0.0, 1.5, 3.0]);
    }
}
