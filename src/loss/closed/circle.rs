//! A loss on the circle whose minimum is degenerate: gradient descent converges at a known power of T.

use super::{norm, power};
use crate::loss::{Formula, Minibatches, Workspace};
use crate::parameters::Parameters;
use crate::scalar::Scalar;
use crate::smoothness::{Exact, Smoothness};

/// f(theta) = (1 - cos theta)^{p/2} on R^2, theta the angle of w with the first axis, p >= 4 even;
/// no g (catalogue C(i)).
///
/// Near 0 it is (theta^2/2)^{p/2}, so that the gradient of gradient descent decays as T^{-(p-1)/(p-2)}.
/// With x = 1 - cos theta and q = p/2: f'^2 = q^2 x^{2q-1} (2 - x) and f'' = q x^{q-1} (2q - 1 - q x).
///
/// ```
/// use ratecheck::loss::{Over, closed::Circle};
/// let loss = Circle::new(4);
/// assert_eq!(loss.sample_loss(&[0], &[0.0, 7.0]), 1.0);
/// assert_eq!(loss.sample_loss(&[0], &[-2.0, 0.0]), 4.0);
/// ```
#[derive(Clone, Debug)]
pub struct Circle {
    q: u32,
    layout: Parameters,
    z: Minibatches,
}

impl Circle {
    /// The exponent p.
    ///
    /// # Panics
    /// If p is odd, below 4 or above 64.
    pub fn new(p: u32) -> Self {
        assert!(p.is_multiple_of(2) && (4..=64).contains(&p), "p must be even, 4 <= p <= 64, and is {p}");
        Self { q: p / 2, layout: Parameters::new([("w", 2)], 0), z: Minibatches::full(1) }
    }

    /// w_0 at the angle `angle` with norm 1; the catalogue gives no start, and any angle off 0 and pi shows the rate.
    pub fn theta_0(&self, angle: f64) -> Vec<f64> {
        vec![Scalar::cos(angle), Scalar::sin(angle)]
    }

    /// L^vv = q 2^(q-1), attained at theta = pi, where f' = 0 and f'' is largest in absolute value: the largest
    /// |f''|/2 + sqrt(f''^2/4 + f'^2) (catalogue D4). That no other x has a larger one is checked on a fine grid for
    /// every p in the tests; next to pi, with x = 2 - 2e, it falls by the share (3q - 5) e.
    pub fn constants(&self) -> Smoothness<Exact> {
        Smoothness::single(Exact(f64::from(self.q) * power(2.0, self.q - 1)), Exact(0.0), Exact(0.0))
    }

    /// sup |f'|, at x = 2 - 1/q.
    pub fn gradient_bound(&self) -> Exact {
        let q = f64::from(self.q);
        let x = 2.0 - 1.0 / q;
        Exact(q * power(x, self.q - 1) * (x * (2.0 - x)).sqrt())
    }

    /// 0.
    pub fn loss_min(&self) -> f64 {
        0.0
    }

    /// (v, ||w||, 1 - cos theta): the last as v_2^2 / (1 + v_1) near the minimum, where the difference would cancel.
    #[inline(always)]
    fn polar<S: Scalar>(w: &[S]) -> ([S; 2], S, S) {
        let r = norm(w);
        let v = [w[0] / r, w[1] / r];
        let x = if v[0].value() > 0.0 { v[1] * v[1] / (S::ONE + v[0]) } else { S::ONE - v[0] };
        (v, r, x)
    }
}

impl Formula for Circle {
    common_parts!();

    #[inline]
    fn value<S: Scalar>(&self, _z: &[usize], w: &[S]) -> S {
        power(Self::polar(w).2, self.q)
    }
    #[inline]
    fn gradient<S: Scalar>(&self, _z: &[usize], w: &[S], grad: &mut [S], _work: &mut Workspace<S>) -> S {
        let (v, r, x) = Self::polar(w);
        let below = power(x, self.q - 1);
        // f'(theta) / ||w|| along the tangent (-v_2, v_1).
        let slope = (below * v[1]).scale(f64::from(self.q)) / r;
        grad[0] = -(slope * v[1]);
        grad[1] = slope * v[0];
        below * x
    }
}
