//! The proofs on gradient descent: Lemma 3.2, Lemma A.2 and Theorem 3.1, on one run.

use std::f64::consts::PI;

use ratecheck::bounds;
use ratecheck::descent::{Schedule, StepRule, Stepper};

use super::{Account, Unit};
use crate::claim::closed_forms::{C_G, ETA_W, Instance, bilinear, bn_regression};
use crate::claim::evidence::{Context, Evidence, Unevaluated};
use crate::claim::instances::U;

/// What the proofs are made of, summed over a run.
struct Sums {
    n_start: Vec<f64>,
    n_end: Vec<f64>,
    /// n one step after the first phase, n_{t_i+1}.
    n_after: Vec<f64>,
    /// S_{t_i+1} and S_T of Lemma A.2.
    s_after: Vec<f64>,
    s_end: Vec<f64>,
    /// sum_t ||grad_{v_i} L||^2 and sum_t ||grad_g L||^2.
    v: Vec<f64>,
    g: f64,
    /// L_0 - L_T.
    decrease: f64,
    /// sum_t (L_{t+1} - L_t - <grad L, Delta>), and that of Q_t.
    remainder: f64,
    taylor: f64,
    /// sum_t sum_i C_i (eta_w^2/n_i)||grad_{w_i} L||^2.
    paid: f64,
}

/// Room for rounding over a run, relative to sums of positive terms: 36u a step for n, and some ten for every term.
fn rounding(steps: u64) -> f64 {
    (100.0 * steps as f64 + 64.0) * U
}

fn sums(instance: &Instance, eta_w: f64, steps: u64, context: &Context) -> Result<Sums, Unevaluated> {
    let (c_w, n_start, eta_g) = (instance.c_w(), instance.n_start(), instance.eta_g());
    let (m, l) = (c_w.len(), &instance.constants);
    let (rate_w, rate_g) = (Schedule::constant(eta_w)?, Schedule::constant(eta_g)?);
    let mut stepper =
        Stepper::new(&*instance.loss, &instance.theta_0, StepRule::Gradient, rate_w, rate_g, context.generator("z"));
    let (mut n, zero) = (n_start.clone(), vec![0.0; m]);
    let (n_after, s_after, s_end, v) = (n_start.clone(), zero.clone(), zero.clone(), zero);
    let [g, decrease, remainder, taylor, paid] = [0.0; 5];
    let n_end = n_start.clone();
    let mut sums = Sums { n_start, n_end, n_after, s_after, s_end, v, g, decrease, remainder, taylor, paid };
    let mut turn = vec![0.0; m];
    let start = instance.loss.sample_loss(&[0], &instance.theta_0);
    let mut before = start;
    for _ in 0..steps {
        let grad_g_sq = stepper.step()?.grad_g_sq;
        let mut first_order = eta_g * grad_g_sq;
        for i in 0..m {
            let (sq, next) = (stepper.gradient_norm_sq()[i], stepper.w_norm_sq()[i]);
            first_order += eta_w * sq;
            turn[i] = eta_w * (sq / n[i]).sqrt();
            sums.paid += c_w[i] * turn[i] * turn[i];
            sums.v[i] += n[i] * sq;
            sums.s_end[i] -= eta_w * sq * (1.0 - c_w[i] * eta_w / n[i]);
            if n[i] <= 2.0 * c_w[i] * eta_w {
                (sums.n_after[i], sums.s_after[i]) = (next, sums.s_end[i]);
            }
            n[i] = next;
        }
        sums.g += grad_g_sq;
        let move_g = eta_g * grad_g_sq.sqrt();
        sums.taylor += bounds::taylor_remainder(l.l_vv.view(), &l.l_vg, l.l_gg, &turn, move_g);
        let after = instance.loss.sample_loss(&[0], stepper.theta());
        sums.remainder += after - before + first_order;
        before = after;
    }
    sums.n_end = n;
    sums.decrease = start - before;
    Ok(sums)
}

/// Lemma 3.2: from the true remainder of the Taylor expansion, summed over a run, to what the lemma pays for it.
pub(crate) fn lemma_3_2(evidence: &mut Evidence, context: &Context) -> Result<(), Unevaluated> {
    let (instance, steps) = (bn_regression(), context.pick([100, 1_000, 10_000, 100_000]));
    let mut account = Account::new(
        Unit::Share,
        format!("remainders of T = {steps} steps on the BN regression"),
        &["largest curvature for the true one", "√(ab) ≤ (a + b)/2 for mixed terms", "η_g up to its limit"],
    );
    let (eta_g, l_gg) = (instance.eta_g(), instance.constants.l_gg);
    for eta_w in ETA_W {
        let s = sums(&instance, eta_w, steps, context)?;
        let moved = 0.5 * (1.0 + 0.5 * C_G) * l_gg * eta_g * eta_g * s.g;
        let allowed = (1.0 - 0.5 * C_G) * eta_g * s.g;
        let chain = [s.remainder, s.taylor, s.paid + moved, s.paid + allowed];
        // The difference of two losses of size 1, as in lemma-3.2, in every step.
        account.add(&mut evidence.check, eta_w, &chain, rounding(steps), 1e-14 * steps as f64);
    }
    account.show(evidence);
    Ok(())
}

