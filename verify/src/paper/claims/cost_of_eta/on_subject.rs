//! The bounds along gradient descent on a user's loss, with exact constants or a bracket of them, as for Theorem 3.1;
//! and beside its own.

use ratecheck::descent::StepRule;

use super::{CostOfEta, follow};
use crate::claim::evidence::{Context, Evidence, Measure, SubjectControl, Unevaluated};
use crate::claim::parallel::InParallel;
use crate::claim::subject::{Premise, Subject};
use crate::paper::gradient_descent::{Terms, left_the_numbers, premises, some_steps};

impl Measure for CostOfEta {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant, Premise::Smooth, Premise::FiniteMinibatches, Premise::BoundedBelow]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let (terms, n_steps) = (Terms::of(subject)?, some_steps(subject, 0.3, context));
        let one = |&eta_w: &f64| -> Result<_, Unevaluated> {
            let found = follow(&terms, eta_w, n_steps, StepRule::Gradient, context)?;
            Ok((found, terms.largest_g(eta_w, n_steps)?))
        };
        let runs: Vec<_> = subject.settings.eta_w.in_parallel(one);
        let (mut evidence, mut g) = (Evidence::default(), 0.0_f64);
        for (eta_w, run) in subject.settings.eta_w.iter().zip(runs) {
            match run {
                Ok(((check, end), largest)) => {
                    evidence.check.merge(check);
                    g = g.max(largest);
                    let note = format!(
                        "T = {n_steps}, η_g = {:.3e}; Theorem 3.1's own bound is {:.1e} of this one",
                        terms.eta_g,
                        end.paper / end.bound_v
                    );
                    evidence.observe(format!("Σ‖∇_V L‖² / bound at η_w = {eta_w:e}"), end.sum_v / end.bound_v, note);
                }
                Err(error) => {
                    left_the_numbers(&mut evidence.check, &terms, *eta_w, &error);
                    g = f64::INFINITY;
                }
            }
        }
        premises(&mut evidence.check, subject, g)?;
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![SubjectControl {
            name: "weight decay in the loss",
            breaks: "F + (λ/2)‖W‖² with η_w λ = 3, which diverges, and is stopped while finite",
            run: |subject, context| {
                // ||w|| doubles in every step, and with it the part of the gradient along w: after 60 steps n is 2^120
                // times as large.
                let broken = || {
                    let (terms, eta_w) = Terms::decayed(subject)?;
                    Ok(follow(&terms, eta_w, 60, StepRule::Gradient, context)?.0)
                };
                Some(broken())
            },
        }]
    }
}
