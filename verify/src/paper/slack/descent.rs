//! The proofs on gradient descent: Lemma 3.2, Lemma A.2 and Theorem 3.1, on one run, in any arithmetic: what `f64`
//! cannot tell is evaluated again in double-double.

use std::f64::consts::PI;

use ratecheck::bounds;
use ratecheck::loss::Arithmetic;
use ratecheck::scalar::DoubleDouble;

use super::{Account, Unit};
use crate::claim::closed_forms::{C_G, ETA_W, Instance, bilinear, bn_regression};
use crate::claim::evidence::{Context, Evidence, Unevaluated};
use crate::claim::instances::U;
use crate::claim::replay::Recursion;

/// What the proofs are made of, summed over a run.
struct Sums<S> {
    n_start: Vec<S>,
    n_end: Vec<S>,
    /// n one step after the first phase, n_{t_i+1}.
    n_after: Vec<S>,
    /// S_{t_i+1} and S_T of Lemma A.2.
    s_after: Vec<S>,
    s_end: Vec<S>,
    /// sum_t ||grad_{v_i} L||^2 and sum_t ||grad_g L||^2.
    v: Vec<S>,
    g: S,
    /// L_0, and L_0 - L_T.
    start: S,
    decrease: S,
    /// sum_t (L_{t+1} - L_t - <grad L, Delta>), and that of Q_t.
    remainder: S,
    taylor: S,
    /// sum_t sum_i C_i (eta_w^2/n_i)||grad_{w_i} L||^2.
    paid: S,
}

/// Room for rounding over a run, relative to sums of positive terms: 36u a step for n, and some ten for every term.
fn rounding(steps: u64) -> f64 {
    (100.0 * steps as f64 + 64.0) * U
}

/// Follows gradient descent; nothing if the loss has no such arithmetic.
fn sums<S: Arithmetic>(instance: &Instance, eta_w: f64, steps: u64) -> Option<Sums<S>> {
    let (c_w, eta_g, l) = (instance.c_w(), instance.eta_g_printed(), &instance.constants);
    let mut run = Recursion::<S>::new(&*instance.loss, &instance.theta)?;
    let (n_start, zero) = (run.norms(), vec![S::ZERO; c_w.len()]);
    let [n_end, n_after] = [n_start.clone(), n_start.clone()];
    let [s_after, s_end, v, mut turn] = [(); 4].map(|()| zero.clone());
    let start = run.look(&[0]);
    let [g, decrease, remainder, taylor, paid] = [S::ZERO; 5];
    let mut sums = Sums { n_start, n_end, n_after, s_after, s_end, v, g, start, decrease, remainder, taylor, paid };
    let mut before = start;
    for _ in 0..steps {
        let grad_g_sq = run.grad_g_sq();
        let mut first_order = grad_g_sq.scale(eta_g);
        let squares: Vec<S> = (0..c_w.len()).map(|i| run.grad_w_sq(i)).collect();
        run.step(eta_w, eta_g);
        for (i, &sq) in squares.iter().enumerate() {
            let (n, next) = (sums.n_end[i], run.w_norm_sq(i));
            first_order += sq.scale(eta_w);
            turn[i] = (sq / n).sqrt().scale(eta_w);
            sums.paid += turn[i].square().scale(c_w[i]);
            sums.v[i] += n * sq;
            sums.s_end[i] -= sq.scale(eta_w) * (S::ONE - S::from_f64(c_w[i]).scale(eta_w) / n);
            if n.value() <= 2.0 * c_w[i] * eta_w {
                (sums.n_after[i], sums.s_after[i]) = (next, sums.s_end[i]);
            }
            sums.n_end[i] = next;
        }
        sums.g += grad_g_sq;
        let move_g = grad_g_sq.sqrt().scale(eta_g);
        sums.taylor += bounds::taylor_remainder(l.l_vv.view(), &l.l_vg, l.l_gg, &turn, move_g);
        let after = run.look(&[0]);
        sums.remainder += after - before + first_order;
        before = after;
    }
    sums.decrease = start - before;
    Some(sums)
}

impl<S: Arithmetic> Sums<S> {
    /// K_i, with LA_i = `factor` Lii.
    fn k(&self, instance: &Instance, eta_w: f64, factor: f64) -> Vec<S> {
        let (c_w, l_vv) = (instance.c_w(), instance.constants.l_vv.diag());
        let l_a = |i: usize| S::from_f64(factor * l_vv[i]);
        (0..c_w.len()).map(|i| bounds::k_w(S::from_f64(c_w[i]), l_a(i), eta_w, self.n_start[i])).collect()
    }

    /// L_0 - Lmin.
    fn gap(&self, instance: &Instance) -> S {
        self.start - S::from_f64(instance.loss_min)
    }
}

/// The sum over the blocks.
fn total<S: Arithmetic>(terms: impl IntoIterator<Item = S>) -> S {
    terms.into_iter().fold(S::ZERO, |sum, term| sum + term)
}

const NO_F64: &str = "the loss has no arithmetic of f64";

/// The sums of f64.
fn rounded(instance: &Instance, eta_w: f64, steps: u64) -> Result<Sums<f64>, Unevaluated> {
    sums(instance, eta_w, steps).ok_or_else(|| Unevaluated(NO_F64.to_owned()))
}

