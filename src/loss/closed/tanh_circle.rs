//! The loss on the circle with the largest gradient for its curvature, and C² losses as near to it as one likes.

use std::f64::consts::FRAC_PI_2;

use super::norm;
use crate::loss::{Formula, Minibatches, Workspace};
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
/// The jump makes it C^{1,1}: twice differentiable almost everywhere, with a Lipschitz gradient. That is enough for
/// bounds that come from integrals of the Hessian, but section 2.4 asks for C². [`TanhCircle::rounded`] is C²: with
/// theta_1 = pi/2 - delta, p_1 = tanh theta_1 and s = 1 - p_1^2, for u = theta - theta_1 in [0, delta]
///
///   f'/L = p_1 + s (u - u^2/(2 delta)),
///
/// whose slope falls from s, that of tanh, to 0 on the axis, and then runs back. There f'/L = p has p' = s (1 -
/// u/delta) <= 1 - p^2, since 1 - p^2 = s (1 - 2 p_1 x - s x^2) with x = u - u^2/(2 delta) <= u, and 2 p_1 u + s u^2 <=
/// u/delta for delta <= 1/4. So f'^2 <= L^2 - L|f''| and the Hessian's norm is at most L, and it still is L for |theta|
/// <= theta_1. The gradient reaches L (p_1 + s delta/2), short of L tanh(pi/2) by less than L s delta.
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
    /// 0 with the jump.
    delta: f64,
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
        Self { l, delta: 0.0, layout: Parameters::new([("w", 2)], 0), z: Minibatches::full(1) }
    }

    /// The same, rounded within the angle `delta` of the second axis: C², with the same L^vv.
    ///
    /// ```
    /// use ratecheck::loss::closed::TanhCircle;
    /// let [rounded, sharp] = [TanhCircle::rounded(2.0, 0.01), TanhCircle::new(2.0)];
    /// assert_eq!(rounded.constants().l_vv[(0, 0)].0, 2.0);
    /// let missing = (sharp.gradient_bound().0 - rounded.gradient_bound().0) / 2.0;
    /// assert!(0.0 < missing && missing < 0.01 * 0.17); // s = 0.162
    /// ```
    ///
    /// # Panics
    /// If L is not positive and finite, or delta not in (0, 1/4].
    pub fn rounded(l: f64, delta: f64) -> Self {
        assert!(delta > 0.0 && delta <= 0.25, "delta must be in (0, 1/4] and is {delta}");
        Self { delta, ..Self::new(l) }
    }

    /// L^vv = L.
    pub fn constants(&self) -> Smoothness<Exact> {
        Smoothness::single(Exact(self.l), Exact(0.0), Exact(0.0))
    }

    /// sup ||grad_v F||, on the second axis: L tanh(pi/2), or of the rounded one L (p_1 + s delta/2).
    pub fn gradient_bound(&self) -> Exact {
        Exact(self.l * self.slope(std::f64::consts::FRAC_PI_2))
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
        let rise = self.rise(angle);
        let right = !(w[0].value() < 0.0);
        let f = if right { rise } else { self.rise(S::from_f64(FRAC_PI_2)).scale(2.0) - rise };
        f.scale(self.l)
    }

    /// Where rounding begins, theta_1; beyond pi/2 where there is none.
    #[inline(always)]
    fn rounded_from(&self) -> f64 {
        if self.delta > 0.0 { FRAC_PI_2 - self.delta } else { f64::INFINITY }
    }

    /// f'/L at an angle in [-pi/2, pi/2].
    #[inline(always)]
    fn slope<S: Scalar>(&self, angle: S) -> S {
        let from = self.rounded_from();
        if angle.value().abs() <= from {
            return angle.tanh();
        }
        let (p, u) = (S::from_f64(from).tanh(), angle.abs() - S::from_f64(from));
        let slope = p + (S::ONE - p * p) * (u - u * u.scale(0.5 / self.delta));
        if angle.value() < 0.0 { -slope } else { slope }
    }

    /// f/L at an angle in [-pi/2, pi/2]: the integral of f'/L from 0.
    #[inline(always)]
    fn rise<S: Scalar>(&self, angle: S) -> S {
        let from = self.rounded_from();
        if angle.value().abs() <= from {
            return ln_cosh(angle);
        }
        let (start, u) = (S::from_f64(from), angle.abs() - S::from_f64(from));
        let p = start.tanh();
        ln_cosh(start) + p * u + (S::ONE - p * p) * u * u * (S::from_f64(0.5) - u.scale(1.0 / (6.0 * self.delta)))
    }
}

/// ln cosh x for |x| <= pi/2, where nothing overflows.
#[inline(always)]
fn ln_cosh<S: Scalar>(x: S) -> S {
    (x.exp() + (-x).exp()).scale(0.5).ln()
}

impl Formula for TanhCircle {
    common_parts!();

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
                let slope = self.slope(angle).scale(self.l) / (r * r);
                grad[0] = -(slope * w[1]);
                grad[1] = slope * w[0];
                self.height(w, angle)
            },
        )
    }
}
