//! Convergence rates: how fast a measured statistic falls, how well that is known, and what it shows.
//!
//! A statement such as "the gradient norm is O(T^(-1/2))" speaks of a limit; a run gives numbers at finitely many
//! horizons T. This module turns the one into a question about the other, in three steps.
//!
//! 1. **Fit** a power law y = C T^p, or y = C T^p (ln T)^q with q fixed beforehand, on a stated [`Window`]
//!    ([`fit_power_law`], [`fit_power_law_with_log`]). The window is part of the result: a rate without its window is
//!    not a measurement, and a window that holds the transient measures the transient.
//! 2. **Say how well the slope is known.** There are two sources of error, and two intervals.
//!    * [`Fit::interval`] takes the residuals about the line as independent. That suits a deterministic sequence and
//!      horizons that have nothing to do with each other. It does not suit the points of one random run: they share
//!      their past, the residuals are correlated, and the interval comes out far too narrow.
//!    * [`bootstrap_slope`] resamples whole runs, which are independent by construction, and asks nothing of the
//!      points within a run. Use it for every stochastic statistic.
//!    * [`slope_over_runs`] has the same premise, and Student's quantiles in the place of resamples: for decisions at a
//!      level so high that a bootstrap of practical size cannot reach it.
//!    * [`Runs::slopes`] are the slopes of the single runs: their mean is another number, whose interval no run can
//!      carry alone. [`outliers`] finds runs that do not belong to the others.
//! 3. **Decide.** [`at_most`] shows or refutes "no slower than T^p" (faster is no failure), [`equivalent`] shows or
//!    refutes "exactly T^p, up to a margin". Both may answer [`Decision::Undecided`]: an interval too wide to tell
//!    supports nothing, least of all the claim.
//!
//! What is fitted may be the recorded values, their running minimum, their running average or their mean over a late
//! window ([`Form`]); a theorem speaks of one of them, and the others can fall at other rates. [`Runs`] brings a
//! [`Model`] (window, form, logarithm) together with the runs, for the interval of either kind.
//!
//! What no fit can show is that the slope stays what it is beyond the window. Where the theory predicts the approach
//! to the limit, compare with the prediction at the same horizons ([`SgdPrediction`]) rather than with the limit.
//!
//! Horizons are best spaced evenly in ln T ([`log_spaced`]); series recorded at every step are thinned by averaging
//! over logarithmic bins ([`log_bins`]), so that the late, dense points do not outvote the early ones.
//!
//! A non-finite or non-positive number inside the window is an error that names it, never a point left out.

mod bootstrap;
mod decision;
mod error;
mod estimate;
mod fit;
mod forms;
mod horizons;
mod outliers;
mod parts;
mod prediction;
mod runs;

pub use bootstrap::{Bootstrap, SlopeInterval, bootstrap_slope};
pub use decision::{Decision, Interval, at_most, equivalent};
pub use error::FitError;
pub use estimate::{Estimate, mean_over_runs, slope_over_runs};
pub use fit::{Fit, Window, fit_power_law, fit_power_law_with_log};
pub use forms::{BIN_RATIO, Form, window_bins};
pub use horizons::{log_bins, log_spaced};
pub use outliers::{FALSE_ALARM, Outliers, outliers};
pub use prediction::{SgdPrediction, partial_zeta, zeta};
pub use runs::{Model, Runs, Summary};
