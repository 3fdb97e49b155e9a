//! A Rayleigh quotient with noise: a second loss with a minimiser whose curvature and noise are known, without a g.

use ratecheck::loss::{Formula, Minibatches, Workspace};
use ratecheck::parameters::{Parameters, dot};
use ratecheck::scalar::Scalar;

/// F = v'Av + s xi'v with A = diag(a) and v = w/||w|| in R^3, where xi is a vector of three independent signs: eight
/// examples, each a minibatch. The mean is L = v'Av. At the minimiser e_k of the smallest a_k, grad_v F = s P xi with P
/// the projection off e_k, so that Sigma = s^2 P; and H = 2 diag(a - a_k).
pub(crate) struct NoisyRayleigh {
    a: [f64; 3],
    s: f64,
    layout: Parameters,
    z: Minibatches,
}

impl NoisyRayleigh {
    /// A = diag(`a`), noise s.
    pub(crate) fn new(a: [f64; 3], s: f64) -> Self {
        let z = Minibatches::partition((0..8).collect(), 1).unwrap_or_else(|_| Minibatches::full(8));
        Self { a, s, layout: Parameters::new([("w", 3)], 0), z }
    }

    /// s xi, the mean over the minibatch: bit k of an example is set where xi_k = -1.
    fn noise(&self, z: &[usize]) -> [f64; 3] {
        // Plain loops here and below: this is most of the work of many runs.
        let mut noise = [0.0; 3];
        for &example in z {
            noise[0] += if example & 1 == 0 { self.s } else { -self.s };
            noise[1] += if example & 2 == 0 { self.s } else { -self.s };
            noise[2] += if example & 4 == 0 { self.s } else { -self.s };
        }
        let n = z.len() as f64;
        [noise[0] / n, noise[1] / n, noise[2] / n]
    }

    /// The value of v'Av + b'v, and its gradient.
    fn with_gradient<S: Scalar>(&self, b: [f64; 3], w: &[S], grad: &mut [S]) -> S {
        let norm = dot(w, w).sqrt();
        let v = [w[0] / norm, w[1] / norm, w[2] / norm];
        let (mut quotient, mut along) = (S::ZERO, S::ZERO);
        let mut k = 0;
        while k < 3 {
            quotient += v[k].square().scale(self.a[k]);
            along += v[k].scale(b[k]);
            k += 1;
        }
        k = 0;
        while k < 3 {
            let slope = (S::from_f64(self.a[k]) - quotient).scale(2.0) * v[k];
            grad[k] = (slope + S::from_f64(b[k]) - along * v[k]) / norm;
            k += 1;
        }
        quotient + along
    }
}

impl Formula for NoisyRayleigh {
    fn layout(&self) -> &Parameters {
        &self.layout
    }
    fn distribution(&self) -> &Minibatches {
        &self.z
    }
    fn value<S: Scalar>(&self, z: &[usize], w: &[S]) -> S {
        self.with_gradient(self.noise(z), w, &mut [S::ZERO; 3])
    }
    fn gradient<S: Scalar>(&self, z: &[usize], w: &[S], grad: &mut [S], _: &mut Workspace<S>) -> S {
        self.with_gradient(self.noise(z), w, grad)
    }
    /// The noise has mean zero.
    fn mean<S: Scalar>(&self, w: &[S], grad: &mut [S], _: &mut [S], _: &mut Workspace<S>) -> Option<S> {
        Some(self.with_gradient([0.0; 3], w, grad))
    }
}
