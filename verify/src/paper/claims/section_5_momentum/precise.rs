//! The same runs in double-double, or any arithmetic: the rules written again, from the same start,
//! with the same minibatches and rates.

use ratecheck::descent::StepRule;
use ratecheck::loss::{Arithmetic, Loss};
use ratecheck::random::{Generator, Seed};
use ratecheck::scalar::DoubleDouble;

use super::path::{Ledger, Moved, Mover, Rates, Seen, State, ledgers};
use crate::claim::replay::{Recursion, Sides};

/// A run as far as it was asked for.
pub(super) struct Precise<'a, S: Arithmetic = DoubleDouble> {
    run: Recursion<'a, S>,
    mover: Mover,
    rates: Rates,
    eta_g: f64,
    curvature: &'a [f64],
    after: State<S>,
    ledgers: Vec<Ledger<S>>,
    draws: Generator,
    rate_draws: Generator,
    permutation: Vec<usize>,
    eta: f64,
    /// What an operation is off by.
    unit: f64,
    /// The steps made.
    t: u64,
    /// What the last one did to every block.
    seen: Vec<Seen<S>>,
}

impl<'a, S: Arithmetic> Precise<'a, S> {
    /// From theta_0 with m_0 = 0, or m_0 = `push` theta_0; `seed` is that of the run in `f64`.
    /// Nothing if the loss has no such arithmetic.
    pub(super) fn new(
        (loss, theta_0): (&'a dyn Loss, &[f64]),
        mover: Mover,
        (rates, eta_g): (Rates, f64),
        curvature: &'a [f64],
        (push, unit): (Option<f64>, f64),
        seed: &Seed,
    ) -> Option<Self> {
        let run = Recursion::new(loss, theta_0)?;
        let m = run.theta.iter().map(|w: &S| push.map_or(S::ZERO, |push| w.scale(push))).collect();
        let after = State { theta: run.theta.clone(), m };
        let ledgers = ledgers(loss.parameters(), &after);
        let (draws, rate_draws) = (seed.generator("z"), seed.generator("rates"));
        let (permutation, seen) = (Vec::new(), Vec::new());
        let eta = f64::INFINITY;
        Some(Self {
            run,
            mover,
            rates,
            eta_g,
            curvature,
            after,
            ledgers,
            draws,
            rate_draws,
            permutation,
            eta,
            unit,
            t: 0,
            seen,
        })
    }

    /// What the last step did to every block.
    pub(super) fn seen(&self) -> &[Seen<S>] {
        &self.seen
    }

    /// One step. Nothing for rules without momentum.
    pub(super) fn step(&mut self) -> Option<()> {
        let loss = self.run.loss;
        let layout = loss.parameters();
        let weights = layout.g().start;
        self.eta = self.rates.at(self.t, self.eta * self.mover.growth(self.rates), &mut self.rate_draws);
        let (eta, before) = (self.eta, self.after.clone());
        if let Mover::LookingAhead { b } = self.mover {
            for (y, m) in self.run.theta[..weights].iter_mut().zip(&before.m) {
                *y -= m.scale(b).scale(eta);
            }
        }
        self.run.look(loss.minibatches().draw(&mut self.draws, &mut self.permutation));
        let n = self.run.norms();
        let whole_sq: S = (0..n.len()).fold(self.run.grad_g_sq(), |sum, i| sum + n[i] * self.run.grad_w_sq(i));
        let grad = &self.run.grad;
        let mut direction = grad.clone();
        for k in 0..weights {
            let (m, d) = (&mut self.after.m[k], grad[k]);
            direction[k] = match self.mover {
                Mover::Rule(StepRule::HeavyBall { b }) => {
                    *m = m.scale(b) + d;
                    *m
                }
                Mover::Rule(StepRule::Ema { b }) => {
                    *m = m.scale(b) + d.scale(1.0 - b);
                    *m
                }
                Mover::Rule(StepRule::Nesterov { b }) => {
                    *m = m.scale(b) + d;
                    d + m.scale(b)
                }
                // From y.
                Mover::LookingAhead { b } => {
                    *m = m.scale(b) + d;
                    d
                }
                Mover::Rule(_) => return None,
            };
        }
        let grad = std::mem::replace(&mut self.run.grad, direction);
        self.run.step(eta, self.eta_g);
        self.after.theta.copy_from_slice(&self.run.theta);
        let whole = whole_sq.value().sqrt();
        let (mover, unit) = (self.mover, self.unit);
        let moved = Moved { mover, eta, before: &before, after: &self.after, grad: &grad, whole, unit };
        self.seen = (0..layout.n_blocks())
            .map(|i| moved.look(layout.block(i), self.curvature[i], &mut self.ledgers[i]))
            .collect();
        self.t += 1;
        Some(())
    }
}

impl Precise<'_> {
    /// n_t and n_{t+1} of block i; t does not fall from call to call. Nothing for rules without momentum.
    pub(super) fn norms(&mut self, t: u64, i: usize) -> Option<Sides> {
        while self.t <= t {
            self.step()?;
        }
        self.seen.get(i).map(|seen| Sides { lhs: seen.n, rhs: seen.n_next, rounding: seen.rounding })
    }
}
