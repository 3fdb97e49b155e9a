//! The helix valley: g climbs for ever and w winds after it, so that gradient descent never arrives.

use super::TWO_OVER_SQRT_3;
use super::helix::{helix_loss, valley};
use crate::loss::{Formula, Minibatches, Workspace};
use crate::parameters::Parameters;
use crate::scalar::Scalar;
use crate::smoothness::{Exact, Smoothness};

/// L = A (1 + g^2)^-a + k (1 - v'(cos g, sin g)), w in R^2, one g in all of R (catalogue C(i), D6).
///
/// g climbs for ever, and w winds after it: both gradients decay as T^{-(2a+1)/(2a+2)} under gradient descent.
/// The infimum 0 is approached as g grows without bound and attained nowhere.
///
/// Constants, on all of R^2 x R: vv as for a linear function of length k ([`super::Linear`]), 2 k/sqrt(3); vg is -k P
/// u'(g) with P the projection off v, so k; gg is A phi'' + k v'u with phi'' = 2a (1+g^2)^(-a-2) ((2a+1) g^2 - 1), at
/// most 2a in absolute value and -2a at g = 0, so k + 2aA, attained at g = 0, v = (-1, 0).
///
/// ```
/// use ratecheck::loss::{Over, closed::HelixValley};
/// let loss = HelixValley::catalogue(0.25); // k = 1, A = 1/(2a) = 2
/// assert_eq!(loss.sample_loss(&[0], &[7.0, 0.0, 0.0]), 2.0);
/// assert_eq!(loss.constants().l_gg.0, 2.0);
/// ```
#[derive(Clone, Debug)]
pub struct HelixValley {
    a: f64,
    k: f64,
    amplitude: f64,
    layout: Parameters,
    z: Minibatches,
}

impl HelixValley {
    /// The exponent a, the depth k of the valley and the height A of the drift.
    ///
    /// # Panics
    /// If one of them is not positive and finite.
    pub fn new(a: f64, k: f64, amplitude: f64) -> Self {
        assert!([a, k, amplitude].iter().all(|x| *x > 0.0 && x.is_finite()), "a, k and A must be positive");
        Self { a, k, amplitude, layout: Parameters::new([("w", 2)], 1), z: Minibatches::full(1) }
    }

    /// k = 1 and A = 1/(2a): the drift's curvature is at most 1 for every a.
    ///
    /// # Panics
    /// If a is not positive and finite.
    pub fn catalogue(a: f64) -> Self {
        Self::new(a, 1.0, 0.5 / a)
    }

    /// The catalogue's start: ||w_0|| = 1 at the angle 0.3, g_0 = 1.
    pub fn theta_0(&self) -> Vec<f64> {
        vec![Scalar::cos(0.3), Scalar::sin(0.3), 1.0]
    }

    /// 2 k/sqrt(3), k and k + 2aA.
    pub fn constants(&self) -> Smoothness<Exact> {
        let l_gg = self.k + 2.0 * self.a * self.amplitude;
        Smoothness::single(Exact(TWO_OVER_SQRT_3 * self.k), Exact(self.k), Exact(l_gg))
    }

    /// The infimum, 0.
    pub fn loss_min(&self) -> f64 {
        0.0
    }
}

impl HelixValley {
    /// The drift's value and its slope in g.
    #[inline(always)]
    fn drift<S: Scalar>(&self, g: S) -> (S, S) {
        let base = S::ONE + g * g;
        let height = base.powf(-self.a).scale(self.amplitude);
        (height, -(height * g / base).scale(2.0 * self.a))
    }
}

helix_loss!(HelixValley);
