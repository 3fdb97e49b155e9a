//! Directions other than the gradient, and what their rules remember of earlier gradients.

use super::rule::move_against;

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
    /// grad + lambda w.
    Decay { lambda: f64 },
}

/// Added to Adam's denominator, as its paper does.
const ADAM_EPSILON: f64 = 1e-8;

/// A direction with its state, in theta's layout (the part of g is not used).
/// Directions that remember nothing have none.
#[derive(Debug)]
pub(super) struct Memory {
    direction: Direction,
    /// m.
    mean: Vec<f64>,
    /// s.
    square: Vec<f64>,
    /// b_1^k and b_2^k after k steps.
    powers: [f64; 2],
}

impl Memory {
    pub(super) fn new(direction: Direction, n_parameters: usize) -> Self {
        let remembers = |it: bool| vec![0.0; if it { n_parameters } else { 0 }];
        let adam = matches!(direction, Direction::Adam { .. });
        let mean = remembers(adam || matches!(direction, Direction::Mean { .. }));
        Self { direction, mean, square: remembers(adam), powers: [1.0; 2] }
    }

    /// m, empty if the direction has none.
    pub(super) fn mean(&self) -> &[f64] {
        &self.mean
    }

    pub(super) fn mean_mut(&mut self) -> &mut [f64] {
        &mut self.mean
    }

    /// Back to the start: m = 0, s = 0, k = 0.
    pub(super) fn clear(&mut self) {
        self.mean.fill(0.0);
        self.square.fill(0.0);
        self.powers = [1.0; 2];
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

    /// w <- w - rate * direction for the block that starts at `start` in theta, with m and s moved on.
    #[inline]
    pub(super) fn move_block(&mut self, start: usize, w: &mut [f64], grad: &[f64], rate: f64) {
        if self.direction == Direction::Gradient {
            return move_against(w, grad, rate);
        }
        for (k, (x, &d)) in w.iter_mut().zip(grad).enumerate() {
            let mut state = self.state(start + k);
            *x -= rate * along(self.direction, *x, d, &mut state, self.powers);
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
        along(self.direction, x, d, &mut self.state(k), self.next_powers())
    }

    /// m and s of entry k; zeros where there are none.
    #[inline]
    fn state(&self, k: usize) -> [f64; 2] {
        [&self.mean, &self.square].map(|values| values.get(k).copied().unwrap_or(0.0))
    }
}

/// The direction of one entry x with the derivative d; moves its m and s on.
#[inline]
fn along(direction: Direction, x: f64, d: f64, [m, s]: &mut [f64; 2], powers: [f64; 2]) -> f64 {
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
        Direction::Decay { lambda } => d + lambda * x,
    }
}
