//! The claims on stochastic descent, on losses that a user might bring.

use std::sync::Arc;

use ratecheck::data::{Target, teacher};
use ratecheck::loss::{
    Minibatches,
    closed::{ProblemJ, TIndexedHelix},
};
use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
use ratecheck::random::Seed;

use crate::claim::evidence::{Claim, Profile, Verdict};
use crate::claim::results::{ClaimResult, ControlOutcome};
use crate::claim::runner::run_on_subject;
use crate::claim::subject::Subject;
use crate::paper::claims::CLAIMS;

fn claim(id: &str) -> &'static dyn Claim {
    *CLAIMS.iter().find(|claim| claim.statement().id == id).expect("listed")
}

fn verified(id: &str, subject: &Subject) -> ClaimResult {
    run_on_subject(claim(id), subject, 2019, Profile::Test).expect("it speaks of any loss")
}

/// Problem J on the ball of g that no run leaves.
fn problem_j(steps: u64) -> Subject {
    let loss = ProblemJ::default();
    let (theta, radius) = (loss.theta_0(), loss.radius(1.0));
    let (exact, loss_min) = (loss.sample_constants(radius), loss.loss_min());
    let mut subject = Subject::new("problem J", Arc::new(loss), theta);
    (subject.radius, subject.exact, subject.loss_min) = (Some(radius), Some(exact), Some(loss_min));
    subject.settings.steps = Some(steps);
    subject
}

/// A start on the floor of a valley, where nothing moves w at first.
fn valley(steps: u64) -> Subject {
    let loss = TIndexedHelix::for_steps(1000);
    let (theta, exact, loss_min) = (loss.theta_0(), loss.constants(), loss.loss_min());
    let mut subject = Subject::new("valley", Arc::new(loss), theta);
    (subject.radius, subject.exact, subject.loss_min) = (Some(100.0), Some(exact), Some(loss_min));
    subject.settings.steps = Some(steps);
    subject
}

/// 3-4-1 on a teacher, in four minibatches of eight.
pub(super) fn network(normalisation: Normalisation, steps: u64) -> Subject {
    let seed = Seed::new(5);
    let data = teacher(32, 3, Target::Binary, 0.1, &mut seed.generator("data"));
    let architecture = Architecture {
        widths: vec![3, 4, 1],
        normalisation,
        activation: Activation::Tanh,
        objective: Objective::Logistic,
        weight_decay: 0.01,
    };
    let z = Minibatches::partition((0..32).collect(), 8).expect("8 divides 32");
    let network = Arc::new(Network::new(architecture, data, z).expect("sound"));
    let theta = network.initialise(&mut seed.generator("theta"));
    let mut subject = Subject::of_network("3-4-1", network, theta);
    subject.settings.steps = Some(steps);
    subject
}

pub(super) const SMOOTHED: Normalisation = Normalisation::SmoothedBatchNorm { epsilon: 0.1 };

fn holds(id: &str, subject: &Subject) {
    let result = verified(id, subject);
    assert_eq!(result.verdict, Verdict::Holds, "{id} on {}", subject.name);
    rejected(&result);
}

fn rejected(result: &ClaimResult) {
    assert!(!result.controls.is_empty());
    for control in &result.controls {
        assert_eq!(control.outcome, ControlOutcome::Rejected, "{}, {}: {}", result.id, control.name, control.detail);
    }
}

/// Whoever is not scale invariant is told so.
fn needs_invariance(id: &str) {
    let result = verified(id, &network(Normalisation::None, 200));
    assert!(matches!(result.verdict, Verdict::NotApplicable { .. }), "{id}: {:?}", result.verdict);
}

#[test]
fn on_every_path() {
    for id in ["remark-4.1", "lemma-b.3", "lemma-b.4"] {
        holds(id, &problem_j(2000));
        holds(id, &network(SMOOTHED, 300));
        holds(id, &valley(2000));
        needs_invariance(id);
    }
}

#[test]
fn in_expectation() {
    for id in ["theorem-4.2", "lemma-b.2"] {
        holds(id, &problem_j(100));
        holds(id, &network(SMOOTHED, 50));
        holds(id, &valley(100));
        needs_invariance(id);
    }
    // No lower bound, no theorem.
    let mut subject = problem_j(100);
    subject.loss_min = None;
    assert!(matches!(verified("theorem-4.2", &subject).verdict, Verdict::NotApplicable { .. }));
    // A learning rate of g above its limit: nothing is claimed.
    let mut subject = problem_j(100);
    subject.settings.eta_g = Some(1.5);
    assert!(matches!(verified("theorem-4.2", &subject).verdict, Verdict::Inconclusive { .. }));
}

#[test]
fn at_a_rate() {
    let subject = problem_j(20_000);
    for id in ["theorem-4.2-rate", "effective-rate-law", "auto-tuning-sgd"] {
        holds(id, &subject);
        needs_invariance(id);
    }
    // Nothing is random in gradient descent on its mean.
    let mean = subject.with_loss(subject.mean().expect("finitely many"));
    assert!(matches!(verified("effective-rate-law", &mean).verdict, Verdict::NotApplicable { .. }));
    // Ten steps decide nothing.
    for id in ["theorem-4.2-rate", "effective-rate-law"] {
        let verdict = verified(id, &problem_j(10)).verdict;
        assert!(matches!(verdict, Verdict::Inconclusive { .. }), "{id}: {verdict:?}");
    }
    holds("auto-tuning-sgd", &network(SMOOTHED, 1000));
}
