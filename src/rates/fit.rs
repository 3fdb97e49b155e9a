//! Least squares for a power law: a straight line through ln y against ln T.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{FitError, Interval};

/// The times that take part in a fit, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// The first time.
    pub from: f64,
    /// The last time.
    pub to: f64,
}

impl Window {
    /// The window [from, to].
    pub fn new(from: f64, to: f64) -> Self {
        Self { from, to }
    }

    /// Whether `t` lies in the window, ends included. NaN lies in none.
    pub fn contains(&self, t: f64) -> bool {
        self.from <= t && t <= self.to
    }
}

/// A fitted power law y = C T^p (ln T)^q, with q fixed beforehand (0: no logarithm).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// The exponent p.
    pub slope: f64,
    /// ln C: the fitted line at ln T = 0.
    pub intercept: f64,
    /// The standard error of the slope, for independent residuals of equal variance.
    pub slope_se: f64,
    /// The number n of points in the window.
    pub n_points: usize,
    /// The standard deviation of the residuals of ln y, sqrt(sum r^2 / (n - 2)).
    pub residual_sd: f64,
    /// The times that took part.
    pub window: Window,
    /// The exponent q of ln T, fixed beforehand.
    pub log_exponent: f64,
    /// The mean of ln t over the points.
    mean_ln_t: f64,
    /// sum (ln t - mean)^2 over the points.
    spread: f64,
}

impl Fit {
    /// The confidence interval for the slope: slope +- x slope_se with Student's x of n - 2 degrees of freedom.
    ///
    /// It is right for independent residuals of equal variance. For the points of random runs it is not: see
    /// [`bootstrap_slope`](super::bootstrap_slope).
    ///
    /// # Panics
    /// If `level` is not in (0, 1).
    pub fn interval(&self, level: f64) -> Interval {
        let half = two_sided_quantile(level, self.n_points - 2) * self.slope_se;
        Interval { low: self.slope - half, high: self.slope + half, level }
    }

    /// The fitted y at time `t` > 0 (> 1 with a logarithm; NaN below).
    pub fn predict(&self, t: f64) -> f64 {
        libm::exp(self.intercept + self.slope * libm::log(t) + ln_of_log_factor(t, self.log_exponent))
    }

    /// The confidence interval for the fitted curve at one time `t`, in units of y (pointwise, not for all t at once).
    ///
    /// ln y +- x residual_sd sqrt(1/n + (ln t - mean)^2 / sum (ln t_k - mean)^2), with Student's x as in
    /// [`interval`](Self::interval).
    ///
    /// # Panics
    /// If `level` is not in (0, 1).
    pub fn band(&self, t: f64, level: f64) -> Interval {
        let offset = libm::log(t) - self.mean_ln_t;
        let se = self.residual_sd * (1.0 / self.n_points as f64 + offset * offset / self.spread).sqrt();
        let factor = libm::exp(two_sided_quantile(level, self.n_points - 2) * se);
        let y = self.predict(t);
        Interval { low: y / factor, high: y * factor, level }
    }
}

/// The number x with P(|T| <= x) = `level` for Student's T with `dof` degrees of freedom.
pub(super) fn two_sided_quantile(level: f64, dof: usize) -> f64 {
    assert!(level > 0.0 && level < 1.0, "a confidence level lies between 0 and 1, not at {level}");
    StudentsT::new(0.0, 1.0, dof as f64).map_or(f64::NAN, |student| student.inverse_cdf(0.5 * (1.0 + level)))
}

/// Fits y = C T^p on the window by least squares in ln y.
///
/// With x = ln t: p = sum (x - mean x)(ln y - mean ln y) / sum (x - mean x)^2. Centring first keeps the digits that
/// the textbook form n sum x ln y - sum x sum ln y cancels away.
///
/// # Errors
/// Lengths differ; a time is NaN; in the window: a time or value that is not positive and finite, fewer than three
/// points, or all times equal.
///
/// ```
/// use ratecheck::rates::{Window, fit_power_law};
/// let t = [10.0, 100.0, 1000.0, 10000.0];
/// let fit = fit_power_law(&t, &[9.0, 0.5, 0.05, 0.005], Window::new(100.0, 1e4))?;
/// assert!((fit.slope + 1.0).abs() < 1e-14);
/// assert!((fit.predict(1e6) / 5e-5 - 1.0).abs() < 1e-12);
/// assert_eq!(fit.n_points, 3);
/// # Ok::<(), ratecheck::rates::FitError>(())
/// ```
pub fn fit_power_law(t: &[f64], y: &[f64], window: Window) -> Result<Fit, FitError> {
    fit_power_law_with_log(t, y, window, 0.0)
}

