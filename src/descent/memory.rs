//! Directions other than the gradient, and what their rules remember of earlier gradients.

use super::rule::{StepRule, WeightDecay, move_block};

/// What a block moves against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Direction {
    /// grad.
    Gradient,
    /// m <- b m + share grad; the direction is m, or grad + b m if it looks ahead.
    Mean { b: f64, share: f64, ahead: bool },
    /// The ratio of two bias-corrected means, with the decays b.
    Adam { b: [f64; 2] },
    /// The sign of grad.
    Sign,
}

/// What a rule divides the rate of a block by: b, which takes up every gradient before its step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Accumulation {
    /// By nothing.
    None,
    /// b <- b + ||grad||^2 / b.
    Harmonic { b_0: f64 },
    /// b^2 <- b^2 + ||grad||^2. Kept is b^2.
    Squares { b_0: f64 },
}

impl Accumulation {
    /// What is kept before the first step; nothing if there is no b.
    fn start(self) -> Option<f64> {
        match self {
            Self::None => None,
            Self::Harmonic { b_0 } => Some(b_0),
            Self::Squares { b_0 } => Some(b_0 * b_0),
        }
    }

    /// What is kept once a gradient is taken up.
    #[inline]
    fn next(self, kept: f64, grad_sq: f64) -> f64 {
        if let Self::Harmonic { .. } = self { kept + grad_sq / kept } else { kept + grad_sq }
    }

    /// b.
    #[inline]
    fn divisor(self, kept: f64) -> f64 {
        if let Self::Squares { .. } = self { kept.sqrt() } else { kept }
    }
}

/// Added to Adam's denominator, as its paper does.
const ADAM_EPSILON: f64 = 1e-8;

/// What a rule remembers, in theta's layout (the part of g is not used). Rules that remember nothing have none.
#[derive(Debug)]
pub(super) struct Memory {
    direction: Direction,
    decay: WeightDecay,
    accumulation: Accumulation,
    /// m.
    mean: Vec<f64>,
    /// s.
    square: Vec<f64>,
    /// b_1^k and b_2^k after k steps.
    powers: [f64; 2],
    /// b of every block, or its square.
    divisors: Vec<f64>,
}

impl Memory {
    pub(super) fn new(rule: StepRule, decay: WeightDecay, n_parameters: usize, n_blocks: usize) -> Self {
        let (direction, decay, accumulation) = (rule.direction(), rule.decay(decay), rule.accumulation());
        let remembers = |it: bool| vec![0.0; if it { n_parameters } else { 0 }];
        let adam = matches!(direction, Direction::Adam { .. });
        let mean = remembers(adam || matches!(direction, Direction::Mean { .. }));
        let divisors = accumulation.start().map_or_else(Vec::new, |start| vec![start; n_blocks]);
        Self { direction, decay, accumulation, mean, square: remembers(adam), powers: [1.0; 2], divisors }
    }

    /// m, empty if the direction has none.
    pub(super) fn mean(&self) -> &[f64] {
        &self.mean
    }

    pub(super) fn mean_mut(&mut self) -> &mut [f64] {
        &mut self.mean
    }

    /// b of block i, if the rule has one.
    pub(super) fn divisor(&self, i: usize) -> Option<f64> {
        self.divisors.get(i).map(|&kept| self.accumulation.divisor(kept))
    }

    /// How the stored blocks decay.
    pub(super) fn decay(&self) -> WeightDecay {
        self.decay
    }

    /// Back to the start: m = 0, s = 0, k = 0, b = b_0.
    pub(super) fn clear(&mut self) {
        self.mean.fill(0.0);
        self.square.fill(0.0);
        self.powers = [1.0; 2];
        if let Some(start) = self.accumulation.start() {
            self.divisors.fill(start);
        }
    }

    /// Before the blocks of step k move: b_1^k and b_2^k.
    #[inline]
    pub(super) fn begin_step(&mut self) {
        self.powers = self.next_powers();
    }

