//! Where a series is looked at: horizons and bins evenly spaced in ln T.

use std::ops::Range;

use super::FitError;

/// Whole numbers from `from` to `to`, both included, strictly increasing and as evenly spaced in their logarithm as
/// whole numbers allow: from (to/from)^(k/(n-1)) rounded, with repeats dropped. So there are at most `n`, and fewer
/// where neighbours round to the same number.
///
/// # Panics
/// Unless 1 <= `from` < `to` and `n` >= 2.
///
/// ```
/// assert_eq!(ratecheck::rates::log_spaced(1, 1000, 4), [1, 10, 100, 1000]);
/// assert_eq!(ratecheck::rates::log_spaced(1, 4, 100), [1, 2, 3, 4]);
/// ```
pub fn log_spaced(from: u64, to: u64, n: usize) -> Vec<u64> {
    assert!(1 <= from && from < to, "horizons run from at least 1 upwards, not from {from} to {to}");
    assert!(n >= 2, "{n} horizons cannot include both ends");
    let log_ratio = libm::log(to as f64 / from as f64);
    let interior = (1..n - 1).map(|k| {
        let fraction = k as f64 / (n - 1) as f64;
        (from as f64 * libm::exp(fraction * log_ratio)).round() as u64
    });
    // The ends are put in exactly: rounding could miss them, or go beyond.
    let mut horizons = vec![from];
    for t in interior {
        if t > horizons[horizons.len() - 1] && t < to {
            horizons.push(t);
        }
    }
    horizons.push(to);
    horizons
}

/// Averages a series over logarithmic bins. Returns the geometric mean of the times and the mean of the values per bin.
///
/// A bin holds the times t in [s, ratio s), where s is the first time not in the bin before; so no bin is empty, and
/// times recorded at every step fall into bins of equal width ln(ratio).
/// Averaging a power law over equal bins multiplies it by a constant and leaves its slope. The last bin may be cut
/// short; for y = T^p that shifts its mean by a factor of at most about 1 + p^2 ln(ratio)^2 / 24.
///
/// # Errors
/// Lengths differ; a time is not positive, finite and above the one before; a value is not finite; `ratio` is not above
/// 1 and finite. No times give no bins.
///
/// ```
/// use ratecheck::rates::log_bins;
/// let (t, y) = log_bins(&[1.0, 2.0, 4.0, 8.0], &[1.0, 3.0, 5.0, 9.0], 4.0)?;
/// assert!((t[0] - 2.0_f64.sqrt()).abs() < 1e-15 && (t[1] - 32.0_f64.sqrt()).abs() < 1e-14);
/// assert_eq!(y, [2.0, 7.0]);
/// # Ok::<(), ratecheck::rates::FitError>(())
/// ```
pub fn log_bins(t: &[f64], y: &[f64], ratio: f64) -> Result<(Vec<f64>, Vec<f64>), FitError> {
    if t.len() != y.len() {
        return Err(FitError::LengthMismatch { n_t: t.len(), n_y: y.len() });
    }
    if !(ratio > 1.0 && ratio.is_finite()) {
        return Err(FitError::BadRatio { value: ratio });
    }
    let mut before = 0.0;
    for (index, &value) in t.iter().enumerate() {
        if !(value > before && value.is_finite()) {
            return Err(FitError::NotIncreasing { index, value });
        }
        before = value;
    }
    if let Some((index, &value)) = y.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        return Err(FitError::NotFinite { index, value });
    }

    let ranges = bins(t, ratio);
    let times = ranges.iter().map(|bin| centre(&t[bin.clone()])).collect();
    let mean = |bin: &Range<usize>| y[bin.clone()].iter().map(|&value| value / bin.len() as f64).sum();
    Ok((times, ranges.iter().map(mean).collect()))
}

/// The bins [s, ratio s), none of them empty, of increasing positive times.
pub(super) fn bins(t: &[f64], ratio: f64) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < t.len() {
        let end = start + t[start..].partition_point(|&time| time < ratio * t[start]);
        ranges.push(start..end);
        start = end;
    }
    ranges
}

/// The geometric mean of the times of a bin.
pub(super) fn centre(t: &[f64]) -> f64 {
    // Relative to the bin's first time the logarithms are small, and their sum loses nothing.
    let log_sum: f64 = t.iter().map(|&time| libm::log(time / t[0])).sum();
    t[0] * libm::exp(log_sum / t.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_exact_even_where_doubles_are_coarse() {
        for (from, to) in [(1, 2), (7, 1_000_003), (3, u64::MAX), ((1 << 53) - 1, (1 << 53) + 1)] {
            let horizons = log_spaced(from, to, 50);
            assert_eq!((horizons[0], horizons[horizons.len() - 1]), (from, to));
            assert!(horizons.windows(2).all(|pair| pair[0] < pair[1]), "{horizons:?}");
        }
    }

    #[test]
    fn bins_reject_what_cannot_be_averaged() {
        let t = [1.0, 2.0, 3.0];
        assert_eq!(log_bins(&t, &[1.0], 2.0), Err(FitError::LengthMismatch { n_t: 3, n_y: 1 }));
        for ratio in [1.0, 0.5, f64::INFINITY] {
            assert_eq!(log_bins(&t, &t, ratio), Err(FitError::BadRatio { value: ratio }));
        }
        assert!(matches!(log_bins(&t, &t, f64::NAN), Err(FitError::BadRatio { .. })));
        for bad in [f64::NAN, 0.0, 1.0, f64::INFINITY] {
            assert!(matches!(log_bins(&[1.0, bad, 3.0], &t, 2.0), Err(FitError::NotIncreasing { index: 1, .. })));
        }
        for bad in [f64::NAN, f64::INFINITY] {
            assert!(matches!(log_bins(&t, &[1.0, 1.0, bad], 2.0), Err(FitError::NotFinite { index: 2, .. })));
        }
        assert_eq!(log_bins(&[], &[], 2.0), Ok((vec![], vec![])));
    }
}
