//! Networks with fixed statistics: on the minibatch that the statistics are of, they are the networks themselves.

use ratecheck::data::{Dataset, digits};
use ratecheck::loss::{Minibatches, Over, Setting, Workspace};
use ratecheck::network::{
    Activation, Architecture, Convolution, Convolutions, Epsilon, Image, Lp, Network, Normalisation, Objective,
    UnitStatistics,
};
use ratecheck::random::Seed;
use ratecheck::scalar::Dual;

const BATCH: usize = 24;

fn network(normalisation: Normalisation, filters: bool) -> (Network, Vec<f64>) {
    let architecture = Architecture {
        widths: if filters { vec![64, 10] } else { vec![64, 6, 10] },
        normalisation,
        activation: Activation::Tanh,
        objective: Objective::CrossEntropy,
        weight_decay: 0.0,
    };
    let (data, z) = (digits().standardised().first(BATCH), Minibatches::full(BATCH));
    let layers = vec![Convolution { filters: 3, pooled: true }, Convolution { filters: 2, pooled: false }];
    let convolutions = Convolutions { image: Image { channels: 1, height: 8, width: 8 }, layers };
    let network = if filters {
        Network::convolutional(architecture, convolutions, data, z)
    } else {
        Network::new(architecture, data, z)
    };
    let network = network.unwrap();
    let mut theta = network.initialise(&mut Seed::new(4).generator("frozen"));
    let scales = network.n_weights()..theta.len();
    theta[scales].iter_mut().enumerate().for_each(|(i, x)| *x += 0.05 * (i % 7) as f64 - 0.1);
    (network, theta)
}

#[test]
fn on_its_own_minibatch_a_frozen_network_is_the_network() {
    let (z, mut work): (Vec<usize>, _) = ((0..BATCH).collect(), Workspace::default());
    for normalisation in [
        Normalisation::SmoothedBatchNorm { epsilon: 0.1 },
        Normalisation::BatchNorm,
        Normalisation::ConstantEpsilonBatchNorm { epsilon: 0.1 },
        Normalisation::LpBatchNorm { p: Lp::One },
        Normalisation::WeightNorm,
        Normalisation::None,
    ] {
        for filters in [false, true] {
            let (network, theta) = network(normalisation, filters);
            let expected: f64 = network.sample_gradient(&z, &theta, &mut vec![0.0; theta.len()], &mut work);
            let statistics = network.unit_statistics(&mut work).unwrap();
            let (frozen, folded) = network.frozen(&theta, &statistics, network.data().clone()).unwrap();
            let found: f64 = frozen.sample_loss(&z, &folded);
            // Some hundred roundings of outputs of order 1.
            assert!((found - expected).abs() <= 1e-12 * expected, "{normalisation:?} {filters}: {found} {expected}");
            assert_eq!(frozen.parameters().g().len() + frozen.n_weights(), theta.len());
        }
    }
}

#[test]
fn statistics_are_those_of_the_units() {
    // z = 2x of x = 1, 2, 6: mean 6, variance 56/3; smoothed by 3/4 ||w||^2 = 3.
    let data = Dataset::new(vec![1.0, 2.0, 6.0], 3, 1, vec![1.0, -1.0, 1.0]).unwrap();
    let architecture = Architecture {
        widths: vec![1, 1],
        normalisation: Normalisation::SmoothedBatchNorm { epsilon: 0.75 },
        activation: Activation::Tanh,
        objective: Objective::Logistic,
        weight_decay: 0.0,
    };
    let network = Network::new(architecture, data, Minibatches::full(3)).unwrap();
    let mut work = Workspace::default();
    // gamma = 1 and beta = 0.1: outputs below, below and above 0; the second label alone is negative.
    assert_eq!(network.count_right(&[0, 1, 2], &[2.0, 1.0, 0.1], &mut work), 2);
    let mut found = network.unit_statistics(&mut work).unwrap();
    assert_eq!(found.mean, [6.0]);
    assert!((found.spread_sq[0] - 65.0 / 3.0).abs() < 1e-13);
    found.average(0.75, &UnitStatistics { mean: vec![2.0], spread_sq: vec![found.spread_sq[0] + 4.0] });
    assert_eq!(found.mean, [5.0]);
    assert!((found.spread_sq[0] - 68.0 / 3.0).abs() < 1e-13);
    // Of a scalar with derivatives they are the values.
    let mut work = Workspace::default();
    let lifted = [2.0, 1.0, 0.1].map(|x| Dual::new(x, 1.0));
    network.sample_gradient(&[0, 1, 2], &lifted, &mut lifted.clone(), &mut work);
    assert_eq!(network.unit_statistics(&mut work).unwrap().mean, [6.0]);
}

#[test]
fn what_is_right_does_not_depend_on_the_arithmetic() {
    let (network, theta) = network(Normalisation::BatchNorm, true);
    let z: Vec<usize> = (0..BATCH).collect();
    let plain = network.count_right(&z, &theta, &mut Workspace::default());
    // The labels of the digits begin 0, 1, 2, ..: an untrained network has some of them, and not all.
    assert!(plain > 0 && plain < BATCH, "{plain}");
    let single: Vec<f32> = theta.iter().map(|&x| x as f32).collect();
    assert_eq!(network.count_right_in_single(&z, &single, &mut Workspace::default()), plain);
    // By hand: the outputs as the losses of other labels, -ln p_y, of which the least is that of the largest output.
    let by_hand = |i: usize| {
        let loss = |label: usize| {
            let labels = (0..BATCH).map(|b| if b == i { label as f64 } else { 0.0 }).collect();
            let data = Dataset::new(network.data().inputs().to_vec(), BATCH, 64, labels).unwrap();
            let mut work = Workspace::default();
            network.count_right(&z, &theta, &mut work);
            let statistics = network.unit_statistics(&mut work).unwrap();
            let (frozen, folded) = network.frozen(&theta, &statistics, data).unwrap();
            frozen.sample_loss(&[i], &folded)
        };
        (0..10).min_by(|&a, &b| loss(a).total_cmp(&loss(b))).unwrap() as f64
    };
    assert_eq!((0..BATCH).filter(|&i| by_hand(i) == network.data().labels()[i]).count(), plain);
}

#[test]
fn unit_scales_are_the_gammas_alone() {
    let (network, theta) = network(Normalisation::BatchNorm, false);
    let unit = network.with_unit_scales(&theta);
    // 6 gammas, 6 betas, 10 gammas, 10 betas behind the weights.
    let first = network.n_weights();
    for (i, (x, before)) in unit.iter().zip(&theta).enumerate() {
        let gamma = (first..first + 6).contains(&i) || (first + 12..first + 22).contains(&i);
        assert_eq!(*x, if gamma { 1.0 } else { *before }, "{i}");
    }
}

#[test]
fn layer_normalisation_has_no_statistics_to_freeze() {
    let (network, theta) = network(Normalisation::LayerNorm { epsilon: Epsilon::Smoothed(0.1) }, false);
    let mut work = Workspace::default();
    network.count_right(&[0, 1], &theta, &mut work);
    assert_eq!(network.unit_statistics(&mut work), None);
}

#[test]
fn what_is_not_a_number_is_never_right() {
    let (network, mut theta) = network(Normalisation::BatchNorm, true);
    theta[0] = f64::NAN;
    let z: Vec<usize> = (0..BATCH).collect();
    assert_eq!(network.count_right(&z, &theta, &mut Workspace::default()), 0);
}
