//! Independent runs laid out for fitting: what a slope owes to each of them.

use super::fit::{LogTimes, fit_power_law_with_log};
use super::forms::Columns;
use super::{Estimate, FitError, Form, Window, mean_over_runs};

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

/// What is fitted to the runs: C T^p (ln T)^q on a window, to one form of their mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Model {
    /// The times that take part, chosen by a rule that does not look at the values.
    pub window: Window,
    /// The mean, or its root.
    pub summary: Summary,
    /// What is made of the recorded values first.
    pub form: Form,
    /// The exponent q of ln T in what is fitted (in the root, with [`Summary::RootMean`]), which must come from theory;
    /// 0: no logarithm.
    pub log_exponent: f64,
}

impl Model {
    /// The recorded values, without a logarithm.
    pub fn new(window: Window, summary: Summary) -> Self {
        Self { window, summary, form: Form::Recorded, log_exponent: 0.0 }
    }

    /// The same with another form.
    pub fn form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// The same with the exponent of ln T.
    pub fn log_exponent(self, log_exponent: f64) -> Self {
        Self { log_exponent, ..self }
    }
}

/// Horizons summed at a time: as many accumulators as stay in registers.
const LANES: usize = 8;

/// Runs of one statistic, ready for the slope of their mean, its standard error and its bootstrap.
///
/// ```
/// use ratecheck::rates::{Form, Model, Runs, Summary, Window};
/// // Squares that fall as 1/T, with a kick at T = 100: the minimum passes over it, the last window shows it.
/// let t = [1.0, 10.0, 100.0, 1000.0];
/// let squares = [1.0, 0.1, 0.4, 0.001];
/// let model = Model::new(Window::new(1.0, 1e3), Summary::RootMean);
/// let min = Runs::new(&t, &squares, &model.form(Form::Min))?;
/// let last = Runs::new(&t, &squares, &model.form(Form::LastWindow))?;
/// assert_eq!(min.curve().1, [1.0, 0.1_f64.sqrt(), 0.1_f64.sqrt(), 0.001_f64.sqrt()]);
/// assert_eq!(last.curve().1[2], 0.4_f64.sqrt());
/// # Ok::<(), ratecheck::rates::FitError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Runs {
    n_runs: usize,
    pub(super) exponent: f64,
    pub(super) log_exponent: f64,
    /// The horizons, and what is fitted there, of the mean over all runs.
    t: Vec<f64>,
    y: Vec<f64>,
    /// The columns of the horizons.
    pub(super) horizons: Vec<usize>,
    /// The slope of the mean over all runs, before the root is taken.
    slope: f64,
    /// For each group of `LANES` columns, for each run: the values divided by the mean over all runs. Then logarithms
    /// of resampled means are small, sums cannot overflow, and a scale drops out. The last group is filled with ones.
    relative: Vec<[f64; LANES]>,
    /// What the slope takes of ln y at each column, (ln t - mean) / sum (ln t - mean)^2;
    /// zeros at the end and where no horizon is.
    weights: Vec<[f64; LANES]>,
    /// For the minimum over t; the columns are all recorded times then.
    minimum: Option<Minimum>,
}

/// The running minimum of the mean over all runs.
#[derive(Clone, Debug)]
struct Minimum {
    /// The mean over all runs at each column; the last group is filled with the largest number.
    means: Vec<[f64; LANES]>,
    /// Its running minimum.
    running: Vec<[f64; LANES]>,
    /// The column where the running minimum is attained.
    attained: Vec<usize>,
}

