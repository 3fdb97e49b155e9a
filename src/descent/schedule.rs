//! Learning rates eta (t+1)^(-alpha), and such that grow or shrink exponentially beside it.

use std::fmt;

/// The learning rates eta_t = eta (t+1)^(-alpha), t = 0, 1, ..: section 4.1 of the paper; constant for alpha = 0.
/// [`Schedule::growing`] multiplies them by factor^t.
///
/// The same bits on every machine. An exponent that is a multiple of 1/8 up to 1, so every one the catalogue uses,
/// costs at most three square roots and a division; any other costs a power function (libm's).
///
/// ```
/// use ratecheck::descent::Schedule;
/// let eta_w = Schedule::new(0.5, 0.5)?;
/// assert_eq!((eta_w.at(0), eta_w.at(3), eta_w.at(99)), (0.5, 0.25, 0.05));
/// assert_eq!(Schedule::constant(0.1)?.at(1_000_000), 0.1);
/// assert!(Schedule::new(0.5, -0.5).is_err());
/// # Ok::<(), ratecheck::descent::ScheduleError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    eta: f64,
    alpha: f64,
    form: Form,
    factor: f64,
}

/// How (t+1)^alpha is evaluated.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Constant,
    /// (t+1)^(power / 2^roots).
    Roots {
        power: u32,
        roots: u32,
    },
    General,
}

/// A learning rate or a factor that is not positive and finite, or an exponent that is negative or not finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScheduleError {
    /// eta.
    Eta(f64),
    /// alpha.
    Alpha(f64),
    /// What a rate is multiplied by from step to step.
    Factor(f64),
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eta(eta) => write!(f, "the learning rate eta = {eta} is not positive and finite"),
            Self::Alpha(alpha) => write!(f, "the exponent alpha = {alpha} is not finite and at least 0"),
            Self::Factor(factor) => write!(f, "the factor {factor} of a step is not positive and finite"),
        }
    }
}

impl std::error::Error for ScheduleError {}

impl Schedule {
    /// eta (t+1)^(-alpha).
    ///
    /// # Errors
    /// Unless `eta` is positive and finite, and `alpha` finite and at least 0.
    pub fn new(eta: f64, alpha: f64) -> Result<Self, ScheduleError> {
        if !(eta > 0.0 && eta.is_finite()) {
            return Err(ScheduleError::Eta(eta));
        }
        if !(alpha >= 0.0 && alpha.is_finite()) {
            return Err(ScheduleError::Alpha(alpha));
        }
        let form = (0..=3)
            .map(|roots| (alpha * f64::from(1 << roots), roots))
            .find(|(power, _)| power.fract() == 0.0 && alpha <= 1.0)
            .map_or(Form::General, |(power, roots)| match power as u32 {
                0 => Form::Constant,
                power => Form::Roots { power, roots },
            });
        Ok(Self { eta, alpha, form, factor: 1.0 })
    }

    /// The constant learning rate eta.
    ///
    /// # Errors
    /// Unless `eta` is positive and finite.
    pub fn constant(eta: f64) -> Result<Self, ScheduleError> {
        Self::new(eta, 0.0)
    }

    /// The same times factor^t: an exponential schedule if alpha = 0, where a factor above 1 grows. Li & Arora 2019
    /// write 1 + alpha for it; weight decay lambda is the factor (1 - eta lambda)^(-2) on scale-invariant blocks.
    ///
    /// # Errors
    /// Unless `factor` is positive and finite.
    ///
    /// ```
    /// use ratecheck::descent::Schedule;
    /// let eta = Schedule::constant(0.5)?.growing(4.0)?;
    /// assert_eq!((eta.at(0), eta.at(1), eta.at(400)), (0.5, 2.0, 2.0_f64.powi(799)));
    /// assert!(eta.growing(0.0).is_err());
    /// # Ok::<(), ratecheck::descent::ScheduleError>(())
    /// ```
    pub fn growing(self, factor: f64) -> Result<Self, ScheduleError> {
        if factor > 0.0 && factor.is_finite() {
            Ok(Self { factor, ..self })
        } else {
            Err(ScheduleError::Factor(factor))
        }
    }

    /// eta, the learning rate of step 0.
    pub fn eta(&self) -> f64 {
        self.eta
    }

