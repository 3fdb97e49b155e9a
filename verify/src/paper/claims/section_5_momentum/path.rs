//! A run with momentum, with <w, m> and the reach of rounding carried along.
//!
//! **Rounding.** With a = ||d|| + b ||m_t||, both ||m_{t+1}|| and the direction's norm are at most 2a. Let W = ||w|| +
//! 2 e a, which also bounds y_t and w_{t+1}. (i) <w, d> is at most omega = 64u (G + L): the tolerance of Lemma 2.4,
//! part 1, on the norm G of the whole gradient, and a multiple of the loss's curvature L, at the scale of whose terms
//! closed forms round when they converge. (ii) Computing m_{t+1} is off by at most 4u a, computing w_{t+1} by u (8 e
//! a + W). (iii) Inner products of d terms are off by (d+2)u relative to the norms. So p_t, computed by its recursion,
//! is off by E_t, E_0 = 0, E_{t+1} = b E_t + omega + u a (6 W + 16 e a) + (4d+16) u e a^2 + 4u |p_t|, and n_{t+1} - n_t
//! by 2 e (b E_t + 2 (omega + 4u a W)) + 2u (8 e a + W) W + (d+2) u (n_t + n_{t+1}) + (4d+16) u e^2 a^2.
//! Both are carried along a run: no constant in them is fitted.

use std::fmt;
use std::ops::Range;

use rand::RngExt;
use ratecheck::descent::{Divergence, Schedule, ScheduleError, StepRule, Stepper};
use ratecheck::loss::Loss;
use ratecheck::parameters::{Parameters, dot};
use ratecheck::random::Generator;
use ratecheck::scalar::Scalar;

use crate::claim::evidence::Unevaluated;
use crate::claim::instances::U;

/// What moves a block.
#[derive(Clone, Copy)]
pub(super) enum Mover {
    /// A rule of the engine.
    Rule(StepRule),
    /// Nesterov's own form, with the gradient at y_t.
    LookingAhead { b: f64 },
}

impl Mover {
    /// b, where there is momentum.
    fn b(self) -> Option<f64> {
        match self {
            Self::LookingAhead { b }
            | Self::Rule(StepRule::HeavyBall { b } | StepRule::Ema { b } | StepRule::Nesterov { b }) => Some(b),
            Self::Rule(_) => None,
        }
    }

    /// How many times the rate before it a drawn rate may be.
    pub(super) fn growth(self, rates: Rates) -> f64 {
        match (self, rates) {
            (Self::Rule(StepRule::Nesterov { b }), Rates::Drawn) => (1.0 + b) * (1.0 + b) / b,
            _ => f64::INFINITY,
        }
    }
}

impl fmt::Display for Mover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LookingAhead { b } => write!(f, "Nesterov's form, b = {b}"),
            Self::Rule(rule) => rule.fmt(f),
        }
    }
}

/// The learning rates of W.
#[derive(Clone, Copy)]
pub(super) enum Rates {
    Constant(f64),
    /// eta/sqrt(t+1).
    Decaying(f64),
    /// From 1e-3 to 1e3, uniform in the logarithm, anew at every step.
    Drawn,
    /// The last one for ever.
    Given(&'static [f64]),
}

impl Rates {
    /// eta_t, at most `limit`.
    pub(super) fn at(self, t: u64, limit: f64, generator: &mut Generator) -> f64 {
        let rate = match self {
            Self::Constant(eta) => eta,
            Self::Decaying(eta) => eta / ((t + 1) as f64).sqrt(),
            Self::Drawn => Scalar::exp(std::f64::consts::LN_10 * generator.random_range(-3.0..3.0)),
            Self::Given(rates) => rates[(t as usize).min(rates.len() - 1)],
        };
        rate.min(limit)
    }
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(eta) => write!(f, "η = {eta}"),
            Self::Decaying(eta) => write!(f, "η = {eta}/√(t+1)"),
            Self::Drawn => write!(f, "η drawn"),
            Self::Given(rates) => write!(f, "η = {rates:?}"),
        }
    }
}

/// W, and m in the same layout (empty without momentum).
#[derive(Clone)]
pub(super) struct State<S> {
    pub(super) theta: Vec<S>,
    pub(super) m: Vec<S>,
}

