//! Networks with layers of filters: against loops over pixels, against forward mode, and against their invariances.

use crate::common::{derivatives_alone_are_the_same, encloses};
use proptest::prelude::*;
use rand::RngExt;
use ratecheck::curvature::{
    HessianProduct, Unbounded, compositional_bound, dense_hessian, g_bounds, hessian_vector_product,
};
use ratecheck::data::Dataset;
use ratecheck::loss::{Loss, Minibatches, Over, Setting, Workspace};
use ratecheck::network::{
    Activation, Architecture, Convolution, Convolutions, Image, Lp, Network, NetworkPart, Normalisation, Objective,
};
use ratecheck::random::{Seed, normals};
use ratecheck::scalar::{Dual, Eight, Interval, Scalar};

const IMAGE: Image = Image { channels: 2, height: 4, width: 6 };
const LABELS: usize = 3;

/// 2x4x6 -> 3 filters, pooled or not -> 2 filters -> dense 4 -> 3 classes.
pub(super) fn network(
    normalisation: Normalisation,
    activation: Activation,
    pooled: bool,
    batch: usize,
) -> (Network, Vec<f64>) {
    let mut generator = Seed::new(8).generator("convolutions");
    let inputs = normals(48 * batch, 1.0, &mut generator);
    let data = Dataset::new(inputs, batch, 48, (0..batch).map(|i| (i % LABELS) as f64).collect()).unwrap();
    let architecture = Architecture {
        widths: vec![48, 4, LABELS],
        normalisation,
        activation,
        objective: Objective::CrossEntropy,
        weight_decay: 0.03,
    };
    let layers = vec![Convolution { filters: 3, pooled }, Convolution { filters: 2, pooled: false }];
    let filters = Convolutions { image: IMAGE, layers };
    let network = Network::convolutional(architecture, filters, data, Minibatches::full(batch)).unwrap();
    let mut theta = network.initialise(&mut generator);
    let noise = normals(theta.len(), 0.1, &mut generator);
    theta.iter_mut().zip(noise).for_each(|(x, e)| *x += e);
    (network, theta)
}

pub(super) const NORMALISATIONS: [Normalisation; 8] = [
    Normalisation::SmoothedBatchNorm { epsilon: 0.1 },
    Normalisation::BatchNorm,
    Normalisation::ConstantEpsilonBatchNorm { epsilon: 0.1 },
    Normalisation::LpBatchNorm { p: Lp::One },
    Normalisation::LpBatchNorm { p: Lp::Four },
    Normalisation::LpBatchNorm { p: Lp::Infinity },
    Normalisation::WeightNorm,
    Normalisation::None,
];
const ACTIVATIONS: [Activation; 4] =
    [Activation::Tanh, Activation::Softplus, Activation::Relu, Activation::LeakyRelu { slope: 0.2 }];

pub(super) fn every_kind() -> impl Iterator<Item = (Normalisation, Activation, bool)> {
    NORMALISATIONS
        .into_iter()
        .flat_map(|n| ACTIVATIONS.into_iter().flat_map(move |a| [false, true].map(|pooled| (n, a, pooled))))
}

/// The network written out pixel by pixel: values[channel][y][x][example].
type Pixels = Vec<Vec<Vec<Vec<f64>>>>;

fn normalised(z: Vec<f64>, w: &[f64], gamma: f64, beta: f64, smoothing: f64) -> Vec<f64> {
    let n = z.len() as f64;
    let mean = z.iter().sum::<f64>() / n;
    let variance = z.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
    let s = (variance + smoothing * w.iter().map(|x| x * x).sum::<f64>()).sqrt();
    z.iter().map(|x| gamma * (x - mean) / s + beta).collect()
}

