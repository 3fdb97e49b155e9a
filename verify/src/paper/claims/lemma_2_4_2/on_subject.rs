//! Lemma 2.4 (2) on a user's loss: one step apart, at points along runs with every learning rate of the settings.
//!
//! A point is exact; the step from it is evaluated with as many digits as the loss has. Then ||w_{t+1}||^2 -
//! ||w_t||^2 - eta^2 ||grad_w||^2 = -2 eta <w, grad_w>, and the product is off by the unit times the size s of
//! identities at theta_t; the sums of squares by the unit times (||w|| + ||step||)^2. The second equality replaces
//! ||grad_w|| by ||grad_v||/||w||, and ||grad_v|| is off by the unit times the size at theta~_t: twice that times
//! ||grad_v|| eta^2/||w||^2 more, doubled for what is below the first order.

use ratecheck::descent::StepRule;
use ratecheck::scalar::{DoubleDouble, Scalar};

use super::{Grown, Lemma242};
use crate::claim::evidence::{Check, Context, Evidence, Measure, SubjectControl, Unevaluated};
use crate::claim::parallel::InParallel;
use crate::claim::precise::{Evaluator, length};
use crate::claim::subject::{Premise, Subject};
use crate::paper::visits::{Visited, observe, of_norm_two, on_spheres, visited};

impl Measure for Lemma242 {
    fn needs(&self) -> &'static [Premise] {
        &[]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let runs = visited(subject, subject.steps(0.1, context.profile), context)?;
        let mut evidence = Evidence::new(at_all(subject, &runs, StepRule::Gradient));
        observe(&mut evidence, subject, &runs);
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "projected steps",
                breaks: "each block is brought back to its norm",
                run: |subject, context| Some(broken(subject, StepRule::Projected, context)),
            },
            SubjectControl {
                name: "sign steps",
                breaks: "the block moves against the sign of its gradient",
                run: |subject, context| Some(broken(subject, StepRule::Sign, context)),
            },
            SubjectControl {
                name: "weight decay on w",
                breaks: "the block also decays by 1e-3·w",
                run: |subject, context| Some(broken(subject, StepRule::Decay { lambda: 1e-3 }, context)),
            },
        ]
    }
}

/// The first steps alone, from blocks of norm 2.
fn broken(subject: &Subject, rule: StepRule, context: &Context) -> Result<Check, Unevaluated> {
    let subject = of_norm_two(subject);
    Ok(at_all(&subject, &visited(&subject, 3, context)?, rule))
}

/// Both equalities at all points of all runs, with the step of a rule.
fn at_all(subject: &Subject, runs: &[Visited], rule: StepRule) -> Check {
    let mut all = Check::new();
    let checks: Vec<Check> = runs.in_parallel(|run| along(subject, run, rule));
    checks.into_iter().for_each(|check| all.merge(check));
    all
}

fn along(subject: &Subject, run: &Visited, rule: StepRule) -> Check {
    let (mut check, mut evaluator, eta) = (Check::new(), Evaluator::new(&*subject.loss), run.eta_w);
    let layout = subject.layout();
    for visit in &run.list {
        let (unit, _) = on_spheres(layout, &visit.theta);
        let (seen, at_unit) = (evaluator.at(&visit.z, &visit.theta), evaluator.gradient(&visit.z, &unit));
        for block in layout.blocks() {
            let w: Vec<DoubleDouble> = visit.theta[block.range.clone()].iter().map(|&x| x.into()).collect();
            let (grad, grad_v) = (&seen.grad[block.range.clone()], &at_unit.grad[block.range.clone()]);
            let grown = Grown::seen(&w, &step(rule, &w, grad, eta), [grad, grad_v], eta);
            let n = grown.n_before.value();
            let first = 2.0 * eta * seen.size() + (n.sqrt() + grown.step_sq.value().sqrt()).powi(2);
            let second = first + 4.0 * eta * eta / n * length(grad_v) * at_unit.size();
            let at = format!("{} · η = {eta}, t = {}, {}", subject.name, visit.t, block.name);
            check.identity(format!("{at}, relative"), grown.off[0].value().abs() / first, evaluator.unit);
            let off = grown.off[1].value().abs() / second;
            check.identity(format!("{at}, relative (second equality)"), off, evaluator.unit);
        }
    }
    check
}

/// w_{t+1}.
fn step(rule: StepRule, w: &[DoubleDouble], grad: &[DoubleDouble], eta: f64) -> Vec<DoubleDouble> {
    let against = |x: DoubleDouble, d: DoubleDouble| match rule {
        StepRule::Sign => d.sign(),
        StepRule::Decay { lambda } => d + x.scale(lambda),
        _ => d,
    };
    let mut next: Vec<DoubleDouble> = w.iter().zip(grad).map(|(&x, &d)| x - against(x, d).scale(eta)).collect();
    if rule == StepRule::Projected {
        let factor = length(w) / length(&next);
        next.iter_mut().for_each(|x| *x = x.scale(factor));
    }
    next
}
