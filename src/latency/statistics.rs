//! Percentiles, intervals and slopes.
//!
//! In: exact values in groups that belong together. Out: order statistics (nearest rank), bootstrap intervals that resample whole
//! groups, and a straight line through points. Values may be infinite: what never came is later than everything.

use serde::{Deserialize, Serialize};

use super::random::SplitMix64;

/// Resamples of a bootstrap.
pub const RESAMPLES: usize = 1_000;
/// Values that must lie above a percentile for it to be trusted.
pub const LEAST_ABOVE: f64 = 10.0;
/// Seed of every bootstrap.
const SEED: u64 = 1;

/// A percentile and how far it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantile {
    /// Which, 0 to 100.
    pub percent: f64,
    /// The value; `None` where it is infinite.
    pub value: Option<f64>,
    /// Lower end of the 95 % interval; `None` where it is infinite.
    pub low: Option<f64>,
    /// Upper end of the 95 % interval; `None` where it is infinite.
    pub high: Option<f64>,
    /// Whether at least ten values lie above it.
    pub enough: bool,
}

/// A ratio of two counts or sums and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Sum of the numerators.
    pub of: f64,
    /// Sum of the denominators.
    pub per: f64,
    /// Their ratio; `None` where the denominator is 0.
    pub value: Option<f64>,
    /// Lower end of its interval.
    pub low: Option<f64>,
    /// Upper end of its interval.
    pub high: Option<f64>,
}

/// Place of a percentile in `n` sorted values: the smallest that has at least that share at or below it. `n` must not be 0.
pub fn rank(percent: f64, n: usize) -> usize {
    // Rounded first: 0.95 * 200 is a hair above 190 in floating point.
    let rank = (percent / 100.0 * n as f64 * 1e9).round() / 1e9;
    (rank.ceil() as usize).clamp(1, n) - 1
}

/// Percentiles of values in groups. The groups (strings, utterances) are what is resampled, since the values of one are not
/// independent. Values that are no number are left out.
pub fn quantiles(groups: &[Vec<f64>], percents: &[f64]) -> Vec<Quantile> {
    let mut sorted: Vec<(f64, usize)> =
        groups.iter().enumerate().flat_map(|(k, group)| group.iter().map(move |value| (*value, k))).collect();
    sorted.retain(|(value, _)| !value.is_nan());
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    if sorted.is_empty() {
        return Vec::new();
    }
    let sizes: Vec<usize> = groups.iter().map(|group| group.iter().filter(|value| !value.is_nan()).count()).collect();
    let mut drawn: Vec<Vec<f64>> = vec![Vec::with_capacity(RESAMPLES); percents.len()];
    let mut random = SplitMix64::new(SEED);
    let mut times = vec![0_usize; groups.len()];
    for _ in 0..RESAMPLES {
        times.fill(0);
        (0..groups.len()).for_each(|_| times[random.below(groups.len())] += 1);
        let n: usize = times.iter().zip(&sizes).map(|(times, size)| times * size).sum();
        if n == 0 {
            continue;
        }
        for (percent, drawn) in percents.iter().zip(&mut drawn) {
            let rank = rank(*percent, n);
            let mut seen = 0;
            let at = sorted.iter().find(|(_, group)| {
                seen += times[*group];
                seen > rank
            });
            drawn.extend(at.map(|(value, _)| *value));
        }
    }
    let finite = |value: f64| value.is_finite().then_some(value);
    let one = |(percent, mut drawn): (&f64, Vec<f64>)| {
        drawn.sort_by(f64::total_cmp);
        let end = |percent| drawn.get(rank(percent, drawn.len().max(1))).copied().and_then(finite);
        Quantile {
            percent: *percent,
            value: finite(sorted[rank(*percent, sorted.len())].0),
            low: end(2.5),
            high: end(97.5),
            enough: enough(*percent, sorted.len()),
        }
    };
    percents.iter().zip(drawn).map(one).collect()
}

/// Whether at least ten of `n` values lie above the percentile.
pub fn enough(percent: f64, n: usize) -> bool {
    n as f64 * (1.0 - percent / 100.0) >= LEAST_ABOVE - 1e-9
}

/// The ratio of sums over groups of (numerator, denominator), with a bootstrap interval over groups.
pub fn rate(groups: &[(f64, f64)]) -> Rate {
    let sums =
        |groups: &mut dyn Iterator<Item = (f64, f64)>| groups.fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    let (of, per) = sums(&mut groups.iter().copied());
    let mut random = SplitMix64::new(SEED);
    let mut drawn: Vec<f64> = (0..if groups.is_empty() { 0 } else { RESAMPLES })
        .map(|_| sums(&mut (0..groups.len()).map(|_| groups[random.below(groups.len())])))
        .filter(|(_, per)| *per > 0.0)
        .map(|(of, per)| of / per)
        .collect();
    drawn.sort_by(f64::total_cmp);
    let end = |percent| drawn.get(rank(percent, drawn.len().max(1))).copied();
    Rate { of, per, value: (per > 0.0).then(|| of / per), low: end(2.5), high: end(97.5) }
}

