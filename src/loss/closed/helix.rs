//! What the two helices share: a valley whose floor winds round the circle as g climbs.

use super::norm;
use crate::scalar::Scalar;

/// The valley k (1 - v'u(g)) = (k/2) ||v - u||^2 with u(g) = (cos g, sin g): value, and gradient into `grad`.
///
/// With x = v_1 u_2 - v_2 u_1 the gradient is -(k/||w||) x (-v_2, v_1) in w and k x in g.
#[inline(always)]
pub(super) fn valley<S: Scalar>(k: f64, theta: &[S], grad: Option<&mut [S]>) -> S {
    let (r, g) = (norm(&theta[..2]), theta[2]);
    let v = [theta[0] / r, theta[1] / r];
    let u = [g.cos(), g.sin()];
    if let Some(grad) = grad {
        let cross = (v[0] * u[1] - v[1] * u[0]).scale(k);
        let slope = cross / r;
        grad[0] = slope * v[1];
        grad[1] = -(slope * v[0]);
        grad[2] = cross;
    }
    ((v[0] - u[0]).square() + (v[1] - u[1]).square()).scale(0.5 * k)
}

/// The loss: the type's own drift of g plus the valley of depth `k`.
macro_rules! helix_loss {
    ($name:ident) => {
        impl Formula for $name {
            common_parts!();

            #[inline]
            fn value<S: Scalar>(&self, _z: &[usize], theta: &[S]) -> S {
                self.drift(theta[2]).0 + valley(self.k, theta, None)
            }
            #[inline]
            fn gradient<S: Scalar>(&self, _z: &[usize], theta: &[S], grad: &mut [S], _work: &mut Workspace<S>) -> S {
                let (height, slope) = self.drift(theta[2]);
                let depth = valley(self.k, theta, Some(&mut *grad));
                grad[2] += slope;
                height + depth
            }
        }
    };
}

pub(super) use helix_loss;
