//! What theory predicts at finite T for SGD with scale-invariant weights: the effective learning rate and ||w||^2.

use super::{Fit, FitError, Window, fit_power_law};

/// Up to here a partial zeta sum is summed term by term.
const DIRECT_TERMS: u64 = 64;

/// The partial zeta sum H_T(s) = sum over t = 1..T of t^(-s), for `n_terms` = T and 0 <= `s` <= 100.
///
/// Up to N = 64 terms are summed directly, the smallest first; from there to T by the Euler-Maclaurin formula with
/// f(x) = x^(-s): H_T = H_N + integral of f from N to T + g(T) - g(N), g = f/2 + f'/12 - f'''/720. The truncation error
/// is at most the first term left out, s(s+1)..(s+4) N^(-s-5) / 30240, which is below 2e-14 of H_T. What
/// remains is rounding, which grows with the exponent in T^(1-s). The relative error is below 1e-13 for every T. The
/// cost does not depend on T.
///
/// Reference: Olver et al., NIST Handbook of Mathematical Functions, 2.10(i) and 25.2(iii).
///
/// ```
/// use ratecheck::rates::partial_zeta;
/// assert_eq!(partial_zeta(2, 1.0), 1.5);
/// assert!((partial_zeta(u64::MAX, 2.0) - std::f64::consts::PI.powi(2) / 6.0).abs() < 1e-13);
/// ```
pub fn partial_zeta(n_terms: u64, s: f64) -> f64 {
    let direct: f64 = (1..=n_terms.min(DIRECT_TERMS)).rev().map(|t| libm::pow(t as f64, -s)).sum();
    if n_terms <= DIRECT_TERMS {
        return direct;
    }
    let (from, to) = (DIRECT_TERMS as f64, n_terms as f64);
    // The integral (T^(1-s) - N^(1-s)) / (1-s) as N^(1-s) L (e^z - 1)/z, with L = ln(T/N) and z = (1-s) L, does not
    // cancel near s = 1.
    let log_ratio = libm::log(to / from);
    let z = (1.0 - s) * log_ratio;
    let growth = if z == 0.0 { 1.0 } else { libm::expm1(z) / z };
    let integral = libm::pow(from, 1.0 - s) * log_ratio * growth;
    let boundary = |x: f64| {
        let third = s * (s + 1.0) * (s + 2.0) / (x * x * x);
        libm::pow(x, -s) * (0.5 - s / (12.0 * x) + third / 720.0)
    };
    direct + (integral + (boundary(to) - boundary(from)))
}

/// Riemann's zeta(s) = sum over t >= 1 of t^(-s), for 1 < `s` <= 100: what [`partial_zeta`] tends to.
///
/// H_N + N^(1-s)/(s-1) - N^(-s)/2 + s N^(-s-1)/12 - s(s+1)(s+2) N^(-s-3)/720 with N = 64, by the Euler-Maclaurin
/// formula for the tail. The truncation error is at most the first term left out, as for [`partial_zeta`]: below 2e-14
/// of zeta(s). NaN for s <= 1, where the sum diverges.
///
/// ```
/// use ratecheck::rates::zeta;
/// assert!((zeta(2.0) - std::f64::consts::PI.powi(2) / 6.0).abs() < 1e-12);
/// assert!(zeta(1.0).is_nan());
/// ```
pub fn zeta(s: f64) -> f64 {
    if !(s > 1.0) {
        return f64::NAN;
    }
    let n = DIRECT_TERMS as f64;
    let power = libm::pow(n, -s);
    let third = s * (s + 1.0) * (s + 2.0) / (n * n * n);
    partial_zeta(DIRECT_TERMS, s) + power * (n / (s - 1.0) - 0.5 + s / (12.0 * n) - third / 720.0)
}

/// SGD near a minimiser with one scale-invariant block w and learning rate eta_w (t+1)^(-alpha), t = 0, 1, ..
///
/// Each step is orthogonal to w, so ||w||^2 only grows; where the squared gradient on the unit sphere is the noise q on
/// average, ||w||^4 grows by 2 eta_t^2 q per step, to leading order in eta_t/||w||^2. All predictions follow from that.
/// Left out are the term eta_t^4 ||grad||^4/||w||^4 (keep the first effective rate at most about 1) and the transient
/// during which the gradient is not yet mere noise.
///
/// All quantities are meant finite, eta_w, norm_sq_0 and noise positive; otherwise the predictions are not finite or
/// not positive, and a fit of them is an error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdPrediction {
    /// The learning rate eta_w of the first step.
    pub eta_w: f64,
    /// The exponent alpha of its decay.
    pub alpha: f64,
    /// ||w_0||^2.
    pub norm_sq_0: f64,
    /// The noise q = E||grad_v F||^2 at the minimiser, on the unit sphere.
    pub noise: f64,
}

