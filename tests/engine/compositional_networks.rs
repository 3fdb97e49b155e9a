//! The compositional bound of whole networks against what sampling and ascent find.

use ratecheck::curvature::{
    AscentOptions, Part, Sampling, Unbounded, ascend_constants, compositional_bound, covariance_bounds, dense_hessian,
    g_bounds, sampled_constants,
};
use ratecheck::data::{Dataset, Target, teacher};
use ratecheck::linalg::pure::spectral_norm;
use ratecheck::loss::{Minibatches, Setting};
use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
use ratecheck::random::Seed;

/// A block norm comes from some hundred roundings of numbers up to the bound, or of order 1 where the bound is 0.
const ROUNDING: f64 = 1e-12;

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

/// The smallest and the largest bound/found over all blocks; asserts that none is below 1.
fn looseness(name: &str, network: &Network) -> (f64, f64) {
    let bound = compositional_bound(network, RADIUS).expect("bounded").values();
    // Many maxima lie at large ||g||, others near 0.
    let [found, near_zero] = [RADIUS, 0.1 * RADIUS].map(|radius| {
        let options = AscentOptions {
            n_points: 50,
            restarts: 2,
            tolerance: 1e-3,
            max_evaluations: 150,
            ..AscentOptions::new(radius)
        };
        let ascended = ascend_constants(network, &options, &Seed::new(5).child(name)).map(|ascent| ascent.value);
        ascended.max(&sampled_constants(network, &Sampling::new(100, radius), &Seed::new(6).child(name)))
    });
    let found = found.max(&near_zero);
    let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
    let parts = || (0..found.n_blocks()).map(Part::Block).chain([Part::G]);
    for (i, rows) in parts().enumerate() {
        for columns in parts().take(i + 1) {
            let (found, bound) = (found.of(rows, columns).0, bound.of(rows, columns));
            let fits = found <= bound * (1.0 + ROUNDING) + ROUNDING;
            assert!(bound.is_finite() && fits, "{name}, {rows:?} x {columns:?}: {found} exceeds {bound}");
            // Two rows of the last layer are not coupled at all under some objectives: 0 on both sides.
            if bound > 0.0 {
                (low, high) = (low.min(bound / found), high.max(bound / found));
            }
        }
    }
    (low, high)
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
                let (low, high) = looseness(&name, &network);
                eprintln!("{name}: loose x{low:.2} to x{high:.1}");
                // An independent prototype found bounds loose by x1-4, x4-181, x29-1220 for 1, 2, 3 layers; the nearest
                // block must not be farther off than its farthest.
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
                let (low, high) = looseness(&name, &network);
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

/// The recursion written out for two layers, and for two rows of W_1 in three,
/// in plain arithmetic and letter by letter.
#[test]
fn the_tables_are_composed_as_derived() {
    let deep = |layers| network(layers, Activation::Tanh, Objective::Logistic, 1, Minibatches::full(12));
    let covariance = covariance_bounds(deep(2).data(), &(0..12).collect::<Vec<_>>());
    let (k, b, epsilon, a2, bend) = (RADIUS, 12.0_f64, 0.3, 4.0 / 27.0_f64.sqrt(), 2.0 / 3.0_f64.sqrt());
    let (root, m1, q1) =
        (b.sqrt(), (covariance.largest.value() + epsilon).sqrt(), (covariance.smallest + epsilon).sqrt());
    // Layer 1, and its activation, with |s'| <= 1.
    let (w, g) = (k * root * m1 / q1, root);
    let (ww, wg) = (k * root * bend * (m1 / q1).powi(2) + a2 * w * w, root * m1 / q1 + a2 * w * g);
    let gg = a2 * g * g;
    // Layer 2: two units of range 2 come in, so that rho^2 = min(K^2, 2).
    let (m2, q2) = ((2.0 + epsilon).sqrt(), epsilon.sqrt());
    let through = |x1: f64| k * x1 / q2;
    let pair = |x: f64, y: f64, x2: f64| k * (x2 / q2 + bend * x * y / (root * q2 * q2));
    let with_row = |x: f64| k * (x / q2 + bend * x * m2 / (q2 * q2));
    let (row, row_row) = (k * root * m2 / q2, k * root * bend * (m2 / q2).powi(2));
    let f = |a2: f64, x: f64, y: f64| a2 / root + x * y / (4.0 * b);
    let (fw, fg) = (through(w), through(g));

    let bound = compositional_bound(&deep(2), RADIUS).expect("bounded").values();
    // The covariance's enclosure is 1e-9 wide, and the power method's vector is not quite the eigenvector.
    let near = |found: f64, expected: f64| {
        assert!((found - expected).abs() <= 1e-6 * expected, "{found} {expected}");
    };
    // Rows: two of W_1, one of W_2.
    near(bound.l_vv[(0, 0)], f(pair(w, w, ww), fw, fw));
    near(bound.l_vv[(0, 1)], f(pair(w, w, 0.0), fw, fw));
    near(bound.l_vv[(2, 0)], f(with_row(w), fw, row));
    near(bound.l_vv[(2, 2)], f(row_row, row, row));
    near(bound.l_vg[1], f(pair(w, g, wg), fw, fg).hypot(f(w / q2, fw, root)));
    near(bound.l_vg[2], f(with_row(g), row, fg).hypot(f(root * m2 / q2, row, root)));
    let (t11, t12, t22) = (f(pair(g, g, gg), fg, fg), f(g / q2, fg, root), f(0.0, root, root));
    let norm = 0.5 * (t11 + t22) + (0.25 * (t11 - t22).powi(2) + t12 * t12).sqrt();
    near(bound.l_gg, norm + 0.05);
    assert_eq!(bound.l_vv, bound.l_vv.t());

    // In the third layer the two rows are bent by the second activation, too.
    let bound = compositional_bound(&deep(3), RADIUS).expect("bounded").values();
    let bent = pair(fw, fw, pair(w, w, 0.0) + a2 * fw * fw);
    near(bound.l_vv[(0, 1)], f(bent, through(fw), through(fw)));
    let bent = pair(fw, fw, pair(w, w, ww) + a2 * fw * fw);
    near(bound.l_vv[(0, 0)], f(bent, through(fw), through(fw)));
}

#[test]
fn the_ball_of_g_is_composed_as_derived() {
    for (activation, lip) in [(Activation::Tanh, 1.0), (Activation::Sigmoid, 0.25)] {
        let network = network(2, activation, Objective::Logistic, 1, Minibatches::full(12));
        let found = g_bounds(&network, 1.0).expect("bounded");
        // Gamma_2 = 1/lambda; Q_1 sqrt(B) = lip Gamma_2 sqrt(1/epsilon); two units in layer 1 and one in layer 2.
        let (last, first) = (20.0, lip * 20.0 * (1.0_f64 / 0.3).sqrt() * 20.0);
        let radius = (4.0 * first * first + 2.0 * last * last).sqrt();
        for (found, expected) in [(found.entries[0], first), (found.entries[1], last), (found.radius, radius)] {
            assert!(found >= expected * (1.0 - ROUNDING) && found <= expected * (1.0 + ROUNDING), "{found} {expected}");
        }
        let far = g_bounds(&network, 1e6).expect("bounded").entries[1];
        assert!((1e6..=1e6 * (1.0 + ROUNDING)).contains(&far), "the start may be the largest: {far}");
    }
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
    // One feature of variance 1 and its negative: whatever w > 0, xhat = x/sqrt(1 + epsilon), so F depends on g alone
    // there and every Hessian block is known: with the squared objective and targets 0,
    // F = (gamma^2 s^2 + beta^2)/2, s^2 = 1/(1 + epsilon).
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
