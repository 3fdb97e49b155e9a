//! The percentile bootstrap over runs: how much a fitted slope owes to the runs that happened to be drawn.

use super::fit::{LogTimes, fit_power_law};
use super::{FitError, Interval, Window};
use crate::random::Generator;
use rand::RngExt;

/// What is fitted at each horizon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summary {
    /// The mean over the runs.
    Mean,
    /// The square root of the mean over the runs: with squares as the statistic, the root mean square.
    RootMean,
}

impl Summary {
    /// ln of a root is half of ln.
    pub(super) fn exponent(self) -> f64 {
        match self {
            Self::Mean => 1.0,
            Self::RootMean => 0.5,
        }
    }
}

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

/// Horizons summed at a time: as many accumulators as stay in registers.
const LANES: usize = 8;

/// The log-log slope of a mean over runs, with a percentile bootstrap interval over runs.
///
/// `values` is a matrix runs x horizons, row by row, of a nonnegative statistic at the horizons `t`. Each resample draws
/// as many runs as there are, with replacement and whole, takes the mean at each horizon (or its root) and fits the
/// power law on the window. The interval runs between the (1 - level)/2 and (1 + level)/2 quantiles of the slopes,
/// interpolated linearly between order statistics. Points of one run are never resampled apart: they are not independent.
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
    if !(level > 0.0 && level < 1.0) {
        return Err(FitError::BadLevel { value: level });
    }
    let tail = 0.5 * (1.0 - level);
    if !(n_resamples as f64 * tail >= 1.0) {
        return Err(FitError::TooFewResamples { n_resamples, level });
    }
    let runs = Runs::new(t, values, window)?;
    let exponent = summary.exponent();
    let mut drawn = vec![0_usize; runs.n_runs];
    let mut slopes = Vec::with_capacity(n_resamples);
    for resample in 0..n_resamples {
        drawn.fill_with(|| generator.random_range(0..runs.n_runs as u32) as usize);
        let slope = exponent * (runs.slope + runs.slope_shift(&drawn));
        if !slope.is_finite() {
            return Err(FitError::ZeroResampleMean { resample });
        }
        slopes.push(slope);
    }
    slopes.sort_unstable_by(f64::total_cmp);
    Ok(SlopeInterval {
        slope: exponent * runs.slope,
        low: quantile(&slopes, tail),
        high: quantile(&slopes, 1.0 - tail),
        level,
        n_runs: runs.n_runs,
        n_resamples,
    })
}

/// The runs in the window, laid out for summing resamples.
pub(super) struct Runs {
    n_runs: usize,
    /// The slope of the mean over all runs.
    pub(super) slope: f64,
    /// For each group of `LANES` horizons, for each run: the values divided by the mean over all runs. Then logarithms
    /// of resampled means are small, sums cannot overflow, and a scale drops out. The last group is filled with ones.
    relative: Vec<[f64; LANES]>,
    /// What the slope takes of ln y at each horizon, (ln t - mean) / sum (ln t - mean)^2; zeros at the end.
    weights: Vec<[f64; LANES]>,
}

impl Runs {
    pub(super) fn new(t: &[f64], values: &[f64], window: Window) -> Result<Self, FitError> {
        let n_horizons = t.len();
        let times = LogTimes::in_window(t, window)?;
        if values.is_empty() || !values.len().is_multiple_of(n_horizons) {
            return Err(FitError::NotAMatrix { n_values: values.len(), n_horizons });
        }
        let n_runs = values.len() / n_horizons;
        if n_runs < 2 {
            return Err(FitError::TooFewRuns { n_runs });
        }
        let n_groups = times.index.len().div_ceil(LANES);
        let mut relative = vec![[1.0; LANES]; n_groups * n_runs];
        let mut weights = vec![[0.0; LANES]; n_groups];
        let mut window_t = Vec::with_capacity(times.index.len());
        let mut means = Vec::with_capacity(times.index.len());
        for (k, &horizon) in times.index.iter().enumerate() {
            let (group, lane) = (k / LANES, k % LANES);
            let column = values.iter().skip(horizon).step_by(n_horizons);
            let mut mean = 0.0;
            for (run, &value) in column.clone().enumerate() {
                if !(value >= 0.0 && value.is_finite()) {
                    return Err(FitError::BadRunValue { run, horizon, value });
                }
                mean += value / n_runs as f64;
            }
            if !(mean > 0.0) {
                return Err(FitError::ZeroMean { horizon });
            }
            for (run, &value) in column.enumerate() {
                relative[group * n_runs + run][lane] = value / mean;
            }
            weights[group][lane] = times.centred[k] / times.spread;
            window_t.push(t[horizon]);
            means.push(mean);
        }
        let slope = fit_power_law(&window_t, &means, window)?.slope;
        Ok(Self { n_runs, slope, relative, weights })
    }

    /// For each run, the derivative of the slope by that run's weight in the means: sum_k weight_k (y_k / mean_k - 1). The
    /// sum over the runs is 0.
    pub(super) fn influences(&self) -> Vec<f64> {
        let mut influences = vec![0.0; self.n_runs];
        for (group, weights) in self.relative.chunks_exact(self.n_runs).zip(&self.weights) {
            for (influence, values) in influences.iter_mut().zip(group) {
                *influence += values.iter().zip(weights).map(|(y, weight)| weight * (y - 1.0)).sum::<f64>();
            }
        }
        influences
    }

    /// By how much the slope of the mean over the `drawn` runs differs from that over all runs.
    fn slope_shift(&self, drawn: &[usize]) -> f64 {
        let scale = 1.0 / self.n_runs as f64;
        let mut shift = 0.0;
        for (group, weights) in self.relative.chunks_exact(self.n_runs).zip(&self.weights) {
            let mut sums = [0.0; LANES];
            for &run in drawn {
                let values = &group[run];
                for lane in 0..LANES {
                    sums[lane] += values[lane];
                }
            }
            for lane in 0..LANES {
                shift += weights[lane] * libm::log(sums[lane] * scale);
            }
        }
        shift
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
    fn a_resample_gives_the_slope_of_its_own_mean() {
        // More horizons in the window than one group holds, and a group that is filled up.
        let t: Vec<f64> = (0..21).map(|k| libm::exp(0.3 * k as f64)).collect();
        let values: Vec<f64> = (0..4 * 21).map(|k| 1.0 + ((k * 37) % 11) as f64).collect();
        let window = Window::new(t[2], t[19]);
        let runs = Runs::new(&t, &values, window).expect("valid");
        for drawn in [[0, 1, 2, 3], [3, 3, 3, 3], [0, 2, 2, 1]] {
            let means: Vec<f64> =
                (0..21).map(|k| drawn.iter().map(|&r| values[21 * r + k]).sum::<f64>() / 4.0).collect();
            let direct = fit_power_law(&t, &means, window).expect("a fit").slope;
            // Eighteen terms of size below 1, each rounded a few times.
            assert!((runs.slope + runs.slope_shift(&drawn) - direct).abs() < 1e-14);
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
