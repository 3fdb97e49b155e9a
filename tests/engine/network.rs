//! Every normalisation, activation and objective: the backward pass against forward mode and finite differences.

use crate::common::derivatives_alone_are_the_same;
use proptest::prelude::*;
use rand::RngExt;
use ratecheck::data::Dataset;
use ratecheck::loss::{Minibatches, Over, Setting, Workspace};
use ratecheck::network::{Activation, Architecture, Epsilon, Lp, Network, Normalisation, Objective};
use ratecheck::random::{Generator, Seed};
use ratecheck::scalar::{DoubleDouble, Dual, Scalar};

pub(super) const NORMALISATIONS: [Normalisation; 13] = [
    Normalisation::SmoothedBatchNorm { epsilon: 0.1 },
    Normalisation::BatchNorm,
    Normalisation::ConstantEpsilonBatchNorm { epsilon: 0.1 },
    Normalisation::LpBatchNorm { p: Lp::One },
    Normalisation::LpBatchNorm { p: Lp::Four },
    Normalisation::LpBatchNorm { p: Lp::Infinity },
    Normalisation::LayerNorm { epsilon: Epsilon::Smoothed(0.1) },
    Normalisation::GroupNorm { groups: 2, epsilon: Epsilon::Smoothed(0.05) },
    Normalisation::WeightNorm,
    Normalisation::None,
    Normalisation::LayerNorm { epsilon: Epsilon::None },
    Normalisation::LayerNorm { epsilon: Epsilon::Constant(0.1) },
    Normalisation::GroupNorm { groups: 2, epsilon: Epsilon::Constant(0.1) },
];

const ACTIVATIONS: [Activation; 8] = [
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Softplus,
    Activation::Relu,
    Activation::LeakyRelu { slope: 0.1 },
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Silu,
];

fn normal(generator: &mut Generator) -> f64 {
    // A sum of uniforms is normal enough for test data.
    (0..12).map(|_| generator.random::<f64>()).sum::<f64>() - 6.0
}

pub(super) fn network(
    normalisation: Normalisation,
    activation: Activation,
    objective: Objective,
    batch: usize,
    generator: &mut Generator,
) -> (Network, Vec<f64>) {
    let inputs: Vec<f64> = (0..3 * batch).map(|_| normal(generator)).collect();
    // Groups of two need even widths; one output for the logistic objective only where that is allowed.
    let (outputs, labels): (usize, Vec<f64>) = match objective {
        Objective::Logistic => (1, (0..batch).map(|i| if i % 3 == 0 { 1.0 } else { -1.0 }).collect()),
        _ => (4, (0..batch).map(|i| (i * 7 % 4) as f64).collect()),
    };
    let architecture =
        Architecture { widths: vec![3, 4, 6, outputs], normalisation, activation, objective, weight_decay: 0.03 };
    let data = Dataset::new(inputs, batch, 3, labels).unwrap();
    let network = Network::new(architecture, data, Minibatches::full(batch)).unwrap();
    let mut theta = network.initialise(generator);
    theta.iter_mut().for_each(|x| *x += 0.1 * normal(generator));
    (network, theta)
}

/// Whether a layer of so few units can be normalised: one unit has no groups, and no variance over units.
pub(super) fn has_variance(normalisation: Normalisation, units: usize) -> bool {
    match normalisation {
        Normalisation::GroupNorm { groups, .. } => units > groups,
        Normalisation::LayerNorm { epsilon } => units > 1 || epsilon != Epsilon::None,
        _ => true,
    }
}

/// Whether epsilon is constant or there is no normalisation: then nothing is scale invariant.
pub(super) fn is_variant(normalisation: Normalisation) -> bool {
    match normalisation {
        Normalisation::None | Normalisation::ConstantEpsilonBatchNorm { .. } => true,
        Normalisation::LayerNorm { epsilon } | Normalisation::GroupNorm { epsilon, .. } => {
            matches!(epsilon, Epsilon::Constant(_))
        }
        _ => false,
    }
}

pub(super) fn every_kind() -> impl Iterator<Item = (Normalisation, Activation, Objective)> {
    NORMALISATIONS.into_iter().flat_map(|n| {
        ACTIVATIONS.into_iter().flat_map(move |a| {
            [Objective::Logistic, Objective::CrossEntropy, Objective::Squared]
                .into_iter()
                .filter(move |&o| o != Objective::Logistic || has_variance(n, 1))
                .map(move |o| (n, a, o))
        })
    })
}

