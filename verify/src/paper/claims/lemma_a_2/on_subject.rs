//! Lemma A.2 along gradient descent on a user's loss: both inequalities at every T of a run for every η_w,
//! for both readings of L_A.
//!
//! Right-hand sides grow with the constants, of which a bracket will do. (19) is true with any C_i, and is read with
//! the smaller ones, whose first phase is the shorter one. The tolerance is that of the claim.

use super::{LemmaA2, PRINTED, Reading, SHARP, follow};
use crate::claim::evidence::{Check, Context, Evidence, Measure, SubjectControl, Unevaluated};
use crate::claim::parallel::InParallel;
use crate::claim::subject::{Premise, Subject};
use crate::paper::gradient_descent::{Constants, Terms, left_the_numbers, premises, some_steps};

impl Measure for LemmaA2 {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant, Premise::Smooth, Premise::FiniteMinibatches, Premise::BoundedBelow]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let (terms, n_steps) = (Terms::of(subject)?, some_steps(subject, 0.5, context));
        let one = |&eta_w: &f64| {
            let mut check = Check::new();
            let sharp = follow(&mut check, &terms, eta_w, n_steps, SHARP, context);
            let both = sharp.and_then(|sharp| {
                follow(&mut check, &terms, eta_w, n_steps, PRINTED, context)?;
                Ok(sharp)
            });
            (check, both)
        };
        let runs: Vec<_> = subject.settings.eta_w.in_parallel(one);
        let (mut evidence, mut g) = (Evidence::default(), 0.0_f64);
        for (eta_w, run) in subject.settings.eta_w.iter().zip(runs) {
            let (check, found) = run;
            evidence.check.merge(check);
            let found = match found {
                Ok(found) => found,
                Err(error) => {
                    left_the_numbers(&mut evidence.check, &terms, *eta_w, &error);
                    g = f64::INFINITY;
                    continue;
                }
            };
            g = g.max(found.g);
            let note = format!(
                "T = {n_steps}, η_g = {:.3e}; with L_A = L and the smaller constants, the largest over T",
                terms.eta_g
            );
            evidence.observe(format!("(19), growth/bound at η_w = {eta_w:e}"), found.growth, &*note);
            evidence.observe(format!("(20), measured/bound at η_w = {eta_w:e}"), found.total, note);
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
                breaks: "(20) without what the first phase can cost, at an η_w whose first step grows n by more than \
                         the gap pays for",
                run: |subject, context| without_k(subject, context).transpose(),
            },
            SubjectControl {
                name: "half of the gradient for L_A",
                breaks: "(19) with half of the gradient met at the start for L_A, at an η_w whose first step outgrows \
                         2C_i",
                run: |subject, context| half_of_the_gradient(subject, context).transpose(),
            },
        ]
    }
}

/// ||w|| doubles in every step: after 24 of them n is 2^48 times as large. Many more, and the rounding of the last n
/// would hide how far the sum is beyond its bound.
fn decayed(subject: &Subject, context: &Context) -> Result<Check, Unevaluated> {
    let ((terms, eta_w), mut check) = (Terms::decayed(subject)?, Check::new());
    follow(&mut check, &terms, eta_w, 24, SHARP, context)?;
    Ok(check)
}

/// n grows by eta_w^2 ||grad_w||^2 in the first step. Nothing at a stationary start, or at the minimum.
fn without_k(subject: &Subject, context: &Context) -> Result<Option<Check>, Unevaluated> {
    let terms = Terms::of(subject)?.deciding();
    let eta_w = 4.0 * terms.gap / terms.grad_w_sq().iter().sum::<f64>();
    broken(&terms, eta_w, Reading { with_k: false, ..SHARP }, context)
}

/// With half of the gradient L_A^2 eta_w/n_0 is a quarter of the growth over eta_w, and 2C_i another quarter.
fn half_of_the_gradient(subject: &Subject, context: &Context) -> Result<Option<Check>, Unevaluated> {
    let mut terms = Terms::of(subject)?;
    let grad_w_sq = terms.grad_w_sq();
    let half = |i: usize| 0.5 * (terms.n_start[i] * grad_w_sq[i]).sqrt();
    let l_vv: Vec<f64> = (0..grad_w_sq.len()).map(half).collect();
    let Some(i) = (0..l_vv.len()).max_by(|&i, &j| l_vv[i].total_cmp(&l_vv[j])) else { return Ok(None) };
    let c = terms.least.c_w[i];
    // The first step is in the first phase, too.
    let eta_w = (8.0 * c / grad_w_sq[i]).max(terms.n_start[i] / c);
    let constants = Constants { c_w: terms.least.c_w.clone(), l_vv };
    (terms.least, terms.most) = (constants.clone(), Some(constants));
    broken(&terms, eta_w, SHARP, context)
}

fn broken(terms: &Terms, eta_w: f64, reading: Reading, context: &Context) -> Result<Option<Check>, Unevaluated> {
    if !(eta_w.is_finite() && eta_w > 0.0) {
        return Ok(None);
    }
    let mut check = Check::new();
    follow(&mut check, terms, eta_w, 1, reading, context)?;
    Ok(Some(check))
}