impl Runs {
    /// Lays out `values`, a matrix runs x `t`, row by row, of a nonnegative statistic.
    ///
    /// # Errors
    /// `values` is not a matrix; a time is NaN; in the window: a time that is not positive and finite, fewer than three
    /// horizons or all equal, a value that is negative or not finite, a mean of zero over all runs; q is not finite, or
    /// not 0 with a time in the window not above 1. For every form but [`Form::Recorded`], times that do not increase
    /// from 0 on; for [`Form::Min`] and [`Form::Average`] the values before the window count too.
    pub fn new(t: &[f64], values: &[f64], model: &Model) -> Result<Self, FitError> {
        let Columns { t: column_t, values, horizons, source } = model.form.columns(t, values, model.window)?;
        let n_columns = column_t.len();
        let n_runs = values.len().checked_div(n_columns).unwrap_or(0);
        let horizon_t: Vec<f64> = horizons.iter().map(|&column| column_t[column]).collect();
        let times = LogTimes::in_window(&horizon_t, model.window)?;
        let n_groups = n_columns.div_ceil(LANES);
        let mut relative = vec![[1.0; LANES]; n_groups * n_runs];
        let mut means = Vec::with_capacity(n_columns);
        for column in 0..n_columns {
            let (group, lane) = (column / LANES, column % LANES);
            let all = values.iter().skip(column).step_by(n_columns);
            let mean = all.clone().fold(0.0, |mean, value| mean + value / n_runs as f64);
            if !(mean > 0.0) {
                return Err(FitError::ZeroMean { horizon: source[column] });
            }
            for (run, &value) in all.enumerate() {
                relative[group * n_runs + run][lane] = value / mean;
            }
            means.push(mean);
        }
        let weights = laid_out(n_columns, &horizons, times.centred.iter().map(|x| x / times.spread));
        let minimum = (model.form == Form::Min).then(|| Minimum::of(&means));
        let fitted = |column: usize| match &minimum {
            Some(minimum) => minimum.running[column / LANES][column % LANES],
            None => means[column],
        };
        let mean_curve: Vec<f64> = horizons.iter().map(|&column| fitted(column)).collect();
        let exponent = model.summary.exponent();
        let fit = fit_power_law_with_log(&horizon_t, &mean_curve, model.window, model.log_exponent / exponent);
        let slope = fit.map_err(|error| in_terms_of(error, &horizons, &source))?.slope;
        let y = mean_curve.iter().map(|&mean| if exponent == 1.0 { mean } else { mean.sqrt() }).collect();
        let log_exponent = model.log_exponent;
        Ok(Self { n_runs, exponent, log_exponent, t: horizon_t, y, horizons, slope, relative, weights, minimum })
    }

    /// The number of runs.
    pub fn n_runs(&self) -> usize {
        self.n_runs
    }

    /// The horizons and what is fitted there: the mean over the runs, or its root, in the form asked for.
    pub fn curve(&self) -> (&[f64], &[f64]) {
        (&self.t, &self.y)
    }

    /// The slope of that curve, with its logarithm taken out.
    pub fn slope(&self) -> f64 {
        self.exponent * self.slope
    }

    /// The slope with its standard error by the delta method: see [`slope_over_runs`](super::slope_over_runs).
    ///
    /// For [`Form::Min`] a run counts where the minimum is attained; that another time could as well have been the
    /// smallest is of second order, as everything is that this method leaves out.
    ///
    /// # Errors
    /// Fewer than two runs.
    pub fn estimate(&self) -> Result<Estimate, FitError> {
        let mean = mean_over_runs(&self.influences(&self.weights))?;
        Ok(Estimate { value: self.slope(), se: self.exponent * mean.se, n_runs: mean.n_runs })
    }

    /// For each run, the derivative of sum_k weight_k ln mean_k by that run's weight in the means:
    /// sum_k weight_k (y_k / mean_k - 1). The sum over the runs is 0.
    pub(super) fn influences(&self, weights: &[[f64; LANES]]) -> Vec<f64> {
        let mut influences = vec![0.0; self.n_runs];
        if let Some(minimum) = &self.minimum {
            for (column, &attained) in minimum.attained.iter().enumerate() {
                let weight = weights[column / LANES][column % LANES];
                let values = &self.relative[attained / LANES * self.n_runs..][..self.n_runs];
                for (influence, values) in influences.iter_mut().zip(values) {
                    *influence += weight * (values[attained % LANES] - 1.0);
                }
            }
            return influences;
        }
        for (group, weights) in self.relative.chunks_exact(self.n_runs).zip(weights) {
            for (influence, values) in influences.iter_mut().zip(group) {
                *influence += values.iter().zip(weights).map(|(y, weight)| weight * (y - 1.0)).sum::<f64>();
            }
        }
        influences
    }

    /// The weights of horizons as [`influences`](Self::influences) takes them.
    pub(super) fn over_columns(&self, weights: &[f64]) -> Vec<[f64; LANES]> {
        laid_out(self.weights.len() * LANES, &self.horizons, weights.iter().copied())
    }

    /// For each run, what it is at the horizons over the mean over all runs.
    pub(super) fn relative(&self, run: usize) -> impl Iterator<Item = f64> {
        self.horizons.iter().map(move |&column| self.relative[column / LANES * self.n_runs + run][column % LANES])
    }

    /// The slope of the mean over the `drawn` runs.
    pub(super) fn resampled_slope(&self, drawn: &[usize]) -> f64 {
        let scale = 1.0 / drawn.len() as f64;
        let mut shift = 0.0;
        let mut least = f64::INFINITY;
        for (g, (group, weights)) in self.relative.chunks_exact(self.n_runs).zip(&self.weights).enumerate() {
            let mut sums = [0.0; LANES];
            for &run in drawn {
                let values = &group[run];
                for lane in 0..LANES {
                    sums[lane] += values[lane];
                }
            }
            match &self.minimum {
                None => {
                    for lane in 0..LANES {
                        shift += weights[lane] * libm::log(sums[lane] * scale);
                    }
                }
                Some(minimum) => {
                    for lane in 0..LANES {
                        least = least.min(sums[lane] * scale * minimum.means[g][lane]);
                        if weights[lane] != 0.0 {
                            shift += weights[lane] * libm::log(least / minimum.running[g][lane]);
                        }
                    }
                }
            }
        }
        self.exponent * (self.slope + shift)
    }
}

