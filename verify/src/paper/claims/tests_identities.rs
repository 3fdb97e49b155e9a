//! The identities on losses that a user brings.

use std::sync::Arc;

use ratecheck::loss::closed::{Bilinear, BnRegression, ProblemJ, Rayleigh};
use ratecheck::loss::{Further, Loss, Minibatches, Over, Products, Setting, Workspace};
use ratecheck::network::{Activation, Normalisation};
use ratecheck::parameters::Parameters;

use super::CLAIMS;
use crate::claim::evidence::{Claim, Context, Profile, Verdict};
use crate::claim::instances::{small, tiny};
use crate::claim::results::{ClaimResult, ControlOutcome};
use crate::claim::runner::{context, run_on_subject};
use crate::claim::subject::Subject;

/// Everything here but (gamma, beta), which asks for layers.
const IDENTITIES: [&str; 7] = [
    "lemma-2.4.1",
    "lemma-2.4.2",
    "theorem-2.5",
    "section-2.5-initialisation",
    "section-5-momentum",
    "euler-identities",
    "appendix-a-identities",
];

fn claim(id: &str) -> &'static dyn Claim {
    *CLAIMS.iter().find(|claim| claim.statement().id == id).expect("a claim")
}

fn on(id: &str, subject: &Subject) -> ClaimResult {
    run_on_subject(claim(id), subject, 1, Profile::Test).expect("it speaks of any loss")
}

fn any_context() -> Context {
    context(claim("lemma-2.4.1"), 1, Profile::Test)
}

fn holds(id: &str, subject: &Subject) {
    let result = on(id, subject);
    assert_eq!(result.verdict, Verdict::Holds, "{id} on {}: {:?}", subject.name, result.worst);
    assert!(!result.controls.is_empty(), "{id} on {}", subject.name);
    for control in &result.controls {
        let wrong = format!("{id} on {}: {}: {}", subject.name, control.name, control.detail);
        assert_eq!(control.outcome, ControlOutcome::Rejected, "{wrong}");
    }
}

fn network(normalisation: Normalisation, activation: Activation) -> Subject {
    let built = tiny("3-4-1", normalisation, activation, &any_context());
    built.subject()
}

fn closed() -> Vec<Subject> {
    let j = ProblemJ::default();
    let j_start = j.theta_0();
    let matrix = ndarray::array![[1.0, 0.5, 0.0], [0.0, 2.0, 1.0]];
    vec![
        Subject::new("rayleigh", Arc::new(Rayleigh::equally_spaced(10)), vec![1.0; 10]),
        Subject::new("problem-j", Arc::new(j), j_start),
        Subject::new("bn-regression", Arc::new(BnRegression::new(vec![0.6, 0.0, 0.8])), vec![1.0, 0.5, -0.25, 0.5]),
        Subject::new("bilinear", Arc::new(Bilinear::new(matrix).expect("finite")), vec![0.5, 0.25, -0.5, 1.0, -0.5]),
    ]
}

#[test]
fn identities_hold_on_closed_forms_and_on_networks() {
    let smoothed = Normalisation::SmoothedBatchNorm { epsilon: 0.1 };
    let networks = [network(smoothed, Activation::Tanh), network(Normalisation::WeightNorm, Activation::Softplus)];
    for subject in closed().into_iter().chain(networks) {
        IDENTITIES.iter().for_each(|id| holds(id, &subject));
    }
}

#[test]
fn controls_have_power_whatever_the_rates() {
    let mut subject = network(Normalisation::SmoothedBatchNorm { epsilon: 0.1 }, Activation::Tanh);
    subject.settings.eta_w = vec![1e-8];
    IDENTITIES.iter().for_each(|id| holds(id, &subject));
    subject.settings.eta_w = vec![1e10];
    // g is thrown out of the numbers, which no identity forbids.
    subject.settings.eta_g = Some(1e3);
    IDENTITIES.iter().for_each(|id| holds(id, &subject));
}

#[test]
fn identities_hold_under_minibatches_drawn_at_random() {
    let mut subject = network(Normalisation::SmoothedBatchNorm { epsilon: 0.1 }, Activation::Sigmoid);
    let network = subject.network.as_ref().expect("a network");
    let drawn = Arc::new(network.with_minibatches(Minibatches::subsets(16, 8).expect("8 of 16")));
    subject = Subject::of_network("3-4-1, subsets", drawn, subject.theta);
    IDENTITIES.iter().for_each(|id| holds(id, &subject));
}