/// p = <w_t, m_t> by its recursion, and how far rounding can have taken it.
#[derive(Clone, Copy)]
pub(super) struct Ledger<S> {
    p: S,
    error: f64,
}

/// What a step did to one block.
pub(super) struct Seen<S = f64> {
    /// ||w_t||^2.
    pub(super) n: S,
    /// ||w_{t+1}||^2.
    pub(super) n_next: S,
    /// n_{t+1} - n_t by the derivation.
    pub(super) increment: S,
    /// ||w_{t+1} - w_t||^2.
    pub(super) step_sq: S,
    /// How far rounding can take n_{t+1} - n_t from `increment`.
    pub(super) rounding: f64,
}

/// The end of a step, at which its blocks are looked at: from `before` to `after` against `grad`.
pub(super) struct Moved<'a, S> {
    pub(super) mover: Mover,
    pub(super) eta: f64,
    pub(super) before: &'a State<S>,
    pub(super) after: &'a State<S>,
    pub(super) grad: &'a [S],
    /// The norm of the whole gradient, at normalised blocks.
    pub(super) whole: f64,
    /// What an operation is off by: u of the module's doc comment.
    pub(super) unit: f64,
}

/// <w_0, m_0> of every block.
pub(super) fn ledgers<S: Scalar>(layout: &Parameters, start: &State<S>) -> Vec<Ledger<S>> {
    let p = |i: usize| dot(&start.theta[layout.block(i)], &start.m[layout.block(i)]);
    (0..layout.n_blocks()).map(|i| Ledger { p: p(i), error: 0.0 }).collect()
}

/// One run, block by block.
pub(super) struct Path<'a> {
    loss: &'a dyn Loss,
    mover: Mover,
    stepper: Stepper<'a>,
    before: State<f64>,
    after: State<f64>,
    ledgers: Vec<Ledger<f64>>,
    eta: f64,
    /// The norm of the whole gradient of the last step, at normalised blocks.
    whole: f64,
}

impl<'a> Path<'a> {
    /// From theta_0 with m_0 = 0, or m_0 = `push` theta_0; z is given step by step, so the generator is not used.
    pub(super) fn new(
        loss: &'a dyn Loss,
        theta_0: &[f64],
        mover: Mover,
        push: Option<f64>,
        unused: Generator,
    ) -> Result<Self, ScheduleError> {
        let rule = if let Mover::Rule(rule) = mover { rule } else { StepRule::Gradient };
        let one = Schedule::constant(1.0)?;
        let m: Vec<f64> = theta_0.iter().map(|w| push.unwrap_or(0.0) * w).collect();
        let mut stepper = Stepper::new(loss, theta_0, rule, one, one, unused);
        if push.is_some() {
            stepper = stepper.with_momentum(&m);
        }
        let after = State { theta: theta_0.to_vec(), m };
        let ledgers = ledgers(loss.parameters(), &after);
        Ok(Self { loss, mover, stepper, before: after.clone(), after, ledgers, eta: 0.0, whole: 0.0 })
    }

    /// One step, on the minibatch z.
    pub(super) fn step(&mut self, z: &[usize], eta: f64, eta_g: f64) -> Result<(), Unevaluated> {
        std::mem::swap(&mut self.before, &mut self.after);
        self.eta = eta;
        self.stepper.set_rates(Schedule::constant(eta)?, Schedule::constant(eta_g)?);
        let (before, after) = (&self.before, &mut self.after);
        if let Mover::LookingAhead { b } = self.mover {
            // From y, a plain step leads to the next w.
            let weights = self.loss.parameters().g().start;
            after.theta.copy_from_slice(&before.theta);
            for (y, m) in after.theta[..weights].iter_mut().zip(&before.m) {
                *y -= eta * b * m;
            }
            self.stepper.restart(&after.theta, self.stepper.t());
        }
        let step = self.stepper.step_with(z).map_err(|divergence: Divergence| Unevaluated::from(divergence))?;
        self.whole = (step.grad_v_sq + step.grad_g_sq).sqrt();
        after.theta.copy_from_slice(self.stepper.theta());
        match self.mover {
            Mover::Rule(_) if self.stepper.momentum().is_empty() => {}
            Mover::Rule(_) => after.m.copy_from_slice(self.stepper.momentum()),
            Mover::LookingAhead { b } => {
                for ((next, m), d) in after.m.iter_mut().zip(&before.m).zip(self.stepper.gradient()) {
                    *next = b * m + d;
                }
            }
        }
        Ok(())
    }

