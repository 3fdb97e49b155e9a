//! Estimates from independent runs, with Student's intervals: for decisions at levels that no bootstrap reaches.

use super::fit::two_sided_quantile;
use super::{FitError, Interval, Model, Runs, Summary, Window};

/// A number estimated from independent runs, with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Its standard error.
    pub se: f64,
    /// The number of runs.
    pub n_runs: usize,
}

impl Estimate {
    /// value +- x se with Student's x of n - 1 degrees of freedom.
    ///
    /// Exact for the mean of normal numbers; otherwise as good as the sum over the runs is normal, out to the quantile
    /// that the level asks for.
    ///
    /// # Panics
    /// If `level` is not in (0, 1).
    pub fn interval(&self, level: f64) -> Interval {
        let half = two_sided_quantile(level, self.n_runs - 1) * self.se;
        Interval { low: self.value - half, high: self.value + half, level }
    }
}

/// The mean of one number per run.
///
/// # Errors
/// Fewer than two runs, or a value that is not finite.
///
/// ```
/// let mean = ratecheck::rates::mean_over_runs(&[1.0, 3.0])?;
/// assert_eq!((mean.value, mean.se), (2.0, 1.0)); // s^2 = 2, s^2/n = 1
/// // With one degree of freedom, Student's x at level 1/2 is tan(pi/4) = 1.
/// assert!((mean.interval(0.5).high - 3.0).abs() < 1e-12);
/// # Ok::<(), ratecheck::rates::FitError>(())
/// ```
pub fn mean_over_runs(values: &[f64]) -> Result<Estimate, FitError> {
    if let Some((index, &value)) = values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        return Err(FitError::NotFinite { index, value });
    }
    let n_runs = values.len();
    if n_runs < 2 {
        return Err(FitError::TooFewRuns { n_runs });
    }
    let n = n_runs as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
    Ok(Estimate { value: mean, se: (variance / n).sqrt(), n_runs })
}

/// The log-log slope of a mean over runs (or of its root), with its standard error by the delta method.
///
/// `values` is a matrix runs x horizons, row by row, as in [`bootstrap_slope`](super::bootstrap_slope), and the slope
/// is the same. To first order it is a mean over runs of sum_k weight_k y_rk / mean_k, with the weights of the least
/// squares fit, so its standard error is that mean's. Like the bootstrap, it asks nothing of the points within a run.
/// What it leaves out is of second order: the bias of the logarithm of a mean,
/// and it is of use where the means are known to some percent.
///
/// # Errors
/// As `bootstrap_slope`, as far as they concern `t` and `values`.
///
/// ```
/// use ratecheck::rates::{Summary, Window, slope_over_runs};
/// // Two runs that fall as 1/T at different heights: whichever is drawn, the slope is -1, of the root -1/2.
/// let t = [10.0, 100.0, 1000.0];
/// let values = [0.1, 0.01, 0.001, 0.3, 0.03, 0.003];
/// let slope = slope_over_runs(&t, &values, Window::new(1.0, 1e4), Summary::RootMean)?;
/// assert!((slope.value + 0.5).abs() < 1e-14 && slope.se < 1e-14);
/// # Ok::<(), ratecheck::rates::FitError>(())
/// ```
pub fn slope_over_runs(t: &[f64], values: &[f64], window: Window, summary: Summary) -> Result<Estimate, FitError> {
    Runs::new(t, values, &Model::new(window, summary))?.estimate()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Seed;
    use crate::rates::{Bootstrap, bootstrap_slope};
    use rand::RngExt;

    #[test]
    fn a_common_offset_does_not_cancel_the_variance() {
        // Deviations are exact here, where the squares of the values themselves are not.
        let mean = mean_over_runs(&[1e16, 1e16 + 4.0]).expect("two numbers");
        assert_eq!((mean.value, mean.se), (1e16 + 2.0, 2.0));
    }

    #[test]
    fn extreme_quantiles_agree_with_tables() {
        // Two degrees of freedom have a closed form: P(T > x) = p at x = (1 - 2p) / sqrt(2 p (1 - p)).
        let estimate = Estimate { value: 0.0, se: 1.0, n_runs: 3 };
        for level in [0.5, 0.95, 1.0 - 1e-8] {
            let p: f64 = 0.5 * (1.0 - level);
            let exact = (1.0 - 2.0 * p) / (2.0 * p * (1.0 - p)).sqrt();
            // 1 - 1e-8 in double precision leaves 1e-8 of p.
            assert!((estimate.interval(level).high / exact - 1.0).abs() < 1e-6, "{level}");
        }
        // Many: the normal quantile of 1 - 5e-9, 5.7307.
        let many = Estimate { n_runs: 1_000_000, ..estimate };
        assert!((many.interval(1.0 - 1e-8).high - 5.7307).abs() < 1e-3);
    }

    #[test]
    fn the_delta_method_agrees_with_the_bootstrap() {
        // 80 runs y = (1 + noise) / t with independent noise at 24 times:
        // both standard errors estimate the same number.
        let mut generator = Seed::new(3).generator("delta");
        let t: Vec<f64> = (0..24).map(|k| libm::exp(0.2 * f64::from(k))).collect();
        let values: Vec<f64> =
            (0..80).flat_map(|_| t.clone()).map(|t| (1.0 + generator.random_range(-0.5..0.5)) / t).collect();
        let window = Window::new(0.5, 1e3);
        let delta = slope_over_runs(&t, &values, window, Summary::RootMean).expect("valid");
        let request = Bootstrap { window, summary: Summary::RootMean, level: 0.95, n_resamples: 4000 };
        let bootstrap = bootstrap_slope(&t, &values, &request, &mut generator).expect("valid");
        assert_eq!(delta.value, bootstrap.slope);
        let (a, b) = (delta.interval(0.95), bootstrap.interval());
        // sqrt(1 - 1/80), Student against normal, and the resampling error 2.7/sqrt(4000) of each end: some percent.
        let half = 0.5 * (a.high - a.low);
        assert!((a.low - b.low).abs() < 0.15 * half && (a.high - b.high).abs() < 0.15 * half, "{a:?} {b:?}");
        // Theory: noise of variance 1/12 gives se = sqrt((1/12)/80/spread)/2; estimated from 80 runs to about 8%.
        let centre = t.iter().map(|t| libm::log(*t)).sum::<f64>() / 24.0;
        let spread: f64 = t.iter().map(|t| (libm::log(*t) - centre).powi(2)).sum();
        let exact = 0.5 * (1.0 / 12.0 / 80.0 / spread).sqrt();
        assert!((delta.se / exact - 1.0).abs() < 0.3, "{} {exact}", delta.se);
    }

    #[test]
    fn bad_values_are_errors() {
        assert_eq!(mean_over_runs(&[1.0]), Err(FitError::TooFewRuns { n_runs: 1 }));
        assert!(matches!(mean_over_runs(&[1.0, f64::NAN]), Err(FitError::NotFinite { index: 1, .. })));
    }
}
