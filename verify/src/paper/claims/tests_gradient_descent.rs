//! The statements on gradient descent, measured on losses as a user brings them.
#![allow(clippy::unwrap_used)]

use ratecheck::bounds::Factors;
use ratecheck::curvature::{Exact, Smoothness};
use ratecheck::network::{Activation, Normalisation};
use ratecheck::random::Seed;

use super::CLAIMS;
use crate::claim::closed_forms;
use crate::claim::evidence::{Context, Profile, Verdict};
use crate::claim::instances::tiny;
use crate::claim::results::{ClaimResult, ControlOutcome};
use crate::claim::runner::run_on_subject;
use crate::claim::subject::{Settings, Subject};

/// What this file is about.
const GROUP: [&str; 9] = [
    "section-2.4",
    "lemma-a.1",
    "lemma-a.1-sharp",
    "lemma-3.2",
    "equation-11",
    "lemma-a.2",
    "theorem-3.1",
    "theorem-3.1-rate",
    "auto-tuning-gd",
];

fn rayleigh() -> Subject {
    let mut subject = closed_forms::rayleigh().subject;
    // Rates for which a test's T is long enough.
    subject.settings.eta_w = vec![0.1, 1.0, 100.0];
    subject
}

/// 3-4-1, with a rate for which a test's T is long enough.
fn network(normalisation: Normalisation) -> Subject {
    let context = Context { seed: Seed::new(1), profile: Profile::Test, factors: Factors::ONE };
    let at = tiny("3-4-1", normalisation, Activation::Tanh, &context);
    let mut subject = at.subject();
    subject.settings.eta_w = vec![0.1, 1.0];
    subject
}

const SMOOTHED: Normalisation = Normalisation::SmoothedBatchNorm { epsilon: 0.1 };

fn result(id: &str, subject: &Subject) -> ClaimResult {
    let claim = CLAIMS.iter().find(|claim| claim.statement().id == id).unwrap();
    run_on_subject(*claim, subject, 1, Profile::Test).unwrap()
}

fn holds(id: &str, subject: &Subject) {
    let result = result(id, subject);
    assert_eq!(result.verdict, Verdict::Holds, "{id} on {}", subject.name);
    assert!(!result.controls.is_empty(), "{id} on {}", subject.name);
    for control in &result.controls {
        assert_eq!(
            control.outcome,
            ControlOutcome::Rejected,
            "{id} on {}: {}: {}",
            subject.name,
            control.name,
            control.detail
        );
    }
}

#[test]
fn closed_forms_hold() {
    for id in GROUP {
        holds(id, &rayleigh());
        holds(id, &closed_forms::bn_regression().subject);
    }
}

/// A start on the floor of a valley, where w hardly moves in any run of a test: what is not a rate says something all
/// the same.
#[test]
fn what_is_not_a_rate_holds_on_a_valley_floor() {
    let mut subject = closed_forms::indexed_helix(1000).subject;
    // The constants hold for every g; so far no run of a test goes.
    subject.radius = Some(100.0);
    for id in GROUP.iter().filter(|id| !["theorem-3.1-rate", "auto-tuning-gd"].contains(id)) {
        holds(id, &subject);
    }
}

#[test]
fn a_network_holds() {
    for id in GROUP {
        holds(id, &network(SMOOTHED));
    }
}

#[test]
fn without_normalisation_they_say_nothing() {
    let subject = network(Normalisation::None);
    for id in GROUP {
        assert!(matches!(result(id, &subject).verdict, Verdict::NotApplicable { .. }), "{id}");
    }
}

#[test]
fn constants_that_are_too_small_fail() {
    let mut subject = rayleigh();
    let exact: Smoothness<Exact> = subject.exact.as_ref().unwrap().map(|l| Exact(0.1 * l.0));
    subject.exact = Some(exact);
    for id in ["section-2.4", "lemma-a.1-sharp", "lemma-3.2"] {
        let verdict = result(id, &subject).verdict;
        assert!(matches!(verdict, Verdict::Fails { .. }), "{id}: {verdict:?}");
    }
}

#[test]
fn a_run_that_is_too_short_is_inconclusive() {
    let mut subject = network(SMOOTHED);
    subject.settings = Settings { eta_w: vec![1e-4], steps: Some(100), ..Settings::default() };
    let verdict = result("theorem-3.1-rate", &subject).verdict;
    assert!(matches!(&verdict, Verdict::Inconclusive { reason } if reason.contains("too short")), "{verdict:?}");
}

#[test]
fn the_bits_do_not_depend_on_the_threads() {
    let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
    for id in ["lemma-3.2", "theorem-3.1-rate"] {
        let worst = |n| pool(n).install(|| result(id, &network(SMOOTHED)).worst);
        assert_eq!(worst(1), worst(3), "{id}");
    }
}
