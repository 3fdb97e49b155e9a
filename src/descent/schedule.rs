//! Learning rates eta (t+1)^(-alpha).

use std::fmt;

/// The learning rates eta_t = eta (t+1)^(-alpha), t = 0, 1, ..: section 4.1 of the paper; constant for alpha = 0.
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

/// A learning rate that is not positive and finite, or an exponent that is negative or not finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScheduleError {
    /// eta.
    Eta(f64),
    /// alpha.
    Alpha(f64),
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eta(eta) => write!(f, "the learning rate eta = {eta} is not positive and finite"),
            Self::Alpha(alpha) => write!(f, "the exponent alpha = {alpha} is not finite and at least 0"),
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
        Ok(Self { eta, alpha, form })
    }

    /// The constant learning rate eta.
    ///
    /// # Errors
    /// Unless `eta` is positive and finite.
    pub fn constant(eta: f64) -> Result<Self, ScheduleError> {
        Self::new(eta, 0.0)
    }

    /// eta, the learning rate of step 0.
    pub fn eta(&self) -> f64 {
        self.eta
    }

    /// alpha.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// eta_t = eta (t+1)^(-alpha), as eta / (t+1)^alpha, for t < 2^53.
    ///
    /// The relative error, with u = 2^-53: the power (t+1)^k, k <= 7, is off by at most 6u and every root halves what
    /// it inherits and adds u, so k/8 is off by at most 6u/8 + u/4 + u/2 + u < 3u, and the division adds u: below 4u.
    /// An error below 1.5 units in the last place of libm's power, and the division, make the same 4u.
    #[inline]
    pub fn at(&self, t: u64) -> f64 {
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
}
