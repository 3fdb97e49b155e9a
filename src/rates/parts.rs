//! Slopes of parts: of every run by itself, and of parts of the window.

use super::fit::LogTimes;
use super::{Estimate, FitError, Interval, Runs, Window, fit_power_law_with_log, mean_over_runs};
use crate::random::Generator;

impl Runs {
    /// The slope of every run by itself, in the form and with the logarithm of the model. Not finite where a run is 0.
    ///
    /// Their mean is the mean of d ln y / d ln T, and not the slope of ln of the mean: it has no bias by the scatter of
    /// the runs, and no run counts for more than another because it lies higher.
    ///
    /// ```
    /// use ratecheck::rates::{Model, Runs, Summary, Window};
    /// // T^(-1) and, a hundred times as high, T^(-1/2): the mean over the runs is all but the second.
    /// let t = [1.0, 100.0, 10_000.0];
    /// let runs = [1.0, 0.01, 0.0001, 100.0, 10.0, 1.0];
    /// let runs = Runs::new(&t, &runs, &Model::new(Window::new(1.0, 1e4), Summary::Mean))?;
    /// let slopes = runs.slopes();
    /// assert!((slopes[0] + 1.0).abs() < 1e-14 && (slopes[1] + 0.5).abs() < 1e-14);
    /// assert!((runs.slope() + 0.5).abs() < 2e-3);
    /// # Ok::<(), ratecheck::rates::FitError>(())
    /// ```
    pub fn slopes(&self) -> Vec<f64> {
        (0..self.n_runs()).map(|run| self.resampled_slope(&[run])).collect()
    }

    /// How high every run lies: the mean over the horizons of ln of the run over the mean over all runs, halved for a
    /// root.
    pub fn levels(&self) -> Vec<f64> {
        let n = self.horizons.len() as f64;
        (0..self.n_runs()).map(|run| self.exponent * self.relative(run).map(libm::log).sum::<f64>() / n).collect()
    }

    /// A linear combination of the slopes on parts of the window, sum_i c_i slope_i, with its standard error by the
    /// delta method: see [`slope_over_runs`](super::slope_over_runs). `parts` holds (c_i, part).
    ///
    /// # Errors
    /// Fewer than two runs; a part with fewer than three horizons.
    ///
    /// ```
    /// use ratecheck::rates::{Model, Runs, Summary, Window};
    /// // T^(-1) up to 100, then T^(-2).
    /// let t = [1.0, 10.0, 100.0, 1e3, 1e4];
    /// let y = [1.0, 0.1, 0.01, 1e-4, 1e-6];
    /// let twice: Vec<f64> = y.iter().chain(&y).copied().collect();
    /// let runs = Runs::new(&t, &twice, &Model::new(Window::new(1.0, 1e4), Summary::Mean))?;
    /// let (early, late) = (Window::new(1.0, 100.0), Window::new(100.0, 1e4));
    /// assert!((runs.combination(&[(1.0, early)])?.value + 1.0).abs() < 1e-14);
    /// assert!((runs.combination(&[(2.0, late), (-1.0, early)])?.value + 3.0).abs() < 1e-14);
    /// # Ok::<(), ratecheck::rates::FitError>(())
    /// ```
    pub fn combination(&self, parts: &[(f64, Window)]) -> Result<Estimate, FitError> {
        let (t, y) = self.curve();
        let mut value = 0.0;
        let mut weights = vec![0.0; t.len()];
        for &(c, part) in parts {
            value += c * fit_power_law_with_log(t, y, part, self.log_exponent)?.slope;
            let times = LogTimes::in_window(t, part)?;
            for (&k, x) in times.index.iter().zip(&times.centred) {
                weights[k] += c * x / times.spread;
            }
        }
        let mean = mean_over_runs(&self.influences(&self.over_columns(&weights)))?;
        Ok(Estimate { value, se: self.exponent * mean.se, n_runs: mean.n_runs })
    }