/// Fits y = C T^p (ln T)^q on the window, with `log_exponent` q given: [`fit_power_law`] for y / (ln T)^q.
///
/// q must come from theory: on any window of practical length, p and q fitted together can hardly be told apart. Left
/// out, a factor (ln T)^q tilts the fitted slope by q times a mean of 1/ln T over the window.
///
/// # Errors
/// As [`fit_power_law`]; also if q is not finite, or q is not 0 and a time in the window is not above 1.
///
/// ```
/// use ratecheck::rates::{Window, fit_power_law_with_log};
/// // T^-1 (ln T)^2 at T = e, e^2, e^4.
/// let t: [f64; 3] = [1.0_f64, 2.0, 4.0].map(f64::exp);
/// let y = [1.0 / t[0], 4.0 / t[1], 16.0 / t[2]];
/// let fit = fit_power_law_with_log(&t, &y, Window::new(1.0, 100.0), 2.0)?;
/// assert!((fit.slope + 1.0).abs() < 1e-14);
/// # Ok::<(), ratecheck::rates::FitError>(())
/// ```
pub fn fit_power_law_with_log(t: &[f64], y: &[f64], window: Window, log_exponent: f64) -> Result<Fit, FitError> {
    if t.len() != y.len() {
        return Err(FitError::LengthMismatch { n_t: t.len(), n_y: y.len() });
    }
    if !log_exponent.is_finite() {
        return Err(FitError::BadLogExponent { value: log_exponent });
    }
    let times = LogTimes::in_window(t, window)?;
    let mut ln_y = Vec::with_capacity(times.index.len());
    for &index in &times.index {
        if !(y[index] > 0.0 && y[index].is_finite()) {
            return Err(FitError::BadValue { index, value: y[index] });
        }
        if log_exponent != 0.0 && t[index] <= 1.0 {
            return Err(FitError::LogFactorUndefined { index, value: t[index] });
        }
        ln_y.push(libm::log(y[index]) - ln_of_log_factor(t[index], log_exponent));
    }

    let n_points = ln_y.len();
    let mean_ln_y = mean(&ln_y);
    let slope = times.centred.iter().zip(&ln_y).map(|(x, ln_y)| x * (ln_y - mean_ln_y)).sum::<f64>() / times.spread;
    let residuals = times.centred.iter().zip(&ln_y).map(|(x, ln_y)| ln_y - mean_ln_y - slope * x);
    let residual_sd = (residuals.map(|r| r * r).sum::<f64>() / (n_points - 2) as f64).sqrt();
    Ok(Fit {
        slope,
        intercept: mean_ln_y - slope * times.mean,
        slope_se: residual_sd / times.spread.sqrt(),
        n_points,
        residual_sd,
        window,
        log_exponent,
        mean_ln_t: times.mean,
        spread: times.spread,
    })
}

