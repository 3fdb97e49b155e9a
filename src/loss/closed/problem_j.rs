//! Problem J: the stochastic test problem on which every quantity of Theorem 4.2 is known.

use super::bn_regression::neuron_gradient;
use super::{Each, TWO_OVER_SQRT_3, mean_of_each, norm};
use crate::loss::{Formula, Minibatches, Workspace};
use crate::parameters::{Parameters, norm_sq};
use crate::scalar::Scalar;
use crate::smoothness::{Exact, Smoothness};

/// F = g^2/2 - g (c + s xi)'v + sig zeta g with c = e_1 in R^d, one block in R^d, one g (catalogue C(ii)).
///
/// xi is a vector of d independent signs and zeta one more sign, so the data set is finite: the 2^(d+1) sign patterns,
/// each a minibatch of its own. Bit k of an example's number is set where xi_k = -1, bit d where zeta = -1. A minibatch
/// of several examples has the mean of their losses.
///
/// The mean loss is L = g^2/2 - g c'v, with minimum -1/2 at (v; g) = (c; 1) and (-c; -1). There grad_v F = -g s P xi
/// with P the projection off c, and E xi xi' = I, so q = E||grad_v F||^2 = g^2 s^2 (d - 1): 3/4 for d = 4, s = 1/2.
/// (With a single sign in place of the vector, xi times a fixed vector, q would depend on that vector.) The noise of
/// grad_g has the variance s^2 + sig^2 at every theta.
///
/// ```
/// use ratecheck::loss::{Over, Setting, closed::ProblemJ};
/// let loss = ProblemJ::default(); // d = 4, s = sig = 1/2
/// assert_eq!(loss.minibatches().n_examples(), 32);
/// assert_eq!((loss.noise_v().0, loss.noise_g_sq().0, loss.loss_min()), (0.75, 0.5, -0.5));
/// // All signs positive, v = c, g = 1: 1/2 - 3/2 + 1/2.
/// assert_eq!(loss.sample_loss(&[0], &[2.0, 0.0, 0.0, 0.0, 1.0]), -0.5);
/// ```
#[derive(Clone, Debug)]
pub struct ProblemJ {
    d: usize,
    s: f64,
    sig: f64,
    /// One row per example: c + s xi, then sig zeta.
    rows: Vec<f64>,
    layout: Parameters,
    z: Minibatches,
}

impl Default for ProblemJ {
    /// The catalogue's: d = 4, s = sig = 1/2.
    fn default() -> Self {
        Self::new(4, 0.5, 0.5)
    }
}

impl ProblemJ {
    /// Dimension d, noise s of the inputs, noise sig of the output.
    ///
    /// # Panics
    /// If d is not in 2..=12 (the data set has 2^(d+1) examples), or a noise is not finite.
    pub fn new(d: usize, s: f64, sig: f64) -> Self {
        assert!((2..=12).contains(&d), "d must be in 2..=12 and is {d}");
        assert!(s.is_finite() && sig.is_finite(), "the noises must be finite");
        let n = 1_usize << (d + 1);
        let sign = |example: usize, bit: usize| if example >> bit & 1 == 0 { 1.0 } else { -1.0 };
        let rows = (0..n)
            .flat_map(|i| (0..=d).map(move |k| (i, k)))
            .map(|(i, k)| if k == d { sig * sign(i, d) } else { f64::from(u8::from(k == 0)) + s * sign(i, k) })
            .collect();
        let z = Minibatches::partition((0..n).collect(), 1).unwrap_or_else(|_| Minibatches::full(n));
        Self { d, s, sig, rows, layout: Parameters::new([("w", d)], 1), z }
    }

    /// ||w_0|| = 1 as in the catalogue; the direction (1, .., 1)/sqrt(d) and g_0 = 1 are this project's choice.
    pub fn theta_0(&self) -> Vec<f64> {
        let mut theta = vec![1.0 / (self.d as f64).sqrt(); self.d + 1];
        theta[self.d] = 1.0;
        theta
    }

