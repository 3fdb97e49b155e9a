//! The identity on a user's loss, one step from every point of a run with decay, with as many digits as the loss has;
//! and in f64, for how many steps of a whole run the bits are the same. That is an observation: a loss may well round
//! what it scales.

use ratecheck::scalar::DoubleDouble;

use super::sides::{Sides, in_bits, step_by_step};
use super::{BITWISE, Case, Decay, GrowingRate, Image, STEPWISE};
use crate::claim::evidence::{Check, Context, Evidence, Measure, SubjectControl, Unevaluated};
use crate::claim::precise::Evaluator;
use crate::claim::subject::{Premise, Subject};
use crate::paper::visits::{of_norm_two, precise_steps, rate_of_g};

/// Rates reach 2^(2 BITS + 1), and what a loss makes of them is not to leave the numbers.
const BITS: u64 = 100;

impl Measure for GrowingRate {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut evidence = Evidence::default();
        // A power of a by products is as long as t.
        let steps = precise_steps(subject, context).min(60);
        for &eta_w in &subject.settings.eta_w {
            for decay in [BITWISE[0]].into_iter().chain(STEPWISE) {
                evidence.check.merge(stepwise(subject, eta_w, decay, Image::Stated, steps, context)?);
            }
            let bits = subject.settings.steps.map_or(BITS, |steps| steps.min(BITS));
            let (_, same) = in_bits(&case(subject, eta_w), BITWISE[0], Image::Stated, bits, context)?;
            evidence.observe(
                format!("steps with the same bits, η = {eta_w}, ηλ = 1/2"),
                same as f64,
                format!("of {bits}; {steps} steps are compared one by one"),
            );
        }
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "exponent -2t",
                breaks: "the rate is η·a^(-2t), one factor less",
                run: |subject, context| {
                    Some(broken(&of_norm_two(&subject.turned()), BITWISE[0], Image::EvenExponent, context))
                },
            },
            SubjectControl {
                name: "from rest",
                breaks: "the momentum starts with u_{-1} = u_0 instead of a·u_0",
                run: |subject, context| {
                    Some(broken(&of_norm_two(&subject.turned()), STEPWISE[1], Image::FromRest, context))
                },
            },
            SubjectControl {
                name: "weight decay in the loss",
                breaks: "F + ‖W‖²/20 instead of F",
                run: |subject, context| {
                    Some(broken(&of_norm_two(&subject.turned()).decayed(0.1), STEPWISE[0], Image::Stated, context))
                },
            },
        ]
    }
}

fn case(subject: &Subject, eta_w: f64) -> Case<'_> {
    let eta_g = rate_of_g(subject).0;
    Case { name: &subject.name, loss: &*subject.loss, theta_0: &subject.theta, eta_w, eta_g, most: BITS }
}

fn broken(subject: &Subject, decay: Decay, image: Image, context: &Context) -> Result<Check, Unevaluated> {
    stepwise(subject, subject.settings.eta_w[0], decay, image, 3, context)
}

fn stepwise(
    subject: &Subject,
    eta_w: f64,
    decay: Decay,
    image: Image,
    steps: u64,
    context: &Context,
) -> Result<Check, Unevaluated> {
    let Evaluator { unit, .. } = Evaluator::new(&*subject.loss);
    let (case, sides) = (case(subject, eta_w), Sides { decay, other: decay, image });
    if Evaluator::new(&*subject.loss).is_precise() {
        step_by_step::<DoubleDouble>(&case, sides, steps, unit, context)
    } else {
        step_by_step::<f64>(&case, sides, steps, unit, context)
    }
}
