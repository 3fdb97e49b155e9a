//! Networks whose layers are not alike: against a plain transcription of their formulas, over every arithmetic.

use crate::common::derivatives_alone_are_the_same;
use rand::RngExt;
use ratecheck::data::{Target, teacher};
use ratecheck::loss::{Loss, Minibatches, Over, Setting, Workspace};
use ratecheck::network::{
    Activation, Convolution, Epsilon, Image, LayerKind, LayerSpec, Layered, Network, NetworkPart, Normalisation,
    Objective,
};
use ratecheck::random::{Generator, Seed};
use ratecheck::scalar::{DoubleDouble, Dual, Eight, Interval, Scalar};

pub(super) const N: usize = 7;

pub(super) fn dense(units: usize, normalisation: Normalisation, activation: Activation) -> LayerSpec {
    let kind = LayerKind::Dense { units };
    LayerSpec { kind, bias: false, normalisation, affine: true, activation: Some(activation) }
}

pub(super) fn plain(units: usize, activation: Option<Activation>) -> LayerSpec {
    let kind = LayerKind::Dense { units };
    LayerSpec { kind, bias: true, normalisation: Normalisation::None, affine: false, activation }
}

pub(super) fn layered(layers: &[LayerSpec]) -> Layered {
    Layered { image: None, layers: layers.to_vec(), objective: Objective::CrossEntropy, weight_decay: 0.03 }
}

pub(super) fn network(layers: &[LayerSpec]) -> Network {
    let data = teacher(N, 3, Target::Classes(3), 0.1, &mut Seed::new(5).generator("data"));
    Network::layered(layered(layers), data, Minibatches::full(N)).unwrap()
}

/// The initialiser with every parameter moved, so that no scale is 1 and no shift 0.
pub(super) fn start(network: &Network, generator: &mut Generator) -> Vec<f64> {
    let mut theta = network.initialise(generator);
    theta.iter_mut().for_each(|x| *x += generator.random_range(-0.3..0.3));
    theta
}

pub(super) fn z() -> Vec<usize> {
    (0..N).collect()
}

/// Every part of the per-layer form at least once.
fn mixtures() -> Vec<Vec<LayerSpec>> {
    let (none, smoothed, constant) = (Epsilon::None, Epsilon::Smoothed(0.1), Epsilon::Constant(0.1));
    let layer = |epsilon| Normalisation::LayerNorm { epsilon };
    let group = |epsilon| Normalisation::GroupNorm { groups: 2, epsilon };
    let bare = |spec: LayerSpec| LayerSpec { affine: false, ..spec };
    let biased = |spec: LayerSpec| LayerSpec { bias: true, ..spec };
    vec![
        vec![dense(4, layer(constant), Activation::Gelu), plain(3, None)],
        vec![
            bare(dense(4, layer(smoothed), Activation::Silu)),
            biased(dense(4, layer(constant), Activation::Tanh)),
            plain(3, None),
        ],
        vec![
            dense(6, group(constant), Activation::GeluTanh),
            bare(dense(4, group(none), Activation::Relu)),
            plain(3, None),
        ],
        vec![
            biased(dense(4, Normalisation::BatchNorm, Activation::Relu)),
            dense(5, Normalisation::BatchNorm, Activation::LeakyRelu { slope: 0.125 }),
            LayerSpec { bias: false, ..plain(3, None) },
        ],
        vec![
            plain(4, Some(Activation::Softplus)),
            bare(dense(4, Normalisation::SmoothedBatchNorm { epsilon: 0.1 }, Activation::Sigmoid)),
            LayerSpec { activation: None, ..biased(dense(6, layer(none), Activation::Tanh)) },
            dense(4, Normalisation::ConstantEpsilonBatchNorm { epsilon: 0.1 }, Activation::Gelu),
            LayerSpec { activation: None, ..bare(dense(3, Normalisation::WeightNorm, Activation::Tanh)) },
        ],
    ]
}