fn by_hand(network: &Network, theta: &[f64], smoothing: f64, pooled: bool, relu: bool) -> f64 {
    let batch = network.data().n_examples();
    let act = |x: f64| if relu { x.max(0.0) } else { x.tanh() };
    let mut images: Pixels = (0..2)
        .map(|c| {
            (0..4).map(|y| (0..6).map(|x| network.data().feature(c * 24 + y * 6 + x).to_vec()).collect()).collect()
        })
        .collect();
    let flat = if pooled { 2 * 2 * 3 } else { 2 * 4 * 6 };
    let sizes = [(18, 3), (27, 2), (flat, 4), (4, LABELS)];
    let (mut weights, mut scale) = (0, sizes.iter().map(|(i, o)| i * o).sum::<usize>());
    for (layer, &(n_in, n_out)) in sizes[..2].iter().enumerate() {
        let (height, width) = (images[0].len(), images[0][0].len());
        let mut made = Vec::new();
        for k in 0..n_out {
            let w = &theta[weights + k * n_in..][..n_in];
            let mut z = Vec::new();
            for y in 0..height {
                for x in 0..width {
                    for b in 0..batch {
                        let mut sum = 0.0;
                        for (c, image) in images.iter().enumerate() {
                            for (dy, dx) in (0..9).map(|tap| (tap / 3, tap % 3)) {
                                // One row and one column of zeros around the image.
                                let (v, u) = ((y + dy).wrapping_sub(1), (x + dx).wrapping_sub(1));
                                if v < height && u < width {
                                    sum += w[9 * c + 3 * dy + dx] * image[v][u][b];
                                }
                            }
                        }
                        z.push(sum);
                    }
                }
            }
            let y = normalised(z, w, theta[scale + k], theta[scale + n_out + k], smoothing);
            let at = |row: usize, column: usize, b: usize| act(y[(row * width + column) * batch + b]);
            let step = if layer == 0 && pooled { 2 } else { 1 };
            let rows = (0..height / step).map(|v| {
                let columns = (0..width / step).map(|u| {
                    let of = |b: usize| {
                        let square = (0..step).flat_map(|i| (0..step).map(move |j| (i, j)));
                        square.map(|(i, j)| at(step * v + i, step * u + j, b)).fold(f64::NEG_INFINITY, f64::max)
                    };
                    (0..batch).map(of).collect()
                });
                columns.collect()
            });
            made.push(rows.collect());
        }
        (weights, scale) = (weights + n_in * n_out, scale + 2 * n_out);
        images = made;
    }
    let mut values: Vec<Vec<f64>> = images.into_iter().flatten().flatten().collect();
    for (layer, &(n_in, n_out)) in sizes[2..].iter().enumerate() {
        values = (0..n_out)
            .map(|k| {
                let w = &theta[weights + k * n_in..][..n_in];
                let z = (0..batch).map(|b| w.iter().zip(&values).map(|(w, x)| w * x[b]).sum()).collect();
                let y = normalised(z, w, theta[scale + k], theta[scale + n_out + k], smoothing);
                y.into_iter().map(|y| if layer == 0 { act(y) } else { y }).collect()
            })
            .collect();
        (weights, scale) = (weights + n_in * n_out, scale + 2 * n_out);
    }
    let of_example = |b: usize| {
        let total: f64 = values.iter().map(|y| y[b].exp()).sum();
        total.ln() - values[b % LABELS][b]
    };
    let g = &theta[network.parameters().g()];
    (0..batch).map(of_example).sum::<f64>() / batch as f64 + 0.015 * g.iter().map(|x| x * x).sum::<f64>()
}

#[test]
fn the_loss_is_that_of_the_network_written_out() {
    for (normalisation, smoothing) in
        [(Normalisation::BatchNorm, 0.0), (Normalisation::SmoothedBatchNorm { epsilon: 0.1 }, 0.1)]
    {
        for (activation, relu) in [(Activation::Relu, true), (Activation::Tanh, false)] {
            for pooled in [false, true] {
                let (network, theta) = network(normalisation, activation, pooled, 7);
                let z: Vec<usize> = (0..7).collect();
                let found: f64 = network.sample_loss(&z, &theta);
                let expected = by_hand(&network, &theta, smoothing, pooled, relu);
                // Four layers of sums of at most 168 terms: a few hundred roundings.
                let what = format!("{normalisation:?} {activation:?} {pooled}");
                assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{what}: {found} {expected}");
            }
        }
    }
}

#[test]
fn backward_agrees_with_forward_mode() {
    for (normalisation, activation, pooled) in every_kind() {
        let (network, theta) = network(normalisation, activation, pooled, 5);
        let z: Vec<usize> = (0..5).collect();
        let mut grad = vec![0.0; theta.len()];
        let value = network.sample_gradient(&z, &theta, &mut grad, &mut Workspace::default());
        assert_eq!(value, network.sample_loss(&z, &theta));
        let scale = grad.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
        for i in 0..theta.len() {
            let unit = |(j, &x): (usize, &f64)| Dual::new(x, f64::from(u8::from(i == j)));
            let lifted: Vec<Dual<f64>> = theta.iter().enumerate().map(unit).collect();
            // Four layers of sums over at most 120 numbers: some thousand roundings, amplified by 1/s.
            let error = (network.sample_loss(&z, &lifted).du - grad[i]).abs();
            assert!(error <= 1e-11 * scale, "{normalisation:?} {activation:?} {pooled} [{i}]: {error:e}");
        }
    }
}

