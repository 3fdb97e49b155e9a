//! The loss on the circle with the largest gradient for its curvature.

use super::norm;
use crate::loss::{Arithmetics, Formula, Minibatches, Workspace};
use crate::parameters::Parameters;
use crate::scalar::{Scalar, vectorised_for};
use crate::smoothness::{Exact, Smoothness};

/// f(theta) on R^2, theta the angle of w with the first axis, with f' = L tanh theta on [-pi/2, pi/2] and
/// f'(pi - theta) = f'(theta) beyond; no g (catalogue 12).
///
/// Integrated: f = L ln cosh theta on the right half plane, and 2 L ln cosh(pi/2) - L ln cosh(pi - theta) on the left
/// one; pi - theta is the angle of w mirrored at the second axis. f' is continuous and f'' = +-L sech^2; f'' jumps on
/// the second axis, where the Hessian is that of the right half plane.
///
/// By catalogue D4 the Hessian's norm at a unit vector is |f''|/2 + sqrt(f''^2/4 + f'^2); with u = sech^2 theta this is
/// L (u/2 + sqrt(u^2/4 + 1 - u)) = L (u/2 + 1 - u/2) = L *everywhere*. The gradient reaches L tanh(pi/2), so that the
/// ratio of Lemma A.1 is tanh(pi/2) = 0.917..: no scale-invariant loss has a larger one,
/// in any dimension (claim `tanh-pi-half`).
///
/// ```
/// use ratecheck::loss::{Over, closed::TanhCircle};
/// let loss = TanhCircle::new(2.0);
/// assert_eq!(loss.sample_loss(&[0], &[5.0, 0.0]), 0.0);
/// assert_eq!(loss.constants().l_vv[(0, 0)].0, 2.0);
/// assert!((loss.gradient_bound().0 / 2.0 - 0.917_152_335_667_274_4).abs() < 1e-15);
/// ```
#[derive(Clone, Debug)]
pub struct TanhCircle {
    l: f64,
    layout: Parameters,
    z: Minibatches,
}

impl TanhCircle {
    /// L, the smoothness constant.
    ///
    /// # Panics
    /// If L is not positive and finite.
    pub fn new(l: f64) -> Self {
        assert!(l > 0.0 && l.is_finite(), "L must be positive and is {l}");
        Self { l, layout: Parameters::new([("w", 2)], 0), z: Minibatches::full(1) }
    }

    /// L^vv = L.
    pub fn constants(&self) -> Smoothness<Exact> {
        Smoothness::single(Exact(self.l), Exact(0.0), Exact(0.0))
    }

    /// sup ||grad_v F|| = L tanh(pi/2), on the second axis.
    pub fn gradient_bound(&self) -> Exact {
        Exact(self.l * Scalar::tanh(std::f64::consts::FRAC_PI_2))
    }

    /// 0.
    pub fn loss_min(&self) -> f64 {
        0.0
    }

    /// The angle in [-pi/2, pi/2] of w, mirrored to the right half plane if it is on the left.
    #[inline(always)]
    fn mirrored_angle<S: Scalar>(w: &[S]) -> S {
        w[1].atan2(w[0].abs())
    }

    /// F, given the mirrored angle.
    #[inline(always)]
    fn height<S: Scalar>(&self, w: &[S], angle: S) -> S {
        let rise = ln_cosh(angle);
        let right = !(w[0].value() < 0.0);
        let f = if right { rise } else { ln_cosh(S::from_f64(std::f64::consts::FRAC_PI_2)).scale(2.0) - rise };
        f.scale(self.l)
    }
}

/// ln cosh x for |x| <= pi/2, where nothing overflows.
#[inline(always)]
fn ln_cosh<S: Scalar>(x: S) -> S {
    (x.exp() + (-x).exp()).scale(0.5).ln()
}

impl Formula for TanhCircle {
    fn layout(&self) -> &Parameters {
        &self.layout
    }
    fn distribution(&self) -> &Minibatches {
        &self.z
    }
    #[inline(never)]
    fn arithmetics(&self) -> &dyn Arithmetics {
        self
    }
    /// The two half planes have different formulas.
    fn encloses(&self) -> bool {
        false
    }
    #[inline]
    fn value<S: Scalar>(&self, _z: &[usize], w: &[S]) -> S {
        // Compiled for the vector units there are, as in `gradient`: fused multiply-adds are instructions then.
        vectorised_for::<S, _>(
            #[inline(always)]
            || self.height(w, Self::mirrored_angle(w)),
        )
    }
    #[inline]
    fn gradient<S: Scalar>(&self, _z: &[usize], w: &[S], grad: &mut [S], _work: &mut Workspace<S>) -> S {
        vectorised_for::<S, _>(
            #[inline(always)]
            || {
                let angle = Self::mirrored_angle(w);
                let r = norm(w);
                // f'(theta) / ||w|| along the tangent (-v_2, v_1).
                let slope = angle.tanh().scale(self.l) / (r * r);
                grad[0] = -(slope * w[1]);
                grad[1] = slope * w[0];
                self.height(w, angle)
            },
        )
    }
}
