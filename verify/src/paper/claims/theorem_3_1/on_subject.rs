//! Theorem 3.1 along gradient descent on a user's loss: the explicit bounds at log-spaced T of a run for every η_w.
//!
//! A is made of exact constants, or of a bracket of them. The theorem prints η_g = 2(1-c)/L^gg; its proof needs no more
//! than Lemma 3.2's η_g ≤ 2(2-c)/((2+c)L^gg), with c = 1/2. The tolerance is that of the claim.

use ratecheck::descent::StepRule;

use super::{Constants, Theorem31, follow};
use crate::claim::evidence::{Check, Context, Evidence, Measure, SubjectControl, Unevaluated};
use crate::claim::parallel::InParallel;
use crate::claim::subject::{Premise, Subject};
use crate::paper::gradient_descent::{Terms, left_the_numbers, premises, some_steps};

impl Measure for Theorem31 {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant, Premise::Smooth, Premise::FiniteMinibatches, Premise::BoundedBelow]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let (terms, n_steps) = (Terms::of(subject)?, some_steps(subject, 0.4, context));
        let one = |&eta_w: &f64| -> Result<_, Unevaluated> {
            let found = follow(&terms, eta_w, n_steps, StepRule::Gradient, Constants::True, context)?;
            Ok((found, terms.largest_g(eta_w, n_steps)?))
        };
        let runs: Vec<_> = subject.settings.eta_w.in_parallel(one);
        let (mut evidence, mut g) = (Evidence::default(), 0.0_f64);
        for (eta_w, run) in subject.settings.eta_w.iter().zip(runs) {
            let ((check, outcome), largest) = match run {
                Ok(found) => found,
                Err(error) => {
                    left_the_numbers(&mut evidence.check, &terms, *eta_w, &error);
                    g = f64::INFINITY;
                    continue;
                }
            };
            evidence.check.merge(check);
            g = g.max(largest);
            let of_g = outcome.ratio_g.map_or_else(String::new, |ratio| format!("; for g it is {ratio:.1e}"));
            let note =
                format!("T = {n_steps}, η_g = {:.3e}; tighter form, L_A = L, the smaller constants{of_g}", terms.eta_g);
            evidence.observe(format!("Σ‖∇_V L‖² / bound at η_w = {eta_w:e}"), outcome.sum_v / outcome.bound_v, note);
        }
        premises(&mut evidence.check, subject, g)?;
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "weight decay in the loss",
                breaks: "F + (λ/2)‖W‖² with η_w λ = 3, which diverges, and is stopped while finite",
                run: |subject, context| Some(decayed(subject, context)),
            },
            SubjectControl {
                name: "K_i := 0",
                breaks: "A is the initial gap alone, at an η_w so large that V stands still from the second step on",
                run: |subject, context| without_k(subject, context).transpose(),
            },
        ]
    }
}

/// ||w|| doubles in every step, and with it the part of the gradient along w: after 60 steps n is 2^120 times as large.
fn decayed(subject: &Subject, context: &Context) -> Result<Check, Unevaluated> {
    let (terms, eta_w) = Terms::decayed(subject)?;
    Ok(follow(&terms, eta_w, 60, StepRule::Gradient, Constants::True, context)?.0)
}

/// With eta_w far beyond T, n is some eta_w^2 ||grad_w||^2 after the first step, and T gradients are summed at the same
/// V: more than 4 Delta^2 of them. Nothing where even these steps see too little, such as at a start where the loss is
/// flat, or where g leaves the numbers.
fn without_k(subject: &Subject, context: &Context) -> Result<Option<Check>, Unevaluated> {
    let terms = Terms::of(subject)?.deciding();
    let largest = terms.n_start.iter().fold(0.0_f64, |max, n| max.max(*n));
    let n_steps = some_steps(subject, 0.2, context);
    let eta_w = 1e6 * largest * n_steps as f64;
    let found = follow(&terms, eta_w, n_steps, StepRule::Gradient, Constants::WithoutK, context);
    let Ok((check, outcome)) = found else { return Ok(None) };
    Ok((outcome.sum_v > outcome.printed_v).then_some(check))
}