/// Hessian-vector products against second derivatives of the forward pass alone, and against a Hessian that is found
/// row by row from evaluations of single layers.
#[test]
fn second_derivatives_agree_whichever_way_they_are_found() {
    for pooled in [false, true] {
        let smoothed = Normalisation::SmoothedBatchNorm { epsilon: 0.1 };
        let (network, theta) = network(smoothed, Activation::Tanh, pooled, 5);
        let (z, n): (Vec<usize>, usize) = ((0..5).collect(), theta.len());
        let mut generator = Seed::new(9).generator("direction");
        let direction = normals(n, 1.0, &mut generator);
        let mut product = vec![0.0; n];
        hessian_vector_product(&network, &z, &theta, &direction, &mut product, &mut HessianProduct::new(n));
        let scale = product.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
        for i in (0..n).step_by(7) {
            let lifted: Vec<Dual<Dual<f64>>> = (0..n)
                .map(|j| Dual::new(Dual::new(theta[j], direction[j]), Dual::new(f64::from(u8::from(i == j)), 0.0)))
                .collect();
            let forward = network.sample_loss(&z, &lifted).du.du;
            // As above, and once more amplified.
            assert!((forward - product[i]).abs() <= 1e-10 * scale, "{pooled} [{i}]: {forward} {}", product[i]);
        }
        let hessian = dense_hessian(&network, &z, &theta);
        let dense = hessian.matrix.dot(&ndarray::ArrayView1::from(&direction));
        assert!(dense.iter().zip(&product).all(|(a, b)| (a - b).abs() <= 1e-10 * scale), "{pooled}");
        let lifted: Vec<Dual<f64>> = theta.iter().zip(&direction).map(|(&x, &d)| Dual::new(x, d)).collect();
        derivatives_alone_are_the_same(&network, &z, &lifted);
    }
}

#[test]
fn eight_runs_share_an_evaluation_unless_there_is_pooling() {
    let smoothed = Normalisation::SmoothedBatchNorm { epsilon: 0.1 };
    assert!(network(smoothed, Activation::Tanh, true, 5).0.lockstep().is_none());
    let (network, theta) = network(smoothed, Activation::Tanh, false, 9);
    let zs: Vec<Vec<usize>> = (0..8).map(|r| (0..5).map(|b| (2 * b + r) % 9).collect()).collect();
    let z: Vec<usize> = (0..8 * 5).map(|at| zs[at % 8][at / 8]).collect();
    let mut generator = Seed::new(10).generator("eight");
    let thetas: Vec<Vec<f64>> =
        (0..8).map(|_| theta.iter().map(|x| x + generator.random_range(-0.1..0.1)).collect()).collect();
    let eight: Vec<Eight> = (0..theta.len()).map(|k| Eight(std::array::from_fn(|r| thetas[r][k]))).collect();
    let mut gradients = vec![Eight::ZERO; theta.len()];
    let values = network.sample_gradient(&z, &eight, &mut gradients, &mut Workspace::default());
    for r in 0..8 {
        let mut alone = vec![0.0; theta.len()];
        let value = network.sample_gradient(&zs[r], &thetas[r], &mut alone, &mut Workspace::default());
        assert_eq!((values.0[r], gradients.iter().map(|x| x.0[r]).collect::<Vec<_>>()), (value, alone), "run {r}");
    }
}

#[test]
fn intervals_enclose_unless_there_is_pooling() {
    for activation in ACTIVATIONS {
        let smoothed = Normalisation::SmoothedBatchNorm { epsilon: 0.1 };
        assert!(!encloses(&network(smoothed, activation, true, 5).0));
        let (network, theta) = network(smoothed, activation, false, 5);
        assert!(encloses(&network));
        let z: Vec<usize> = (0..5).collect();
        let (mut grad, mut at) = (vec![Interval::ZERO; theta.len()], vec![0.0; theta.len()]);
        let sides: Vec<Interval> = theta.iter().map(|&x| Interval::new(x - 1e-6, x + 1e-6)).collect();
        let value = network.sample_gradient(&z, &sides, &mut grad, &mut Workspace::default());
        let point: f64 = network.sample_gradient(&z, &theta, &mut at, &mut Workspace::default());
        assert!(value.contains(point) && value.hi() - value.lo() < 1.0, "{activation:?}: {value:?}");
        assert!(grad.iter().zip(&at).all(|(set, &x)| set.contains(x)), "{activation:?}");
    }
}

