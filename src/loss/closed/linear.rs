//! A linear function of the direction.

use super::{TWO_OVER_SQRT_3, check_vector, dot_constant, length, norm};
use crate::loss::{Formula, Minibatches};
use crate::parameters::Parameters;
use crate::scalar::Scalar;
use crate::smoothness::{Exact, Smoothness};

/// F(w) = a'v with v = w/||w||, one block in R^d, no g (catalogue D2).
///
/// With c the cosine of the angle between a and v, the Hessian at v has on span(a, v) the norm
/// |a| (|c|/2 + sqrt(1 - 3 c^2/4)) (catalogue D4 with f = |a| cos), largest at c = 1/sqrt(3), where it is 2
/// |a|/sqrt(3); elsewhere it is |a c| at most. The gradient is at most |a|, attained at c = 0.
///
/// ```
/// use ratecheck::loss::{Over, closed::Linear};
/// let loss = Linear::new(vec![3.0, 4.0]);
/// assert_eq!(loss.sample_loss(&[0], &[2.0, 0.0]), 3.0);
/// assert_eq!(loss.loss_min(), -5.0);
/// ```
#[derive(Clone, Debug)]
pub struct Linear {
    a: Vec<f64>,
    layout: Parameters,
    z: Minibatches,
}

impl Linear {
    /// The function a'v.
    ///
    /// # Panics
    /// If a has fewer than two entries, or one that is not finite.
    pub fn new(a: Vec<f64>) -> Self {
        check_vector(&a);
        let layout = Parameters::new([("w", a.len())], 0);
        Self { a, layout, z: Minibatches::full(1) }
    }

    /// L^vv = 2 |a|/sqrt(3).
    pub fn constants(&self) -> Smoothness<Exact> {
        Smoothness::single(Exact(TWO_OVER_SQRT_3 * length(&self.a)), Exact(0.0), Exact(0.0))
    }

    /// sup ||grad_v F|| = |a|.
    pub fn gradient_bound(&self) -> Exact {
        Exact(length(&self.a))
    }

    /// -|a|.
    pub fn loss_min(&self) -> f64 {
        -length(&self.a)
    }
}

impl Formula for Linear {
    common_parts!();

    #[inline]
    fn value<S: Scalar>(&self, _z: &[usize], w: &[S]) -> S {
        dot_constant(&self.a, w) / norm(w)
    }
}
