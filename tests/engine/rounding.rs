//! What rounding does to a network: against the same network in double-double, at any scale, and where nothing is left
//! but rounding.

use ratecheck::curvature::{HessianProduct, hessian_vector_product};
use ratecheck::data::Dataset;
use ratecheck::loss::{Minibatches, Over, Setting, Workspace};
use ratecheck::network::{Activation, Architecture, Epsilon, Lp, Network, Normalisation, Objective, Undefined};
use ratecheck::parameters::norm_sq;
use ratecheck::random::{Seed, normals};
use ratecheck::scalar::{DoubleDouble, Eight, Scalar};

const N: usize = 40;
const ALL: [Normalisation; 11] = [
    Normalisation::BatchNorm,
    Normalisation::SmoothedBatchNorm { epsilon: 0.1 },
    Normalisation::ConstantEpsilonBatchNorm { epsilon: 0.1 },
    Normalisation::LpBatchNorm { p: Lp::One },
    Normalisation::LpBatchNorm { p: Lp::Four },
    Normalisation::LpBatchNorm { p: Lp::Infinity },
    Normalisation::LayerNorm { epsilon: Epsilon::None },
    Normalisation::LayerNorm { epsilon: Epsilon::Smoothed(0.1) },
    Normalisation::GroupNorm { groups: 2, epsilon: Epsilon::None },
    Normalisation::GroupNorm { groups: 2, epsilon: Epsilon::Smoothed(0.1) },
    Normalisation::WeightNorm,
];

fn of_batches(normalisation: Normalisation) -> bool {
    !matches!(normalisation, Normalisation::LayerNorm { .. } | Normalisation::GroupNorm { .. })
}

/// A network 3-6-6 on these inputs, feature by feature.
fn network(normalisation: Normalisation, activation: Activation, inputs: Vec<f64>) -> Network {
    let n = inputs.len() / 3;
    let data = Dataset::new(inputs, n, 3, (0..n).map(|i| (i % 6) as f64).collect()).unwrap();
    let objective = Objective::CrossEntropy;
    let architecture = Architecture { widths: vec![3, 6, 6], normalisation, activation, objective, weight_decay: 0.0 };
    Network::new(architecture, data, Minibatches::full(n)).unwrap()
}

fn inputs() -> Vec<f64> {
    normals(3 * N, 1.0, &mut Seed::new(11).generator("inputs"))
}

fn start(network: &Network) -> Vec<f64> {
    network.initialise(&mut Seed::new(7).generator("start"))
}

fn evaluated<S: Scalar>(network: &Network, theta: &[S]) -> (S, Vec<S>)
where
    Network: Over<S>,
{
    let z: Vec<usize> = (0..network.data().n_examples()).collect();
    let mut grad = vec![S::ZERO; theta.len()];
    let value = network.sample_gradient(&z, theta, &mut grad, &mut Workspace::default());
    (value, grad)
}

/// ||gradient - that in double-double|| / ||gradient||.
fn error_of_gradient(network: &Network, theta: &[f64]) -> f64 {
    let lifted: Vec<DoubleDouble> = theta.iter().map(|&x| x.into()).collect();
    let exact: Vec<f64> = evaluated(network, &lifted).1.iter().map(|x| x.hi()).collect();
    let found = evaluated(network, theta).1;
    let gap: Vec<f64> = found.iter().zip(&exact).map(|(x, y)| x - y).collect();
    (norm_sq(&gap) / norm_sq(&exact)).sqrt()
}

fn rounding(network: &Network, theta: &[f64]) -> ratecheck::network::Rounding {
    let z: Vec<usize> = (0..network.data().n_examples()).collect();
    network.rounding(&z, theta).unwrap()
}

