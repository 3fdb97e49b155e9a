//! One batch-normalised neuron that regresses on whitened inputs.

use super::{Each, TWO_OVER_SQRT_3, check_vector, each, length, norm};
use crate::loss::{Formula, Minibatches, Workspace};
use crate::parameters::Parameters;
use crate::scalar::{Scalar, counted};
use crate::smoothness::{Exact, Smoothness};

/// L(w; g) = g^2/2 - g c'v + |c|^2/2, one block in R^d, one g (catalogue D5).
///
/// It is the mean of (g v'x - y)^2/2 over inputs with E x = 0 and E xx' = I (batch normalisation then divides w'x by
/// ||w||), for y = c'x. It equals |c - g v|^2/2, the form evaluated here, which does not cancel near the minimum.
///
/// Blocks of the Hessian at (v; g): vv is g times that of -c'v ([`super::Linear`]), vg is -(c - (c'v) v), gg is 1.
/// For |g| <= K the constants are therefore 2 K |c|/sqrt(3), |c| (at v perpendicular to c) and 1. Gradient descent with
/// eta_g <= 1 keeps |g| <= max(|g_0|, |c|).
///
/// ```
/// use ratecheck::loss::{Over, closed::BnRegression};
/// let loss = BnRegression::new(vec![3.0, 4.0]);
/// assert_eq!(loss.sample_loss(&[0], &[3.0, 4.0, 5.0]), 0.0); // v = c/|c|, g = |c|
/// assert_eq!(loss.constants(1.0).l_vg[0].0, 5.0);
/// ```
#[derive(Clone, Debug)]
pub struct BnRegression {
    c: Vec<f64>,
    layout: Parameters,
    z: Minibatches,
}

impl BnRegression {
    /// The teacher's coefficients c.
    ///
    /// # Panics
    /// If c has fewer than two entries, or one that is not finite.
    pub fn new(c: Vec<f64>) -> Self {
        check_vector(&c);
        let layout = Parameters::new([("w", c.len())], 1);
        Self { c, layout, z: Minibatches::full(1) }
    }

    /// v perpendicular to c, in the plane of the first two axes, and the given g: with g = 1e-3 the near-tight start of
    /// Lemma 3.2 (catalogue 13b).
    pub fn theta_0(&self, g: f64) -> Vec<f64> {
        let mut theta = vec![0.0; self.c.len() + 1];
        let r = length(&self.c[..2]);
        let (v_1, v_2) = if r > 0.0 { (-self.c[1] / r, self.c[0] / r) } else { (1.0, 0.0) };
        (theta[0], theta[1], theta[self.c.len()]) = (v_1, v_2, g);
        theta
    }

    /// The constants on |g| <= `radius`.
    pub fn constants(&self, radius: f64) -> Smoothness<Exact> {
        let c = length(&self.c);
        Smoothness::single(Exact(TWO_OVER_SQRT_3 * radius * c), Exact(c), Exact(1.0))
    }

    /// 0.
    pub fn loss_min(&self) -> f64 {
        0.0
    }
}

/// Writes the gradient of g^2/2 - g b'v + offset g, and returns b'v.
#[inline(always)]
pub(super) fn neuron_gradient<S: Scalar>(b: impl Fn(usize) -> Each, offset: Each, theta: &[S], grad: &mut [S]) -> S {
    let d = theta.len() - 1;
    let (w, g) = (&theta[..d], theta[d]);
    let r_inverse = norm(w).recip();
    let mut fit = S::ZERO;
    counted!(k in 0..d, fit += w[k].scale_each(&b(k)));
    fit *= r_inverse;
    // -(g/||w||)(b - (b'v) v).
    let factor = -(g * r_inverse);
    let along = fit * r_inverse;
    counted!(k in 0..d, grad[k] = factor * (each::<S>(b(k)) - along * w[k]));
    grad[d] = g - fit + each::<S>(offset);
    fit
}

impl Formula for BnRegression {
    common_parts!();

    #[inline]
    fn value<S: Scalar>(&self, _z: &[usize], theta: &[S]) -> S {
        let (w, g) = theta.split_at(self.c.len());
        let factor = g[0] / norm(w);
        let mut sum = S::ZERO;
        for (&c, &x) in self.c.iter().zip(w) {
            sum += (S::from_f64(c) - factor * x).square();
        }
        sum.scale(0.5)
    }
    #[inline]
    fn gradient<S: Scalar>(&self, z: &[usize], theta: &[S], grad: &mut [S], _work: &mut Workspace<S>) -> S {
        neuron_gradient(|k| [self.c[k]; 8], [0.0; 8], theta, grad);
        self.value(z, theta)
    }
}
