//! Bounds on the derivatives of activations and objectives.

use super::{Unbounded, Up};
use crate::network::{Activation, Objective};

/// Bounds on the derivatives of an activation s on the whole line.
///
/// ```
/// use ratecheck::curvature::ActivationBounds;
/// use ratecheck::network::Activation;
/// let tanh = ActivationBounds::of(Activation::Tanh)?;
/// assert!((tanh.second.value() - 4.0 / (3.0 * 3.0_f64.sqrt())).abs() < 1e-15);
/// assert!(ActivationBounds::of(Activation::Relu).is_err());
/// # Ok::<(), ratecheck::curvature::Unbounded>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ActivationBounds {
    /// a1 >= |s'|; the Lipschitz constant.
    pub first: Up,
    /// a2 >= |s''|.
    pub second: Up,
    /// Half the length of s's range, if it is finite: a bound on the standard deviation of any s(y).
    pub half_range: Option<Up>,
}

impl ActivationBounds {
    /// tanh: |s'| <= 1, s'' = -2t(1 - t^2) is largest at t = 1/sqrt 3: 4/(3 sqrt 3). The sigmoid is (1 + tanh(y/2))/2:
    /// 1/4 and 1/(6 sqrt 3). The derivative of softplus is the sigmoid: 1 and 1/4. GELU: s'' = (2 - y^2) phi(y), so
    /// that s' is largest at sqrt 2, where it is 1.12890..., and s'' at 0, where it is sqrt(2/pi) = 0.79788...; at its
    /// minima, +-2, it is -0.108. SiLU, with the sigmoid p: s' = p + y p (1 - p) is largest at y = 2.399..., where it
    /// is 1.09983..., and s'' = p (1 - p) (2 - y tanh(y/2)) at 0, where it is 1/2; elsewhere it is no less than -0.1.
    ///
    /// # Errors
    /// If the activation is not smooth, or no bound is derived for it.
    pub fn of(activation: Activation) -> Result<Self, Unbounded> {
        let (first, second, half_range) = match activation {
            Activation::Tanh => (1.0, Up::new(16.0).over(27.0).sqrt(), Some(1.0)),
            Activation::Sigmoid => (0.25, Up::new(1.0).over(108.0).sqrt(), Some(0.5)),
            Activation::Softplus => (1.0, Up::new(0.25), None),
            Activation::Gelu => (1.128_91, Up::new(0.797_89), None),
            Activation::Silu => (1.099_85, Up::new(0.5), None),
            Activation::Relu | Activation::LeakyRelu { .. } | Activation::GeluTanh => {
                return Err(Unbounded::Activation(activation));
            }
        };
        Ok(Self { first: Up::new(first), second, half_range: half_range.map(Up::new) })
    }
}

/// Bounds on the derivatives of out -> mean_b f_{y_b}(out_b) in the K x B outputs of a minibatch.
#[derive(Clone, Copy, Debug)]
pub struct ObjectiveBounds {
    /// gZ >= ||grad||, the Frobenius norm.
    pub first: Up,
    /// hZ >= the spectral norm of the Hessian.
    pub second: Up,
    /// At least the spectral norm of a block of the Hessian that couples two different outputs.
    pub coupling: Up,
}

impl ObjectiveBounds {
    /// With B examples. The Hessian is a block for every example, so its norm is the largest of the blocks', each
    /// times 1/B; the gradient's B columns have norms of at most alpha_f/B, hence gZ = alpha_f/sqrt(B).
    ///
    /// Logistic: |f'| <= 1, f'' <= 1/4. Cross-entropy: the gradient p - e_y has ||.||^2 <= (1 - p_y)^2 + (sum_{k != y}
    /// p_k)^2 <= 2; for a unit u the Hessian's form u'(diag(p) - pp')u is the variance under p of a variable u_k,
    /// whose values are at most sqrt 2 apart: at most (sqrt(2)/2)^2 = 1/2. Squared: the Hessian is the identity, and
    /// the gradient (out - y)/B is bounded on a ball of g alone: ||out||^2 = sum_k (gamma_k^2 ||xhat_k||^2 + B
    /// beta_k^2) <= B K^2, where `radius` is K, so that gZ = (sqrt(B) K + ||y||)/B. `targets_sq` is ||y||^2, the sum
    /// of squares of all targets. Two outputs are coupled by cross-entropy alone, by -p_k p_l/B with p_k p_l <= 1/4.
    pub fn new(objective: Objective, batch_size: usize, radius: Up, targets_sq: Up) -> Self {
        let share = Up::new(1.0).over(batch_size as f64);
        let of_radius = || radius * share.sqrt() + targets_sq.sqrt() * share;
        let first = lipschitz_sq(objective).map_or_else(of_radius, |sq| (Up::new(sq) * share).sqrt());
        let (second, coupling) = match objective {
            Objective::Logistic => (0.25, 0.0),
            Objective::CrossEntropy => (0.5, 0.25),
            Objective::Squared => (1.0, 0.0),
        };
        Self { first, second: Up::new(second) * share, coupling: Up::new(coupling) * share }
    }
}

/// alpha_f^2, the squared Lipschitz constant of f_y; none for the squared objective.
pub(super) fn lipschitz_sq(objective: Objective) -> Option<f64> {
    match objective {
        Objective::Logistic => Some(1.0),
        Objective::CrossEntropy => Some(2.0),
        Objective::Squared => None,
    }
}
