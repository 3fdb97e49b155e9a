//! How well a probability is known from a count.

use ratecheck::rates::Interval;
use statrs::distribution::{Beta, ContinuousCDF};

/// The interval of Clopper and Pearson for a probability, after `hits` of `n` trials:
/// it covers with at least the level.
///
/// Its ends are the quantile (1 - level)/2 of Beta(k, n - k + 1) and (1 + level)/2 of Beta(k + 1, n - k), 0 if k = 0
/// and 1 if k = n. NaN if there are no trials, or more hits than trials.
///
/// # Panics
/// If `level` is not in (0, 1).
///
/// ```
/// use ratecheck_verify::paper::calibration::clopper_pearson;
/// let none = clopper_pearson(0, 10, 0.9);
/// assert_eq!(none.low, 0.0);
/// assert!((none.high - (1.0 - 0.05_f64.powf(0.1))).abs() < 1e-9); // (1 - p)^10 = 0.05
/// ```
pub fn clopper_pearson(hits: usize, n: usize, level: f64) -> Interval {
    assert!(level > 0.0 && level < 1.0, "a confidence level lies between 0 and 1, not at {level}");
    let tail = 0.5 * (1.0 - level);
    if n == 0 || hits > n {
        return Interval { low: f64::NAN, high: f64::NAN, level };
    }
    let quantile = |a: usize, b: usize, p: f64| Beta::new(a as f64, b as f64).map_or(f64::NAN, |b| b.inverse_cdf(p));
    let low = if hits == 0 { 0.0 } else { quantile(hits, n - hits + 1, tail) };
    // By symmetry, so that it is as accurate as the lower end.
    let high = if hits == n { 1.0 } else { 1.0 - quantile(n - hits, hits + 1, tail) };
    Interval { low, high, level }
}

/// A count out of a number of trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proportion {
    /// How often it happened.
    pub hits: usize,
    /// Out of how many.
    pub n: usize,
}

impl Proportion {
    /// The relative frequency.
    pub fn value(self) -> f64 {
        self.hits as f64 / self.n as f64
    }

    /// The interval of [`clopper_pearson`].
    pub fn interval(self, level: f64) -> Interval {
        clopper_pearson(self.hits, self.n, level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P(X <= k) for the binomial distribution, by its definition.
    fn at_most(k: usize, n: usize, p: f64) -> f64 {
        let mut term = libm::pow(1.0 - p, n as f64);
        let mut sum = term;
        for i in 0..k {
            term *= (n - i) as f64 / (i + 1) as f64 * p / (1.0 - p);
            sum += term;
        }
        sum
    }

    #[test]
    fn the_ends_solve_the_binomial_equations() {
        for (k, n) in [(1, 10), (5, 10), (10, 10), (3, 50), (0, 50), (37, 400)] {
            for level in [0.9, 0.999] {
                let (Interval { low, high, .. }, tail) = (clopper_pearson(k, n, level), 0.5 * (1.0 - level));
                // A relative error of 1e-8 in the quantile, times n at most.
                if k > 0 {
                    assert!((1.0 - at_most(k - 1, n, low) - tail).abs() < 1e-6, "{k} of {n} at {level}: {low}");
                }
                if k < n {
                    assert!((at_most(k, n, high) - tail).abs() < 1e-6, "{k} of {n} at {level}: {high}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_known_from_nothing() {
        assert!(clopper_pearson(0, 0, 0.9).low.is_nan() && clopper_pearson(2, 1, 0.9).high.is_nan());
    }
}
