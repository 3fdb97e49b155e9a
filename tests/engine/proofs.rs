//! Lemma 3.2 proved on real steps, and the pieces of the proof against what they enclose.

use ndarray::Array2;
use rand::RngExt;
use ratecheck::bounds::{Constant, Factors};
use ratecheck::curvature::{
    HessianProduct, SegmentOptions, dense_hessian, hessian_enclosure, segment_constants, spectral_norm_upper,
};
use ratecheck::data::{Target, teacher};
use ratecheck::linalg;
use ratecheck::loss::{Minibatches, Over, Setting, Workspace};
use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
use ratecheck::proof::{Obstacle, Outcome, Step, lemma_3_2};
use ratecheck::random::Seed;
use ratecheck::scalar::Interval;

fn network(widths: &[usize], batch: usize, normalisation: Normalisation) -> (Network, Vec<f64>, Vec<usize>) {
    let mut generator = Seed::new(11).generator("proofs");
    let data = teacher(batch, widths[0], Target::Binary, 0.1, &mut generator);
    let architecture = Architecture {
        widths: widths.to_vec(),
        normalisation,
        activation: Activation::Tanh,
        objective: Objective::Logistic,
        weight_decay: 0.01,
    };
    let network = Network::new(architecture, data, Minibatches::full(batch)).unwrap();
    let theta = network.initialise(&mut generator);
    (network, theta, (0..batch).collect())
}

const SMOOTHED: Normalisation = Normalisation::SmoothedBatchNorm { epsilon: 0.1 };

fn step(eta_w: f64) -> Step {
    Step { eta_w, eta_g: 0.1, c_g: 0.5, segment: SegmentOptions::default(), factors: Factors::ONE }
}

/// theta after a step in f64.
fn moved(network: &Network, z: &[usize], theta: &[f64], eta_w: f64, eta_g: f64) -> Vec<f64> {
    let mut grad = vec![0.0; theta.len()];
    network.sample_gradient(z, theta, &mut grad, &mut Workspace::default());
    let g = network.parameters().g();
    (0..theta.len()).map(|i| theta[i] - if g.contains(&i) { eta_g } else { eta_w } * grad[i]).collect()
}

#[test]
fn steps_of_a_small_network_are_proved() {
    let (network, mut theta, z) = network(&[3, 4, 1], 16, SMOOTHED);
    for t in 0..5 {
        let found = lemma_3_2(&network, &z, &theta, &step(0.1)).unwrap();
        assert_eq!(found.outcome, Outcome::Proved, "step {t}");
        // The step in f64 changes the loss by what the interval says, up to the rounding of two losses.
        let next = moved(&network, &z, &theta, 0.1, 0.1);
        let change = network.sample_loss(&z, &next) - network.sample_loss(&z, &theta);
        assert!((found.change + Interval::new(-1e-13, 1e-13)).contains(change), "step {t}");
        assert!(found.change.hi() < 0.0 && found.change.width() < 1e-9);
        // Sharp within the promised tenth, and never below what was met.
        for (upper, sampled) in found.constants.upper.l_vv.iter().zip(&found.constants.sampled.l_vv) {
            assert!(upper.0 >= sampled.0);
        }
        assert!(found.constants.upper.l_gg.0 <= 1.1 * found.constants.sampled.l_gg.0);
        theta = next;
    }
}

#[test]
fn what_is_not_proved_says_why() {
    let (network, theta, z) = network(&[3, 4, 1], 16, SMOOTHED);
    let outcome = |step: Step| lemma_3_2(&network, &z, &theta, &step).unwrap().outcome;
    let few = SegmentOptions { max_pieces: 2, ..SegmentOptions::default() };
    assert_eq!(outcome(Step { segment: few, ..step(1.0) }), Outcome::Undecided(Obstacle::ConstantsNotSharp));
    assert_eq!(outcome(Step { eta_g: 100.0, ..step(0.1) }), Outcome::Undecided(Obstacle::EtaGTooLarge));
    // Both sides are -1e-17 or so: the losses are known to 1e-14.
    assert_eq!(outcome(Step { eta_g: 1e-16, ..step(1e-16) }), Outcome::Undecided(Obstacle::Rounding));
    // An inequality without its second-order term is false: a network's loss is not concave along its gradient.
    let without = Step { eta_g: 1e-3, factors: Factors::ONE.claiming(Constant::C, 0.0), ..step(0.3) };
    assert_eq!(outcome(without), Outcome::Refuted);
}

