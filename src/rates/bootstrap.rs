//! The percentile bootstrap over runs: how much a fitted slope owes to the runs that happened to be drawn.

use rand::RngExt;

use super::{FitError, Interval, Model, Runs, Summary, Window};
use crate::random::Generator;

/// How a slope is bootstrapped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// The horizons that take part in the fit.
    pub window: Window,
    /// What is fitted.
    pub summary: Summary,
    /// The confidence level of the interval, in (0, 1).
    pub level: f64,
    /// How many times the runs are resampled. The Monte Carlo error of each end of a 95% interval is about
    /// 2.7 / sqrt(n_resamples) standard errors of the slope.
    pub n_resamples: usize,
}

/// A slope with its bootstrap interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlopeInterval {
    /// The slope fitted to all runs, each taken once.
    pub slope: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
    /// The confidence level.
    pub level: f64,
    /// The number of runs.
    pub n_runs: usize,
    /// The number of resamples.
    pub n_resamples: usize,
}

impl SlopeInterval {
    /// The interval alone, as [`at_most`](super::at_most) and [`equivalent`](super::equivalent) take it.
    pub fn interval(&self) -> Interval {
        Interval { low: self.low, high: self.high, level: self.level }
    }
}

/// The log-log slope of a mean over runs, with a percentile bootstrap interval over runs.
///
/// `values` is a matrix runs x horizons, row by row, of a nonnegative statistic at the horizons `t`. Each resample
/// draws as many runs as there are, with replacement and whole, takes the mean at each horizon (or its root) and fits
/// the power law on the window. The interval runs between the (1 - level)/2 and (1 + level)/2 quantiles of the slopes,
/// interpolated linearly between order statistics. Points of one run are never resampled apart:
/// they are not independent.
///
/// The interval is too narrow by about a factor sqrt(1 - 1/n_runs), and it does not correct the bias of order 1/n_runs
/// of the logarithm of a mean: use some tens of runs.
///
/// The slope is linear in the logarithms of the means, so a resample costs n_runs x n_horizons additions and
/// n_horizons logarithms; nothing is allocated per resample.
///
/// Reference: Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
///
/// # Errors
/// `values` is not a matrix; fewer than 2 runs; in the window: a time that is not positive and finite, fewer than three
/// horizons or all equal, a value that is negative or not finite, a mean of zero over all runs or over one resample;
/// a level outside (0, 1); fewer resamples than put one beyond each end of the interval.
///
/// ```
/// use ratecheck::random::Seed;
/// use ratecheck::rates::{Bootstrap, Summary, Window, bootstrap_slope};
/// // Two runs of a square that falls as 1/T; its root falls as T^(-1/2), whichever runs are drawn.
/// let t = [10.0, 100.0, 1000.0];
/// let values = [0.1, 0.01, 0.001, 0.3, 0.03, 0.003];
/// let bootstrap =
///     Bootstrap { window: Window::new(1.0, 1e4), summary: Summary::RootMean, level: 0.95, n_resamples: 1000 };
/// let slope = bootstrap_slope(&t, &values, &bootstrap, &mut Seed::new(1).generator("doc"))?;
/// assert!((slope.slope + 0.5).abs() < 1e-14 && slope.high - slope.low < 1e-14);
/// assert_eq!(slope.n_runs, 2);
/// # Ok::<(), ratecheck::rates::FitError>(())
/// ```
pub fn bootstrap_slope(
    t: &[f64],
    values: &[f64],
    bootstrap: &Bootstrap,
    generator: &mut Generator,
) -> Result<SlopeInterval, FitError> {
    let &Bootstrap { window, summary, level, n_resamples } = bootstrap;
    Runs::new(t, values, &Model::new(window, summary))?.bootstrap(level, n_resamples, generator)
}

impl Runs {
    /// The slope with a percentile bootstrap interval: see [`bootstrap_slope`],
    /// which does this for the recorded values.
    ///
    /// For [`Form::Min`](super::Form::Min) the minimum over t is taken of every resample's own means, at a cost of as
    /// many additions per resample as there are runs times recorded times.
    ///
    /// # Errors
    /// Fewer than 2 runs; a mean of zero over one resample; a level outside (0, 1); fewer resamples than put one beyond
    /// each end of the interval.
    pub fn bootstrap(
        &self,
        level: f64,
        n_resamples: usize,
        generator: &mut Generator,
    ) -> Result<SlopeInterval, FitError> {
        if !(level > 0.0 && level < 1.0) {
            return Err(FitError::BadLevel { value: level });
        }
        let tail = 0.5 * (1.0 - level);
        if !(n_resamples as f64 * tail >= 1.0) {
            return Err(FitError::TooFewResamples { n_resamples, level });
        }
        let n_runs = self.n_runs();
        if n_runs < 2 {
            return Err(FitError::TooFewRuns { n_runs });
        }
        let mut drawn = vec![0_usize; n_runs];
        let mut slopes = Vec::with_capacity(n_resamples);
        for resample in 0..n_resamples {
            drawn.fill_with(|| generator.random_range(0..n_runs as u32) as usize);
            let slope = self.resampled_slope(&drawn);
            if !slope.is_finite() {
                return Err(FitError::ZeroResampleMean { resample });
            }
            slopes.push(slope);
        }
        slopes.sort_unstable_by(f64::total_cmp);
        Ok(SlopeInterval {
            slope: self.slope(),
            low: quantile(&slopes, tail),
            high: quantile(&slopes, 1.0 - tail),
            level,
            n_runs,
            n_resamples,
        })
    }
}