/// F_z by the formulas as they are written, for dense layers, cross-entropy and z all examples.
fn transcribed<S: Scalar>(network: &Network, layered: &Layered, theta: &[S]) -> S {
    let data = network.data();
    let mut rows: Vec<Vec<S>> = (0..3).map(|j| data.feature(j).iter().map(|&x| S::from_f64(x)).collect()).collect();
    let mean = |values: &[S]| values.iter().fold(S::ZERO, |sum, &x| sum + x).over(values.len());
    let sum_sq = |values: &[S]| values.iter().fold(S::ZERO, |sum, &x| sum + x * x);
    for (spec, place) in layered.layers.iter().zip(network.places()) {
        let w = |k: usize| &theta[place.weights.start + k * place.inputs..][..place.inputs];
        let number = |vector: &Option<std::ops::Range<usize>>, k: usize, absent: S| {
            vector.as_ref().map_or(absent, |at| theta[at.start + k])
        };
        let mut of_layer: Vec<Vec<S>> = (0..place.units)
            .map(|k| {
                let inner = |b: usize| w(k).iter().zip(&rows).fold(S::ZERO, |sum, (&w, row)| sum + w * row[b]);
                (0..N).map(|b| inner(b) + number(&place.bias, k, S::ZERO)).collect()
            })
            .collect();
        let through = |numbers: &mut [S], added: S| {
            let centre = mean(numbers);
            numbers.iter_mut().for_each(|x| *x -= centre);
            let s = (sum_sq(numbers).over(numbers.len()) + added).sqrt();
            numbers.iter_mut().for_each(|x| *x = *x / s);
        };
        let units = |of_layer: &mut Vec<Vec<S>>, added: &dyn Fn(usize) -> S| {
            of_layer.iter_mut().enumerate().for_each(|(k, row)| through(row, added(k)));
        };
        match spec.normalisation {
            Normalisation::None => {}
            Normalisation::WeightNorm => {
                of_layer.iter_mut().enumerate().for_each(|(k, row)| {
                    row.iter_mut().for_each(|x| *x = *x / sum_sq(w(k)).sqrt());
                });
            }
            Normalisation::BatchNorm => units(&mut of_layer, &|_| S::ZERO),
            Normalisation::ConstantEpsilonBatchNorm { epsilon } => units(&mut of_layer, &|_| S::from_f64(epsilon)),
            Normalisation::SmoothedBatchNorm { epsilon } => {
                units(&mut of_layer, &|k| sum_sq(w(k)).scale(epsilon));
            }
            Normalisation::LayerNorm { epsilon } | Normalisation::GroupNorm { epsilon, .. } => {
                let groups = if let Normalisation::GroupNorm { groups, .. } = spec.normalisation { groups } else { 1 };
                let size = place.units / groups;
                for first in (0..place.units).step_by(size) {
                    let weights = &theta[place.weights.start + first * place.inputs..][..size * place.inputs];
                    let added = match epsilon {
                        Epsilon::None => S::ZERO,
                        Epsilon::Smoothed(epsilon) => sum_sq(weights).scale(epsilon).over(size),
                        Epsilon::Constant(epsilon) => S::from_f64(epsilon),
                    };
                    for b in 0..N {
                        let mut example: Vec<S> = (first..first + size).map(|k| of_layer[k][b]).collect();
                        through(&mut example, added);
                        (first..first + size).zip(example).for_each(|(k, x)| of_layer[k][b] = x);
                    }
                }
            }
            other => panic!("{other:?}"),
        }
        let activation = |y: S| match spec.activation {
            None => y,
            Some(Activation::Tanh) => y.tanh(),
            Some(Activation::Sigmoid) => S::ONE / (S::ONE + (-y).exp()),
            Some(Activation::Softplus) => (S::ONE + y.exp()).ln(),
            Some(Activation::Relu) => y.relu(),
            Some(Activation::LeakyRelu { slope }) => y.relu() - (-y).relu().scale(slope),
            Some(Activation::Gelu) => y * y.normal_cdf(),
            Some(Activation::GeluTanh) => {
                let inner = (y + (y * y * y).scale(0.044_715)).scale((2.0 / std::f64::consts::PI).sqrt());
                (y * (S::ONE + inner.tanh())).scale(0.5)
            }
            Some(Activation::Silu) => y / (S::ONE + (-y).exp()),
        };
        for (k, row) in of_layer.iter_mut().enumerate() {
            let (gamma, beta) = (number(&place.gamma, k, S::ONE), number(&place.beta, k, S::ZERO));
            row.iter_mut().for_each(|x| *x = activation(gamma * *x + beta));
        }
        rows = of_layer;
    }
    let loss = |b: usize| {
        let sum = rows.iter().fold(S::ZERO, |sum, row| sum + row[b].exp());
        sum.ln() - rows[data.labels()[b] as usize][b]
    };
    let g = network.parameters().g();
    (0..N).fold(S::ZERO, |sum, b| sum + loss(b)).over(N) + sum_sq(&theta[g]).scale(0.5 * layered.weight_decay)
}