/// Inputs whose mean is r times their spread lose digits as r, not as its square: the error of normalised values, times
/// the terms of the gradient on centred inputs. Each term has four factors that may be off: d, xhat twice, 1/s.
#[test]
fn offsets_of_inputs_cost_digits_once() {
    for normalisation in ALL.into_iter().filter(|&n| of_batches(n) && n != Normalisation::WeightNorm) {
        let centred = network(normalisation, Activation::Tanh, inputs());
        let theta = start(&centred);
        let sizes = rounding(&centred, &theta).summands.unwrap();
        let terms = (norm_sq(&sizes) / norm_sq(&evaluated(&centred, &theta).1)).sqrt();
        for r in [1e3, 1e4, 1e6] {
            let moved = network(normalisation, Activation::Tanh, inputs().iter().map(|x| x + r).collect());
            let tolerance = 4.0 * rounding(&moved, &theta).error * terms;
            // The square of r would not do.
            assert!(tolerance < 0.1 * f64::EPSILON * r * r || r < 1e6, "{normalisation:?}, {r}: {tolerance:e}");
            let error = error_of_gradient(&moved, &theta);
            assert!(error <= tolerance, "{normalisation:?}, {r}: {error:e} > {tolerance:e}");
        }
    }
}

/// The same of rows of W that have a common offset, under layer and group normalisation: what reaches the layer before.
/// The gradient is off by as much as if the weights were: (n + 2) u of each, with signs by chance, and the four factors
/// again.
#[test]
fn offsets_of_rows_cost_digits_once() {
    for normalisation in ALL.into_iter().filter(|&n| !of_batches(n)) {
        let network = network(normalisation, Activation::Sigmoid, inputs());
        let mut theta = start(&network);
        let second = network.places()[1].weights.clone();
        theta[second.clone()].iter_mut().for_each(|w| *w += 1e6);
        let exact: Vec<DoubleDouble> = theta.iter().map(|&x| x.into()).collect();
        let mut changed = exact.clone();
        let signs = normals(second.len(), 1.0, &mut Seed::new(13).generator("signs"));
        for (w, sign) in changed[second].iter_mut().zip(signs) {
            *w *= DoubleDouble::new(1.0, 8.0 * f64::EPSILON / 2.0 * sign.signum());
        }
        let gradient = |theta: &[DoubleDouble]| evaluated(&network, theta).1;
        let [exact, changed] = [gradient(&exact), gradient(&changed)];
        let gap: Vec<f64> = exact.iter().zip(&changed).map(|(&x, &y)| (x - y).hi()).collect();
        let size: Vec<f64> = exact.iter().map(|x| x.hi()).collect();
        let tolerance = 4.0 * (norm_sq(&gap) / norm_sq(&size)).sqrt();
        let error = error_of_gradient(&network, &theta);
        assert!(error <= tolerance && tolerance < 1e-7, "{normalisation:?}: {error:e} > {tolerance:e}");
    }
}

/// Activations that are nearly constant, behind which a batch normalisation magnifies: the spread is 1e-9 of the mean.
#[test]
fn a_saturated_layer_costs_digits_once() {
    let network = network(Normalisation::BatchNorm, Activation::Sigmoid, inputs());
    let mut theta = start(&network);
    let first = network.places()[0].clone();
    theta[first.gamma.clone().unwrap()].fill(0.01);
    theta[first.beta.clone().unwrap()].fill(16.0);
    let (error, allowed) = (error_of_gradient(&network, &theta), rounding(&network, &theta).error);
    // Far below 1, or the bound would say nothing; a mean of xhat that is not taken out costs the square, 1e2 and more.
    assert!(error <= allowed && allowed < 1e-3, "{error:e}, {allowed:e}");
}

/// Powers of two are exact: where W is scale invariant, a scale changes no bit of the loss, and those of the gradient
/// as it should.
#[test]
fn weights_have_the_same_bits_at_any_scale() {
    for normalisation in ALL.into_iter().filter(|n| !matches!(n, Normalisation::ConstantEpsilonBatchNorm { .. })) {
        let network = network(normalisation, Activation::Tanh, inputs());
        let theta = start(&network);
        let (value, grad) = evaluated(&network, &theta);
        for e in [-600, -300, 150, 500, 700] {
            let (scale, first) = (libm::ldexp(1.0, e), network.places()[0].weights.clone());
            let mut scaled = theta.clone();
            scaled[first.clone()].iter_mut().for_each(|w| *w *= scale);
            let (found, mut found_grad) = evaluated(&network, &scaled);
            assert_eq!(found.to_bits(), value.to_bits(), "{normalisation:?}, 2^{e}");
            found_grad[first].iter_mut().for_each(|d| *d *= scale);
            assert_eq!(found_grad, grad, "{normalisation:?}, 2^{e}");
        }
    }
}

