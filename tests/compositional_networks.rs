//! The compositional bound of whole networks against what sampling and ascent find.

use ratecheck::curvature::{
    Part, Sampling, Unbounded, compositional_bound, dense_hessian, g_bounds, sampled_constants,
};
use ratecheck::data::{Dataset, Target, teacher};
use ratecheck::linalg::pure::spectral_norm;
use ratecheck::loss::{Loss, Minibatches};
use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
use ratecheck::parameters::norm_sq;
use ratecheck::random::{Generator, Seed};

/// A block norm comes from some hundred roundings of numbers up to the bound, or of order 1 where the bound is 0.
const ROUNDING: f64 = 1e-12;

fn gaussian(n: usize, generator: &mut Generator) -> Vec<f64> {
    use rand_distr::{Distribution, StandardNormal};
    (0..n).map(|_| StandardNormal.sample(generator)).collect()
}

fn network(layers: usize, activation: Activation, objective: Objective, outputs: usize, z: Minibatches) -> Network {
    let target = if outputs == 1 { Target::Binary } else { Target::Classes(outputs) };
    let data = teacher(12, 2, target, 0.1, &mut Seed::new(4).generator("data"));
    let mut widths = vec![2; layers];
    widths.push(outputs);
    let architecture = Architecture {
        widths,
        normalisation: Normalisation::SmoothedBatchNorm { epsilon: 0.3 },
        activation,
        objective,
        weight_decay: 0.05,
    };
    Network::new(architecture, data, z).expect("a sound network")
}

const RADIUS: f64 = 2.0;

/// Local ascent of the norm of one block by random steps that shrink when they fail.
fn ascend(network: &Network, z: &[usize], rows: Part, columns: Part, steps: usize, generator: &mut Generator) -> f64 {
    let layout = network.parameters();
    let norm = |theta: &[f64]| {
        let hessian = dense_hessian(network, z, theta);
        spectral_norm(hessian.block(layout, rows, columns)).expect("finite")
    };
    let project = |theta: &mut Vec<f64>| {
        layout.normalise(theta);
        let length = norm_sq(&theta[layout.g()]).sqrt();
        if length > RADIUS {
            // A little inside, so that rounding does not leave the ball.
            theta[layout.g()].iter_mut().for_each(|g| *g *= RADIUS * (1.0 - 1e-12) / length);
        }
    };
    let mut theta = gaussian(layout.len(), generator);
    project(&mut theta);
    let (mut best, mut size) = (norm(&theta), 0.5);
    for _ in 0..steps {
        let mut next = theta.clone();
        next.iter_mut().zip(gaussian(layout.len(), generator)).for_each(|(x, d)| *x += size * d);
        project(&mut next);
        let value = norm(&next);
        if value > best {
            (theta, best, size) = (next, value, 1.5 * size);
        } else {
            size *= 0.9;
        }
        if size < 1e-4 {
            size = 0.5;
        }
    }
    best
}

/// The largest and the smallest bound/found over the kinds of blocks; asserts that none is below 1.
fn looseness(name: &str, network: &Network, steps: usize) -> (f64, f64) {
    let bound = compositional_bound(network, RADIUS).expect("bounded").values();
    let layout = network.parameters();
    let m = layout.n_blocks();
    let sampled = sampled_constants(network, &Sampling::new(100, RADIUS), &Seed::new(5).child(name)).values();
    let mut found = sampled.clone();
    let mut generator = Seed::new(6).generator(name);
    let (mut scratch, z) = (Vec::new(), network.minibatches());
    let batches: Vec<Vec<usize>> = match z.finite() {
        Some(batches) => batches.map(<[usize]>::to_vec).collect(),
        None => (0..3).map(|_| z.draw(&mut generator, &mut scratch).to_vec()).collect(),
    };
    let mut pairs = vec![(0, 0), (0, m - 1), (m - 1, m - 1)];
    pairs.extend((m > 1).then_some((0, 1)));
    for z in &batches {
        let steps = steps / batches.len();
        let mut up = |rows, columns| ascend(network, z, rows, columns, steps, &mut generator);
        for &(i, j) in &pairs {
            found.l_vv[(i, j)] = found.l_vv[(i, j)].max(up(Part::Block(i), Part::Block(j)));
        }
        for i in [0, m - 1] {
            found.l_vg[i] = found.l_vg[i].max(up(Part::Block(i), Part::G));
        }
        found.l_gg = found.l_gg.max(up(Part::G, Part::G));
    }
    let mut ratios = Vec::new();
    let check = |what: String, bound: f64, found: f64| {
        let fits = found <= bound * (1.0 + ROUNDING) + ROUNDING;
        assert!(bound.is_finite() && fits, "{name} {what}: {found} exceeds {bound}");
        (bound, found)
    };
    for i in 0..m {
        for j in 0..m {
            check(format!("vv {i} {j}"), bound.l_vv[(i, j)], found.l_vv[(i, j)]);
        }
        check(format!("vg {i}"), bound.l_vg[i], found.l_vg[i]);
    }
    // Ratios of ascended blocks alone.
    for &(i, j) in &pairs {
        ratios.push(check(format!("vv {i} {j}"), bound.l_vv[(i, j)], found.l_vv[(i, j)]));
    }
    ratios.extend([0, m - 1].map(|i| check(format!("vg {i}"), bound.l_vg[i], found.l_vg[i])));
    ratios.push(check("gg".to_owned(), bound.l_gg, found.l_gg));
    // Two rows of the last layer are not coupled at all under some objectives: 0 on both sides.
    let ratios = ratios.iter().filter(|(bound, _)| *bound > 0.0).map(|(bound, found)| bound / found);
    ratios.fold((f64::INFINITY, 0.0), |(low, high), r| (low.min(r), high.max(r)))
}