#[test]
fn every_mixture_is_what_its_formulas_say() {
    for (kind, layers) in mixtures().into_iter().enumerate() {
        let network = network(&layers);
        let of_layers = layered(&layers);
        assert_eq!((network.layers(), network.layers_differ()), (&of_layers, true));
        let theta = start(&network, &mut Seed::new(7).generator(&format!("formulas/{kind}")));
        let mut grad = vec![0.0; theta.len()];
        let value = network.sample_gradient(&z(), &theta, &mut grad, &mut Workspace::default());
        let scale = grad.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
        for i in 0..theta.len() {
            let lifted: Vec<Dual<f64>> =
                theta.iter().enumerate().map(|(j, &x)| Dual::new(x, f64::from(u8::from(i == j)))).collect();
            let direct = transcribed(&network, &of_layers, &lifted);
            // Up to five layers of sums over at most 7 numbers: a few hundred roundings, amplified by 1/s.
            assert!((direct.re - value).abs() <= 1e-12 * value.abs(), "mixture {kind}: {} {value}", direct.re);
            let error = (direct.du - grad[i]).abs();
            assert!(error <= 1e-11 * scale, "mixture {kind} [{i}]: {} {}", direct.du, grad[i]);
        }
        // In double-double the same with the digits of double-double.
        let wide: Vec<Dual<DoubleDouble>> =
            theta.iter().map(|&x| Dual::new(DoubleDouble::from(x), DoubleDouble::from(0.5 - x))).collect();
        let at: Vec<DoubleDouble> = wide.iter().map(|x| x.re).collect();
        let mut grad = vec![DoubleDouble::ZERO; theta.len()];
        network.sample_gradient(&z(), &at, &mut grad, &mut Workspace::default());
        let along = grad.iter().zip(&wide).fold(DoubleDouble::ZERO, |sum, (&g, x)| sum + g * x.du);
        let direct = transcribed(&network, &of_layers, &wide).du;
        let tolerance = 1e-26 * scale * theta.len() as f64;
        assert!((along - direct).abs().value() <= tolerance, "mixture {kind}: {along:?} {direct:?}");
    }
}

#[test]
fn parts_of_gradients_are_those_of_the_whole() {
    for (kind, layers) in mixtures().into_iter().enumerate() {
        let network = network(&layers);
        let mut generator = Seed::new(8).generator(&format!("parts/{kind}"));
        let theta = start(&network, &mut generator);
        let lifted: Vec<Dual<f64>> = theta.iter().map(|&x| Dual::new(x, generator.random_range(-1.0..1.0))).collect();
        derivatives_alone_are_the_same(&network, &z(), &lifted);
        for i in 0..theta.len() {
            let place = &network.places()[network.stage(i)];
            let all = [Some(&place.weights), place.bias.as_ref(), place.gamma.as_ref(), place.beta.as_ref()];
            assert!(all.into_iter().flatten().any(|range| range.contains(&i)), "mixture {kind}: stage of {i}");
        }
    }
}