/// Those of inputs, where no epsilon sets a scale of its own.
#[test]
fn inputs_have_the_same_bits_at_any_scale() {
    for normalisation in [
        Normalisation::BatchNorm,
        Normalisation::LpBatchNorm { p: Lp::One },
        Normalisation::LpBatchNorm { p: Lp::Four },
        Normalisation::LpBatchNorm { p: Lp::Infinity },
        Normalisation::LayerNorm { epsilon: Epsilon::None },
        Normalisation::GroupNorm { groups: 2, epsilon: Epsilon::None },
    ] {
        let plain = network(normalisation, Activation::Tanh, inputs());
        let theta = start(&plain);
        let direction = start(&plain);
        let z: Vec<usize> = (0..N).collect();
        let product = |network: &Network| {
            let mut out = vec![0.0; theta.len()];
            hessian_vector_product(network, &z, &theta, &direction, &mut out, &mut HessianProduct::new(theta.len()));
            out
        };
        let (expected, expected_product) = (evaluated(&plain, &theta), product(&plain));
        for e in [-900, -531, -200, 200, 531, 900] {
            let scale = libm::ldexp(1.0, e);
            let scaled = network(normalisation, Activation::Tanh, inputs().iter().map(|x| x * scale).collect());
            assert_eq!(evaluated(&scaled, &theta), expected, "{normalisation:?}, 2^{e}");
            assert_eq!(product(&scaled), expected_product, "{normalisation:?}, 2^{e}");
        }
    }
}

/// A run that needs to be lifted does not change the others', nor its own bits.
#[test]
fn runs_side_by_side_are_lifted_one_by_one() {
    for normalisation in ALL.into_iter().filter(|&n| n != Normalisation::LpBatchNorm { p: Lp::Infinity }) {
        let network = network(normalisation, Activation::Tanh, inputs());
        let first = network.places()[0].weights.clone();
        let start_of = |run: usize| {
            let mut theta = start(&network);
            let scale = libm::ldexp(1.0, [0, 600, 1, -500, 2, 150, 0, -150][run]);
            theta[first.clone()].iter_mut().for_each(|w| *w *= scale);
            theta
        };
        let thetas: Vec<Vec<f64>> = (0..8).map(start_of).collect();
        let together: Vec<Eight> =
            (0..thetas[0].len()).map(|k| Eight(std::array::from_fn(|run| thetas[run][k]))).collect();
        let z: Vec<usize> = (0..8 * N).map(|at| at / 8).collect();
        let mut grad = vec![Eight::ZERO; together.len()];
        let value = network.sample_gradient(&z, &together, &mut grad, &mut Workspace::default());
        for (run, theta) in thetas.iter().enumerate() {
            let (alone, grad_alone) = evaluated(&network, theta);
            assert_eq!(value.0[run].to_bits(), alone.to_bits(), "{normalisation:?}, run {run}");
            let of_run: Vec<f64> = grad.iter().map(|x| x.0[run]).collect();
            assert_eq!(of_run, grad_alone, "{normalisation:?}, run {run}");
        }
    }
}