/// q ln ln t. Without a logarithm it is 0 for all t, also where ln ln t is not defined.
fn ln_of_log_factor(t: f64, log_exponent: f64) -> f64 {
    if log_exponent == 0.0 { 0.0 } else { log_exponent * libm::log(libm::log(t)) }
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// The logarithms of the times in a window, centred: everything about a fit that does not depend on y.
pub(super) struct LogTimes {
    /// Which times lie in the window.
    pub(super) index: Vec<usize>,
    /// ln t - mean, in the order of `index`.
    pub(super) centred: Vec<f64>,
    /// The mean of ln t.
    pub(super) mean: f64,
    /// sum (ln t - mean)^2 > 0.
    pub(super) spread: f64,
}

impl LogTimes {
    pub(super) fn in_window(t: &[f64], window: Window) -> Result<Self, FitError> {
        let mut index = Vec::new();
        let mut ln_t = Vec::new();
        for (k, &value) in t.iter().enumerate() {
            if value.is_nan() {
                // NaN lies in no window, and would otherwise slip out unnoticed.
                return Err(FitError::BadTime { index: k, value });
            }
            if window.contains(value) {
                if !(value > 0.0 && value.is_finite()) {
                    return Err(FitError::BadTime { index: k, value });
                }
                index.push(k);
                ln_t.push(libm::log(value));
            }
        }
        if index.len() < 3 {
            return Err(FitError::TooFewPoints { found: index.len(), window });
        }
        // Compared before the mean is taken: its rounding would leave a spread that is tiny, not zero.
        if ln_t.iter().all(|&x| x == ln_t[0]) {
            return Err(FitError::EqualTimes { t: t[index[0]] });
        }
        let mean = mean(&ln_t);
        let centred: Vec<f64> = ln_t.iter().map(|x| x - mean).collect();
        let spread = centred.iter().map(|x| x * x).sum();
        Ok(Self { index, centred, mean, spread })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Window = Window { from: 1.0, to: 100.0 };

    #[test]
    fn the_window_includes_its_ends_and_nothing_else() {
        // Only the three points in [2, 8] lie on y = 1/t; a fit that saw another would not return -1.
        let t = [1.0, 2.0, 4.0, 8.0, 16.0];
        let y = [9.0, 0.5, 0.25, 0.125, 7.0];
        let fit = fit_power_law(&t, &y, Window::new(2.0, 8.0)).expect("a fit");
        assert_eq!(fit.n_points, 3);
        // ln 2 and its multiples round to within 1 ulp each.
        assert!((fit.slope + 1.0).abs() < 1e-15 && fit.residual_sd < 1e-15);
        assert_eq!(
            fit_power_law(&t, &y, Window::new(2.0, 7.9)),
            Err(FitError::TooFewPoints { found: 2, window: Window::new(2.0, 7.9) })
        );
        assert!(fit_power_law(&t, &y, Window::new(8.0, 2.0)).is_err());
        assert!(fit_power_law(&t, &y, Window::new(f64::NAN, 8.0)).is_err());
    }

    #[test]
    fn bad_numbers_are_named() {
        let good = [2.0, 4.0, 8.0, 16.0];
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1.0] {
            let mut data = good;
            data[2] = bad;
            let error = fit_power_law(&good, &data, ALL).expect_err("a bad value");
            assert!(matches!(error, FitError::BadValue { index: 2, .. }), "{error}");
            assert!(error.to_string().contains(&format!("value {bad} at index 2")), "{error}");
            let everywhere = Window::new(f64::NEG_INFINITY, f64::INFINITY);
            let error = fit_power_law(&data, &good, everywhere).expect_err("a bad time");
            assert!(matches!(error, FitError::BadTime { index: 2, .. }), "{error}");
        }
        assert!(matches!(
            fit_power_law(&[2.0, f64::NAN, 8.0, 16.0], &good, ALL),
            Err(FitError::BadTime { index: 1, .. })
        ));
        assert_eq!(fit_power_law(&good, &good[..3], ALL), Err(FitError::LengthMismatch { n_t: 4, n_y: 3 }));
        // 0.1 is not a binary fraction: the mean of its logarithms is not exactly the logarithm.
        assert_eq!(fit_power_law(&[0.1; 7], &[1.0; 7], Window::new(0.0, 1.0)), Err(FitError::EqualTimes { t: 0.1 }));
    }

    #[test]
    fn a_logarithm_needs_times_above_one() {
        let t = [1.0, 2.0, 4.0, 8.0];
        assert_eq!(
            fit_power_law_with_log(&t, &t, ALL, 1.0),
            Err(FitError::LogFactorUndefined { index: 0, value: 1.0 })
        );
        assert!(fit_power_law_with_log(&t, &t, Window::new(2.0, 8.0), 1.0).is_ok());
        let plain = fit_power_law(&t, &t, ALL).expect("t = 1 is fine without a logarithm");
        // exp(intercept) with an intercept of rounding size.
        assert!((plain.predict(1.0) - 1.0).abs() < 1e-15);
        assert!(matches!(fit_power_law_with_log(&t, &t, ALL, f64::NAN), Err(FitError::BadLogExponent { .. })));
    }

    #[test]
    fn interval_and_band_from_first_principles() {
        // ln y = 1, 3, 2 at ln t = 0, 1, 2: slope 1/2, intercept 3/2, residuals -1/2, 1, -1/2, so s^2 = 3/2 with one
        // degree of freedom and slope_se = sqrt(s^2/2). Student's x at level 1/2 is then tan(pi/4) = 1.
        let t = [0.0, 1.0, 2.0].map(libm::exp);
        let y = [1.0, 3.0, 2.0].map(libm::exp);
        let fit = fit_power_law(&t, &y, ALL).expect("a fit");
        let se = 0.75_f64.sqrt();
        for (computed, exact) in [
            (fit.slope, 0.5),
            (fit.intercept, 1.5),
            (fit.residual_sd, 1.5_f64.sqrt()),
            (fit.slope_se, se),
            (fit.interval(0.5).low, 0.5 - se),
            (fit.interval(0.5).high, 0.5 + se),
            // At ln t = 3: se^2 = s^2 (1/3 + 2^2/2) = 3.5.
            (libm::log(fit.predict(libm::exp(3.0))), 3.0),
            (libm::log(fit.band(libm::exp(3.0), 0.5).low), 3.0 - 3.5_f64.sqrt()),
            (libm::log(fit.band(libm::exp(3.0), 0.5).high), 3.0 + 3.5_f64.sqrt()),
        ] {
            // About ten roundings of numbers below 10.
            assert!((computed - exact).abs() < 1e-14, "{computed} {exact}");
        }
    }
}
