//! What one step does to a block.

use std::fmt;

use super::memory::{Accumulation, Direction};
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
    /// Weight decay on w: w_i <- w_i - eta_{w,t} (grad + lambda w_i), [`StepRule::Gradient`] with
    /// [`WeightDecay::Coupled`].
    Decay {
        /// lambda.
        lambda: f64,
    },
    /// WNGrad (Wu, Ward & Bottou 2018, arXiv:1803.02865), with a b of each block's own: b <- b + ||grad||^2 / b, then
    /// w_i <- w_i - (eta_{w,t}/b) grad. The gradient is taken up by b before the step is divided by it. There is no
    /// learning rate in that paper: eta_w = 1.
    WnGrad {
        /// b before the first step.
        b_0: f64,
    },
    /// AdaGrad-norm (Ward, Wu & Bottou 2019, arXiv:1806.01811), with a b of each block's own: b^2 <- b^2 + ||grad||^2,
    /// then w_i <- w_i - (eta_{w,t}/b) grad.
    AdaGradNorm {
        /// b before the first step.
        b_0: f64,
    },
}

/// Weight decay of the blocks, beside a step rule: see [`Plan::decaying`](super::Plan::decaying). g does not decay.
///
/// Both are one rule where a step is its rate times the gradient: under [`StepRule::Gradient`], [`StepRule::Projected`]
/// and [`StepRule::Adaptive`]. They differ where a rule remembers or rescales gradients (Loshchilov & Hutter 2019).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum WeightDecay {
    /// None.
    #[default]
    None,
    /// The rule is given grad + lambda w_i in the place of grad: the gradient of F_z + (lambda/2) ||w_i||^2.
    Coupled {
        /// lambda.
        lambda: f64,
    },
    /// w_i <- (1 - eta_{w,t} lambda) w_i beside what the rule does with grad alone.
    Decoupled {
        /// lambda.
        lambda: f64,
    },
}

/// A number of a step rule that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RuleError {
    /// A share of momentum that is outside [0, 1).
    Momentum(f64),
    /// A weight decay lambda that is negative or not finite.
    Lambda(f64),
    /// A b_0 that is not positive and finite.
    Divisor(f64),
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Momentum(b) => write!(f, "the momentum b = {b} is not at least 0 and below 1"),
            Self::Lambda(lambda) => write!(f, "the weight decay lambda = {lambda} is not finite and at least 0"),
            Self::Divisor(b_0) => write!(f, "b_0 = {b_0} is not positive and finite"),
        }
    }
}

impl std::error::Error for RuleError {}

fn share(b: f64) -> Result<(), RuleError> {
    if (0.0..1.0).contains(&b) { Ok(()) } else { Err(RuleError::Momentum(b)) }
}

fn decay(lambda: f64) -> Result<(), RuleError> {
    if lambda >= 0.0 && lambda.is_finite() { Ok(()) } else { Err(RuleError::Lambda(lambda)) }
}

impl WeightDecay {
    /// The same, if its number makes sense.
    ///
    /// # Errors
    /// Unless lambda is finite and at least 0.
    pub fn validated(self) -> Result<Self, RuleError> {
        match self {
            Self::None => Ok(self),
            Self::Coupled { lambda } | Self::Decoupled { lambda } => decay(lambda).map(|()| self),
        }
    }

    /// What is left of w beside the rule's own step.
    #[inline(always)]
    pub(super) fn kept<S: Scalar>(self, eta_w: S) -> S {
        if let Self::Decoupled { lambda } = self { S::ONE - eta_w.scale(lambda) } else { S::ONE }
    }

    /// What the rule is given in the place of the derivative d of an entry x.
    #[inline(always)]
    pub(super) fn given<S: Scalar>(self, x: S, d: S) -> S {
        if let Self::Coupled { lambda } = self { d + x.scale(lambda) } else { d }
    }
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
            Self::WnGrad { b_0 } => write!(f, "WNGrad, b_0 = {b_0}"),
            Self::AdaGradNorm { b_0 } => write!(f, "AdaGrad-norm, b_0 = {b_0}"),
        }
    }
}

impl fmt::Display for WeightDecay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no weight decay"),
            Self::Coupled { lambda } => write!(f, "coupled weight decay {lambda}"),
            Self::Decoupled { lambda } => write!(f, "decoupled weight decay {lambda}"),
        }
    }
}

impl StepRule {
    /// The same, if its numbers make sense. [`Stepper`](super::Stepper) makes steps with any numbers.
    ///
    /// # Errors
    /// Unless every b of a momentum is at least 0 and below 1, lambda finite and at least 0, and b_0 positive and
    /// finite.
    ///
    /// ```
    /// use ratecheck::descent::StepRule;
    /// assert!(StepRule::WnGrad { b_0: 1.0 }.validated().is_ok());
    /// let error = StepRule::HeavyBall { b: 1.0 }.validated().unwrap_err();
    /// assert_eq!(error.to_string(), "the momentum b = 1 is not at least 0 and below 1");
    /// ```
    pub fn validated(self) -> Result<Self, RuleError> {
        match self {
            Self::Gradient | Self::Projected | Self::Adaptive | Self::Sign => Ok(()),
            Self::HeavyBall { b } | Self::Ema { b } | Self::Nesterov { b } => share(b),
            Self::Adam { b_1, b_2 } => share(b_1).and_then(|()| share(b_2)),
            Self::Decay { lambda } => decay(lambda),
            Self::WnGrad { b_0 } | Self::AdaGradNorm { b_0 } if !(b_0 > 0.0 && b_0.is_finite()) => {
                Err(RuleError::Divisor(b_0))
            }
            Self::WnGrad { .. } | Self::AdaGradNorm { .. } => Ok(()),
        }
        .map(|()| self)
    }