/// The forward pass alone, over duals, is an oracle for the backward pass that shares none of its code.
#[test]
fn backward_agrees_with_forward_mode() {
    for (kind, (normalisation, activation, objective)) in every_kind().enumerate() {
        let mut generator = Seed::new(1).generator(&format!("network/{kind}"));
        // Two examples only where epsilon keeps 1/s bounded: unsmoothed BN maps two examples to +-1, and its gradient
        // is then nothing but cancelled terms of size 1/s.
        let smallest =
            if matches!(normalisation, Normalisation::BatchNorm | Normalisation::LpBatchNorm { .. }) { 4 } else { 2 };
        for batch in [smallest, 7, 16] {
            let (network, theta) = network(normalisation, activation, objective, batch, &mut generator);
            let z: Vec<usize> = (0..batch).collect();
            let mut grad = vec![0.0; theta.len()];
            let value = network.sample_gradient(&z, &theta, &mut grad, &mut Workspace::default());
            assert_eq!(value, network.sample_loss(&z, &theta), "one loss, whichever way it is asked for");
            let scale = grad.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
            for i in 0..theta.len() {
                let lifted: Vec<Dual<f64>> =
                    theta.iter().enumerate().map(|(j, &x)| Dual::new(x, f64::from(u8::from(i == j)))).collect();
                let forward = network.sample_loss(&z, &lifted).du;
                // Three layers of sums over at most 16 examples: a few hundred roundings, amplified by 1/s.
                let error = (forward - grad[i]).abs();
                assert!(
                    error <= 1e-11 * scale,
                    "{normalisation:?} {activation:?} {objective:?} B={batch} [{i}]: {error:e}"
                );
            }
        }
    }
}

/// Central differences with step h: truncation ~ h^2, rounding ~ u/h; h = 1e-5 leaves about 1e-9 of each.
#[test]
fn backward_agrees_with_finite_differences() {
    for (normalisation, activation, objective) in every_kind() {
        if matches!(activation, Activation::Relu | Activation::LeakyRelu { .. }) {
            continue; // a kink may lie between the two points
        }
        let mut generator = Seed::new(2).generator("finite-differences");
        let (network, mut theta) = network(normalisation, activation, objective, 9, &mut generator);
        let z: Vec<usize> = (0..9).collect();
        let mut grad = vec![0.0; theta.len()];
        network.sample_gradient(&z, &theta, &mut grad, &mut Workspace::default());
        for i in (0..theta.len()).step_by(3) {
            let h = 1e-5;
            let at = theta[i];
            theta[i] = at + h;
            let above: f64 = network.sample_loss(&z, &theta);
            theta[i] = at - h;
            let below: f64 = network.sample_loss(&z, &theta);
            theta[i] = at;
            let difference = (above - below) / (2.0 * h);
            assert!((difference - grad[i]).abs() <= 2e-7, "{normalisation:?} {activation:?} {objective:?} [{i}]");
        }
    }
}

/// In double-double the two ways to a gradient agree to 26 digits: nothing in a network is rounded to f64 on the way.
#[test]
fn double_double_has_its_digits_in_every_kind() {
    for (kind, (normalisation, activation, objective)) in every_kind().enumerate() {
        let mut generator = Seed::new(1).generator(&format!("network/{kind}"));
        let (network, theta) = network(normalisation, activation, objective, 7, &mut generator);
        let z: Vec<usize> = (0..7).collect();
        let mut plain = vec![0.0; theta.len()];
        network.sample_gradient(&z, &theta, &mut plain, &mut Workspace::default());
        let mut lifted: Vec<Dual<DoubleDouble>> =
            theta.iter().map(|&x| Dual::new(DoubleDouble::from(x), DoubleDouble::ZERO)).collect();
        let at: Vec<DoubleDouble> = lifted.iter().map(|x| x.re).collect();
        let mut grad = vec![DoubleDouble::ZERO; theta.len()];
        network.sample_gradient(&z, &at, &mut grad, &mut Workspace::default());
        let scale = plain.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
        for i in (0..theta.len()).step_by(5) {
            lifted[i].du = DoubleDouble::ONE;
            let forward = network.sample_loss(&z, &lifted).du;
            lifted[i].du = DoubleDouble::ZERO;
            // The tolerance of the same test in f64, 1e-11, with UNIT for u.
            let tolerance = 1e-11 / (f64::EPSILON / 2.0) * DoubleDouble::UNIT * scale;
            let error = (forward - grad[i]).abs().value();
            assert!(error <= tolerance, "{normalisation:?} {activation:?} {objective:?} [{i}]: {error:e}");
            assert!((grad[i].value() - plain[i]).abs() <= 1e-11 * scale, "{normalisation:?} {activation:?} [{i}]");
        }
    }
}