/// 95 % interval of a statistic of pairs of groups (the same strings in two runs): `statistic` is given the places that were drawn.
/// `None` where there are no pairs or the statistic is never finite.
pub fn paired(pairs: usize, mut statistic: impl FnMut(&[usize]) -> Option<f64>) -> Option<(f64, f64)> {
    let mut random = SplitMix64::new(SEED);
    let mut places = vec![0; pairs];
    let mut drawn = Vec::with_capacity(RESAMPLES);
    for _ in 0..if pairs == 0 { 0 } else { RESAMPLES } {
        places.fill_with(|| random.below(pairs));
        drawn.extend(statistic(&places).filter(|value| value.is_finite()));
    }
    drawn.sort_by(f64::total_cmp);
    let n = drawn.len().max(1);
    Some((*drawn.get(rank(2.5, n))?, *drawn.get(rank(97.5, n))?))
}

/// Slope of the straight line of least squares through (x, y); `None` for fewer than two different x.
pub fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let n = points.len() as f64;
    let mean = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0 / n, sum.1 + point.1 / n));
    let (covariance, variance) = points.iter().fold((0.0, 0.0), |sum, (x, y)| {
        let dx = x - mean.0;
        (sum.0 + dx * (y - mean.1), sum.1 + dx * dx)
    });
    (variance > 0.0).then(|| covariance / variance)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(groups: &[Vec<f64>], percent: f64) -> Option<f64> {
        quantiles(groups, &[percent])[0].value
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values = vec![vec![4.0, 1.0], vec![3.0, 2.0, 5.0]];
        assert_eq!([20.0, 21.0, 50.0, 80.0, 95.0].map(|p| value(&values, p)), [1.0, 2.0, 3.0, 4.0, 5.0].map(Some));
        assert_eq!((rank(95.0, 200), rank(99.0, 100), rank(0.0, 5), rank(100.0, 5)), (189, 98, 0, 4));
        assert!(quantiles(&[vec![]], &[50.0]).is_empty());
    }

    #[test]
    fn what_never_came_is_later_than_everything() {
        let values = vec![vec![0.1, 0.2, 0.3], vec![f64::INFINITY, f64::INFINITY]];
        assert_eq!((value(&values, 50.0), value(&values, 60.0), value(&values, 61.0)), (Some(0.3), Some(0.3), None));
        let quantile = quantiles(&values, &[50.0])[0];
        assert_eq!(quantile.high, None, "half of the resamples have the second group twice");
        assert_eq!(value(&[vec![f64::NAN, 1.0]], 99.0), Some(1.0));
    }

    #[test]
    fn ten_values_must_lie_above() {
        assert!(enough(99.0, 1_000) && !enough(99.0, 999));
        assert!(enough(95.0, 200) && !enough(95.0, 199));
        assert!(enough(50.0, 20) && !enough(50.0, 19));
    }

    #[test]
    fn intervals_are_the_same_every_time_and_hold_the_value() {
        let groups: Vec<Vec<f64>> =
            (0..30).map(|k| (0..10).map(|j| f64::from(k * 7 % 30) + f64::from(j) / 10.0).collect()).collect();
        let once = quantiles(&groups, &[50.0, 95.0]);
        assert_eq!(once, quantiles(&groups, &[50.0, 95.0]));
        for quantile in once {
            assert!(quantile.low <= quantile.value && quantile.value <= quantile.high && quantile.low < quantile.high);
        }
    }

    #[test]
    fn groups_are_resampled_whole() {
        // All words of a group alike: their number must not narrow the interval.
        let few: Vec<Vec<f64>> = (0..10).map(|k| vec![f64::from(k); 2]).collect();
        let many: Vec<Vec<f64>> = (0..10).map(|k| vec![f64::from(k); 200]).collect();
        let width = |groups: &[Vec<f64>]| {
            let quantile = quantiles(groups, &[50.0])[0];
            quantile.high.unwrap() - quantile.low.unwrap()
        };
        assert_eq!(width(&few), width(&many));
    }

    #[test]
    fn rates_are_ratios_of_sums() {
        let rate = rate(&[(1.0, 10.0), (3.0, 10.0)]);
        assert_eq!((rate.value, rate.low, rate.high), (Some(0.2), Some(0.1), Some(0.3)));
        assert_eq!(super::rate(&[]).value, None);
        assert_eq!(super::rate(&[(0.0, 0.0)]).value, None);
    }

    #[test]
    fn a_pairing_bootstrap_draws_the_same_strings_of_both() {
        let (a, b) = ([1.0, 5.0, 9.0], [1.5, 5.5, 9.5]);
        let difference = |places: &[usize]| {
            let sum = |values: &[f64; 3]| places.iter().map(|k| values[*k]).sum::<f64>();
            Some(sum(&b) - sum(&a))
        };
        assert_eq!(paired(3, difference), Some((1.5, 1.5)), "the strings differ much, the two runs always by as much");
        assert_eq!(paired(0, |_| Some(1.0)), None);
        assert_eq!(paired(2, |_| None), None);
    }

    #[test]
    fn the_slope_of_a_line_is_its_slope() {
        assert_eq!(slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]), Some(2.0));
        assert_eq!(slope(&[(1.0, 1.0), (1.0, 2.0)]), None);
        assert_eq!(slope(&[]), None);
    }
}
