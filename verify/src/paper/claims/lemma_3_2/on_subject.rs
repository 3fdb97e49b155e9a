//! Lemma 3.2 along gradient descent on a user's loss.
//!
//! Every step of a run for every η_w. The constants are exact, or a bracket: found at random points and along these
//! very runs (random points alone find several times less), and proved where that can be done; what holds for the
//! smaller C_i holds for the true one. L^gg in C_i is the largest that η_g admits: see `paper/gradient_descent.rs`. The
//! tolerance is that of the claim.

use std::collections::BTreeSet;

use ratecheck::curvature::{Sampled, Smoothness, block_norms};
use ratecheck::rates::log_spaced;

use super::Lemma32;
use super::descent::{Descent, Extremes};
use super::network::along;
use crate::claim::closed_forms::C_G;
use crate::claim::evidence::{Check, Context, Evidence, Measure, Soundness, SubjectControl, Unevaluated};
use crate::claim::parallel::InParallel;
use crate::claim::subject::{Premise, Subject};
use crate::paper::gradient_descent::{Terms, gradients, left_the_numbers, premises, steps};

impl Measure for Lemma32 {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant, Premise::Smooth, Premise::FiniteMinibatches]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let (mut terms, n_steps) = (Terms::of(subject)?, n_steps(subject, context));
        let looked_at = if subject.exact.is_some() { 0 } else { search(&mut terms, subject, n_steps, context)? };
        let mut evidence = Evidence::default();
        let extremes = every_rate(&mut evidence.check, &terms, subject, n_steps, As::Stated, context);
        premises(&mut evidence.check, subject, largest(&extremes, |e| e.g))?;
        for (eta_w, extremes) in subject.settings.eta_w.iter().zip(&extremes) {
            let note = format!("over T = {n_steps} steps; those whose second-order term is above 1e-8 count");
            evidence.observe(format!("smallest multiple of C that passes at η_w = {eta_w:e}"), extremes.multiple, note);
        }
        let of = match &terms.most {
            Some(most) if subject.exact.is_none() => format!("found; at most {:.3e} is proved", most.c_w[0]),
            Some(_) => "exact".to_owned(),
            None => "found; no upper bound is known".to_owned(),
        };
        let note = format!("{of}; {looked_at} points along the runs; η_g = {:.3e}", terms.eta_g);
        evidence.observe("C_1", terms.least.c_w[0], note);
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "just below the smallest multiple",
                breaks: "the constants are 1 % smaller than the smallest multiple of them with which every step passes",
                run: |subject, context| just_below(subject, context).transpose(),
            },
            SubjectControl {
                name: "the printed equality",
                breaks: "\"=\" as printed instead of \"≤\"",
                run: |subject, context| {
                    let run = || {
                        let (mut check, terms) = (Check::new(), Terms::of(subject)?);
                        every_rate(&mut check, &terms, subject, n_steps(subject, context), As::Equality, context);
                        Ok(check)
                    };
                    Some(run())
                },
            },
        ]
    }
}

/// How the lemma is read.
#[derive(Clone, Copy, PartialEq)]
enum As {
    Stated,
    /// With this multiple of the C_i, as if it were proved.
    Multiple(f64),
    Equality,
}

/// Every step is a comparison of its own, so that there are not more than the claim's own.
fn n_steps(subject: &Subject, context: &Context) -> u64 {
    steps(subject, 0.5, context.profile).min(context.pick([100, 1_000, 10_000, 100_000]))
}

/// Nothing if no step needs a constant at all: then the loss is concave wherever it was looked at.
fn just_below(subject: &Subject, context: &Context) -> Result<Option<Check>, Unevaluated> {
    let (terms, n_steps) = (Terms::of(subject)?, n_steps(subject, context));
    let extremes = every_rate(&mut Check::new(), &terms, subject, n_steps, As::Stated, context);
    let smallest = largest(&extremes, |e| e.multiple);
    let mut check = Check::new();
    if smallest > 0.0 {
        every_rate(&mut check, &terms, subject, n_steps, As::Multiple(0.99 * smallest), context);
    }
    Ok((smallest > 0.0).then_some(check))
}

/// A run for every eta_w, each compared at every step.
fn every_rate(
    check: &mut Check,
    terms: &Terms,
    subject: &Subject,
    steps: u64,
    read: As,
    context: &Context,
) -> Vec<Extremes> {
    let multiple = if let As::Multiple(multiple) = read { multiple } else { 1.0 };
    let upper = terms.most.as_ref().filter(|_| read == As::Stated).map(|most| most.c_w.clone());
    let sampled = upper.is_none() && read == As::Stated;
    let one = |&eta_w: &f64| {
        let descent = Descent {
            name: &terms.name,
            loss: &*terms.loss,
            theta_0: &terms.theta_0,
            eta_w,
            eta_g: terms.eta_g,
            c_g: C_G,
            c_w: terms.least.c_w.iter().map(|c| multiple * c).collect(),
            c_w_upper: upper.clone(),
            soundness: if sampled { Soundness::Sampled } else { Soundness::Proved },
            steps,
            equality: read == As::Equality,
            factors: context.factors,
        };
        let mut part = Check::new();
        let extremes = descent.follow(&mut part, context).unwrap_or_else(|error| {
            left_the_numbers(&mut part, terms, eta_w, &error);
            Extremes { multiple: 0.0, slack: 0.0, g: f64::INFINITY }
        });
        (part, extremes)
    };
    let found: Vec<_> = subject.settings.eta_w.in_parallel(one);
    let mut all = Vec::new();
    for (part, extremes) in found {
        check.merge(part);
        all.push(extremes);
    }
    all
}

/// Raises the constants found to the norms along the runs, at as many points as the budget allows.
/// Returns their number.
fn search(terms: &mut Terms, subject: &Subject, steps: u64, context: &Context) -> Result<usize, Unevaluated> {
    // Per point n Hessian-vector products, each two gradients, and as much again for the norms.
    let points = gradients(subject, 0.3, context) / (4 * terms.theta_0.len() as u64);
    if points < 2 {
        return Ok(0);
    }
    let looked_at: BTreeSet<u64> = match points / 2 {
        n if steps <= n => (0..steps).collect(),
        n => log_spaced(1, steps.max(2), (n as usize).max(2)).into_iter().map(|t| t - 1).collect(),
    };
    let run = |&eta_w: &f64| {
        along(&*terms.loss, &terms.theta_0, [eta_w, terms.eta_g], steps, |t| looked_at.contains(&t), context)
    };
    let runs: Result<Vec<_>, Unevaluated> = subject.settings.eta_w.in_parallel(run).into_iter().collect();
    // Constants were looked for at the start before.
    let on_runs: Vec<Vec<f64>> = runs?.into_iter().flat_map(|points| points.into_iter().skip(1)).collect();
    let z = subject.all();
    let norms: Vec<_> = on_runs.in_parallel(|theta| block_norms(&*terms.loss, &z, theta));
    let found = norms.iter().fold(subject.constants()?.least.map(|&l| Sampled(l)), Smoothness::max).values();
    terms.finding(&found);
    Ok(on_runs.len())
}

fn largest(extremes: &[Extremes], of: fn(&Extremes) -> f64) -> f64 {
    extremes.iter().map(of).fold(0.0, |max, x| if x <= max { max } else { x })
}