#[test]
fn a_derivative_only_gradient_has_the_same_derivatives() {
    for (normalisation, activation, objective) in every_kind() {
        let mut generator = Seed::new(3).generator("derivative-only");
        let (network, theta) = network(normalisation, activation, objective, 8, &mut generator);
        let z: Vec<usize> = (0..8).collect();
        let lifted: Vec<Dual<f64>> = theta.iter().map(|&x| Dual::new(x, normal(&mut generator))).collect();
        derivatives_alone_are_the_same(&network, &z, &lifted);
    }
}

#[test]
fn non_finite_parameters_show() {
    let mut generator = Seed::new(4).generator("non-finite");
    for (normalisation, activation, objective) in every_kind() {
        let (network, theta) = network(normalisation, activation, objective, 6, &mut generator);
        for i in [0, theta.len() - 1] {
            let mut broken = theta.clone();
            broken[i] = f64::NAN;
            let value: f64 = network.sample_loss(&[0, 1, 2, 3, 4, 5], &broken);
            assert!(value.is_nan(), "{normalisation:?} {activation:?} {objective:?} [{i}]: {value}");
        }
    }
}

#[test]
fn bad_architectures_are_refused_with_a_reason() {
    let data = || Dataset::new(vec![0.1, 0.2, 0.3, 0.4], 2, 2, vec![0.0, 1.0]).unwrap();
    let good = Architecture {
        widths: vec![2, 4, 2],
        normalisation: Normalisation::BatchNorm,
        activation: Activation::Tanh,
        objective: Objective::CrossEntropy,
        weight_decay: 0.0,
    };
    let refuse = |change: &dyn Fn(&mut Architecture), word: &str| {
        let mut bad = good.clone();
        change(&mut bad);
        let message = Network::new(bad, data(), Minibatches::full(2)).unwrap_err().to_string();
        assert!(message.contains(word), "{message}");
    };
    Network::new(good.clone(), data(), Minibatches::full(2)).unwrap();
    refuse(&|a| a.widths = vec![2], "widths");
    refuse(&|a| a.widths = vec![2, 0, 2], "width 0");
    refuse(&|a| a.widths = vec![3, 4, 2], "features");
    refuse(&|a| a.weight_decay = f64::NAN, "weight decay");
    refuse(&|a| a.normalisation = Normalisation::SmoothedBatchNorm { epsilon: 0.0 }, "epsilon");
    refuse(&|a| a.normalisation = Normalisation::GroupNorm { groups: 3, epsilon: Epsilon::Smoothed(0.1) }, "groups");
    refuse(&|a| a.objective = Objective::Logistic, "logistic");
    refuse(&|a| a.widths = vec![2, 1], "2 outputs");
    assert!(Network::new(good.clone(), data(), Minibatches::full(3)).is_err());
    let strange = Dataset::new(vec![0.1, 0.2, 0.3, 0.4], 2, 2, vec![0.0, 2.0]).unwrap();
    assert!(Network::new(good.clone(), strange, Minibatches::full(2)).unwrap_err().to_string().contains("example 1"));
}

proptest! {
    /// Definition 2.1, bit for bit: scaling by a power of two commutes with every rounding.
    #[test]
    fn scaling_a_block_by_a_power_of_two_changes_no_bit(
        seed in 0_u64..1000, kind in 0..NORMALISATIONS.len(), batch in 2_usize..20, exponent in -6_i32..6,
    ) {
        let normalisation = NORMALISATIONS[kind];
        prop_assume!(!is_variant(normalisation));
        let mut generator = Seed::new(seed).generator("invariance");
        let (network, mut theta) =
            network(normalisation, Activation::Softplus, Objective::CrossEntropy, batch, &mut generator);
        let z: Vec<usize> = (0..batch).collect();
        let before: f64 = network.sample_loss(&z, &theta);
        let blocks = network.parameters().n_blocks();
        for x in &mut theta[network.parameters().block(generator.random_range(0..blocks))] {
            *x *= f64::from(exponent).exp2();
        }
        prop_assert_eq!(before, network.sample_loss(&z, &theta));
    }
}

#[test]
fn other_minibatches_are_another_distribution_of_the_same_losses() {
    let mut generator = Seed::new(5).generator("with-minibatches");
    let (network, theta) = network(NORMALISATIONS[0], Activation::Tanh, Objective::Logistic, 12, &mut generator);
    let other = network.with_minibatches(Minibatches::partition((0..12).collect(), 4).unwrap());
    assert_eq!((network.minibatches().batch_size(), other.minibatches().batch_size()), (12, 4));
    let z = [7, 2, 11, 5];
    assert_eq!(network.sample_loss(&z, &theta), other.sample_loss(&z, &theta));
}
