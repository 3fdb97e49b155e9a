//! Lemma C.2 on a user's network: runs from its start with every eta_w of the settings, and the eta_g of the subject.

use ratecheck::network::Network;

use super::{LemmaC2, Run};
use crate::claim::evidence::{Check, Context, Evidence, Measure, Standing, SubjectControl, Unevaluated};
use crate::claim::parallel::InParallel;
use crate::claim::subject::{Premise, Subject};
use crate::paper::visits::rate_of_g;

impl Measure for LemmaC2 {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::BoundedG]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let (check, largest) = all(subject, 1.0, context)?;
        let (eta_g, how) = rate_of_g(subject);
        let mut evidence = Evidence::new(check);
        let figures: Vec<String> = largest.iter().map(|x| format!("{x:.2e}")).collect();
        let note = format!(
            "from the first layer to the last: {}; {} steps at η_w = {:?}, η_g = {eta_g:.3e}, {how}",
            figures.join(", "),
            subject.steps(SECONDS, context.profile),
            subject.settings.eta_w
        );
        let most = largest.iter().fold(0.0_f64, |a, &b| a.max(b));
        evidence.observe("smallest multiple of Γ that passes after the start", most, note);
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![SubjectControl {
            name: "a smaller Γ",
            breaks: "the bound is 1 % below the smallest multiple of Γ that passes on these runs",
            run: |subject, context| {
                let smaller = |largest: Vec<f64>| 0.99 * largest.into_iter().fold(0.0_f64, f64::max);
                let found = all(subject, 1.0, context).map(|(_, largest)| smaller(largest));
                Some(found.and_then(|shrink| Ok(all(subject, shrink, context)?.0)))
            },
        }]
    }
}

/// Of one core, for each run.
const SECONDS: f64 = 0.1;

/// All runs, in the order of the settings, and the largest |g|/Gamma_l of every layer.
fn all(subject: &Subject, shrink: f64, context: &Context) -> Result<(Check, Vec<f64>), Unevaluated> {
    let network = subject.network.as_deref().ok_or_else(|| Unevaluated("no network of the engine".to_owned()))?;
    let lambda = network.architecture().weight_decay;
    let eta_lambda = rate_of_g(subject).0 * lambda;
    let steps = subject.steps(SECONDS, context.profile);
    let run = |&eta_w: &f64| one(subject, network, &Run { eta_lambda, eta_w, steps, shrink }, context);
    let found: Vec<(Check, Vec<f64>)> =
        subject.settings.eta_w.in_parallel(run).into_iter().collect::<Result<_, _>>()?;
    let mut check = Check::new();
    let standing = if eta_lambda <= 1.0 { Standing::Met } else { Standing::NotMet };
    check.hypothesis("η_g λ ≤ 1", standing, format!("{eta_lambda:.3e}, where λ = {lambda}"));
    let mut largest = vec![0.0_f64; network.architecture().n_layers()];
    for (one, ratios) in found {
        check.merge(one);
        largest.iter_mut().zip(ratios).for_each(|(a, b)| *a = a.max(b));
    }
    Ok((check, largest))
}

fn one(subject: &Subject, network: &Network, run: &Run, context: &Context) -> Result<(Check, Vec<f64>), Unevaluated> {
    let mut check = Check::new();
    let (largest, divergence) = run.along(&mut check, (&subject.name, network, &subject.theta), context)?;
    if let Some(divergence) = divergence {
        // What is in a ball does not overflow, but the weights may.
        check.undecided(format!("the run with η_w = {} {divergence}", run.eta_w));
    }
    Ok((check, largest))
}
