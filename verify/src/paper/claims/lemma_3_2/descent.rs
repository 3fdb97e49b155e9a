//! A run of gradient descent that is compared with Lemma 3.2 in every step.

use ratecheck::bounds::Factors;
use ratecheck::descent::{Schedule, StepRule, Stepper};
use ratecheck::loss::Loss;
use ratecheck::scalar::{DoubleDouble, Scalar};

use crate::claim::closed_forms::{C_G, Instance};
use crate::claim::evidence::{Check, Context, Inequality, Soundness, Unevaluated};
use crate::claim::instances::U;
use crate::claim::replay::{Recursion, Sides};

/// Of the larger loss, or of 1: see `tolerance` in the statement.
const ROUNDING: f64 = 1e-14;

/// One run to follow, with the constants that its bound is made of.
#[derive(Clone)]
pub(in crate::paper::claims) struct Descent<'a> {
    pub(in crate::paper::claims) name: &'a str,
    pub(in crate::paper::claims) loss: &'a dyn Loss,
    pub(in crate::paper::claims) theta_0: &'a [f64],
    pub(in crate::paper::claims) eta_w: f64,
    pub(in crate::paper::claims) eta_g: f64,
    pub(in crate::paper::claims) c_g: f64,
    pub(in crate::paper::claims) c_w: Vec<f64>,
    /// An upper bound of the constants where `c_w` is only found by search, and a lower one where it is known.
    pub(in crate::paper::claims) c_w_upper: Option<Vec<f64>>,
    pub(in crate::paper::claims) steps: u64,
    /// Whether `c_w` decides where there is no upper bound of it.
    pub(in crate::paper::claims) soundness: Soundness,
    /// Compare as an equality, as the lemma is printed.
    pub(in crate::paper::claims) equality: bool,
    pub(in crate::paper::claims) factors: Factors,
}

/// What a run showed besides its comparisons.
#[derive(Clone, Copy)]
pub(in crate::paper::claims) struct Extremes {
    /// The smallest multiple of all C_i with which every step still satisfies the lemma.
    pub(in crate::paper::claims) multiple: f64,
    /// The largest relative slack |right - left|/|right|, for the printed "=".
    pub(in crate::paper::claims) slack: f64,
    /// The largest ||g_t||.
    pub(in crate::paper::claims) g: f64,
}

/// A run with exact constants and η_g = 2(1-c)/L^gg.
pub(in crate::paper::claims) fn exact<'a>(
    instance: &'a Instance,
    context: &Context,
    eta_w: f64,
    steps: u64,
) -> Descent<'a> {
    Descent {
        name: &instance.name,
        loss: &*instance.loss,
        theta_0: &instance.theta,
        eta_w,
        eta_g: instance.eta_g_printed(),
        c_g: C_G,
        c_w: instance.c_w_with(&context.factors),
        factors: context.factors,
        steps,
        c_w_upper: None,
        soundness: Soundness::Proved,
        equality: false,
    }
}

impl Descent<'_> {
    /// The comparisons alone.
    pub(in crate::paper::claims) fn checked(&self, context: &Context) -> Result<Check, Unevaluated> {
        let mut check = Check::new();
        self.follow(&mut check, context)?;
        Ok(check)
    }

    /// Both sides in double-double, of the step from `theta`.
    fn replay(&self, theta: &[f64]) -> Option<Sides> {
        let mut run = Recursion::new(self.loss, theta)?;
        let before = run.look_at_mean()?;
        let (n, grad_g_sq) = (run.norms(), run.grad_g_sq());
        let grad_w_sq: Vec<DoubleDouble> = (0..n.len()).map(|i| run.grad_w_sq(i)).collect();
        let bound = |c_w: &[DoubleDouble]| {
            self.factors.lemma_3_2(self.eta_w, self.eta_g, self.c_g, &n, &grad_w_sq, c_w, grad_g_sq)
        };
        let c_w: Vec<DoubleDouble> = self.c_w.iter().map(|&c| DoubleDouble::from(c)).collect();
        let (rhs, without) = (bound(&c_w), bound(&vec![DoubleDouble::ZERO; n.len()]));
        run.step(self.eta_w, self.eta_g);
        let after = run.look_at_mean()?;
        let size = before.value().abs().max(after.value().abs()).max(1.0);
        // The constants C are f64, off by some eight roundings of their formula.
        let constants = 8.0 * U * (rhs - without).value();
        let sides = Sides::counted(after - before, rhs, ROUNDING * size);
        Some(Sides { rounding: sides.rounding + constants, ..sides })
    }

    /// Compares both sides in every step.
    pub(in crate::paper::claims) fn follow(
        &self,
        check: &mut Check,
        context: &Context,
    ) -> Result<Extremes, Unevaluated> {
        let (eta_w, eta_g) = (Schedule::constant(self.eta_w)?, Schedule::constant(self.eta_g)?);
        let mut stepper =
            Stepper::new(self.loss, self.theta_0, StepRule::Gradient, eta_w, eta_g, context.generator("z"));
        let mut extremes = Extremes { multiple: 0.0, slack: 0.0, g: 0.0 };
        let mut n = stepper.w_norm_sq().to_vec();
        // theta_t and theta_{t+1}, once step t has been made.
        let (mut theta, mut next) = (self.theta_0.to_vec(), self.theta_0.to_vec());
        let mut step = stepper.step()?;
        for t in 0..self.steps {
            let grad_w_sq = stepper.gradient_norm_sq().to_vec();
            let rhs =
                self.factors.lemma_3_2(self.eta_w, self.eta_g, self.c_g, &n, &grad_w_sq, &self.c_w, step.grad_g_sq);
            let gain: f64 = self.eta_w * grad_w_sq.iter().sum::<f64>() + 0.5 * self.c_g * self.eta_g * step.grad_g_sq;
            let (loss, grad_g_sq, n_before) = (step.loss, step.grad_g_sq, n.clone());
            extremes.g = stepper.largest_g();
            n.copy_from_slice(stepper.w_norm_sq());
            std::mem::swap(&mut theta, &mut next);
            next.copy_from_slice(stepper.theta());
            step = stepper.step()?;
            let change = step.loss - loss;
            let size = loss.abs().max(step.loss.abs()).max(1.0);
            // The right-hand side is -gain + cost, with cost proportional to C.
            let cost = rhs + gain;
            let terms = gain + cost;
            let scale = if terms > 1e-8 * size { terms } else { size };
            let at = format!("{} · η_w = {:e}, t = {t}", self.name, self.eta_w);
            let lemma = Inequality { lhs: change, rhs, rounding: ROUNDING * size, scale };
            if self.equality {
                check.compare(at, (change - rhs).abs(), 0.0, ROUNDING * size, scale, Soundness::Proved);
            } else if let Some(upper) = &self.c_w_upper {
                let most =
                    self.factors.lemma_3_2(self.eta_w, self.eta_g, self.c_g, &n_before, &grad_w_sq, upper, grad_g_sq);
                check.bracketed(at, lemma, most, || self.replay(&theta));
            } else if self.soundness == Soundness::Sampled {
                check.compare(at, change, rhs, ROUNDING * size, scale, Soundness::Sampled);
            } else {
                check.replayed(at, lemma, || self.replay(&theta));
            }
            // Both figures need a denominator far above the rounding of the change, some 1e-15 of `size`.
            if cost > 1e-8 * size {
                extremes.multiple = extremes.multiple.max((change + gain) / cost);
            }
            if rhs.abs() > 1e-8 * size {
                extremes.slack = extremes.slack.max((rhs - change).abs() / rhs.abs());
            }
        }
        Ok(extremes)
    }
}