impl SgdPrediction {
    /// ||w_t||^2 before step `t`: sqrt(||w_0||^4 + 2 eta_w^2 q H_t(2 alpha)).
    ///
    /// ```
    /// use ratecheck::rates::SgdPrediction;
    /// let sgd = SgdPrediction { eta_w: 2.0, alpha: 0.0, norm_sq_0: 3.0, noise: 0.5 };
    /// assert_eq!(sgd.norm_sq(0), 3.0);
    /// assert_eq!(sgd.norm_sq(4), 5.0);
    /// assert_eq!(sgd.effective_rate(4), 0.4);
    /// ```
    pub fn norm_sq(&self, t: u64) -> f64 {
        self.norm_sq_after(0, self.norm_sq_0, t)
    }

    /// ||w_t||^2 before step `t` of a run that has ||w||^2 = `norm_sq` before step `from` <= t:
    /// sqrt(norm_sq^2 + 2 eta_w^2 q (H_t(2 alpha) - H_from(2 alpha))). Nothing that came before `from` takes part: what
    /// the first steps, with their large gradients, put into the norm need not be predicted.
    ///
    /// ```
    /// use ratecheck::rates::SgdPrediction;
    /// let sgd = SgdPrediction { eta_w: 2.0, alpha: 0.5, norm_sq_0: 1.0, noise: 0.5 };
    /// // H_3(1) - H_1(1) = 1/2 + 1/3.
    /// assert!((sgd.norm_sq_after(1, 4.0, 3) - (16.0 + 4.0 * (1.0 / 2.0 + 1.0 / 3.0_f64)).sqrt()).abs() < 1e-14);
    /// assert_eq!(sgd.norm_sq_after(0, 1.0, 3), sgd.norm_sq(3));
    /// ```
    pub fn norm_sq_after(&self, from: u64, norm_sq: f64, t: u64) -> f64 {
        let sum = partial_zeta(t, 2.0 * self.alpha) - partial_zeta(from, 2.0 * self.alpha);
        (norm_sq * norm_sq + 2.0 * self.eta_w * self.eta_w * self.noise * sum).sqrt()
    }

    /// The effective learning rate of step `t`: e_t = eta_w (t+1)^(-alpha) / ||w_t||^2.
    pub fn effective_rate(&self, t: u64) -> f64 {
        self.eta_w * libm::pow(t as f64 + 1.0, -self.alpha) / self.norm_sq(t)
    }

    /// What e_t tends to for alpha < 1/2: sqrt((1 - 2 alpha) / (2 q t)); 1/sqrt(2 q t) for a constant learning rate.
    ///
    /// It does not depend on eta_w, nor on ||w_0||: this is the auto-tuning. For alpha >= 1/2 the law is another (a
    /// logarithm at 1/2, dependence on eta_w above), and there is none.
    pub fn effective_rate_limit(&self, t: u64) -> Option<f64> {
        (self.alpha < 0.5).then(|| ((1.0 - 2.0 * self.alpha) / (2.0 * self.noise * t as f64)).sqrt())
    }

    /// The power law that a fit of the predicted e_t on the same horizons and window gives: with its slope a measured
    /// slope is to be compared, rather than with the limit, wherever the limit is approached slowly.
    ///
    /// # Errors
    /// As [`fit_power_law`].
    pub fn fit_effective_rate(&self, horizons: &[u64], window: Window) -> Result<Fit, FitError> {
        fit_on(horizons, window, |t| self.effective_rate(t))
    }

    /// The same for the predicted ||w_t||^2.
    ///
    /// # Errors
    /// As [`fit_power_law`].
    pub fn fit_norm_sq(&self, horizons: &[u64], window: Window) -> Result<Fit, FitError> {
        fit_on(horizons, window, |t| self.norm_sq(t))
    }
}