/// The quantile of sorted numbers, interpolated linearly between the order statistics at (n - 1) p (Hyndman & Fan's
/// type 7).
fn quantile(sorted: &[f64], p: f64) -> f64 {
    let position = (sorted.len() - 1) as f64 * p;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Seed;

    const T: [f64; 5] = [1.0, 2.0, 4.0, 8.0, 16.0];
    const BOOTSTRAP: Bootstrap =
        Bootstrap { window: Window { from: 2.0, to: 16.0 }, summary: Summary::Mean, level: 0.9, n_resamples: 100 };

    fn run(values: &[f64], bootstrap: &Bootstrap) -> Result<SlopeInterval, FitError> {
        bootstrap_slope(&T, values, bootstrap, &mut Seed::new(5).generator("bootstrap"))
    }

    #[test]
    fn quantiles_interpolate() {
        // Binary fractions: exact.
        let x = [0.0, 1.0, 4.0, 16.0, 32.0];
        for (p, exact) in [(0.0, 0.0), (0.125, 0.5), (0.25, 1.0), (0.625, 10.0), (1.0, 32.0)] {
            assert_eq!(quantile(&x, p), exact);
        }
    }

    #[test]
    fn every_run_can_be_drawn_alone() {
        // Of two runs, a quarter of the resamples holds the first only and a quarter the second only: a 90% interval
        // ends in those two slopes, unless fewer than 21 of 400 are of one kind (probability 1e-20).
        let values: Vec<f64> = [-1.0, -0.25].iter().flat_map(|&p| T.map(|t| libm::pow(t, p))).collect();
        let slope = run(&values, &Bootstrap { n_resamples: 400, ..BOOTSTRAP }).expect("valid");
        assert!((slope.low + 1.0).abs() < 1e-14 && (slope.high + 0.25).abs() < 1e-14, "{slope:?}");
    }

    #[test]
    fn bad_input_is_an_error() {
        let good = [1.0, 0.5, 0.25, 0.125, 0.0625, 3.0, 1.0, 0.5, 0.3, 0.1];
        assert!(run(&good, &BOOTSTRAP).is_ok());
        for bad in [f64::NAN, f64::INFINITY, -1.0] {
            let mut values = good;
            values[7] = bad;
            let error = run(&values, &BOOTSTRAP).expect_err("a bad value");
            assert!(matches!(error, FitError::BadRunValue { run: 1, horizon: 2, .. }), "{error}");
        }
        assert_eq!(run(&good[..5], &BOOTSTRAP), Err(FitError::TooFewRuns { n_runs: 1 }));
        assert_eq!(run(&good[..9], &BOOTSTRAP), Err(FitError::NotAMatrix { n_values: 9, n_horizons: 5 }));
        assert_eq!(run(&[], &BOOTSTRAP), Err(FitError::NotAMatrix { n_values: 0, n_horizons: 5 }));
        for level in [0.0, 1.0, -0.5, 95.0] {
            assert_eq!(run(&good, &Bootstrap { level, ..BOOTSTRAP }), Err(FitError::BadLevel { value: level }));
        }
        assert!(run(&good, &Bootstrap { level: f64::NAN, ..BOOTSTRAP }).is_err());
        // Level 0.75: one in eight beyond each end.
        assert!(run(&good, &Bootstrap { level: 0.75, n_resamples: 8, ..BOOTSTRAP }).is_ok());
        assert!(run(&good, &Bootstrap { level: 0.75, n_resamples: 7, ..BOOTSTRAP }).is_err());
        let few = Bootstrap { window: Window::new(8.0, 16.0), ..BOOTSTRAP };
        assert!(matches!(run(&good, &few), Err(FitError::TooFewPoints { found: 2, .. })));
    }

    #[test]
    fn zeros_are_no_free_pass() {
        // Zero in one run is data; zero in all runs, or in all runs that one resample drew, has no logarithm.
        let mut values = [1.0; 10];
        values[3] = 0.0;
        assert!(matches!(run(&values, &BOOTSTRAP), Err(FitError::ZeroResampleMean { .. })));
        values[8] = 0.0;
        assert_eq!(run(&values, &BOOTSTRAP), Err(FitError::ZeroMean { horizon: 3 }));
    }
}