    /// ||w_t||^2 of block i.
    pub(super) fn w_norm_sq(&self, i: usize) -> f64 {
        self.loss.parameters().w_norm_sq(&self.after.theta, i)
    }

    /// What the last step did to block i; moves its ledger on. `curvature` is L of the module's doc comment.
    pub(super) fn look(&mut self, i: usize, curvature: f64) -> Seen {
        let moved = Moved {
            mover: self.mover,
            eta: self.eta,
            before: &self.before,
            after: &self.after,
            grad: self.stepper.gradient(),
            whole: self.whole,
            unit: U,
        };
        moved.look(self.loss.parameters().block(i), curvature, &mut self.ledgers[i])
    }
}

impl<S: Scalar> Moved<'_, S> {
    /// What the step did to the block of the given range; moves its ledger on.
    pub(super) fn look(&self, range: Range<usize>, curvature: f64, ledger: &mut Ledger<S>) -> Seen<S> {
        let &Self { mover, eta, unit, .. } = self;
        let (w, w_next) = (&self.before.theta[range.clone()], &self.after.theta[range.clone()]);
        let (m, m_next) = (&self.before.m[range.clone()], &self.after.m[range.clone()]);
        let grad = &self.grad[range];
        let sq = |x: &[S]| dot(x, x);
        let twice = |x: S| x.scale(eta).scale(eta);
        let (n, n_next) = (sq(w), sq(w_next));
        let change: Vec<S> = w.iter().zip(w_next).map(|(&x, &y)| y - x).collect();
        let step_sq = sq(&change);
        let Ledger { p, error } = *ledger;
        let b = mover.b().unwrap_or(0.0);
        let (increment, p_next) = match mover {
            Mover::LookingAhead { .. } => {
                let (m_sq, d_sq) = (sq(m).scale(b).scale(b), sq(grad));
                let turn = m_sq + dot(m, grad).scale(b) + d_sq;
                (p.scale(eta).scale(-2.0 * b) + twice(m_sq + d_sq), p.scale(b) - turn.scale(eta))
            }
            Mover::Rule(StepRule::Nesterov { .. }) => {
                let direction: Vec<S> = grad.iter().zip(m_next).map(|(&d, m)| d + m.scale(b)).collect();
                let increment = p.scale(eta).scale(-2.0 * b).scale(b) + twice(sq(&direction));
                (increment, p.scale(b) - dot(&direction, m_next).scale(eta))
            }
            Mover::Rule(_) => {
                let m_sq = sq(m_next);
                (p.scale(eta).scale(-2.0 * b) + twice(m_sq), p.scale(b) - m_sq.scale(eta))
            }
        };
        // The module's doc comment, term by term; a bound needs no more than f64.
        let length = |x: &[S]| sq(x).value().sqrt();
        let reach = match mover.b() {
            Some(b) => length(grad) + b.abs() * length(m),
            None => step_sq.value().sqrt() / eta,
        };
        let (d, moved) = (w.len() as f64, eta * reach);
        let far = n.value().sqrt() + 2.0 * moved;
        let omega = 64.0 * unit * (self.whole + curvature);
        let products = (4.0 * d + 16.0) * unit * moved * reach;
        let slope = 2.0 * eta * (b.abs() * error + 2.0 * (omega + 4.0 * unit * reach * far));
        let norms = (d + 2.0) * unit * (n.value() + n_next.value());
        let rounding = slope + 2.0 * unit * (8.0 * moved + far) * far + norms + products * eta;
        let p_size = p.value().abs();
        let error =
            b.abs() * error + omega + unit * reach * (6.0 * far + 16.0 * moved) + products + 4.0 * unit * p_size;
        *ledger = Ledger { p: p_next, error };
        Seen { n, n_next, increment, step_sq, rounding }
    }
}