#[test]
fn no_bound_is_claimed_that_is_not_derived() {
    let (network, _) = network(Normalisation::SmoothedBatchNorm { epsilon: 0.1 }, Activation::Tanh, false, 5);
    assert_eq!(compositional_bound(&network, 1.0).unwrap_err(), Unbounded::Filters);
    assert_eq!(g_bounds(&network, 1.0).unwrap_err(), Unbounded::Filters);
}

#[test]
fn what_is_not_a_number_is_not_pooled_away() {
    let (network, mut theta) = network(Normalisation::BatchNorm, Activation::Relu, true, 4);
    theta[0] = f64::NAN;
    assert!(network.sample_loss(&[0, 1, 2, 3], &theta).is_nan());
}

#[test]
fn bad_filters_are_refused_with_a_reason() {
    let data = || Dataset::new(normals(96, 1.0, &mut Seed::new(1).generator("x")), 2, 48, vec![0.0, 1.0]).unwrap();
    let refuse = |widths: &[usize], normalisation, image: Image, layers: &[(usize, bool)], word: &str| {
        let architecture = Architecture {
            widths: widths.to_vec(),
            normalisation,
            activation: Activation::Relu,
            objective: Objective::CrossEntropy,
            weight_decay: 0.0,
        };
        let layers = layers.iter().map(|&(filters, pooled)| Convolution { filters, pooled }).collect();
        let filters = Convolutions { image, layers };
        let error = Network::convolutional(architecture, filters, data(), Minibatches::full(2)).unwrap_err();
        assert!(error.part() == NetworkPart::Convolutions && error.to_string().contains(word), "{error}");
    };
    let norm = Normalisation::BatchNorm;
    refuse(&[48, 2], norm, Image { channels: 1, ..IMAGE }, &[(2, false)], "1 x 4 x 6 are not 48 inputs");
    refuse(&[48, 2], norm, IMAGE, &[], "at least one layer of filters");
    refuse(&[48, 2], norm, IMAGE, &[(2, false), (0, false)], "none without a filter");
    refuse(&[48, 2], norm, IMAGE, &[(2, true), (3, true)], "layer 2 cannot be pooled: 2 x 3");
}

#[test]
fn a_filter_starts_as_glorot_says() {
    // fan in 9 * 2, fan out 9 * 3: uniform up to sqrt(6/45); and 10 of 54 such numbers or more lie beyond half of it
    // but for a probability below 1e-6.
    let (network, _) = network(Normalisation::BatchNorm, Activation::Relu, true, 4);
    let theta = network.initialise(&mut Seed::new(3).generator("start"));
    let limit = (6.0_f64 / 45.0).sqrt();
    let first = &theta[..54];
    assert!(first.iter().all(|x| x.abs() <= limit) && first.iter().filter(|x| x.abs() > limit / 2.0).count() >= 10);
    let layout = network.parameters();
    assert_eq!(layout.blocks()[0].name, "W1 filter 1");
    assert_eq!(layout.block(layout.n_blocks() - 3).len(), 2 * 3, "(gamma, beta) of the first layer");
    assert_eq!(layout.g().len(), 2 * LABELS, "only the last scales and shifts are no block");
}

proptest! {
    /// Definition 2.1, bit for bit: scaling by a power of two commutes with every rounding. Under ReLU this is true of
    /// (gamma, beta) of a layer too, pooled or not.
    #[test]
    fn scaling_a_block_by_a_power_of_two_changes_no_bit(
        kind in 0_usize..7, block in 0_usize..15, exponent in -6_i32..6, pooled: bool,
    ) {
        let normalisation = NORMALISATIONS[kind];
        prop_assume!(!matches!(normalisation, Normalisation::ConstantEpsilonBatchNorm { .. }));
        let (network, mut theta) = network(normalisation, Activation::Relu, pooled, 6);
        let z: Vec<usize> = (0..6).collect();
        let before: f64 = network.sample_loss(&z, &theta);
        for x in &mut theta[network.parameters().block(block % network.parameters().n_blocks())] {
            *x *= f64::from(exponent).exp2();
        }
        prop_assert_eq!(before, network.sample_loss(&z, &theta));
    }
}