#[test]
fn constants_on_a_segment_bound_the_norms_at_its_points() {
    for normalisation in [SMOOTHED, Normalisation::BatchNorm, Normalisation::WeightNorm] {
        let (network, theta, z) = network(&[3, 4, 1], 16, normalisation);
        let layout = network.parameters();
        let next = moved(&network, &z, &theta, 0.3, 0.1);
        let delta: Vec<Interval> =
            next.iter().zip(&theta).map(|(&a, &b)| Interval::from(a) - Interval::from(b)).collect();
        let found = segment_constants(&network, &z, &theta, &delta, &SegmentOptions::default()).unwrap();
        assert!(found.settled, "{normalisation:?}");
        for k in 0..=20 {
            let s = f64::from(k) / 20.0;
            let point: Vec<f64> = theta.iter().zip(&next).map(|(a, b)| a + s * (b - a)).collect();
            let unit = layout.theta_unit(&point);
            // By the identities of appendix A: the blocks at theta~ are those at theta, times the norms.
            let norms = ratecheck::curvature::block_norms(&network, &z, &unit);
            let within = |upper: f64, norm: f64| norm <= upper * (1.0 + 1e-12); // the norm is rounded
            let l = &found.upper;
            assert!(l.l_vv.iter().zip(&norms.l_vv).all(|(u, x)| within(u.0, x.0)), "{normalisation:?}, s = {s}");
            assert!(l.l_vg.iter().zip(&norms.l_vg).all(|(u, x)| within(u.0, x.0)));
            assert!(within(l.l_gg.0, norms.l_gg.0));
        }
    }
}

#[test]
fn pieces_do_not_depend_on_threads() {
    let (network, theta, z) = network(&[3, 4, 1], 16, SMOOTHED);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| lemma_3_2(&network, &z, &theta, &step(0.3)).unwrap())
    };
    let (one, three) = (on(1), on(3));
    assert_eq!((one.bound, one.change, one.constants.upper), (three.bound, three.change, three.constants.upper));
}

#[test]
fn norms_of_random_matrices_are_bounded_closely() {
    let mut generator = Seed::new(12).generator("norms");
    for (rows, columns) in [(1, 1), (1, 9), (5, 5), (16, 8), (16, 66), (30, 30)] {
        for radius in [0.0, 1e-8, 1e-2] {
            let matrix = Array2::from_shape_fn((rows, columns), |_| generator.random_range(-1.0..1.0));
            let sets = matrix.mapv(|x: f64| Interval::new(x - radius, x + radius));
            let bound = spectral_norm_upper(sets.view()).0;
            let norm = linalg::spectral_norm(matrix.view()).unwrap();
            let size = ((rows * columns) as f64).sqrt();
            assert!(bound >= norm && bound <= norm * (1.0 + 1e-8) + 1.01 * size * radius, "{rows} x {columns}");
            // The worst matrix of all: the middle plus the radius along its own singular vectors' signs.
            let found = linalg::svd(matrix.view()).unwrap();
            let worst = Array2::from_shape_fn((rows, columns), |(i, j)| {
                matrix[(i, j)] + radius * (found.u[(i, 0)] * found.vt[(0, j)]).signum()
            });
            assert!(linalg::spectral_norm(worst.view()).unwrap() <= bound * (1.0 + 1e-14));
        }
    }
    let unbounded = Array2::from_elem((2, 2), Interval::ENTIRE);
    assert_eq!(spectral_norm_upper(unbounded.view()).0, f64::INFINITY);
    // Zero but for underflow: the root of some smallest positive numbers.
    assert!(spectral_norm_upper(Array2::from_elem((3, 2), Interval::from(0.0)).view()).0 < 1e-150);
}

/// Enclosures over boxes of a network's Hessian contain the Hessian at the middle.
#[test]
fn boxes_of_hessians_contain_their_middles() {
    let (network, theta, z) = network(&[3, 4, 1], 16, SMOOTHED);
    let at = dense_hessian(&network, &z, &theta).matrix;
    for radius in [0.0, 1e-6, 1e-4] {
        let sides: Vec<Interval> = theta.iter().map(|&x| Interval::new(x - radius, x + radius)).collect();
        let sets = hessian_enclosure(&network, &z, &sides, &mut HessianProduct::new(theta.len())).unwrap();
        for (set, &x) in sets.iter().zip(&at) {
            assert!((*set + Interval::new(-1e-12, 1e-12)).contains(x), "{x} in {set:?}");
        }
    }
}