#[test]
fn boxes_enclose_and_runs_side_by_side_have_their_bits() {
    for (kind, layers) in mixtures().into_iter().enumerate() {
        let network = network(&layers);
        assert!(crate::common::encloses(&network) && network.lockstep().is_some());
        let mut generator = Seed::new(9).generator(&format!("boxes/{kind}"));
        let theta = start(&network, &mut generator);
        let n = theta.len();
        for radius in [0.0, 1e-4] {
            let sides: Vec<Interval> = theta.iter().map(|&x| Interval::new(x - radius, x + radius)).collect();
            let mut enclosed = vec![Interval::ZERO; n];
            let value = network.sample_gradient(&z(), &sides, &mut enclosed, &mut Workspace::default());
            let inside: Vec<f64> = theta.iter().map(|&x| x + radius * generator.random_range(-1.0..1.0)).collect();
            let at: Vec<DoubleDouble> = inside.iter().map(|&x| DoubleDouble::from(x)).collect();
            let mut grad = vec![DoubleDouble::ZERO; n];
            let exact = network.sample_gradient(&z(), &at, &mut grad, &mut Workspace::default());
            assert!(value.contains(exact.value()), "mixture {kind}: {value:?} {exact:?}");
            for (set, x) in enclosed.iter().zip(&grad) {
                assert!(set.contains(x.value()), "mixture {kind}: {set:?} {x:?}");
            }
            assert!(radius > 0.0 || value.width() < 1e-11, "{value:?}");
        }

        let thetas: Vec<Vec<f64>> = (0..8).map(|_| start(&network, &mut generator)).collect();
        let zs: Vec<Vec<usize>> = (0..8).map(|r| (0..5).map(|b| (3 * b + r) % N).collect()).collect();
        let together: Vec<usize> = (0..8 * 5).map(|at| zs[at % 8][at / 8]).collect();
        let theta: Vec<Eight> = (0..n).map(|k| Eight(std::array::from_fn(|r| thetas[r][k]))).collect();
        let mut gradients = vec![Eight::ZERO; n];
        let values = network.sample_gradient(&together, &theta, &mut gradients, &mut Workspace::default());
        for r in 0..8 {
            let mut gradient = vec![0.0; n];
            let value = network.sample_gradient(&zs[r], &thetas[r], &mut gradient, &mut Workspace::default());
            assert_eq!(values.0[r].to_bits(), value.to_bits(), "mixture {kind}, run {r}");
            assert!(gradients.iter().zip(&gradient).all(|(x, y)| x.0[r].to_bits() == y.to_bits()), "mixture {kind}");
        }
    }
}

