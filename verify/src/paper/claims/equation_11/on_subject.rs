//! Equation (11) along gradient descent on a user's loss.
//!
//! At log-spaced T for every η_w, block by block, with the rounding of the statement but for ⟨w, ∇⟩, of which a
//! thousand roundings are allowed: nothing is known of how a user's gradients round. Where the sides are as close as
//! that, the run is repeated in double-double if the loss has it and T is small enough. Any η_g will do, so that a g
//! that diverges ends a run and refutes nothing.

use ratecheck::descent::{Plan, Schedule, StepRule, run};
use ratecheck::rates::log_spaced;

use super::{Equation11, Reading, Variant, compare};
use crate::claim::evidence::{Check, Context, Evidence, Measure, SubjectControl, Unevaluated};
use crate::claim::parallel::InParallel;
use crate::claim::subject::{Premise, Subject};
use crate::paper::gradient_descent::{gradients, some_steps};

impl Measure for Equation11 {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant, Premise::FiniteMinibatches]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        along_runs(subject, Variant::Printed, some_steps(subject, 0.5, context), context)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "‖w_0‖² as the factor",
                breaks: "the growth is multiplied by ‖w_0‖² instead of ‖w_T‖²",
                run: |subject, context| Some(broken(subject, Variant::FirstNorm, context)),
            },
            SubjectControl {
                name: "projected gradient descent",
                breaks: "each block is brought back to its norm after each step, so that nothing grows",
                run: |subject, context| Some(broken(subject, Variant::Projected, context)),
            },
        ]
    }
}

fn broken(subject: &Subject, variant: Variant, context: &Context) -> Result<Check, Unevaluated> {
    Ok(along_runs(subject, variant, some_steps(subject, 0.1, context), context)?.check)
}

/// A run for every η_w, compared at its horizons.
fn along_runs(subject: &Subject, variant: Variant, n_steps: u64, context: &Context) -> Result<Evidence, Unevaluated> {
    let (loss, (eta_g, from)) = (subject.mean()?, subject.eta_g().unwrap_or((0.05, "any will do")));
    // Double-double takes some fifty times as long.
    let replayed_up_to = gradients(subject, 0.01, context);
    let reading = Reading { variant, off_tangent: 1024.0, replayed_up_to, factor: 1.0 };
    let rule = if variant == Variant::Projected { StepRule::Projected } else { StepRule::Gradient };
    let one = |&eta_w: &f64| -> Result<_, Unevaluated> {
        let rates = [Schedule::constant(eta_w)?, Schedule::constant(eta_g)?];
        let plan = Plan::new(rule, rates[0], rates[1], n_steps, log_spaced(1, n_steps, 24));
        let trace = run(&*loss, &subject.theta, &plan, context.generator("z"));
        let found = compare(&subject.name, &*loss, &subject.theta, [eta_w, eta_g], &trace.records, reading)?;
        Ok((found, trace.divergence))
    };
    let runs: Vec<_> = subject.settings.eta_w.in_parallel(one);
    let mut evidence = Evidence::default();
    for (&eta_w, found) in subject.settings.eta_w.iter().zip(runs) {
        let ((check, ratios), divergence) = found?;
        evidence.check.merge(check);
        let largest = ratios.iter().map(|ratio| ratio.value).fold(0.0, f64::max);
        let end = divergence.map_or_else(|| format!("T = {n_steps}"), |divergence| format!("{divergence}"));
        let note = format!("the largest over the blocks at the last horizon; {end}; η_g = {eta_g:.3e}, {from}");
        evidence.observe(format!("measured/bound at η_w = {eta_w:e}"), largest, note);
    }
    Ok(evidence)
}
