//! What one step does to a block.

use crate::parameters::{Parameters, norm_sq};

/// How a block w_i moves. The scale-variant g always moves by g <- g - eta_{g,t} grad_g F_z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepRule {
    /// (4): w_i <- w_i - eta_{w,t} grad_{w_i} F_z. With z the whole data set it is gradient descent.
    Gradient,
    /// The step of [`StepRule::Gradient`], then each block back to the norm it started with. The effective learning rate
    /// cannot tune itself: the control of appendix D.
    Projected,
    /// (9), Theorem 2.5: with v_i on the unit sphere and G_i in the place of ||w_i||^2,
    /// v_i <- Pi(v_i - (eta_{w,t}/G_i) grad_{v_i} F_z(theta~)) and
    /// G_i <- G_i + (eta_{w,t}^2/G_i) ||grad_{v_i} F_z(theta~)||^2, where Pi divides by the norm.
    Adaptive,
}

impl StepRule {
    /// Brings theta into the form that the rule stores, and writes n_i = ||w_i||^2 (G_i for the adaptive rule).
    pub(super) fn start(self, layout: &Parameters, theta: &mut [f64], w_norm_sq: &mut [f64]) {
        for (block, n) in layout.blocks().iter().zip(w_norm_sq) {
            *n = norm_sq(&theta[block.range.clone()]);
        }
        if self == Self::Adaptive {
            layout.normalise(theta);
        }
    }

    /// The squared norm of the stored block, where n is ||w_i||^2 or G_i.
    #[inline]
    pub(super) fn stored_norm_sq(self, n: f64) -> f64 {
        match self {
            Self::Gradient | Self::Projected => n,
            Self::Adaptive => 1.0,
        }
    }

    /// The rate with which the stored block moves against its gradient, before any projection.
    #[inline]
    pub(super) fn rate(self, eta_w: f64, n: f64) -> f64 {
        match self {
            Self::Gradient | Self::Projected => eta_w,
            Self::Adaptive => eta_w / n,
        }
    }

    /// Moves a stored block and its n. Returns the squared norm of the block before any projection: not finite if
    /// the new block is not, or has no direction to project.
    #[inline]
    pub(super) fn advance(self, w: &mut [f64], grad: &[f64], grad_sq: f64, eta_w: f64, n: &mut f64) -> f64 {
        move_against(w, grad, self.rate(eta_w, *n));
        let moved_sq = norm_sq(w);
        match self {
            Self::Gradient => {
                *n = moved_sq;
                return moved_sq;
            }
            Self::Projected => {
                let factor = (*n / moved_sq).sqrt();
                w.iter_mut().for_each(|x| *x *= factor);
            }
            Self::Adaptive => {
                let norm = moved_sq.sqrt();
                w.iter_mut().for_each(|x| *x /= norm);
                *n += eta_w * eta_w / *n * grad_sq;
            }
        }
        if moved_sq > 0.0 { moved_sq + *n } else { f64::NAN }
    }
}

/// x <- x - rate grad.
#[inline]
pub(super) fn move_against(x: &mut [f64], grad: &[f64], rate: f64) {
    for (x, d) in x.iter_mut().zip(grad) {
        *x -= rate * d;
    }
}
