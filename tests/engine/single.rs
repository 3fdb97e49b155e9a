//! Networks in single precision: as near to those of `f64` as its roundings allow, and invariant to the bit.

use proptest::prelude::*;
use rand::RngExt;
use ratecheck::descent::{Buffers, Precision, Schedule, StepRule, Stepper};
use ratecheck::loss::{Over, Setting, Workspace};
use ratecheck::network::{Activation, Network, Normalisation, Objective};
use ratecheck::random::Seed;
use ratecheck::scalar::Scalar;

use super::{convolutions, network};

/// What the tests of the same networks in `f64` allow for a few hundred to some thousand roundings, amplified by 1/s,
/// with 2^-24 for 2^-53: 0.0054 of the largest entry. The inputs and the parameters are rounded once more,
/// which counts as one operation each.
const FIRST: f64 = 1e-11 / (f64::EPSILON / 2.0) * (f32::EPSILON as f64 / 2.0);

fn single(numbers: &[f64]) -> Vec<f32> {
    numbers.iter().map(|&x| f32::from_f64(x)).collect()
}

/// Compares value and gradient, and the product of the Hessian with some direction, to those of `f64`.
fn agrees(network: &Network, theta: &[f64], batch: usize, what: &str) {
    let z: Vec<usize> = (0..batch).collect();
    let (mut expected, mut found) = (vec![0.0; theta.len()], vec![0.0_f32; theta.len()]);
    let value = network.sample_gradient(&z, theta, &mut expected, &mut Workspace::default());
    let rounded = network.sample_gradient(&z, &single(theta), &mut found, &mut Workspace::default());
    assert_eq!(rounded, network.sample_loss(&z, &single(theta)), "{what}: one loss, whichever way it is asked for");
    assert!((rounded.value() - value).abs() <= FIRST * value.max(1.0), "{what}: {rounded} {value}");
    let scale = expected.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
    for (i, (x, y)) in found.iter().zip(&expected).enumerate() {
        let error = (x.value() - y).abs();
        assert!(error <= FIRST * scale, "{what} [{i}]: {error:e}");
    }
}

#[test]
fn gradients_agree_with_those_of_f64_in_every_kind() {
    for (kind, (normalisation, activation, objective)) in network::every_kind().enumerate() {
        let mut generator = Seed::new(7).generator(&format!("single/{kind}"));
        // As in the tests of f64: few examples only where epsilon keeps 1/s bounded.
        let few = match normalisation {
            Normalisation::BatchNorm | Normalisation::LpBatchNorm { .. } => 4,
            _ => 2,
        };
        for batch in [few, 7, 16, 37] {
            let (network, theta) = network::network(normalisation, activation, objective, batch, &mut generator);
            agrees(
                &network,
                &theta,
                batch,
                &format!("{normalisation:?} {activation:?} {objective:?} of {batch}, kind {kind}"),
            );
        }
    }
}

#[test]
fn gradients_of_filters_agree_with_those_of_f64() {
    for (normalisation, activation, pooled) in convolutions::every_kind() {
        let (network, theta) = convolutions::network(normalisation, activation, pooled, 5);
        agrees(&network, &theta, 5, &format!("{normalisation:?} {activation:?} {pooled}"));
    }
}

#[test]
fn what_is_not_a_number_shows() {
    let mut generator = Seed::new(8).generator("single/not-a-number");
    for (normalisation, activation, objective) in network::every_kind() {
        let (network, theta) = network::network(normalisation, activation, objective, 6, &mut generator);
        for i in [0, theta.len() - 1] {
            let mut broken = single(&theta);
            broken[i] = f32::NAN;
            let value: f32 = network.sample_loss(&[0, 1, 2, 3, 4, 5], &broken);
            assert!(value.is_nan(), "{normalisation:?} {activation:?} {objective:?} [{i}]: {value}");
        }
    }
    for pooled in [false, true] {
        let (network, theta) = convolutions::network(Normalisation::BatchNorm, Activation::Relu, pooled, 4);
        let mut broken = single(&theta);
        broken[0] = f32::NAN;
        assert!(network.sample_loss(&[0, 1, 2, 3], &broken).is_nan());
    }
}

