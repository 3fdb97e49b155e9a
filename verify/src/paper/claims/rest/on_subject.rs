//! The edge where gradient descent on a user's loss has come to rest: where ||grad L(theta~)|| has fallen to a
//! millionth of what it was. Runs that have not are no evidence; if none has, the premise is not met. The eigenvalue is
//! that of the largest modulus, found by products with the Hessian; at a minimiser it is the largest.

use ratecheck::descent::StepRule;
use ratecheck::random::Seed;

use super::{Ended, Rest, below_the_edge, descend, sharpness};
use crate::claim::evidence::{Check, Context, Evidence, Measure, Standing, SubjectControl, Unevaluated};
use crate::claim::parallel::InParallel;
use crate::claim::subject::{Premise, Subject};
use crate::paper::gradient_descent::steps;
use crate::paper::visits::rate_of_g;

/// Of the gradient at the start, or of 1 where that is smaller.
const FALLEN: f64 = 1e-6;

impl Measure for Rest {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant, Premise::Smooth, Premise::FiniteMinibatches]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let (loss, eta_g, most) = (subject.mean()?, rate_of_g(subject).0, steps(subject, 0.3, context.profile));
        // Nothing of a run that leaves the numbers.
        let one = |&eta_w: &f64| {
            let rates = [eta_w, eta_g];
            let descend =
                |theta: &[f64], most, rest| descend(&*loss, theta, StepRule::Gradient, rates, most, rest).ok();
            let rest = FALLEN * descend(&subject.theta, 1, 0.0)?.gradient.max(1.0);
            let first = descend(&subject.theta, most, rest)?;
            // A run may pass by an unstable point: as many steps again show that it stays.
            let ended = descend(&first.theta, first.steps.max(1), 0.0)?;
            let found = sharpness(&*loss, &ended.theta, rates, &context.seed);
            let at_rest = first.gradient <= rest && ended.gradient <= rest;
            Some((at_rest, Ended { steps: first.steps + ended.steps, ..ended }, found))
        };
        let runs: Vec<_> = subject.settings.eta_w.in_parallel(one);
        let (mut evidence, mut resting) = (Evidence::default(), 0);
        for (eta_w, run) in subject.settings.eta_w.iter().zip(runs) {
            let Some((at_rest, ended, found)) = run else { continue };
            let state = if at_rest { "at rest" } else { "still moving" };
            let note = format!("{state} after {} steps, ‖∇L‖ = {:.1e}", ended.steps, ended.gradient);
            evidence.observe(format!("λ_max at η_w = {eta_w}"), found.value, note);
            if at_rest {
                resting += 1;
                let at = format!("{} · η_w = {eta_w}", subject.name);
                below_the_edge(&mut evidence.check, &at, &found, subject.theta.len());
            }
        }
        let standing = if resting > 0 { Standing::Met } else { Standing::NotMet };
        evidence.check.hypothesis(
            format!("{}: descent converges", subject.name),
            standing,
            format!("{resting} of {} runs have come to rest in {most} steps", subject.settings.eta_w.len()),
        );
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![SubjectControl {
            name: "a rate beyond the edge",
            breaks: "where a short run ends, with a learning rate for which λ_max is 3",
            run: |subject, context| beyond(subject, context).transpose(),
        }]
    }
}

/// Nothing where the Hessian vanishes.
fn beyond(subject: &Subject, context: &Context) -> Result<Option<Check>, Unevaluated> {
    let (loss, eta_g) = (subject.mean()?, rate_of_g(subject).0);
    let rates = [subject.settings.eta_w[0], eta_g];
    let most = steps(subject, 0.05, context.profile).min(100);
    // A run that leaves the numbers has a start.
    let theta = descend(&*loss, &subject.theta, StepRule::Gradient, rates, most, 0.0)
        .map_or_else(|_| subject.theta.clone(), |ended| ended.theta);
    let found = sharpness(&*loss, &theta, rates, &Seed::new(0));
    if !(found.value > 0.0 && found.value.is_finite()) {
        return Ok(None);
    }
    // Every eigenvalue is a multiple of a factor common to both rates.
    let factor = 3.0 / found.value;
    let larger = sharpness(&*loss, &theta, rates.map(|eta| factor * eta), &Seed::new(0));
    let mut check = Check::new();
    below_the_edge(&mut check, &format!("{} · beyond", subject.name), &larger, theta.len());
    Ok(Some(check))
}