    /// Brings theta into the form that the rule stores, and writes n_i = ||w_i||^2 (G_i for the adaptive rule).
    pub(super) fn start(self, layout: &Parameters, theta: &mut [f64], w_norm_sq: &mut [f64]) {
        for (block, n) in layout.blocks().iter().zip(w_norm_sq) {
            *n = norm_sq(&theta[block.range.clone()]);
        }
        if self == Self::Adaptive {
            layout.normalise(theta);
        }
    }

    /// Whether a step is a rate times the gradient, which may also decay and be projected: runs by such a rule can go
    /// in [`Lockstep`](super::Lockstep).
    pub fn goes_in_lockstep(self) -> bool {
        self.direction() == Direction::Gradient && self.accumulation() == Accumulation::None
    }

    /// The squared norm of the stored block, where n is ||w_i||^2 or G_i.
    #[inline(always)]
    pub(super) fn stored_norm_sq<S: Scalar>(self, n: S) -> S {
        if matches!(self, Self::Adaptive) { S::ONE } else { n }
    }

    /// The rate with which the stored block moves against its direction, before any projection.
    #[inline(always)]
    pub(super) fn rate<S: Scalar>(self, eta_w: S, n: S) -> S {
        if matches!(self, Self::Adaptive) { eta_w / n } else { eta_w }
    }

    /// What the stored block moves against: its gradient, or what the rule makes of it.
    pub(super) fn direction(self) -> Direction {
        match self {
            Self::Gradient | Self::Projected | Self::Adaptive | Self::Decay { .. } => Direction::Gradient,
            Self::WnGrad { .. } | Self::AdaGradNorm { .. } => Direction::Gradient,
            Self::HeavyBall { b } => Direction::Mean { b, share: 1.0, ahead: false },
            Self::Ema { b } => Direction::Mean { b, share: 1.0 - b, ahead: false },
            Self::Nesterov { b } => Direction::Mean { b, share: 1.0, ahead: true },
            Self::Adam { b_1, b_2 } => Direction::Adam { b: [b_1, b_2] },
            Self::Sign => Direction::Sign,
        }
    }

    /// What the rate is divided by, beside all else.
    pub(super) fn accumulation(self) -> Accumulation {
        match self {
            Self::WnGrad { b_0 } => Accumulation::Harmonic { b_0 },
            Self::AdaGradNorm { b_0 } => Accumulation::Squares { b_0 },
            _ => Accumulation::None,
        }
    }

    /// How the stored blocks decay: as the rule does by itself, or as asked.
    ///
    /// # Panics
    /// If both.
    pub(super) fn decay(self, asked: WeightDecay) -> WeightDecay {
        match (self, asked) {
            (Self::Decay { lambda }, WeightDecay::None) => WeightDecay::Coupled { lambda },
            (Self::Decay { .. }, _) => panic!("the rule decays by itself"),
            // The stored block is v_i, of which lambda w_i is no part: what the decay leaves of w_i it leaves of v_i.
            (Self::Adaptive, WeightDecay::Coupled { lambda }) => WeightDecay::Decoupled { lambda },
            _ => asked,
        }
    }

    /// Ends a step of a block that has moved against its direction: projects it if the rule does, and writes its n.
    /// Returns the squared norm before any projection: not finite if the new block is not,
    /// or has no direction to project.
    #[inline(always)]
    pub(super) fn settle<S: Scalar>(self, w: &mut [S], grad_sq: S, eta_w: S, kept: S, n: &mut S) -> S {
        let moved_sq = norm_sq(w);
        match self {
            Self::Projected => {
                let factor = (*n / moved_sq).sqrt();
                one_by_one::<S>(w.len(), |k| w[k] *= factor);
            }
            Self::Adaptive => {
                let norm = moved_sq.sqrt();
                one_by_one::<S>(w.len(), |k| w[k] = w[k] / norm);
                // w_i and its gradient are orthogonal.
                *n = kept * kept * *n + eta_w * eta_w / *n * grad_sq;
            }
            _ => {
                *n = moved_sq;
                return moved_sq;
            }
        }
        // 0/0 of a block that has no direction left.
        moved_sq + *n + S::ZERO / moved_sq
    }
}

/// x <- x - rate grad.
#[inline(always)]
pub(super) fn move_against<S: Scalar>(x: &mut [S], grad: &[S], rate: S) {
    let grad = &grad[..x.len()];
    one_by_one::<S>(x.len(), |k| x[k] -= rate * grad[k]);
}

/// w <- w - rate (grad + lambda w) under a coupled decay, w <- kept w - rate grad under a decoupled one.
#[inline(always)]
pub(super) fn move_block<S: Scalar>(w: &mut [S], grad: &[S], rate: S, decay: WeightDecay, kept: S) {
    let grad = &grad[..w.len()];
    match decay {
        WeightDecay::None => move_against(w, grad, rate),
        WeightDecay::Coupled { .. } => one_by_one::<S>(w.len(), |k| w[k] -= rate * decay.given(w[k], grad[k])),
        WeightDecay::Decoupled { .. } => one_by_one::<S>(w.len(), |k| w[k] = kept * w[k] - rate * grad[k]),
    }
}

/// Visits 0..n: as in the loops of networks, scalars that fill a register are to be taken one by one.
#[inline(always)]
fn one_by_one<S: Scalar>(n: usize, mut visit: impl FnMut(usize)) {
    let mut k = 0;
    let zero = if S::RUNS > 1 { std::hint::black_box(0) } else { 0 };
    while k < n {
        visit(k);
        k = (k + 1) | zero;
    }
}
