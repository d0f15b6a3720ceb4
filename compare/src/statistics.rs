//! Medians, spreads, and ratios of rounds.

/// The value that so much of the others stay below, from 0 to 1.
pub(crate) fn quantile(values: &[f64], part: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (part * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(index).copied()
}

/// The one in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// From the lower to the upper quartile, as a part of the median.
pub(crate) fn spread(values: &[f64]) -> Option<f64> {
    let (low, middle, high) = (quantile(values, 0.25)?, median(values)?, quantile(values, 0.75)?);
    (middle != 0.0).then(|| (high - low) / middle)
}

/// The median of the ratios, round by round: what disturbs the machine disturbs both.
pub(crate) fn median_ratio(these: &[f64], those: &[f64]) -> Option<f64> {
    let ratios: Vec<f64> = these.iter().zip(those).map(|(this, that)| this / that).collect();
    median(&ratios).filter(|ratio| ratio.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_that_of_the_ratios_not_the_ratio_of_the_medians() {
        // A disturbance hits both systems in the same round.
        let (ours, theirs) = ([100.0, 20.0, 300.0], [50.0, 10.0, 100.0]);
        assert_eq!(median_ratio(&ours, &theirs), Some(2.0));
        assert_eq!(median_ratio(&[40.0, 90.0, 100.0], &[10.0, 90.0, 50.0]), Some(2.0));
        assert_eq!(median_ratio(&[], &[1.0]), None);
        assert_eq!(median_ratio(&[1.0], &[0.0]), None);
    }

    #[test]
    fn the_spread_is_between_the_quartiles() {
        assert_eq!(spread(&[10.0, 9.0, 11.0, 8.0, 12.0]), Some(0.2));
        assert_eq!(spread(&[7.0]), Some(0.0));
        assert_eq!(spread(&[]), None);
    }
}
