//! What one step does to a block.

use std::fmt;

use super::memory::Direction;
use crate::parameters::{Parameters, norm_sq};
use crate::scalar::Scalar;

/// How a block w_i moves. The scale-variant g always moves by g <- g - eta_{g,t} grad_g F_z.
///
/// Below, grad is grad_{w_i} F_z at theta_t, m starts at 0 unless
/// [`Stepper::with_momentum`](super::Stepper::with_momentum) says otherwise, and vectors are squared, divided and so on
/// entry by entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StepRule {
    /// (4): w_i <- w_i - eta_{w,t} grad. With z the whole data set it is gradient descent.
    Gradient,
    /// The step of [`StepRule::Gradient`], then each block back to the norm it started with. The effective learning
    /// rate cannot tune itself: the control of appendix D.
    Projected,
    /// (9), Theorem 2.5: with v_i on the unit sphere and G_i in the place of ||w_i||^2,
    /// v_i <- Pi(v_i - (eta_{w,t}/G_i) grad_{v_i} F_z(theta~)) and
    /// G_i <- G_i + (eta_{w,t}^2/G_i) ||grad_{v_i} F_z(theta~)||^2, where Pi divides by the norm.
    Adaptive,
    /// Heavy ball: m <- b m + grad, w_i <- w_i - eta_{w,t} m.
    HeavyBall {
        /// b.
        b: f64,
    },
    /// Momentum as an exponential moving average: m <- b m + (1-b) grad, w_i <- w_i - eta_{w,t} m.
    Ema {
        /// b.
        b: f64,
    },
    /// Nesterov's momentum with the gradient at w_i: m <- b m + grad, w_i <- w_i - eta_{w,t} (grad + b m). Under a
    /// constant learning rate these are the points at which Nesterov's original form takes its gradients.
    Nesterov {
        /// b.
        b: f64,
    },
    /// Adam (Kingma & Ba 2015, algorithm 1): m <- b_1 m + (1-b_1) grad, s <- b_2 s + (1-b_2) grad^2 and, in step k = 1,
    /// 2, .. since the start, w_i <- w_i - eta_{w,t} (m/(1-b_1^k)) / (sqrt(s/(1-b_2^k)) + 1e-8).
    Adam {
        /// b_1.
        b_1: f64,
        /// b_2.
        b_2: f64,
    },
    /// Sign descent: w_i <- w_i - eta_{w,t} sign(grad), where sign(0) = 0.
    Sign,
    /// Weight decay on w: w_i <- w_i - eta_{w,t} (grad + lambda w_i).
    Decay {
        /// lambda.
        lambda: f64,
    },
}

impl fmt::Display for StepRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gradient => f.write_str("gradient step"),
            Self::Projected => f.write_str("projected"),
            Self::Adaptive => f.write_str("adaptive"),
            Self::HeavyBall { b } => write!(f, "heavy ball, b = {b}"),
            Self::Ema { b } => write!(f, "moving average, b = {b}"),
            Self::Nesterov { b } => write!(f, "Nesterov at w, b = {b}"),
            Self::Adam { b_1, b_2 } => write!(f, "Adam, b = {b_1} and {b_2}"),
            Self::Sign => f.write_str("signs"),
            Self::Decay { lambda } => write!(f, "weight decay {lambda}"),
        }
    }
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
        if self == Self::Adaptive { 1.0 } else { n }
    }

    /// The rate with which the stored block moves against its direction, before any projection.
    #[inline]
    pub(super) fn rate(self, eta_w: f64, n: f64) -> f64 {
        if self == Self::Adaptive { eta_w / n } else { eta_w }
    }

    /// What the stored block moves against: its gradient, or what the rule makes of it.
    pub(super) fn direction(self) -> Direction {
        match self {
            Self::Gradient | Self::Projected | Self::Adaptive => Direction::Gradient,
            Self::HeavyBall { b } => Direction::Mean { b, share: 1.0, ahead: false },
            Self::Ema { b } => Direction::Mean { b, share: 1.0 - b, ahead: false },
            Self::Nesterov { b } => Direction::Mean { b, share: 1.0, ahead: true },
            Self::Adam { b_1, b_2 } => Direction::Adam { b: [b_1, b_2] },
            Self::Sign => Direction::Sign,
            Self::Decay { lambda } => Direction::Decay { lambda },
        }
    }

    /// Ends a step of a block that has moved against its direction: projects it if the rule does, and writes its n.
    /// Returns the squared norm before any projection: not finite if the new block is not,
    /// or has no direction to project.
    #[inline]
    pub(super) fn settle(self, w: &mut [f64], grad_sq: f64, eta_w: f64, n: &mut f64) -> f64 {
        let moved_sq = norm_sq(w);
        match self {
            Self::Projected => {
                let factor = (*n / moved_sq).sqrt();
                w.iter_mut().for_each(|x| *x *= factor);
            }
            Self::Adaptive => {
                let norm = moved_sq.sqrt();
                w.iter_mut().for_each(|x| *x /= norm);
                *n += eta_w * eta_w / *n * grad_sq;
            }
            _ => {
                *n = moved_sq;
                return moved_sq;
            }
        }
        if moved_sq > 0.0 { moved_sq + *n } else { f64::NAN }
    }
}

/// x <- x - rate grad.
#[inline(always)]
pub(super) fn move_against<S: Scalar>(x: &mut [S], grad: &[S], rate: S) {
    let grad = &grad[..x.len()];
    let mut k = 0;
    let zero = if S::RUNS > 1 { std::hint::black_box(0) } else { 0 };
    while k < x.len() {
        x[k] -= rate * grad[k];
        // As in the loops of networks: scalars that fill a register are to be taken one by one.
        k = (k + 1) | zero;
    }
}