    /// The interval of the slope of the mean over the runs: the hull of the percentile bootstrap's and of Student's by
    /// the delta method, since each alone is too narrow in cases that the other meets. Without resamples it is
    /// Student's alone.
    ///
    /// # Errors
    /// As [`estimate`](Self::estimate), and as [`bootstrap`](Self::bootstrap) if there are resamples.
    pub fn interval(&self, level: f64, n_resamples: usize, generator: &mut Generator) -> Result<Interval, FitError> {
        let student = self.estimate()?.interval(level);
        match n_resamples {
            0 => Ok(student),
            n => Ok(self.bootstrap(level, n, generator)?.interval().hull(student)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rates::{Form, Model, Summary};

    /// Three runs at ten times, no two alike.
    fn log() -> (Vec<f64>, Vec<f64>) {
        let t: Vec<f64> = (0..10).map(|k| libm::exp(1.0 + 0.5 * f64::from(k))).collect();
        let values = (0..30).map(|k| (1.0 + ((k * 29) % 7) as f64) / t[k % 10]).collect();
        (t, values)
    }

    #[test]
    fn every_run_has_the_slope_that_it_has_alone() {
        let (t, values) = log();
        let window = Window::new(1.0, 1e9);
        for form in [Form::Recorded, Form::Min, Form::Average, Form::LastWindow] {
            for summary in [Summary::Mean, Summary::RootMean] {
                let model = Model::new(window, summary).form(form).log_exponent(0.75);
                let together = Runs::new(&t, &values, &model).expect("valid");
                for (run, slope) in together.slopes().into_iter().enumerate() {
                    let alone = Runs::new(&t, &values[10 * run..][..10], &model).expect("valid").slope();
                    // Ten terms of size below 2, each rounded a few times.
                    assert!((slope - alone).abs() < 1e-13, "{form:?} {summary:?}: {slope} {alone}");
                }
            }
        }
    }

    #[test]
    fn levels_are_logarithms_of_factors() {
        // The same curve 1, e and e^3 times as high: the mean of the levels is no matter, their differences are.
        let t = [1.0, 2.0, 4.0, 8.0];
        let values: Vec<f64> = [0.0, 1.0, 3.0].iter().flat_map(|&x| t.map(|t| libm::exp(x) / t)).collect();
        for (summary, scale) in [(Summary::Mean, 1.0), (Summary::RootMean, 0.5)] {
            let runs = Runs::new(&t, &values, &Model::new(Window::new(1.0, 8.0), summary)).expect("valid");
            let levels = runs.levels();
            assert!(
                (levels[1] - levels[0] - scale).abs() < 1e-14 && (levels[2] - levels[0] - 3.0 * scale).abs() < 1e-14
            );
        }
    }

    #[test]
    fn a_combination_of_one_part_is_the_estimate_on_it() {
        let (t, values) = log();
        for form in [Form::Recorded, Form::Min, Form::Average, Form::LastWindow] {
            let model = Model::new(Window::new(1.0, 1e9), Summary::RootMean).form(form).log_exponent(0.5);
            let runs = Runs::new(&t, &values, &model).expect("valid");
            let (whole, direct) =
                (runs.combination(&[(1.0, model.window)]).expect("valid"), runs.estimate().expect("valid"));
            assert!((whole.value - direct.value).abs() < 1e-13 && (whole.se - direct.se).abs() < 1e-13, "{form:?}");
            // On a part, the runs laid out for that part alone: every time is a bin of its own, and the minimum and the
            // average remember what was before.
            let part = Window::new(t[4], t[9]);
            let alone =
                Runs::new(&t, &values, &Model { window: part, ..model }).expect("valid").estimate().expect("valid");
            let found = runs.combination(&[(1.0, part)]).expect("valid");
            assert!((found.value - alone.value).abs() < 1e-13 && (found.se - alone.se).abs() < 1e-13, "{form:?}");
        }
        let few = Runs::new(&t, &values, &Model::new(Window::new(1.0, 1e9), Summary::Mean)).expect("valid");
        let short = few.combination(&[(1.0, Window::new(t[8], t[9]))]);
        assert!(matches!(short, Err(FitError::TooFewPoints { found: 2, .. })));
    }

    #[test]
    fn the_errors_of_a_combination_hang_together() {
        // slope_a - slope_a has no error, whatever that of slope_a.
        let (t, values) = log();
        let runs = Runs::new(&t, &values, &Model::new(Window::new(1.0, 1e9), Summary::Mean)).expect("valid");
        let part = Window::new(t[0], t[5]);
        let none = runs.combination(&[(1.0, part), (-1.0, part)]).expect("valid");
        assert!(none.value.abs() < 1e-15 && none.se < 1e-15);
        assert!(runs.combination(&[(1.0, part)]).expect("valid").se > 0.01);
    }
}
