//! Why a rate could not be measured.

use super::Window;
use std::fmt;

/// A rate that could not be measured. This is never evidence for or against a rate: the data or the request is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FitError {
    /// `t` and `y` have different lengths.
    LengthMismatch {
        /// Number of times.
        n_t: usize,
        /// Number of values.
        n_y: usize,
    },
    /// The number of values is not a positive multiple of the number of horizons: not a matrix runs x horizons.
    NotAMatrix {
        /// Number of values.
        n_values: usize,
        /// Number of horizons.
        n_horizons: usize,
    },
    /// A time is NaN, or lies in the window and is not positive and finite.
    BadTime {
        /// Position in `t`.
        index: usize,
        /// The time.
        value: f64,
    },
    /// A value in the window is not positive and finite, so that it has no logarithm.
    BadValue {
        /// Position in `y`.
        index: usize,
        /// The value.
        value: f64,
    },
    /// A value of one run in the window is negative or not finite.
    BadRunValue {
        /// Row: the run.
        run: usize,
        /// Column: the horizon.
        horizon: usize,
        /// The value.
        value: f64,
    },
    /// Fewer than three points lie in the window: two points fit every line.
    TooFewPoints {
        /// How many lie in it.
        found: usize,
        /// The window.
        window: Window,
    },
    /// All times in the window are equal (as logarithms in double precision): no slope is defined.
    EqualTimes {
        /// The time they share.
        t: f64,
    },
    /// The exponent of the logarithm is not finite.
    BadLogExponent {
        /// The exponent q.
        value: f64,
    },
    /// A model with a factor (ln t)^q needs t > 1.
    LogFactorUndefined {
        /// Position in `t`.
        index: usize,
        /// The time.
        value: f64,
    },
    /// Fewer than two runs: the spread between runs is unknown.
    TooFewRuns {
        /// How many there are.
        n_runs: usize,
    },
    /// The mean over all runs is zero at a horizon, so that it has no logarithm.
    ZeroMean {
        /// Position of the horizon.
        horizon: usize,
    },
    /// A resample has a mean of zero at some horizon: too few runs have a positive value there for the bootstrap.
    ZeroResampleMean {
        /// Which resample.
        resample: usize,
    },
    /// A confidence level outside (0, 1).
    BadLevel {
        /// The level.
        value: f64,
    },
    /// Fewer than one resample is expected beyond each end of the interval.
    TooFewResamples {
        /// How many were asked for.
        n_resamples: usize,
        /// The confidence level.
        level: f64,
    },
    /// Times to be binned must be positive, finite and strictly increasing.
    NotIncreasing {
        /// Position in `t`.
        index: usize,
        /// The time.
        value: f64,
    },
    /// A value to be averaged is not finite.
    NotFinite {
        /// Position in `y`.
        index: usize,
        /// The value.
        value: f64,
    },
    /// The ratio of a bin's ends must be finite and above 1.
    BadRatio {
        /// The ratio.
        value: f64,
    },
}

impl fmt::Display for FitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::LengthMismatch { n_t, n_y } => write!(f, "{n_t} times but {n_y} values"),
            Self::NotAMatrix { n_values, n_horizons } => {
                write!(f, "{n_values} values do not fill a matrix of runs by {n_horizons} horizons")
            }
            Self::BadTime { index, value } => write!(f, "time {value} at index {index} is not positive and finite"),
            Self::BadValue { index, value } => write!(f, "value {value} at index {index} is not positive and finite"),
            Self::BadRunValue { run, horizon, value } => {
                write!(f, "value {value} of run {run} at horizon index {horizon} is negative or not finite")
            }
            Self::TooFewPoints { found, window: Window { from, to } } => {
                write!(f, "{found} points in the window [{from}, {to}]; a fit needs at least 3")
            }
            Self::EqualTimes { t } => write!(f, "all times in the window equal {t}; a slope needs two different ones"),
            Self::BadLogExponent { value } => write!(f, "exponent {value} of the logarithm is not finite"),
            Self::LogFactorUndefined { index, value } => {
                write!(f, "time {value} at index {index} is not above 1, where (ln t)^q is defined")
            }
            Self::TooFewRuns { n_runs } => write!(f, "{n_runs} run(s); a bootstrap over runs needs at least 2"),
            Self::ZeroMean { horizon } => write!(f, "the mean over all runs is 0 at horizon index {horizon}"),
            Self::ZeroResampleMean { resample } => {
                write!(f, "resample {resample} has mean 0 at some horizon; too few runs are positive there")
            }
            Self::BadLevel { value } => write!(f, "confidence level {value} is not between 0 and 1"),
            Self::TooFewResamples { n_resamples, level } => {
                write!(f, "{n_resamples} resamples leave less than one beyond each end at level {level}")
            }
            Self::NotIncreasing { index, value } => {
                write!(f, "time {value} at index {index} is not positive, finite and above the one before")
            }
            Self::NotFinite { index, value } => write!(f, "value {value} at index {index} is not finite"),
            Self::BadRatio { value } => write!(f, "bin ratio {value} is not finite and above 1"),
        }
    }
}

impl std::error::Error for FitError {}
