//! The Rayleigh quotient of a diagonal matrix.

use super::check_vector;
use crate::loss::{Formula, Minibatches, Workspace};
use crate::parameters::Parameters;
use crate::scalar::Scalar;
use crate::smoothness::{Exact, Smoothness};

/// F(w) = w'Aw / w'w with A = diag(a), one block in R^d, no g (catalogue D1).
///
/// The gradient is 2 (A - F) w / ||w||^2 and the Hessian at a unit vector is 2 [(A - F) - v r' - r v'] with r = 2 (A -
/// F) v. Its norm is at most 2 (a_max - a_min), attained at the eigenvectors of a_min and a_max, where r = 0; the
/// gradient is at most a_max - a_min, attained halfway between the two.
/// In R^2 the Hessian's norm is (a_max - a_min)(1 + |cos 2 theta|).
///
/// ```
/// use ratecheck::curvature::Exact;
/// use ratecheck::loss::{Over, closed::Rayleigh};
/// let loss = Rayleigh::new(vec![0.0, 1.0]);
/// assert_eq!(loss.sample_loss(&[0], &[3.0, 4.0]), 0.64);
/// assert_eq!((loss.constants().l_vv[(0, 0)], loss.loss_min()), (Exact(2.0), 0.0));
/// ```
#[derive(Clone, Debug)]
pub struct Rayleigh {
    diagonal: Vec<f64>,
    layout: Parameters,
    z: Minibatches,
}

impl Rayleigh {
    /// A = diag(`diagonal`).
    ///
    /// # Panics
    /// If there are fewer than two entries, or one is not finite.
    pub fn new(diagonal: Vec<f64>) -> Self {
        check_vector(&diagonal);
        let layout = Parameters::new([("w", diagonal.len())], 0);
        Self { diagonal, layout, z: Minibatches::full(1) }
    }

    /// d equally spaced eigenvalues from 0 to 1; d = 10 is the near-tight instance of Lemma 3.2.
    ///
    /// # Panics
    /// If d < 2.
    pub fn equally_spaced(d: usize) -> Self {
        assert!(d >= 2, "a block needs at least two entries");
        Self::new((0..d).map(|i| i as f64 / (d - 1) as f64).collect())
    }

    /// The start of the near-tight instance of Lemma 3.2 (catalogue 13a): the minimiser plus 1e-3 of the maximiser.
    pub fn theta_0(&self) -> Vec<f64> {
        let place = |best: f64| self.diagonal.iter().position(|&a| a == best).unwrap_or(0);
        let mut theta = vec![0.0; self.diagonal.len()];
        theta[place(self.largest())] = 1e-3;
        theta[place(self.loss_min())] = 1.0;
        theta
    }

    /// L^vv = 2 (a_max - a_min).
    pub fn constants(&self) -> Smoothness<Exact> {
        Smoothness::single(Exact(2.0 * (self.largest() - self.loss_min())), Exact(0.0), Exact(0.0))
    }

    /// sup ||grad_v F|| = a_max - a_min.
    pub fn gradient_bound(&self) -> Exact {
        Exact(self.largest() - self.loss_min())
    }

    /// a_min.
    pub fn loss_min(&self) -> f64 {
        self.diagonal.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn largest(&self) -> f64 {
        self.diagonal.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// (F, ||w||^2).
    #[inline(always)]
    fn quotient<S: Scalar>(&self, w: &[S]) -> (S, S) {
        let (mut form, mut norm_sq) = (S::ZERO, S::ZERO);
        for (&a, &x) in self.diagonal.iter().zip(w) {
            let square = x.square();
            norm_sq += square;
            form += square.scale(a);
        }
        (form / norm_sq, norm_sq)
    }
}

impl Formula for Rayleigh {
    common_parts!();

    #[inline]
    fn value<S: Scalar>(&self, _z: &[usize], w: &[S]) -> S {
        self.quotient(w).0
    }
    #[inline]
    fn gradient<S: Scalar>(&self, _z: &[usize], w: &[S], grad: &mut [S], _work: &mut Workspace<S>) -> S {
        let (value, norm_sq) = self.quotient(w);
        let factor = norm_sq.recip().scale(2.0);
        for ((partial, &x), &a) in grad.iter_mut().zip(w).zip(&self.diagonal) {
            *partial = (S::from_f64(a) - value) * x * factor;
        }
        value
    }
}
