//! Rank correlation.

/// Spearman's rank correlation, ties at their mean rank; none where one side does not vary.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    let (a, b) = (ranks(a), ranks(b));
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len().max(1) as f64;
    let (a_mean, b_mean) = (mean(&a), mean(&b));
    let product = |x: &[f64], x_mean: f64, y: &[f64], y_mean: f64| -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - x_mean) * (y - y_mean)).sum()
    };
    let spread = (product(&a, a_mean, &a, a_mean) * product(&b, b_mean, &b, b_mean)).sqrt();
    (spread > 0.0).then(|| product(&a, a_mean, &b, b_mean) / spread)
}

fn ranks(x: &[f64]) -> Vec<f64> {
    let rank = |value: &f64| {
        let below = x.iter().filter(|other| *other < value).count();
        let equal = x.iter().filter(|other| *other == value).count();
        below as f64 + (equal as f64 - 1.0) / 2.0
    };
    x.iter().map(rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotone_series_correlate_fully_and_reversed_ones_negatively() {
        assert_eq!(spearman(&[1.0, 2.0, 9.0], &[0.1, 5.0, 6.0]), Some(1.0));
        assert_eq!(spearman(&[1.0, 2.0, 9.0], &[3.0, 2.0, 1.0]), Some(-1.0));
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
    }

    #[test]
    fn ties_share_their_mean_rank() {
        assert_eq!(ranks(&[5.0, 1.0, 5.0]), [1.5, 0.0, 1.5]);
    }
}