/// Scaling by 2 commutes with every rounding, so smoothed layers keep their bits, and layers with a constant epsilon
/// have those of a quarter of it: F(2W; epsilon) = F(W; epsilon/4), which is another number.
#[test]
fn a_constant_epsilon_breaks_scale_invariance_and_how() {
    type Make = fn(Epsilon) -> Normalisation;
    let makes: [Make; 2] =
        [|epsilon| Normalisation::LayerNorm { epsilon }, |epsilon| Normalisation::GroupNorm { groups: 2, epsilon }];
    for (make, bias) in [(makes[0], false), (makes[0], true), (makes[1], false)] {
        let with = |epsilon: Epsilon| {
            let first = LayerSpec { bias, ..dense(4, make(epsilon), Activation::Gelu) };
            network(&[first, plain(3, None)])
        };
        let theta = start(&with(Epsilon::None), &mut Seed::new(10).generator("scaling"));
        let blocks = with(Epsilon::None).parameters().blocks().to_vec();
        let mut doubled = theta.clone();
        doubled[blocks[0].range.start..blocks[blocks.len() - 1].range.end].iter_mut().for_each(|x| *x *= 2.0);
        let loss = |epsilon: Epsilon, theta: &[f64]| with(epsilon).sample_loss(&z(), theta);
        for epsilon in [Epsilon::None, Epsilon::Smoothed(0.1)] {
            assert_eq!(loss(epsilon, &doubled), loss(epsilon, &theta), "{epsilon:?}");
        }
        let (at, at_double) = (loss(Epsilon::Constant(0.1), &theta), loss(Epsilon::Constant(0.1), &doubled));
        assert_eq!(at_double, loss(Epsilon::Constant(0.025), &theta));
        assert!((at - at_double).abs() > 1e-4, "{at} {at_double}");
        // As epsilon vanishes, so does the difference; it is proportional to epsilon.
        let difference =
            |epsilon: f64| (loss(Epsilon::Constant(epsilon), &theta) - loss(Epsilon::None, &theta)) / epsilon;
        assert!((difference(1e-5) / difference(2e-5) - 1.0).abs() < 1e-2);
    }
}

/// With fixed statistics: the bias in front of batch normalisation goes into beta.
#[test]
fn a_frozen_mixture_is_the_network_on_its_own_minibatch() {
    let batch = Normalisation::ConstantEpsilonBatchNorm { epsilon: 0.1 };
    let biased = LayerSpec { bias: true, ..dense(4, batch, Activation::Gelu) };
    let bare = LayerSpec { affine: false, ..dense(3, batch, Activation::Silu) };
    let layers = [biased, bare, plain(3, None)];
    let data = teacher(N, 3, Target::Classes(3), 0.1, &mut Seed::new(5).generator("data"));
    let without_decay = Layered { weight_decay: 0.0, ..layered(&layers) };
    let network = Network::layered(without_decay, data, Minibatches::full(N)).unwrap();
    let theta = start(&network, &mut Seed::new(12).generator("frozen"));
    let mut work = Workspace::default();
    let value: f64 = network.sample_gradient(&z(), &theta, &mut vec![0.0; theta.len()], &mut work);
    let statistics = network.unit_statistics(&mut work).unwrap();
    let (frozen, folded) = network.frozen(&theta, &statistics, network.data().clone()).unwrap();
    let found: f64 = frozen.sample_loss(&z(), &folded);
    assert!((found - value).abs() <= 1e-13 * value, "{found} {value}");
}

