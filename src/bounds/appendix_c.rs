//! Networks with smoothed BN: Lemmas C.1 and C.2.

use super::{Constant, Factors, larger};
use crate::scalar::Scalar;

/// Lemma C.1, a bound of |dy/dgamma| and |dy/dbeta|, where ||grad f|| <= G = `lip_f`: G sqrt(B). Both are attained.
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_c1_scale(0.5, 16), 2.0);
/// ```
pub fn lemma_c1_scale<S: Scalar>(lip_f: S, batch_size: usize) -> S {
    Factors::ONE.lemma_c1_scale(lip_f, batch_size)
}

/// Lemma C.1 as its proof gives it (E15), a bound of ||grad_{x_b} y|| for one b: 3 |gamma|/sqrt(epsilon) G sqrt(B).
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_c1_input_printed(0.5, -2.0, 4.0, 16), 6.0); // 3 * 2/2 * 0.5 * 4
/// ```
pub fn lemma_c1_input_printed<S: Scalar>(lip_f: S, bn_scale: S, epsilon: S, batch_size: usize) -> S {
    Factors::ONE.lemma_c1_input_printed(lip_f, bn_scale, epsilon, batch_size)
}

/// Lemma C.1, sharp: a bound of ||grad_{x_b} y|| for one b, |gamma|/sqrt(epsilon) G sqrt(1 - 1/B).
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_c1_input(3.0, -2.0, 4.0, 1), 0.0);
/// assert!((ratecheck::bounds::lemma_c1_input(3.0, -2.0, 4.0, 2) - 4.5_f64.sqrt()).abs() < 1e-15);
/// ```
pub fn lemma_c1_input<S: Scalar>(lip_f: S, bn_scale: S, epsilon: S, batch_size: usize) -> S {
    Factors::ONE.lemma_c1_input(lip_f, bn_scale, epsilon, batch_size)
}

/// Lemma C.1, sharp: a bound of the gradient of y in all x_b together, |gamma|/sqrt(epsilon) G.
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_c1_inputs(3.0, -2.0, 4.0), 3.0);
/// ```
pub fn lemma_c1_inputs<S: Scalar>(lip_f: S, bn_scale: S, epsilon: S) -> S {
    Factors::ONE.lemma_c1_inputs(lip_f, bn_scale, epsilon)
}

/// Q_L = alpha_f/sqrt(B), Lemma C.2: a bound of the gradient of F_z in the outputs of the last layer, where the
/// objective of one example has the Lipschitz constant alpha_f = `lip_f`.
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_c2_q_last(3.0, 4), 1.5);
/// ```
pub fn lemma_c2_q_last(lip_f: f64, batch_size: usize) -> f64 {
    Factors::ONE.lemma_c2_q_last(lip_f, batch_size)
}

/// Gamma_l = max(|g_0|_inf, Q_l sqrt(B)/lambda), Lemma C.2: a bound of every entry of gamma_l and beta_l at all times,
/// if eta_g lambda <= 1.
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_c2_gamma(1.0, 1.5, 4, 0.5), 6.0);
/// assert_eq!(ratecheck::bounds::lemma_c2_gamma(7.0, 1.5, 4, 0.5), 7.0);
/// ```
pub fn lemma_c2_gamma(g_0_max: f64, q: f64, batch_size: usize, weight_decay: f64) -> f64 {
    Factors::ONE.lemma_c2_gamma(g_0_max, q, batch_size, weight_decay)
}

/// Q_{l-1} = alpha_s Gamma_l sqrt(m_l/epsilon) Q_l, Lemma C.2; `width` is m_l, the number of units of layer l, and
/// alpha_s = `lip_act` the Lipschitz constant of the activation.
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_c2_q(0.5, 6.0, 2, 0.5, 1.5), 9.0); // 0.5 * 6 * 2 * 1.5
/// ```
pub fn lemma_c2_q(lip_act: f64, gamma: f64, width: usize, epsilon: f64, q: f64) -> f64 {
    Factors::ONE.lemma_c2_q(lip_act, gamma, width, epsilon, q)
}

/// K = sqrt(sum_l 2 m_l Gamma_l^2), Lemma C.2: a bound of ||g_t|| at all times.
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_c2_radius(&[2, 1], &[1.5, 2.0]), 17.0_f64.sqrt()); // 4 * 2.25 + 2 * 4
/// ```
///
/// # Panics
/// If the slices differ in length.
pub fn lemma_c2_radius(widths: &[usize], gamma: &[f64]) -> f64 {
    Factors::ONE.lemma_c2_radius(widths, gamma)
}

/// The same bounds with every constant times its factor.
impl Factors {
    /// [`lemma_c1_scale`].
    pub fn lemma_c1_scale<S: Scalar>(&self, lip_f: S, batch_size: usize) -> S {
        self.times(Constant::ScaleC1, lip_f * S::from_f64(batch_size as f64).sqrt())
    }

    /// [`lemma_c1_input_printed`].
    pub fn lemma_c1_input_printed<S: Scalar>(&self, lip_f: S, bn_scale: S, epsilon: S, batch_size: usize) -> S {
        self.times(Constant::InputC1, bn_scale.abs().scale(3.0) / epsilon.sqrt() * lemma_c1_scale(lip_f, batch_size))
    }

    /// [`lemma_c1_input`].
    pub fn lemma_c1_input<S: Scalar>(&self, lip_f: S, bn_scale: S, epsilon: S, batch_size: usize) -> S {
        let share = (S::ONE - S::from_f64(batch_size as f64).recip()).sqrt();
        self.times(Constant::SharpC1, lemma_c1_inputs(lip_f, bn_scale, epsilon) * share)
    }

    /// [`lemma_c1_inputs`].
    pub fn lemma_c1_inputs<S: Scalar>(&self, lip_f: S, bn_scale: S, epsilon: S) -> S {
        self.times(Constant::AllC1, bn_scale.abs() / epsilon.sqrt() * lip_f)
    }

    /// [`lemma_c2_q_last`].
    pub fn lemma_c2_q_last(&self, lip_f: f64, batch_size: usize) -> f64 {
        self.times(Constant::QLast, lip_f / (batch_size as f64).sqrt())
    }

    /// [`lemma_c2_gamma`].
    pub fn lemma_c2_gamma(&self, g_0_max: f64, q: f64, batch_size: usize, weight_decay: f64) -> f64 {
        let decay = lemma_c1_scale(q, batch_size) / weight_decay;
        larger(self.times(Constant::GammaStart, g_0_max), self.times(Constant::Gamma, decay))
    }

    /// [`lemma_c2_q`].
    pub fn lemma_c2_q(&self, lip_act: f64, gamma: f64, width: usize, epsilon: f64, q: f64) -> f64 {
        self.times(Constant::QBack, lip_act * gamma * (width as f64 / epsilon).sqrt() * q)
    }

    /// [`lemma_c2_radius`].
    pub fn lemma_c2_radius(&self, widths: &[usize], gamma: &[f64]) -> f64 {
        assert_eq!(widths.len(), gamma.len(), "one entry per layer");
        let square = widths.iter().zip(gamma).map(|(&m, gamma)| 2.0 * m as f64 * gamma * gamma).sum::<f64>();
        self.times(Constant::RadiusC2, square.sqrt())
    }
}