#[test]
fn bounds_of_networks_are_never_exceeded() {
    let mut by_depth = [(f64::INFINITY, 0.0_f64); 3];
    for layers in 1..=3 {
        let activations = [Activation::Tanh, Activation::Sigmoid, Activation::Softplus];
        for activation in activations.into_iter().take(if layers == 1 { 1 } else { 3 }) {
            for (objective, outputs) in [
                (Objective::Logistic, 1),
                (Objective::CrossEntropy, 3),
                (Objective::Squared, 1),
                (Objective::Squared, 3),
            ] {
                let name = format!("L = {layers}, {activation:?}, {objective:?}, {outputs}");
                let network = network(layers, activation, objective, outputs, Minibatches::full(12));
                let (low, high) = looseness(&name, &network, 300);
                eprintln!("{name}: loose x{low:.2} to x{high:.1}");
                // Composition loses a factor of 4, 181, 1220 at the most for 1, 2, 3 layers in a prototype with better ascent; the
                // block it loses least on must be within that here.
                assert!(low <= [4.0, 181.0, 1220.0][layers - 1], "{name}: no block is within x{low}");
                let range = &mut by_depth[layers - 1];
                *range = (range.0.min(low), range.1.max(high));
            }
        }
    }
    eprintln!("looseness by depth: {by_depth:.2?}");
}

#[test]
fn bounds_hold_for_every_minibatch() {
    let order = vec![3, 1, 0, 2, 5, 7, 11, 4, 6, 10, 8, 9];
    for z in [
        Minibatches::partition(order, 4).expect("three of four"),
        Minibatches::subsets(12, 4).expect("4 of 12"),
        Minibatches::subsets(12, 11).expect("11 of 12"),
    ] {
        for (objective, outputs) in [(Objective::Logistic, 1), (Objective::Squared, 1), (Objective::CrossEntropy, 3)] {
            for layers in [1, 2] {
                let name = format!("{:?}, {objective:?}, L = {layers}", z.drawing());
                let network = network(layers, Activation::Tanh, objective, outputs, z.clone());
                let (low, high) = looseness(&name, &network, 200);
                eprintln!("{name}: loose x{low:.2} to x{high:.1}");
            }
        }
    }
}

#[test]
fn a_bound_for_subsets_covers_each_of_them() {
    let of = |z: Minibatches| {
        let network = network(2, Activation::Tanh, Objective::Squared, 1, z);
        compositional_bound(&network, RADIUS).expect("bounded").values()
    };
    let any = of(Minibatches::subsets(12, 4).expect("4 of 12"));
    let parts = of(Minibatches::partition((0..12).collect(), 4).expect("three"));
    assert!(any.l_vv.iter().zip(&parts.l_vv).all(|(a, b)| a >= b) && any.l_gg >= parts.l_gg);
    // The subset of all is the full batch, up to the order of sums.
    let (whole, full) = (of(Minibatches::subsets(12, 12).expect("all")), of(Minibatches::full(12)));
    assert!(whole.l_vv.iter().zip(&full.l_vv).all(|(a, b)| (a - b).abs() <= ROUNDING * b));
}

#[test]
fn what_has_no_bound_is_refused() {
    let smooth = network(2, Activation::Tanh, Objective::Squared, 1, Minibatches::full(12));
    let other = |change: &dyn Fn(&mut Architecture)| {
        let mut architecture = smooth.architecture().clone();
        change(&mut architecture);
        Network::new(architecture, smooth.data().clone(), Minibatches::full(12)).expect("sound")
    };
    let relu = other(&|a| a.activation = Activation::Relu);
    assert_eq!(compositional_bound(&relu, 1.0).expect_err("kink"), Unbounded::Activation(Activation::Relu));
    let plain = other(&|a| a.normalisation = Normalisation::BatchNorm);
    assert!(matches!(compositional_bound(&plain, 1.0), Err(Unbounded::Normalisation(_))));
    assert_eq!(compositional_bound(&smooth, 1e200).expect_err("too large"), Unbounded::Overflow);
    assert_eq!(g_bounds(&smooth, 1.0).expect_err("squared"), Unbounded::NotLipschitz);
    let logistic = other(&|a| (a.objective, a.weight_decay) = (Objective::Logistic, 0.0));
    assert_eq!(g_bounds(&logistic, 1.0).expect_err("no decay"), Unbounded::NoWeightDecay);
}

#[test]
fn a_network_of_one_neuron_has_the_constants_of_the_closed_form() {
    // One feature of variance 1 and its negative: whatever w > 0, xhat = x/sqrt(1 + epsilon), so F depends on g alone there and
    // every Hessian block is known: with the squared objective and targets 0, F = (gamma^2 s^2 + beta^2)/2, s^2 = 1/(1 + epsilon).
    let data = Dataset::new(vec![1.0, -1.0], 2, 1, vec![0.0, 0.0]).expect("finite");
    let architecture = Architecture {
        widths: vec![1, 1],
        normalisation: Normalisation::SmoothedBatchNorm { epsilon: 1e-6 },
        activation: Activation::Tanh,
        objective: Objective::Squared,
        weight_decay: 0.25,
    };
    let network = Network::new(architecture, data, Minibatches::full(2)).expect("sound");
    let bound = compositional_bound(&network, 1.0).expect("bounded").values();
    // L^gg = 1 + lambda: attained, by beta.
    assert!((bound.l_gg - 1.25).abs() < 1e-12, "{}", bound.l_gg);
    let hessian = dense_hessian(&network, &[0, 1], &[1.0, 0.5, 0.5]);
    let norm = spectral_norm(hessian.block(network.parameters(), Part::G, Part::G)).expect("finite");
    assert!((norm - 1.25).abs() < 1e-12);
}