/// A feature that is constant, at a value whose mean is rounded; and one that differs by a rounding.
#[test]
fn a_spread_that_is_rounding_is_no_spread() {
    const C: f64 = 98_765_432.1;
    let other = C.next_up();
    for n in [5, 7, 12, 33] {
        for values in [vec![C; n], (0..n).map(|i| if i % 3 == 0 { other } else { C }).collect::<Vec<f64>>()] {
            let constant: Vec<f64> = values.repeat(3);
            for normalisation in ALL.into_iter().filter(|&n| of_batches(n)) {
                let network = network(normalisation, Activation::Tanh, constant.clone());
                let (theta, z) = (start(&network), (0..n).collect::<Vec<_>>());
                let divides = matches!(normalisation, Normalisation::BatchNorm | Normalisation::LpBatchNorm { .. });
                let (loss, checked) = (network.sample_loss(&z, &theta), network.rounding(&z, &theta));
                assert_eq!(loss.is_finite(), !divides, "{normalisation:?}, {n}: {loss}");
                match checked {
                    Err(Undefined::NoSpread { layer: 0, units, example: None, batch, .. }) => {
                        assert!(divides && units == (0..1) && batch == n, "{normalisation:?}, {units:?}");
                    }
                    // With an epsilon z is 0 but for rounding, and the next layer is left without a spread, if it has
                    // no epsilon.
                    other => assert!(!divides && other.is_ok(), "{normalisation:?}: {other:?}"),
                }
            }
        }
    }
    for normalisation in [
        Normalisation::LayerNorm { epsilon: Epsilon::None },
        Normalisation::GroupNorm { groups: 2, epsilon: Epsilon::None },
    ] {
        let network = network(normalisation, Activation::Tanh, inputs());
        let (mut theta, z) = (start(&network), (0..N).collect::<Vec<_>>());
        theta[network.places()[0].weights.clone()].fill(C);
        assert!(network.sample_loss(&z, &theta).is_nan(), "{normalisation:?}");
        let found = network.rounding(&z, &theta);
        assert!(matches!(found, Err(Undefined::NoSpread { layer: 0, example: Some(0), .. })), "{found:?}");
    }
}

/// A spread that is seen: eight of its digits are left.
#[test]
fn a_large_offset_is_no_lack_of_spread() {
    for normalisation in ALL {
        let network = network(normalisation, Activation::Tanh, inputs().iter().map(|x| x + 1e8).collect());
        let (theta, z) = (start(&network), (0..N).collect::<Vec<_>>());
        let spread = normalisation != Normalisation::WeightNorm;
        assert!(network.sample_loss(&z, &theta).is_finite(), "{normalisation:?}");
        // Under weight normalisation tanh saturates, and a constant is what the next layer reads.
        assert!(network.rounding(&z, &theta).is_ok() || !spread, "{normalisation:?}");
    }
}

#[test]
fn what_overflows_is_named() {
    let network = network(Normalisation::BatchNorm, Activation::Tanh, inputs().iter().map(|x| x * 1e200).collect());
    let mut theta = start(&network);
    theta[network.places()[0].weights.clone()].iter_mut().for_each(|w| *w *= 1e200);
    let found = network.rounding(&(0..N).collect::<Vec<_>>(), &theta);
    assert_eq!(found, Err(Undefined::Overflow { layer: 0, unit: 0 }));
}

/// At a stationary point of a network that does not depend on its weights the gradient is rounding, the terms of the
/// sum are not.
#[test]
fn summands_do_not_vanish_with_the_gradient() {
    let architecture = Architecture {
        widths: vec![3, 2],
        normalisation: Normalisation::LayerNorm { epsilon: Epsilon::None },
        activation: Activation::Tanh,
        objective: Objective::CrossEntropy,
        weight_decay: 0.0,
    };
    let labels = (0..N).map(|i| (i % 2) as f64).collect();
    let network =
        Network::new(architecture, Dataset::new(inputs(), N, 3, labels).unwrap(), Minibatches::full(N)).unwrap();
    let theta = start(&network);
    let (grad, found) = (evaluated(&network, &theta).1, rounding(&network, &theta));
    let sizes = found.summands.unwrap();
    for (i, block) in network.parameters().blocks().iter().enumerate() {
        let (grad, sizes) = (norm_sq(&grad[block.range.clone()]).sqrt(), norm_sq(&sizes[block.range.clone()]).sqrt());
        assert!(sizes > 0.1 && grad <= found.error * sizes, "block {i}: {grad:e}, {sizes}");
    }
}
