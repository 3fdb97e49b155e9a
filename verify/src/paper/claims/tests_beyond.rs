//! The theorems that come next, on losses that a user might bring.

use std::sync::Arc;

use ratecheck::loss::closed::{BnRegression, ProblemJ, Rayleigh};
use ratecheck::network::Normalisation;

use super::CLAIMS;
use super::tests_stochastic::{SMOOTHED, network};
use crate::claim::evidence::{Claim, Profile, Verdict};
use crate::claim::results::{ClaimResult, ControlOutcome};
use crate::claim::runner::run_on_subject;
use crate::claim::subject::Subject;

fn verified(id: &str, subject: &Subject) -> ClaimResult {
    let claim: &&dyn Claim = CLAIMS.iter().find(|claim| claim.statement().id == id).expect("listed");
    run_on_subject(*claim, subject, 2019, Profile::Test).expect("it speaks of any loss")
}

fn holds(id: &str, subject: &Subject) {
    let result = verified(id, subject);
    assert_eq!(result.verdict, Verdict::Holds, "{id} on {}: {:?}", subject.name, result.hypotheses);
    rejected(&result, subject);
}

fn rejected(result: &ClaimResult, subject: &Subject) {
    assert!(!result.controls.is_empty(), "{} on {}", result.id, subject.name);
    for control in &result.controls {
        let wrong = format!("{} on {}: {}: {}", result.id, subject.name, control.name, control.detail);
        assert_eq!(control.outcome, ControlOutcome::Rejected, "{wrong}");
    }
}

/// What it cannot decide for want of a premise, which must not look like a broken control.
fn inconclusive(id: &str, subject: &Subject, words: &str) {
    let result = verified(id, subject);
    match &result.verdict {
        Verdict::Inconclusive { reason } => assert!(reason.contains(words), "{id} on {}: {reason}", subject.name),
        other => panic!("{id} on {}: {other:?}", subject.name),
    }
    rejected(&result, subject);
}

fn problem_j(steps: u64) -> Subject {
    let loss = ProblemJ::default();
    let (theta, radius) = (loss.theta_0(), loss.radius(1.0));
    let (exact, loss_min) = (loss.sample_constants(radius), loss.loss_min());
    let mut subject = Subject::new("problem J", Arc::new(loss), theta);
    (subject.radius, subject.exact, subject.loss_min) = (Some(radius), Some(exact), Some(loss_min));
    subject.settings.steps = Some(steps);
    subject
}

fn rayleigh() -> Subject {
    let loss = Rayleigh::equally_spaced(10);
    let (exact, loss_min) = (loss.constants(), loss.loss_min());
    let mut subject = Subject::new("Rayleigh in R^10", Arc::new(loss), vec![1.0; 10]);
    (subject.exact, subject.loss_min) = (Some(exact), Some(loss_min));
    (subject.settings.eta_w, subject.settings.steps) = (vec![0.1, 1.0, 100.0], Some(10_000));
    subject
}

fn regression() -> Subject {
    let loss = BnRegression::new(vec![0.6, 0.0, 0.8]);
    let exact = loss.constants(1.0);
    let mut subject = Subject::new("BN regression", Arc::new(loss), vec![1.0, 0.5, -0.25, 0.5]);
    (subject.exact, subject.loss_min, subject.radius) = (Some(exact), Some(0.0), Some(1.0));
    (subject.settings.eta_w, subject.settings.steps) = (vec![0.1, 10.0], Some(10_000));
    subject
}

#[test]
fn a_decay_is_a_growing_rate() {
    for subject in [problem_j(100), rayleigh(), regression(), network(SMOOTHED, 100)] {
        holds("growing-rate", &subject);
    }
}

#[test]
fn sums_cost_what_is_said() {
    for subject in [problem_j(1_000), rayleigh(), regression()] {
        holds("cost-of-eta", &subject);
    }
    // A bracket of constants instead of their values.
    let mut subject = network(SMOOTHED, 300);
    subject.settings.eta_w = vec![0.1, 10.0];
    holds("cost-of-eta", &subject);
    // Constants that are too small.
    let mut subject = rayleigh();
    let exact = subject.exact.as_ref().expect("known").map(|l| ratecheck::curvature::Exact(0.05 * l.0));
    subject.exact = Some(exact);
    let verdict = verified("cost-of-eta", &subject).verdict;
    assert!(matches!(verdict, Verdict::Fails { .. }), "{verdict:?}");
}

#[test]
fn norms_settle_under_decay_and_grow_with_momentum_as_they_should() {
    for id in ["equilibrium", "momentum-law"] {
        holds(id, &problem_j(20_000));
        // Ten steps decide nothing.
        inconclusive(id, &problem_j(10), "premise not met");
    }
    let result = verified("momentum-law", &rayleigh());
    assert!(matches!(result.verdict, Verdict::NotApplicable { .. }), "nothing is random: {:?}", result.verdict);
}

#[test]
fn descent_rests_below_the_edge() {
    holds("rest", &rayleigh());
    holds("rest", &regression());
    holds("rest", &problem_j(2_000));
    inconclusive("rest", &network(SMOOTHED, 20), "descent converges");
}

#[test]
fn without_normalisation_they_say_nothing() {
    let subject = network(Normalisation::None, 100);
    for id in ["cost-of-eta", "momentum-law", "growing-rate", "equilibrium", "rest"] {
        let verdict = verified(id, &subject).verdict;
        assert!(matches!(verdict, Verdict::NotApplicable { .. }), "{id}: {verdict:?}");
    }
}