/// Lemma 3.2: from the true remainder of the Taylor expansion, summed over a run, to what the lemma pays for it.
pub(crate) fn lemma_3_2(evidence: &mut Evidence, context: &Context) -> Result<(), Unevaluated> {
    let (instance, steps) = (bn_regression(), context.pick([100, 1_000, 10_000, 100_000]));
    let mut account = Account::new(
        Unit::Share,
        format!("remainders of T = {steps} steps on the BN regression"),
        &["largest curvature for the true one", "√(ab) ≤ (a + b)/2 for mixed terms", "η_g up to its limit"],
    );
    fn chain<S: Arithmetic>(s: &Sums<S>, instance: &Instance) -> Vec<S> {
        let (eta_g, l_gg) = (instance.eta_g_printed(), instance.constants.l_gg);
        let moved = s.g.scale(eta_g).scale(eta_g).scale(0.5 * (1.0 + 0.5 * C_G) * l_gg);
        let allowed = s.g.scale(eta_g).scale(1.0 - 0.5 * C_G);
        vec![s.remainder, s.taylor, s.paid + moved, s.paid + allowed]
    }
    for eta_w in ETA_W {
        let s = rounded(&instance, eta_w, steps)?;
        // The difference of two losses of size 1, as in lemma-3.2, in every step.
        let room = [rounding(steps), 1e-14 * steps as f64];
        let replay = || sums::<DoubleDouble>(&instance, eta_w, steps).map(|s| chain(&s, &instance));
        account.add(&mut evidence.check, eta_w, &chain(&s, &instance), room, replay);
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
    fn chain<S: Arithmetic>(s: &Sums<S>, instance: &Instance, eta_w: f64) -> Vec<S> {
        let (c_w, eta_g) = (instance.c_w(), instance.eta_g_printed());
        let blocks = |f: &dyn Fn(usize) -> S| total((0..c_w.len()).map(f));
        let [k, printed] = [1.0, PI].map(|factor| s.k(instance, eta_w, factor));
        let paid = s.g.scale(eta_g).scale(0.5 * C_G);
        let grown = |i: usize| s.n_after[i] - s.n_start[i];
        let half = S::from_f64(2.0 * eta_w);
        let halved = paid + blocks(&|i| s.s_after[i] - s.s_end[i] + grown(i) / half);
        // C_i/n_0 + 1/(2 eta_w).
        let price = |i: usize| S::from_f64(c_w[i]) / s.n_start[i] + half.recip();
        let first = paid + blocks(&|i| grown(i) * price(i) - s.s_end[i]);
        let bounded = paid + total(k.iter().copied()) - blocks(&|i| s.s_end[i]);
        vec![
            bounds::lemma_a2_left(eta_w, &s.n_start, &s.n_end, C_G, eta_g, s.g),
            halved,
            first,
            bounded,
            s.decrease + total(k.iter().copied()),
            bounds::lemma_a2(s.gap(instance), &k),
            bounds::lemma_a2(s.gap(instance), &printed),
        ]
    }
    for eta_w in ETA_W {
        let s = rounded(&instance, eta_w, steps)?;
        // The growth n_T - n_0 cancels.
        let cancelled = rounding(steps) * s.n_end.iter().sum::<f64>() / (2.0 * eta_w);
        let replay = || sums::<DoubleDouble>(&instance, eta_w, steps).map(|s| chain(&s, &instance, eta_w));
        account.add(&mut evidence.check, eta_w, &chain(&s, &instance, eta_w), [rounding(steps), cancelled], replay);
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
    fn chain<S: Arithmetic + PartialOrd>(s: &Sums<S>, instance: &Instance, eta_w: f64) -> Vec<S> {
        let blocks = || s.n_start.iter().zip(&s.n_end);
        let by_11 = total(blocks().map(|(&a, &b)| bounds::equation_11(eta_w, a, b)));
        let growth = total(blocks().map(|(&a, &b)| (b - a) / S::from_f64(eta_w)));
        let largest = s.n_end.iter().fold(S::ZERO, |max, &n| if n > max { n } else { max });
        let [sharp, printed] = [1.0, PI].map(|factor| bounds::lemma_a2(s.gap(instance), &s.k(instance, eta_w, factor)));
        vec![
            total(s.v.iter().copied()),
            by_11,
            largest / S::from_f64(eta_w) * growth,
            bounds::theorem_3_1_sum_v_tight(sharp, eta_w, &s.n_start),
            bounds::theorem_3_1_sum_v(sharp, eta_w, &s.n_start),
            bounds::theorem_3_1_sum_v(printed, eta_w, &s.n_start),
        ]
    }
    for eta_w in ETA_W {
        let s = rounded(&instance, eta_w, steps)?;
        let growth = s.n_end.iter().zip(&s.n_start).map(|(b, a)| b - a).sum::<f64>();
        // (11) is an equality for small eta_w, where n_T - n_0 cancels: its rounding is that of n over the growth.
        let cancelled = rounding(steps) * s.n_end.iter().sum::<f64>() / growth;
        let replay = || sums::<DoubleDouble>(&instance, eta_w, steps).map(|s| chain(&s, &instance, eta_w));
        account.add(&mut evidence.check, eta_w, &chain(&s, &instance, eta_w), [cancelled, 0.0], replay);
    }
    account.show(evidence);
    Ok(())
}