    /// The constants of the mean loss L on |g| <= `radius`: 2 K/sqrt(3),
    /// 1 and 1 ([`super::BnRegression`] with |c| = 1).
    pub fn constants(&self, radius: f64) -> Smoothness<Exact> {
        Smoothness::single(Exact(TWO_OVER_SQRT_3 * radius), Exact(1.0), Exact(1.0))
    }

    /// The constants of every F_z on |g| <= `radius`: as for L,
    /// with max |c + s xi| = sqrt((1 + |s|)^2 + (d - 1) s^2) for |c|.
    pub fn sample_constants(&self, radius: f64) -> Smoothness<Exact> {
        let s_sq = self.s * self.s;
        let b = (1.0 + 2.0 * self.s.abs() + self.d as f64 * s_sq).sqrt();
        Smoothness::single(Exact(TWO_OVER_SQRT_3 * radius * b), Exact(b), Exact(1.0))
    }

    /// K with |g_t| <= K for ever under stochastic gradient descent with eta_g <= 1: max(|g_0|,
    /// max |c + s xi| + |sig|).
    ///
    /// g_{t+1} = (1 - eta_g) g_t + eta_g ((c + s xi)'v_t - sig zeta) is a convex combination of g_t and of a number
    /// that is at most max |c + s xi| + |sig|.
    ///
    /// ```
    /// let loss = ratecheck::loss::closed::ProblemJ::default(); // max |c + s xi| = sqrt(3)
    /// assert_eq!((loss.radius(1.0), loss.radius(-9.0)), (3.0_f64.sqrt() + 0.5, 9.0));
    /// ```
    pub fn radius(&self, g_0: f64) -> f64 {
        let Exact(b) = self.sample_constants(1.0).l_vg[0];
        g_0.abs().max(b + self.sig.abs())
    }

    /// q = E||grad_v F||^2 at the minimiser, s^2 (d - 1).
    pub fn noise_v(&self) -> Exact {
        Exact(self.s * self.s * (self.d - 1) as f64)
    }

    /// G_g^2 = E|grad_g F - grad_g L|^2 = s^2 + sig^2, at every theta.
    pub fn noise_g_sq(&self) -> Exact {
        Exact(norm_sq(&[self.s, self.sig]))
    }

    /// -1/2.
    pub fn loss_min(&self) -> f64 {
        -0.5
    }

    /// Column k of the table, averaged over the minibatch.
    #[inline(always)]
    fn entry<S: Scalar>(&self, z: &[usize], k: usize) -> Each {
        mean_of_each::<S>(z, |example| self.rows[example * (self.d + 1) + k])
    }
}

impl Formula for ProblemJ {
    common_parts!(in_lockstep);

    #[inline]
    fn value<S: Scalar>(&self, z: &[usize], theta: &[S]) -> S {
        let (w, g) = (&theta[..self.d], theta[self.d]);
        let mut fit = S::ZERO;
        for (k, &x) in w.iter().enumerate() {
            fit += x.scale_each(&self.entry::<S>(z, k));
        }
        fit = fit / norm(w);
        g.square().scale(0.5) - g * fit + g.scale_each(&self.entry::<S>(z, self.d))
    }
    #[inline]
    fn gradient<S: Scalar>(&self, z: &[usize], theta: &[S], grad: &mut [S], _work: &mut Workspace<S>) -> S {
        let (g, offset) = (theta[self.d], self.entry::<S>(z, self.d));
        let fit = neuron_gradient(|k| self.entry::<S>(z, k), offset, theta, grad);
        g.square().scale(0.5) - g * fit + g.scale_each(&offset)
    }
    /// The noise has mean zero: the gradient of L = g^2/2 - g c'v, at the cost of one of F_z.
    #[inline]
    fn mean<S: Scalar>(&self, theta: &[S], grad: &mut [S], _scratch: &mut [S], _work: &mut Workspace<S>) -> Option<S> {
        let g = theta[self.d];
        let fit = neuron_gradient(|k| [f64::from(u8::from(k == 0)); 8], [0.0; 8], theta, grad);
        Some(g.square().scale(0.5) - g * fit)
    }
}