/// Lemma A.2: from the left-hand side of (20) to its right-hand side.
pub(crate) fn lemma_a_2(evidence: &mut Evidence, context: &Context) -> Result<(), Unevaluated> {
    let (instance, steps) = (bn_regression(), context.pick([200, 2_000, 20_000, 200_000]));
    let mut account = Account::new(
        Unit::Decades,
        format!("(20) at T = {steps} on the BN regression"),
        &[
            "1 - Ce ≥ 1/2 after the first phase",
            "‖w_0‖² for ‖w_t‖² in the first phase",
            "(19) for its growth",
            "Lemma 3.2",
            "L_min for L_T",
            "π in Lemma A.1",
        ],
    );
    let c_w = instance.c_w();
    for eta_w in ETA_W {
        let s = sums(&instance, eta_w, steps, context)?;
        let blocks = |f: &dyn Fn(usize) -> f64| (0..c_w.len()).map(f).sum::<f64>();
        let k = |factor: f64| {
            blocks(&|i| bounds::k_w(c_w[i], factor * instance.constants.l_vv[(i, i)], eta_w, s.n_start[i]))
        };
        let of_g = 0.5 * C_G * instance.eta_g() * s.g;
        let left = bounds::lemma_a2_left(eta_w, &s.n_start, &s.n_end, C_G, instance.eta_g(), s.g);
        let grown = |i: usize| s.n_after[i] - s.n_start[i];
        let halved = of_g + blocks(&|i| s.s_after[i] - s.s_end[i] + grown(i) / (2.0 * eta_w));
        let first = of_g + blocks(&|i| grown(i) * (c_w[i] / s.n_start[i] + 0.5 / eta_w) - s.s_end[i]);
        let bounded = of_g + k(1.0) - blocks(&|i| s.s_end[i]);
        let (gap, printed) = (instance.gap(), k(PI));
        let chain =
            [left, halved, first, bounded, s.decrease + k(1.0), bounds::lemma_a2(gap, &[k(1.0)]), gap + printed];
        // The growth n_T - n_0 cancels.
        let cancelled = rounding(steps) * s.n_end.iter().sum::<f64>() / (2.0 * eta_w);
        account.add(&mut evidence.check, eta_w, &chain, rounding(steps), cancelled);
    }
    account.show(evidence);
    Ok(())
}

/// Theorem 3.1: from the sum of squared gradients to the printed bound.
pub(crate) fn theorem_3_1(evidence: &mut Evidence, context: &Context) -> Result<(), Unevaluated> {
    let (steps, instance) = (context.pick([200, 2_000, 20_000, 200_000]), bilinear()?);
    let mut account = Account::new(
        Unit::Decades,
        format!("Σ‖∇_V L‖² at T = {steps} on the {}", instance.name),
        &[
            "(11): ‖w_T‖² for ‖w_t‖²",
            "the largest block for all",
            "Lemma A.2 for the growth",
            "sum of ‖w_0‖² for the largest",
            "π in Lemma A.1",
        ],
    );
    for eta_w in ETA_W {
        let s = sums(&instance, eta_w, steps, context)?;
        let measured: f64 = s.v.iter().sum();
        let by_11: f64 = s.n_start.iter().zip(&s.n_end).map(|(&a, &b)| bounds::equation_11(eta_w, a, b)).sum();
        let growth: f64 = s.n_start.iter().zip(&s.n_end).map(|(a, b)| (b - a) / eta_w).sum();
        let largest = s.n_end.iter().fold(0.0_f64, |max, n| max.max(*n)) / eta_w * growth;
        let (sharp, printed) = (instance.a(eta_w, 1.0), instance.a(eta_w, PI));
        let chain = [
            measured,
            by_11,
            largest,
            bounds::theorem_3_1_sum_v_tight(sharp, eta_w, &s.n_start),
            bounds::theorem_3_1_sum_v(sharp, eta_w, &s.n_start),
            bounds::theorem_3_1_sum_v(printed, eta_w, &s.n_start),
        ];
        // (11) is an equality for small eta_w, where n_T - n_0 cancels: its rounding is that of n over the growth.
        let cancelled = rounding(steps) * s.n_end.iter().sum::<f64>() / (growth * eta_w);
        account.add(&mut evidence.check, eta_w, &chain, cancelled, 0.0);
    }
    account.show(evidence);
    Ok(())
}
