//! Where Theorem 4.2 is nearly tight: without noise, by small steps, down the whole of a loss.
//!
//! With one minibatch the expectation is the run itself, and U = 0. For small eta_w the norm hardly grows, psi_i is
//! nearly e_t and Lambda nearly 0, so that Br is Delta + C, of which the left-hand side uses what gradient descent can:
//! nearly Delta. The tanh circle has the largest Delta for its C = L/2: 2 ln cosh(pi/2) L = 3.68 C from its top, so
//! that 3.68/4.68 = 0.79 of Br is the most; from the angle 3 at eta_w = 0.01 it is 0.73. It is the rounded one, which
//! is C².

use ratecheck::bounds::Factors;
use ratecheck::descent::{Plan, Schedule, StepRule, run};
use ratecheck::loss::{Over, closed::TanhCircle};
use ratecheck::random::Seed;
use ratecheck::rates::log_spaced;

use super::terms::{Terms, left};
use super::{ALPHAS, C};
use crate::claim::closed_forms::{ROUNDED, on_circle};
use crate::claim::evidence::{Check, Unevaluated};
use crate::claim::instances::U;

/// (angle of the start, eta_w, T): for the sums, and for the minimum, which is largest where the gradient falls late.
const RUNS: [(f64, f64, u64); 2] = [(3.0, 0.01, 1_000), (2.2, 0.01, 400)];

/// Both forms at some T; returns the largest measured/bound of the sums, and of the minimum.
pub(super) fn compare(check: &mut Check, factors: &Factors) -> Result<[f64; 2], Unevaluated> {
    let loss = TanhCircle::rounded(1.0, ROUNDED);
    let mut ratios = [0.0_f64; 2];
    for (alpha, (angle, eta_w, n_steps)) in ALPHAS.into_iter().flat_map(|alpha| RUNS.map(|run| (alpha, run))) {
        let theta_0 = on_circle(angle);
        let plan = Plan::new(
            StepRule::Gradient,
            Schedule::new(eta_w, alpha)?,
            Schedule::constant(1.0)?,
            n_steps,
            log_spaced(10, n_steps, 60),
        );
        // Nothing is drawn: there is one minibatch.
        let trace = run(&loss, &theta_0, &plan, Seed::new(0).generator("z"));
        let terms = Terms {
            gap: loss.sample_loss(&[0], &theta_0) - loss.loss_min(),
            c_w: vec![factors.c_w(&[1.0], 0.0, 0.0, C)],
            l_a: vec![1.0],
            n_start: vec![1.0],
            u: 0.0,
            eta_w,
            alpha,
            eta_g: 0.0,
            noise_terms: true,
            factors: *factors,
        };
        for record in trace.records.iter().filter(|record| record.t > 0) {
            let sums = record.running.as_ref().ok_or_else(|| Unevaluated("no running sums".to_owned()))?;
            let bound = terms.bound(record.t)?;
            let lhs = left(factors, record.t, &bound.psi, &[sums.sum_grad_v_sq], 0.0, 0.0);
            // Some hundred roundings a step.
            let rounding = 200.0 * record.t as f64 * U;
            let at = format!("no noise, near-tight · α = {alpha}, η_w = {eta_w}, from {angle}, T = {}", record.t);
            check.at_most(format!("{at}, sums"), lhs, bound.br, rounding * bound.br);
            check.at_most(format!("{at}, minimum"), sums.min_grad_sq, bound.min, rounding * bound.min);
            ratios = [ratios[0].max(lhs / bound.br), ratios[1].max(sums.min_grad_sq / bound.min)];
        }
    }
    Ok(ratios)
}