/// One weight for every horizon, over all columns; 0 where no horizon is.
fn laid_out(n_columns: usize, horizons: &[usize], weights: impl Iterator<Item = f64>) -> Vec<[f64; LANES]> {
    let mut columns = vec![[0.0; LANES]; n_columns.div_ceil(LANES)];
    for (&column, weight) in horizons.iter().zip(weights) {
        columns[column / LANES][column % LANES] = weight;
    }
    columns
}

impl Minimum {
    fn of(means: &[f64]) -> Self {
        let filled = means.len().next_multiple_of(LANES);
        let mut all = Self {
            means: vec![[f64::MAX; LANES]; filled / LANES],
            running: vec![[f64::MAX; LANES]; filled / LANES],
            attained: Vec::with_capacity(means.len()),
        };
        let mut least = 0;
        for (column, &mean) in means.iter().enumerate() {
            if mean < means[least] {
                least = column;
            }
            all.means[column / LANES][column % LANES] = mean;
            all.running[column / LANES][column % LANES] = means[least];
            all.attained.push(least);
        }
        all
    }
}

/// Errors name the places of the caller's times, not of the horizons.
fn in_terms_of(error: FitError, horizons: &[usize], source: &[usize]) -> FitError {
    let at = |index: usize| source[horizons[index]];
    match error {
        FitError::LogFactorUndefined { index, value } => FitError::LogFactorUndefined { index: at(index), value },
        FitError::BadValue { index, value } => FitError::BadValue { index: at(index), value },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rates::fit_power_law;

    #[test]
    fn a_resample_gives_the_slope_of_its_own_mean() {
        // More horizons in the window than one group holds, and a group that is filled up.
        let t: Vec<f64> = (0..21).map(|k| libm::exp(0.3 * k as f64)).collect();
        let values: Vec<f64> = (0..4 * 21).map(|k| 1.0 + ((k * 37) % 11) as f64).collect();
        let window = Window::new(t[2], t[19]);
        for form in [Form::Recorded, Form::Min] {
            let model = Model::new(window, Summary::Mean).form(form);
            let runs = Runs::new(&t, &values, &model).expect("valid");
            for drawn in [[0, 1, 2, 3], [3, 3, 3, 3], [0, 2, 2, 1]] {
                let mut means: Vec<f64> =
                    (0..21).map(|k| drawn.iter().map(|&r| values[21 * r + k]).sum::<f64>() / 4.0).collect();
                if form == Form::Min {
                    (1..21).for_each(|k| means[k] = means[k].min(means[k - 1]));
                }
                let direct = fit_power_law(&t, &means, window).expect("a fit").slope;
                // Eighteen terms of size below 2, each rounded a few times.
                assert!((runs.resampled_slope(&drawn) - direct).abs() < 1e-13, "{form:?}");
            }
        }
    }

    #[test]
    fn influences_are_derivatives() {
        // Against a difference quotient: the weight of run r raised by h in all means.
        let t: Vec<f64> = (0..12).map(|k| libm::exp(0.5 * f64::from(k))).collect();
        let n = t.len();
        let values: Vec<f64> = (0..3 * n).map(|k| (1.0 + ((k * 29) % 7) as f64) / t[k % n]).collect();
        let (window, h) = (Window::new(1.0, 1e9), 1e-6);
        for form in [Form::Recorded, Form::Min, Form::Average, Form::LastWindow] {
            let slope = |values: &[f64]| {
                let runs = Runs::new(&t, values, &Model::new(window, Summary::Mean).form(form)).expect("valid");
                (runs.slope(), runs.influences(&runs.weights))
            };
            let (centre, influences) = slope(&values);
            for (run, influence) in influences.iter().enumerate() {
                let mut heavier = values.clone();
                heavier[run * n..][..n].iter_mut().for_each(|y| *y *= 1.0 + h);
                // Raising the weight of one run by h raises the mean's slope by h/n_runs times sum_k weight_k y_k /
                // mean_k, and the weights of the fit sum to 0. Second order: h; rounding: 1e-15/h.
                let quotient = 3.0 * (slope(&heavier).0 - centre) / h;
                assert!((quotient - influence).abs() < 1e-5, "{form:?}: {quotient} {influence}");
            }
        }
    }
}