/// By the definitions, from the values of the first layer.
#[test]
fn shares_of_epsilon_are_those_of_the_denominators() {
    let layer = Normalisation::LayerNorm { epsilon: Epsilon::Constant(0.1) };
    let smoothed = Normalisation::SmoothedBatchNorm { epsilon: 0.2 };
    for normalisation in [layer, smoothed, Normalisation::GroupNorm { groups: 2, epsilon: Epsilon::Smoothed(0.3) }] {
        let network = network(&[dense(4, normalisation, Activation::Tanh), plain(3, None)]);
        let theta = start(&network, &mut Seed::new(13).generator("shares"));
        let value = |k: usize, b: usize| (0..3).map(|j| theta[3 * k + j] * network.data().feature(j)[b]).sum::<f64>();
        let w_sq =
            |units: std::ops::Range<usize>| theta[3 * units.start..3 * units.end].iter().map(|w| w * w).sum::<f64>();
        let share = |values: &[f64], added: f64| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            added / (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64 + added)
        };
        let of_examples = |units: std::ops::Range<usize>, added: f64| {
            let of = |b: usize| share(&units.clone().map(|k| value(k, b)).collect::<Vec<_>>(), added);
            (0..N).map(of).fold(0.0, f64::max)
        };
        let expected: Vec<(std::ops::Range<usize>, f64)> = match normalisation {
            Normalisation::LayerNorm { .. } => vec![(0..4, of_examples(0..4, 0.1))],
            Normalisation::GroupNorm { .. } => {
                [0..2, 2..4].map(|units| (units.clone(), of_examples(units.clone(), 0.3 * w_sq(units) / 2.0))).to_vec()
            }
            _ => (0..4)
                .map(|k| {
                    let values: Vec<f64> = (0..N).map(|b| value(k, b)).collect();
                    (k..k + 1, share(&values, 0.2 * w_sq(k..k + 1)))
                })
                .collect(),
        };
        let found = network.epsilon_shares(&z(), &theta, &mut Workspace::default());
        assert_eq!(found.len(), expected.len());
        for (found, (units, share)) in found.iter().zip(expected) {
            assert_eq!((found.layer, &found.units), (0, &units));
            assert!((found.share - share).abs() <= 1e-14, "{normalisation:?}: {} {share}", found.share);
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_its_layer() {
    let batch = Normalisation::BatchNorm;
    let data = || teacher(N, 8, Target::Classes(3), 0.1, &mut Seed::new(5).generator("data"));
    let refuse = |layered: Layered, part: NetworkPart, layer: Option<usize>, word: &str| {
        let error = Network::layered(layered, data(), Minibatches::full(N)).unwrap_err();
        assert_eq!((error.part(), error.layer()), (part, layer), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    };
    let first = dense(4, batch, Activation::Tanh);
    let both = LayerSpec { affine: true, ..plain(3, None) };
    refuse(layered(&[first, both]), NetworkPart::Bias, Some(1), "beta is the bias");
    let weight = LayerSpec { bias: true, ..dense(4, Normalisation::WeightNorm, Activation::Tanh) };
    refuse(layered(&[weight, plain(3, None)]), NetworkPart::Bias, Some(0), "weight normalisation");
    let group = |groups| Normalisation::GroupNorm { groups, epsilon: Epsilon::Constant(0.1) };
    let biased = LayerSpec { bias: true, ..dense(4, group(2), Activation::Tanh) };
    refuse(layered(&[biased, plain(3, None)]), NetworkPart::Bias, Some(0), "rows of its group");
    let odd = dense(4, group(3), Activation::Tanh);
    refuse(layered(&[first, odd, plain(3, None)]), NetworkPart::Normalisation, Some(1), "3 groups do not divide");
    let single = dense(4, Normalisation::GroupNorm { groups: 4, epsilon: Epsilon::None }, Activation::Tanh);
    refuse(layered(&[single, plain(3, None)]), NetworkPart::Normalisation, Some(0), "no variance");
    for epsilon in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let bad = dense(4, Normalisation::LayerNorm { epsilon: Epsilon::Constant(epsilon) }, Activation::Tanh);
        refuse(layered(&[bad, plain(3, None)]), NetworkPart::Normalisation, Some(0), "> 0");
    }
    refuse(layered(&[]), NetworkPart::Widths, None, "at least one layer");
    let filters = |pooled| LayerSpec { kind: LayerKind::Filters(Convolution { filters: 2, pooled }), ..first };
    refuse(layered(&[filters(false), plain(3, None)]), NetworkPart::Convolutions, Some(0), "shape");
    let image = Some(Image { channels: 2, height: 2, width: 2 });
    let of_images = |layers: &[LayerSpec]| Layered { image, ..layered(layers) };
    refuse(of_images(&[first, filters(false), plain(3, None)]), NetworkPart::Convolutions, Some(1), "behind a dense");
    let twice = of_images(&[filters(true), filters(true), plain(3, None)]);
    refuse(twice, NetworkPart::Convolutions, Some(1), "layer 2 cannot be pooled");
    refuse(of_images(&[filters(false)]), NetworkPart::Widths, None, "at least one layer");
}