    fn next_powers(&self) -> [f64; 2] {
        match self.direction {
            Direction::Adam { b } => [self.powers[0] * b[0], self.powers[1] * b[1]],
            _ => self.powers,
        }
    }

    /// Takes up the gradient of block i, of this squared norm, and divides the block's rate by its b.
    #[inline]
    pub(super) fn take_up(&mut self, i: usize, w: &[f64], grad: &[f64], grad_sq: f64, rate: f64) -> f64 {
        if self.divisors.is_empty() {
            return rate;
        }
        self.divisors[i] = self.next_divisor(i, w, grad, grad_sq);
        self.divided(rate, self.divisors[i])
    }

    /// The rate of block i in the step that is prepared.
    pub(super) fn next_rate(&self, i: usize, w: &[f64], grad: &[f64], grad_sq: f64, rate: f64) -> f64 {
        if self.divisors.is_empty() {
            return rate;
        }
        self.divided(rate, self.next_divisor(i, w, grad, grad_sq))
    }

    fn next_divisor(&self, i: usize, w: &[f64], grad: &[f64], grad_sq: f64) -> f64 {
        let seen_sq = match self.decay {
            WeightDecay::Coupled { .. } => w.iter().zip(grad).map(|(&x, &d)| self.decay.given(x, d).powi(2)).sum(),
            _ => grad_sq,
        };
        self.accumulation.next(self.divisors[i], seen_sq)
    }

    /// Not a number once b has overflowed: a block that stands still for ever has diverged.
    fn divided(&self, rate: f64, kept: f64) -> f64 {
        if kept.is_finite() { rate / self.accumulation.divisor(kept) } else { f64::NAN }
    }

    /// w <- kept w - rate * direction for the block that starts at `start` in theta, with m and s moved on.
    #[inline]
    pub(super) fn move_block(&mut self, start: usize, w: &mut [f64], grad: &[f64], rate: f64, kept: f64) {
        if matches!(self.direction, Direction::Gradient) {
            return move_block(w, grad, rate, self.decay, kept);
        }
        let decoupled = matches!(self.decay, WeightDecay::Decoupled { .. });
        for (k, (x, &d)) in w.iter_mut().zip(grad).enumerate() {
            let mut state = self.state(start + k);
            let step = rate * along(self.direction, self.decay.given(*x, d), &mut state, self.powers);
            *x = if decoupled { kept * *x - step } else { *x - step };
            if let Some(m) = self.mean.get_mut(start + k) {
                *m = state[0];
            }
            if let Some(s) = self.square.get_mut(start + k) {
                *s = state[1];
            }
        }
    }

    /// The direction that entry k of theta, now x with the derivative d, moves against in the next step.
    pub(super) fn next(&self, k: usize, x: f64, d: f64) -> f64 {
        along(self.direction, self.decay.given(x, d), &mut self.state(k), self.next_powers())
    }

    /// m and s of entry k; zeros where there are none.
    #[inline]
    fn state(&self, k: usize) -> [f64; 2] {
        [&self.mean, &self.square].map(|values| values.get(k).copied().unwrap_or(0.0))
    }
}

/// The direction of one entry with the derivative d; moves its m and s on.
#[inline]
fn along(direction: Direction, d: f64, [m, s]: &mut [f64; 2], powers: [f64; 2]) -> f64 {
    match direction {
        Direction::Gradient => d,
        Direction::Mean { b, share, ahead } => {
            *m = b * *m + share * d;
            if ahead { d + b * *m } else { *m }
        }
        Direction::Adam { b: [b_1, b_2] } => {
            *m = b_1 * *m + (1.0 - b_1) * d;
            *s = b_2 * *s + (1.0 - b_2) * d * d;
            *m / (1.0 - powers[0]) / ((*s / (1.0 - powers[1])).sqrt() + ADAM_EPSILON)
        }
        // f64::signum takes 0 to 1; NaN stays NaN.
        Direction::Sign => {
            if d == 0.0 {
                0.0
            } else {
                d.signum()
            }
        }
    }
}
