//! Networks evaluated over boxes of parameters: what is found at points of the box lies inside.

use crate::common::encloses;
use rand::RngExt;
use ratecheck::data::{Target, teacher};
use ratecheck::loss::{Minibatches, Over, Workspace};
use ratecheck::network::{Activation, Architecture, Epsilon, Lp, Network, Normalisation, Objective};
use ratecheck::random::Seed;
use ratecheck::scalar::{Dual, Interval, Scalar};

const NORMALISATIONS: [Normalisation; 10] = [
    Normalisation::SmoothedBatchNorm { epsilon: 0.1 },
    Normalisation::BatchNorm,
    Normalisation::ConstantEpsilonBatchNorm { epsilon: 0.1 },
    Normalisation::LpBatchNorm { p: Lp::Four },
    Normalisation::LayerNorm { epsilon: Epsilon::Smoothed(0.3) },
    Normalisation::GroupNorm { groups: 2, epsilon: Epsilon::Smoothed(0.3) },
    Normalisation::LayerNorm { epsilon: Epsilon::Constant(0.3) },
    Normalisation::GroupNorm { groups: 2, epsilon: Epsilon::Constant(0.3) },
    Normalisation::WeightNorm,
    Normalisation::None,
];
const ACTIVATIONS: [Activation; 8] = [
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Softplus,
    Activation::Relu,
    Activation::LeakyRelu { slope: 0.2 },
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Silu,
];

fn network(normalisation: Normalisation, activation: Activation, objective: Objective) -> Network {
    let outputs = if objective == Objective::Logistic { 1 } else { 2 };
    let target = if outputs == 1 { Target::Binary } else { Target::Classes(2) };
    // 7 examples: a mean over them is not exact.
    let data = teacher(7, 3, target, 0.1, &mut Seed::new(5).generator("data"));
    let widths = vec![3, 4, outputs];
    let architecture = Architecture { widths, normalisation, activation, objective, weight_decay: 0.01 };
    Network::new(architecture, data, Minibatches::full(7)).unwrap()
}

/// Values, gradients and Hessian-vector products at random points of a box, against their enclosures over the box.
#[test]
fn boxes_enclose_what_is_found_at_their_points() {
    let z: Vec<usize> = (0..7).collect();
    for (k, normalisation) in NORMALISATIONS.into_iter().enumerate() {
        for (l, activation) in ACTIVATIONS.into_iter().enumerate() {
            for objective in [Objective::Logistic, Objective::CrossEntropy, Objective::Squared] {
                let outputs_fit = !matches!(normalisation, Normalisation::GroupNorm { .. });
                if objective == Objective::Logistic && !outputs_fit {
                    continue;
                }
                let network = network(normalisation, activation, objective);
                assert!(encloses(&network));
                let mut generator = Seed::new(6).generator(&format!("{k}/{l}/{objective:?}"));
                let theta = network.initialise(&mut generator);
                let n = theta.len();
                for radius in [0.0, 1e-6, 1e-3] {
                    let sides: Vec<Interval> = theta.iter().map(|&x| Interval::new(x - radius, x + radius)).collect();
                    let along: Vec<f64> = (0..n).map(|_| generator.random_range(-1.0..1.0)).collect();
                    let lifted: Vec<Dual<Interval>> =
                        sides.iter().zip(&along).map(|(&x, &d)| Dual::new(x, Interval::from(d))).collect();
                    let mut grad = vec![Dual::<Interval>::ZERO; n];
                    let value = network.sample_gradient(&z, &lifted, &mut grad, &mut Workspace::default());
                    for _ in 0..5 {
                        let point: Vec<Dual<f64>> = sides
                            .iter()
                            .zip(&along)
                            .map(|(x, &d)| Dual::new(x.lo() + generator.random::<f64>() * (x.hi() - x.lo()), d))
                            .collect();
                        let mut found = vec![Dual::<f64>::ZERO; n];
                        let at = network.sample_gradient(&z, &point, &mut found, &mut Workspace::default());
                        // The points are evaluated in f64: some 300 roundings, amplified by up to some 100.
                        let within = |set: Interval, x: f64| {
                            let room = 3e4 * f64::EPSILON * x.abs().max(1.0);
                            (set + Interval::new(-room, room)).contains(x)
                        };
                        let what = || format!("{normalisation:?}, {activation:?}, {objective:?}, radius {radius}");
                        assert!(within(value.re, at.re) && within(value.du, at.du), "{}: value", what());
                        for (set, x) in grad.iter().zip(&found) {
                            assert!(within(set.re, x.re), "{}: gradient {} in {:?}", what(), x.re, set.re);
                            assert!(within(set.du, x.du), "{}: product {} in {:?}", what(), x.du, set.du);
                        }
                    }
                }
            }
        }
    }
}

/// What chooses between functions by the middle of a box is not taken for an enclosure.
#[test]
fn l_infinity_batch_normalisation_encloses_nothing() {
    let infinity = Normalisation::LpBatchNorm { p: Lp::Infinity };
    assert!(!encloses(&network(infinity, Activation::Tanh, Objective::Logistic)));
}