#[test]
fn scales_and_shifts_ask_for_layers_that_have_them() {
    let id = "section-2.1-gamma-beta";
    for (normalisation, activation) in
        [(Normalisation::BatchNorm, Activation::Relu), (Normalisation::BatchNorm, Activation::LeakyRelu { slope: 0.1 })]
    {
        let built = small("5-6-4-4", normalisation, activation, &any_context());
        let mut subject = built.subject();
        holds(id, &subject);
        // As networks start, every shift is 0, and gamma alone is invariant.
        let layers = subject.scaled_layers();
        assert_eq!(layers.len(), 2);
        for layer in layers {
            subject.theta[layer.range.start + layer.range.len() / 2..layer.range.end].fill(0.0);
        }
        holds(id, &subject);
    }
    let lacks = |subject: &Subject, words: &str| match on(id, subject).verdict {
        Verdict::NotApplicable { reason } => assert!(reason.contains(words), "{reason}"),
        other => panic!("{other:?}"),
    };
    lacks(&network(Normalisation::BatchNorm, Activation::Tanh), "tanh is not positively homogeneous");
    lacks(
        &network(Normalisation::SmoothedBatchNorm { epsilon: 0.1 }, Activation::Relu),
        "no batch normalisation without epsilon",
    );
    lacks(&closed()[0], "no network of the engine");
}

#[test]
fn scales_stay_bounded_where_a_decay_bounds_them() {
    let id = "lemma-c.2";
    let mut subject = network(Normalisation::SmoothedBatchNorm { epsilon: 0.1 }, Activation::Tanh);
    holds(id, &subject);
    subject.settings.eta_g = Some(200.0);
    match on(id, &subject).verdict {
        Verdict::Inconclusive { reason } => assert!(reason.contains("η_g λ ≤ 1 (2.000e0"), "{reason}"),
        other => panic!("{other:?}"),
    }
    for other in [network(Normalisation::BatchNorm, Activation::Tanh), closed().remove(0)] {
        assert!(matches!(on(id, &other).verdict, Verdict::NotApplicable { .. }), "{}", other.name);
    }
}

#[test]
fn what_is_not_scale_invariant_fails_and_the_block_is_named() {
    let constant = Normalisation::ConstantEpsilonBatchNorm { epsilon: 1e-2 };
    let broken = [network(constant, Activation::Tanh), network(Normalisation::None, Activation::Tanh)];
    for subject in broken.into_iter().chain([closed()[0].decayed(1e-3)]) {
        for id in IDENTITIES {
            match on(id, &subject).verdict {
                Verdict::Fails { reason } => {
                    assert!(
                        reason.contains("row") || reason.contains(" w,") || reason.contains("w, "),
                        "{id}: {reason}"
                    )
                }
                Verdict::NotApplicable { reason } => {
                    assert!(id == "section-5-momentum" && reason.contains("Definition 2.1 fails"), "{id}: {reason}");
                }
                other => panic!("{id}: {other:?}"),
            }
        }
    }
}

/// A function that is only known in `f64`.
struct Foreign(Rayleigh);

impl Setting for Foreign {
    fn parameters(&self) -> &Parameters {
        self.0.parameters()
    }
    fn minibatches(&self) -> &Minibatches {
        self.0.minibatches()
    }
}
impl Over<f64> for Foreign {
    fn sample_loss(&self, z: &[usize], theta: &[f64]) -> f64 {
        self.0.sample_loss(z, theta)
    }
    fn sample_gradient(&self, z: &[usize], theta: &[f64], grad: &mut [f64], work: &mut Workspace) -> f64 {
        self.0.sample_gradient(z, theta, grad, work)
    }
}
impl Products for Foreign {
    fn sample_product(&self, z: &[usize], theta: &[f64], direction: &[f64], product: &mut [f64]) {
        let mut work = ratecheck::curvature::HessianProduct::new(theta.len());
        ratecheck::curvature::hessian_vector_product(&self.0, z, theta, direction, product, &mut work);
    }
}
impl Loss for Foreign {
    fn further(&self) -> Further<'_> {
        Further::Products(self)
    }
}

#[test]
fn foreign_code_is_measured_in_f64() {
    let subject = Subject::new("foreign", Arc::new(Foreign(Rayleigh::equally_spaced(10))), vec![1.0; 10]);
    IDENTITIES.iter().for_each(|id| holds(id, &subject));
    let result = on("theorem-2.5", &subject);
    let left_out = |o: &crate::claim::evidence::Observation| o.note.contains("no double-double");
    assert!(result.observations.iter().any(left_out), "{:?}", result.observations);
}
