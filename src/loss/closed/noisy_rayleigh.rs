//! A Rayleigh quotient with noise: a second loss with a minimiser whose curvature and noise are known, without a g.

use super::{Each, each, mean_of_each};
use crate::loss::{Formula, Minibatches, Workspace};
use crate::parameters::{Parameters, dot};
use crate::scalar::{Scalar, counted};

/// F = v'Av + s xi'v with A = diag(a) and v = w/||w|| in R^3, where xi is a vector of three independent signs: eight
/// examples, each a minibatch. The mean is L = v'Av. At the minimiser e_k of the smallest a_k, grad_v F = s P xi with P
/// the projection off e_k, so that Sigma = s^2 P; and H = 2 diag(a - a_k).
///
/// ```
/// use ratecheck::loss::{Over, closed::NoisyRayleigh};
/// let loss = NoisyRayleigh::new([0.0, 1.0, 3.0], 0.5);
/// // At e_1: no curvature, and the sign of xi_1.
/// let at_minimiser = |example: usize| loss.sample_loss(&[example], &[2.0, 0.0, 0.0]);
/// assert_eq!((at_minimiser(0), at_minimiser(1)), (0.5, -0.5));
/// ```
#[derive(Clone, Debug)]
pub struct NoisyRayleigh {
    a: [f64; 3],
    s: f64,
    layout: Parameters,
    z: Minibatches,
}

impl NoisyRayleigh {
    /// A = diag(`a`), noise s.
    ///
    /// # Panics
    /// If a number is not finite.
    pub fn new(a: [f64; 3], s: f64) -> Self {
        assert!(a.iter().chain([&s]).all(|x| x.is_finite()), "A and the noise must be finite");
        let z = Minibatches::partition((0..8).collect(), 1).unwrap_or_else(|_| Minibatches::full(8));
        Self { a, s, layout: Parameters::new([("w", 3)], 0), z }
    }

    /// s xi, the mean over the minibatch: bit k of an example is set where xi_k = -1.
    #[inline(always)]
    fn noise<S: Scalar>(&self, z: &[usize]) -> [Each; 3] {
        let mut noise = [[0.0; 8]; 3];
        counted!(k in 0..3, {
            noise[k] = mean_of_each::<S>(z, |example| if example >> k & 1 == 0 { self.s } else { -self.s });
        });
        noise
    }

    /// The value of v'Av + b'v, and its gradient.
    #[inline(always)]
    fn with_gradient<S: Scalar>(&self, b: [Each; 3], w: &[S], grad: &mut [S]) -> S {
        let norm = dot(w, w).sqrt();
        let v = [w[0] / norm, w[1] / norm, w[2] / norm];
        let (mut quotient, mut along) = (S::ZERO, S::ZERO);
        counted!(k in 0..3, {
            quotient += v[k].square().scale(self.a[k]);
            along += v[k].scale_each(&b[k]);
        });
        counted!(k in 0..3, {
            let slope = (S::from_f64(self.a[k]) - quotient).scale(2.0) * v[k];
            grad[k] = (slope + each::<S>(b[k]) - along * v[k]) / norm;
        });
        quotient + along
    }
}

impl Formula for NoisyRayleigh {
    common_parts!(in_lockstep);

    #[inline]
    fn value<S: Scalar>(&self, z: &[usize], w: &[S]) -> S {
        self.with_gradient(self.noise::<S>(z), w, &mut [S::ZERO; 3])
    }
    #[inline]
    fn gradient<S: Scalar>(&self, z: &[usize], w: &[S], grad: &mut [S], _: &mut Workspace<S>) -> S {
        self.with_gradient(self.noise::<S>(z), w, grad)
    }
    /// The noise has mean zero.
    #[inline]
    fn mean<S: Scalar>(&self, w: &[S], grad: &mut [S], _: &mut [S], _: &mut Workspace<S>) -> Option<S> {
        Some(self.with_gradient([[0.0; 8]; 3], w, grad))
    }
}