/// Scales one block by 2^exponent, and compares losses.
fn is_invariant(network: &Network, theta: &[f64], batch: usize, block: usize, exponent: i32) -> [f32; 2] {
    let z: Vec<usize> = (0..batch).collect();
    let mut theta = single(theta);
    let before: f32 = network.sample_loss(&z, &theta);
    for x in &mut theta[network.parameters().block(block % network.parameters().n_blocks())] {
        *x *= (exponent as f32).exp2();
    }
    [before, network.sample_loss(&z, &theta)]
}

proptest! {
    /// Definition 2.1, bit for bit: scaling by a power of two commutes with every rounding, of 24 bits as of 53.
    #[test]
    fn scaling_a_block_by_a_power_of_two_changes_no_bit(
        seed in 0_u64..1000, kind in 0_usize..10, batch in 2_usize..40, exponent in -6_i32..6,
    ) {
        let normalisation = network::NORMALISATIONS[kind];
        prop_assume!(!matches!(normalisation, Normalisation::None | Normalisation::ConstantEpsilonBatchNorm { .. }));
        let mut generator = Seed::new(seed).generator("single/invariance");
        let (network, theta) =
            network::network(normalisation, Activation::Softplus, Objective::CrossEntropy, batch, &mut generator);
        let [before, after] = is_invariant(&network, &theta, batch, generator.random_range(0..1000), exponent);
        prop_assert_eq!(before, after);
    }

    #[test]
    fn scaling_a_filter_by_a_power_of_two_changes_no_bit(
        kind in 0_usize..7, block in 0_usize..15, exponent in -6_i32..6, pooled: bool,
    ) {
        let normalisation = convolutions::NORMALISATIONS[kind];
        prop_assume!(!matches!(normalisation, Normalisation::ConstantEpsilonBatchNorm { .. }));
        let (network, theta) = convolutions::network(normalisation, Activation::Relu, pooled, 6);
        let [before, after] = is_invariant(&network, &theta, 6, block, exponent);
        prop_assert_eq!(before, after);
    }
}

/// The gradient in single precision, the step in double.
#[test]
fn a_stepper_can_evaluate_in_single_precision() {
    let mut generator = Seed::new(8).generator("single/stepper");
    let (network, theta) =
        network::network(Normalisation::BatchNorm, Activation::Relu, Objective::CrossEntropy, 16, &mut generator);
    let z: Vec<usize> = (0..16).collect();
    let mut expected = vec![0.0_f32; theta.len()];
    let mut work = Workspace::default();
    let loss = network.sample_gradient(&z, &single(&theta), &mut expected, &mut work);
    let eta = Schedule::constant(0.5).expect("a positive rate");
    let stepper = Stepper::new(&network, &theta, StepRule::Gradient, eta, eta, generator);
    let mut stepper = stepper.evaluating_in(Precision::Single);
    let step = stepper.step_with(&z).expect("finite numbers");
    assert_eq!(step.loss, loss.value());
    for (i, (x, d)) in theta.iter().zip(&expected).enumerate() {
        assert_eq!(stepper.gradient()[i], d.value());
        assert_eq!(stepper.theta()[i], x - 0.5 * d.value());
    }
    let Buffers::Single(buffers) = stepper.buffers() else { panic!("the buffers of an evaluation in f32") };
    assert_eq!(network.unit_statistics(buffers), network.unit_statistics(&mut work));
    // 1e39 is beyond the largest f32: the run ends, and nothing of it is taken for a number.
    let huge: Vec<f64> = theta.iter().map(|x| x * 1e39).collect();
    stepper.restart(&huge, 0);
    assert!(stepper.step_with(&z).is_err());
}