    /// alpha.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// What a rate is multiplied by from step to step beside (t+1)^(-alpha); 1 unless it grows.
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// eta_t = eta (t+1)^(-alpha), as eta / (t+1)^alpha, for t < 2^53; times factor^t.
    ///
    /// The relative error, with u = 2^-53: the power (t+1)^k, k <= 7, is off by at most 6u and every root halves what
    /// it inherits and adds u, so k/8 is off by at most 6u/8 + u/4 + u/2 + u < 3u, and the division adds u: below 4u.
    /// An error below 1.5 units in the last place of libm's power, and the division, make the same 4u. With a factor
    /// there is one such power and a product more: 8u, or infinity or 0 where factor^t leaves the numbers.
    #[inline]
    pub fn at(&self, t: u64) -> f64 {
        let rate = self.without_factor(t);
        if self.factor == 1.0 { rate } else { rate * libm::pow(self.factor, t as f64) }
    }

    #[inline]
    fn without_factor(&self, t: u64) -> f64 {
        let x = (t + 1) as f64;
        match self.form {
            Form::Constant => self.eta,
            Form::Roots { power, roots } => {
                let mut y = x;
                for _ in 1..power {
                    y *= x;
                }
                for _ in 0..roots {
                    y = y.sqrt();
                }
                self.eta / y
            }
            Form::General => self.eta / libm::pow(x, self.alpha),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_take_the_cheapest_exact_form() {
        let form = |alpha| Schedule::new(1.0, alpha).expect("a valid exponent").form;
        assert_eq!(form(0.0), Form::Constant);
        assert_eq!(form(0.5), Form::Roots { power: 1, roots: 1 });
        assert_eq!(form(0.25), Form::Roots { power: 1, roots: 2 });
        assert_eq!(form(0.375), Form::Roots { power: 3, roots: 3 });
        assert_eq!(form(0.75), Form::Roots { power: 3, roots: 2 });
        assert_eq!(form(1.0), Form::Roots { power: 1, roots: 0 });
        assert_eq!(form(0.3), Form::General);
        assert_eq!(form(1.5), Form::General);
    }

    #[test]
    fn bad_rates_are_refused() {
        for eta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(Schedule::new(eta, 0.0), Err(ScheduleError::Eta(_))), "{eta}");
        }
        for alpha in [-1e-9, f64::NAN, f64::INFINITY] {
            assert!(matches!(Schedule::new(1.0, alpha), Err(ScheduleError::Alpha(_))), "{alpha}");
        }
        for factor in [0.0, -2.0, f64::NAN, f64::INFINITY] {
            let grown = Schedule::constant(1.0).and_then(|eta| eta.growing(factor));
            assert!(matches!(grown, Err(ScheduleError::Factor(_))), "{factor}");
        }
        assert!(ScheduleError::Factor(-2.0).to_string().contains("factor -2 of a step is not positive"));
        assert!(ScheduleError::Eta(-1.5).to_string().contains("eta = -1.5 is not positive"));
        assert!(ScheduleError::Alpha(-0.5).to_string().contains("alpha = -0.5 is not finite"));
    }

    #[test]
    fn schedules_agree_with_the_power_function() {
        for alpha in [0.0, 0.125, 0.25, 0.3, 0.375, 0.5, 0.75, 0.875, 1.0, 1.5, 2.0] {
            let schedule = Schedule::new(0.7, alpha).expect("a valid schedule");
            assert_eq!((schedule.eta(), schedule.alpha()), (0.7, alpha));
            for t in (0..5000).chain([1_000_000, (1 << 40) + 12_345, (1 << 53) - 2]) {
                let expected = 0.7 * ((t + 1) as f64).powf(-alpha);
                // `at` is within 4u of the value, powf (1 ulp = 2u at most) and the product within 3u.
                assert!((schedule.at(t) / expected - 1.0).abs() <= 7.0 * f64::EPSILON / 2.0, "alpha {alpha} t {t}");
            }
        }
    }

    #[test]
    fn a_factor_is_a_power_beside_the_rest() {
        let plain = Schedule::new(0.7, 0.375).expect("a valid schedule");
        assert_eq!(plain.growing(1.0).map(|same| same.at(1234)), Ok(plain.at(1234)));
        for factor in [0.5, 0.999, 1.02, 4.0] {
            let grown = plain.growing(factor).expect("a valid factor");
            assert_eq!((grown.factor(), grown.at(0)), (factor, 0.7));
            let mut product = 1.0;
            for t in 0..500_u64 {
                // A product of t factors is within t u of the power, what `at` is made of within 8u.
                let error = (grown.at(t) / (plain.at(t) * product) - 1.0).abs();
                assert!(error <= (t as f64 + 10.0) * f64::EPSILON / 2.0, "factor {factor} t {t}: {error:e}");
                product *= factor;
            }
        }
        // Powers of two are exact, which the claim `growing-rate` takes for granted.
        let doubled = Schedule::constant(1.0).and_then(|eta| eta.growing(2.0)).expect("a valid schedule");
        assert!((0..1024).all(|t| doubled.at(t) == f64::from_bits((1023 + t) << 52)));
    }
}