fn fit_on(horizons: &[u64], window: Window, value: impl Fn(u64) -> f64) -> Result<Fit, FitError> {
    let t: Vec<f64> = horizons.iter().map(|&t| t as f64).collect();
    let y: Vec<f64> = horizons.iter().map(|&t| value(t)).collect();
    fit_power_law(&t, &y, window)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::{FRAC_PI_2, PI};

    #[test]
    fn partial_zeta_agrees_with_direct_summation() {
        for s in [0.0, 0.25, 0.5, 0.75, 1.0 - 1e-9, 1.0, 1.0 + 1e-9, 1.25, 1.5, 2.0, 3.0, 8.0, 100.0] {
            for n in [0, 1, 2, 63, 64, 65, 66, 100, 1000, 1_000_000] {
                // Neumaier's compensated sum: what is left is the rounding of the terms, below 2^-52 of the sum.
                let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
                for t in 1..=n {
                    let term = libm::pow(t as f64, -s);
                    let next = sum + term;
                    lost += if sum >= term { (sum - next) + term } else { (term - next) + sum };
                    sum = next;
                }
                let exact = sum + lost;
                // The bound documented.
                assert!((partial_zeta(n, s) - exact).abs() <= 1e-13 * exact, "H_{n}({s})");
            }
        }
        assert_eq!(partial_zeta(0, 0.5), 0.0);
    }

    #[test]
    fn partial_zeta_meets_its_limits() {
        let relative = |computed: f64, exact: f64| (computed / exact - 1.0).abs();
        // s = 0 counts; the largest T takes the largest exponent that rounding can magnify.
        for n in [100, 1 << 40, u64::MAX] {
            assert!(relative(partial_zeta(n, 0.0), n as f64) < 1e-13);
        }
        // zeta(2), zeta(4) and Apery's constant, less a tail of about T^(1-s)/(s-1): below rounding at this T.
        assert!(relative(partial_zeta(1 << 60, 2.0), PI * PI / 6.0) < 1e-13);
        assert!(relative(partial_zeta(1 << 60, 4.0), PI.powi(4) / 90.0) < 1e-13);
        assert!(relative(partial_zeta(1 << 60, 3.0), 1.202_056_903_159_594_3) < 1e-13);
        // ln T + Euler's constant + 1/(2T); the next term is 1/(12 T^2).
        let n = 1_u64 << 40;
        let harmonic = libm::log(n as f64) + 0.577_215_664_901_532_9 + 0.5 / n as f64;
        assert!(relative(partial_zeta(n, 1.0), harmonic) < 1e-13);
        // 2 sqrt(T) + zeta(1/2) + 1/(2 sqrt(T)).
        let root = (n as f64).sqrt();
        assert!(relative(partial_zeta(n, 0.5), 2.0 * root - 1.460_354_508_809_586_8 + 0.5 / root) < 1e-13);
    }

    #[test]
    fn zeta_agrees_with_known_values() {
        // zeta(2), zeta(3), zeta(4), zeta(3/2), zeta(6/5): Olver et al., 25.6, and Wolfram's tables for the last two.
        for (s, exact) in [
            (2.0, PI * PI / 6.0),
            (3.0, 1.202_056_903_159_594_3),
            (4.0, PI.powi(4) / 90.0),
            (1.5, 2.612_375_348_685_488),
            (1.2, 5.591_582_441_177_752),
        ] {
            // The truncation, 2e-14, and some roundings of the sum.
            assert!((zeta(s) - exact).abs() < 1e-13 * exact, "zeta({s}) = {}", zeta(s));
        }
        assert!(zeta(1.0).is_nan() && zeta(f64::NAN).is_nan());
    }

    #[test]
    fn the_norm_solves_its_recursion() {
        // Summed step by step, without any zeta sum.
        let sgd = SgdPrediction { eta_w: 0.7, alpha: 0.3, norm_sq_0: 1.3, noise: 0.75 };
        let mut fourth_power = sgd.norm_sq_0 * sgd.norm_sq_0;
        for t in 0..500_u64 {
            let exact = fourth_power.sqrt();
            let eta = sgd.eta_w * libm::pow(t as f64 + 1.0, -sgd.alpha);
            // Five hundred additions of positive numbers.
            assert!((sgd.norm_sq(t) / exact - 1.0).abs() < 1e-13);
            assert!((sgd.effective_rate(t) * exact / eta - 1.0).abs() < 1e-13);
            fourth_power += 2.0 * eta * eta * sgd.noise;
        }
    }

    #[test]
    fn the_effective_rate_forgets_the_learning_rate() {
        for alpha in [0.0, 0.125, 0.25] {
            for eta_w in [0.1, 1.0, 10.0] {
                let sgd = SgdPrediction { eta_w, alpha, norm_sq_0: 1.0, noise: 0.75 };
                let t = 1_u64 << 50;
                let limit = sgd.effective_rate_limit(t).expect("alpha < 1/2");
                // H_t = t^(1-2a)/(1-2a) (1 + O(t^(2a-1))): 1e7 at alpha = 1/4; and n_0^2/(2 eta^2 q) <= 67 of the same.
                assert!((sgd.effective_rate(t) / limit - 1.0).abs() < 1e-5, "{alpha} {eta_w}");
            }
        }
        let sgd = SgdPrediction { eta_w: 1.0, alpha: 0.0, norm_sq_0: 1.0, noise: FRAC_PI_2 };
        assert_eq!(sgd.effective_rate_limit(100), Some((1.0 / (100.0 * PI)).sqrt()));
        assert_eq!(SgdPrediction { alpha: 0.5, ..sgd }.effective_rate_limit(100), None);
    }
}
