//! One neuron in the plane: its constants enclosed by branch and bound, against the network's own Hessian.

use rand::RngExt;
use ratecheck::curvature::{Domain, Enclosed, Functions, Sampling, block_norms, neuron_constants, sampled_constants};
use ratecheck::data::Dataset;
use ratecheck::loss::Minibatches;
use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
use ratecheck::random::Seed;
use ratecheck::scalar::Scalar;

const Z: [usize; 5] = [0, 1, 2, 3, 4];

fn neuron(objective: Objective, weight_decay: f64) -> Network {
    // Five points without symmetry.
    let inputs = vec![0.9, -1.1, 0.3, 1.4, -0.6, 0.2, 0.8, -1.3, 0.5, -0.7];
    let labels = vec![1.0, -1.0, -1.0, 1.0, 1.0];
    let architecture = Architecture {
        widths: vec![2, 1],
        normalisation: Normalisation::SmoothedBatchNorm { epsilon: 0.1 },
        activation: Activation::Tanh,
        objective,
        weight_decay,
    };
    Network::new(architecture, Dataset::new(inputs, 5, 2, labels).unwrap(), Minibatches::full(5)).unwrap()
}

/// The three constants to 2 %: attained where they are said to be, by the network's own Hessian, and never exceeded.
#[test]
fn constants_are_enclosed_to_two_per_cent() {
    for (objective, lambda) in [(Objective::Logistic, 0.05), (Objective::Squared, 0.0)] {
        let network = neuron(objective, lambda);
        let radius = 2.0;
        let found = neuron_constants(&network, &Z, radius, 0.02, 1_000_000).unwrap();
        let norms_at = |[theta, gamma, beta]: [f64; 3]| {
            block_norms(&network, &Z, &[Scalar::cos(theta), Scalar::sin(theta), gamma, beta])
        };
        let check = |what: &str, enclosed: Enclosed, attained: f64| {
            let Enclosed { lower, upper, at, .. } = enclosed;
            assert!(upper.0 <= 1.02 * lower.0, "{objective:?} {lambda} {what}: {enclosed:?}");
            // Both evaluate the same Hessian, the network in f64.
            assert!((attained - lower.0).abs() <= 1e-12 * lower.0, "{what}: {attained} at {enclosed:?}");
            assert!(at[1].hypot(at[2]) <= radius);
        };
        check("vv", found.l_vv, norms_at(found.l_vv.at).l_vv[(0, 0)].0);
        check("vg", found.l_vg, norms_at(found.l_vg.at).l_vg[0].0);
        check("gg", found.l_gg, norms_at(found.l_gg.at).l_gg.0);

        let sampling =
            Sampling { domain: Domain::Ball(radius), functions: Functions::Mean, ..Sampling::new(2_000, radius) };
        let sampled = sampled_constants(&network, &sampling, &Seed::new(3));
        let below = |sampled: f64, enclosed: Enclosed| sampled <= enclosed.upper.0 * (1.0 + 1e-12);
        assert!(below(sampled.l_vv[(0, 0)].0, found.l_vv));
        assert!(below(sampled.l_vg[0].0, found.l_vg) && below(sampled.l_gg.0, found.l_gg));
    }
}

/// A budget that is too small leaves a wider enclosure, which still contains the true constant.
#[test]
fn a_small_budget_widens_the_enclosure() {
    let network = neuron(Objective::Logistic, 0.0);
    let [rough, fine] = [500, 100_000].map(|boxes| neuron_constants(&network, &Z, 2.0, 0.05, boxes).unwrap());
    assert!(rough.l_vv.boxes <= 500 && rough.l_vv.upper.0 > 1.05 * rough.l_vv.lower.0);
    assert!(rough.l_vv.upper >= fine.l_vv.upper && rough.l_vv.lower <= fine.l_vv.lower);
}

#[test]
fn boxes_do_not_depend_on_threads() {
    let network = neuron(Objective::Logistic, 0.01);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| neuron_constants(&network, &Z, 1.0, 0.1, 100_000).unwrap())
    };
    assert_eq!(on(1), on(3));
}

/// A whitened regression is the closed form |c - g v|^2/2 but for beta, which it does not interact with.
#[test]
fn a_whitened_regression_has_the_constants_of_the_closed_form() {
    // Four points with mean 0 and covariance I (1 - epsilon), so that M = I; labels c'x.
    let epsilon = 0.19;
    let s = (1.0_f64 - epsilon).sqrt(); // 0.9
    let inputs = vec![s, -s, s, -s, s, s, -s, -s];
    let mut generator = Seed::new(4).generator("c");
    let c = [generator.random_range(0.3..1.0), generator.random_range(0.3..1.0)];
    let labels = (0..4).map(|b| (c[0] * inputs[b] + c[1] * inputs[4 + b]) / (s * s)).collect();
    let architecture = Architecture {
        widths: vec![2, 1],
        normalisation: Normalisation::SmoothedBatchNorm { epsilon },
        activation: Activation::Tanh,
        objective: Objective::Squared,
        weight_decay: 0.0,
    };
    let data = Dataset::new(inputs, 4, 2, labels).unwrap();
    let network = Network::new(architecture, data, Minibatches::full(4)).unwrap();
    let found = neuron_constants(&network, &[0, 1, 2, 3], 1.0, 0.01, 1_000_000).unwrap();
    // E x x' = s^2 I: the loss is s^2 g^2/2 - g c'v + const, so that L^vv = 2 K |c|/sqrt 3, L^vg = |c|,
    // L^gg = max(s^2, 1).
    let length = c[0].hypot(c[1]);
    for (enclosed, exact) in [(found.l_vv, 2.0 * length / 3.0_f64.sqrt()), (found.l_vg, length), (found.l_gg, 1.0)] {
        assert!(
            enclosed.lower.0 <= exact * (1.0 + 1e-12) && exact <= enclosed.upper.0 * (1.0 + 1e-12),
            "{exact}: {enclosed:?}"
        );
        assert!(enclosed.lower.0 >= exact / 1.01);
    }
}

#[test]
fn other_networks_are_refused() {
    let inputs = vec![0.9, -1.1, 0.3, 1.4, -0.6, 0.2];
    let data = Dataset::new(inputs, 3, 2, vec![1.0, -1.0, 1.0]).unwrap();
    let architecture = Architecture {
        widths: vec![2, 1],
        normalisation: Normalisation::BatchNorm,
        activation: Activation::Tanh,
        objective: Objective::Logistic,
        weight_decay: 0.0,
    };
    let network = Network::new(architecture, data, Minibatches::full(3)).unwrap();
    assert!(neuron_constants(&network, &[0, 1, 2], 1.0, 0.1, 100).is_err());
}
