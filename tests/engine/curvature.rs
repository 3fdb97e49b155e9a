//! The closed-form constants against dense Hessians: attained where they should be, exceeded nowhere; and sampling.

use crate::common::{RADIUS, Visitor, bilinear, minibatch, point, visit_all};
use ratecheck::curvature::{
    Domain, Exact, Functions, Part, Sampling, Smoothness, Target, dense_hessian, sampled_constants,
};
use ratecheck::linalg::pure;
use ratecheck::loss::closed::{
    BnRegression, Circle, HelixValley, Linear, ProblemJ, Rayleigh, TIndexedHelix, TanhCircle,
};
use ratecheck::loss::{Formula, Loss, Minibatches, Over, Setting, Workspace};
use ratecheck::parameters::{Parameters, norm_sq};
use ratecheck::random::Seed;
use ratecheck::scalar::Scalar;

/// Hessian entries of the closed forms at unit vectors come from some 100 roundings of numbers below 16, and a norm of
/// a block from at most 10 x 10 of them.
const TOLERANCE: f64 = 1e3 * 16.0 * f64::EPSILON;

/// The norm of one block of the Hessian at theta.
fn block_norm(loss: &dyn Loss, z: &[usize], theta: &[f64], rows: Part, columns: Part) -> f64 {
    let hessian = dense_hessian(loss, z, theta);
    assert!(hessian.asymmetry <= TOLERANCE, "{}", hessian.asymmetry);
    pure::spectral_norm(hessian.block(loss.parameters(), rows, columns)).expect("finite")
}

fn assert_close(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() <= TOLERANCE * expected.abs().max(1.0), "{what}: {found} {expected}");
}

const W: Part = Part::Block(0);

/// A unit vector at the angle with cosine 1/sqrt(3) to a, where a'v has the largest curvature.
fn steepest_angle(a: &[f64]) -> Vec<f64> {
    let length = norm_sq(a).sqrt();
    let mut side = vec![0.0; a.len()];
    (side[0], side[1]) = (-a[1], a[0]);
    let side_length = norm_sq(&side).sqrt();
    let (c, s) = ((1.0_f64 / 3.0).sqrt(), (2.0_f64 / 3.0).sqrt());
    a.iter().zip(&side).map(|(a, b)| c * a / length + s * b / side_length).collect()
}

#[test]
fn rayleigh_constants_are_attained_at_extreme_eigenvectors() {
    let loss = Rayleigh::new(vec![-1.0, 0.5, 2.0]);
    for theta in [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]] {
        assert_close(block_norm(&loss, &[0], &theta, W, W), 6.0, "2 (a_max - a_min)");
    }
    assert_eq!(loss.constants().l_vv[(0, 0)], Exact(6.0));
    // In R^2: gap (1 + |cos 2 theta|); and the gradient's bound, halfway.
    let plane = Rayleigh::new(vec![0.0, 1.0]);
    let mut grad = [0.0; 2];
    for k in 0..64 {
        let angle = 0.1 * f64::from(k);
        let v = [Scalar::cos(angle), Scalar::sin(angle)];
        assert_close(block_norm(&plane, &[0], &v, W, W), 1.0 + libm::cos(2.0 * angle).abs(), "gap (1 + |cos|)");
    }
    plane.sample_gradient(&[0], &[1.0, 1.0], &mut grad, &mut Workspace::default());
    assert_close(std::f64::consts::SQRT_2 * norm_sq(&grad).sqrt(), plane.gradient_bound().0, "gradient");
}

#[test]
fn linear_and_bilinear_constants_are_attained() {
    let a = vec![0.3, -1.2, 0.4];
    let loss = Linear::new(a.clone());
    let expected = 2.0 * 1.3 / 3.0_f64.sqrt(); // |a| = 1.3
    assert_close(block_norm(&loss, &[0], &steepest_angle(&a), W, W), expected, "2 |a|/sqrt(3)");
    assert_close(loss.constants().l_vv[(0, 0)].0, expected, "constant");
    let factor = Linear::new(vec![1.0, 0.0]).constants().l_vv[(0, 0)].0;
    assert!((3.0 * factor * factor - 4.0).abs() <= 4.0 * f64::EPSILON, "{factor}"); // 2/sqrt(3), rounded once

    let m = ndarray::array![[1.0, -2.0, 0.5], [0.3, 0.7, 1.1]];
    let (loss, svd) = (bilinear(), pure::svd(m.view()).expect("finite"));
    let (s_max, constants) = (svd.s[0], loss.constants());
    let (top, second) = (svd.vt.row(0).to_vec(), svd.vt.row(1).to_vec());
    let theta = [svd.u.column(1).to_vec(), second].concat();
    assert_close(block_norm(&loss, &[0], &theta, W, Part::Block(1)), s_max, "s_max");
    let theta = [steepest_angle(&svd.u.column(0).to_vec()), top].concat();
    assert_close(block_norm(&loss, &[0], &theta, W, W), 2.0 * s_max / 3.0_f64.sqrt(), "2 s_max/sqrt(3)");
    assert_close(constants.l_vv[(0, 1)].0, s_max, "L_12");
    assert_close(constants.l_vv[(1, 1)].0, 2.0 * s_max / 3.0_f64.sqrt(), "L_22");
}

/// (f', |f''|/2 + sqrt(f''^2/4 + f'^2)) of f = (1 - cos theta)^q, written in theta,
/// where the library has x = 1 - cos theta.
fn circle_by_d4(q: f64, angle: f64) -> (f64, f64) {
    let (c, s) = (libm::cos(angle), libm::sin(angle));
    let (below, power) = (libm::pow(1.0 - c, q - 2.0), libm::pow(1.0 - c, q - 1.0));
    let (first, second) = (q * power * s, q * (q - 1.0) * below * s * s + q * power * c);
    (first, 0.5 * second.abs() + (0.25 * second * second + first * first).sqrt())
}

#[test]
fn on_the_circle_the_norm_is_the_formula_of_d4() {
    for p in (4_u32..=64).step_by(2) {
        let (loss, q) = (Circle::new(p), f64::from(p / 2));
        let (mut largest, mut steepest) = (0.0_f64, 0.0_f64);
        for k in 0..=20_000 {
            let angle = std::f64::consts::PI * f64::from(k) / 2e4;
            let (first, expected) = circle_by_d4(q, angle);
            (largest, steepest) = (largest.max(expected), steepest.max(first));
            if p <= 12 && k % 100 == 0 {
                let norm = block_norm(&loss, &[0], &[libm::cos(angle), libm::sin(angle)], W, W);
                // Values reach q 2^(q-1) = 192 for p = 12, and (1 - c)^q loses q times the relative rounding of 1 - c.
                assert!((norm - expected).abs() <= 40.0 * TOLERANCE * expected.max(1.0), "p = {p}: {norm} {expected}");
            }
        }
        // pi, where the norm is largest, is on the grid. The steepest angle is at most half a step of 1.6e-4 away;
        // there the relative second derivative of f' is below p^2.
        let l = loss.constants().l_vv[(0, 0)].0;
        assert!((largest - l).abs() <= TOLERANCE * l, "p = {p}: {largest} {l}");
        let (bound, slack) = (loss.gradient_bound().0, f64::from(p * p) * 3.2e-9);
        assert!(steepest <= bound * (1.0 + TOLERANCE) && steepest >= bound * (1.0 - slack), "p = {p}: {steepest}");
    }
}

#[test]
fn the_tanh_circle_has_one_norm_everywhere_and_the_extreme_ratio() {
    let loss = TanhCircle::new(1.3);
    let mut largest = 0.0_f64;
    let mut grad = [0.0; 2];
    for k in 0..2000 {
        let angle = 2.0 * std::f64::consts::PI * f64::from(k) / 2000.0;
        let v = [Scalar::cos(angle), Scalar::sin(angle)];
        assert_close(block_norm(&loss, &[0], &v, W, W), 1.3, "L");
        loss.sample_gradient(&[0], &v, &mut grad, &mut Workspace::default());
        largest = largest.max(norm_sq(&grad).sqrt());
    }
    // k = 500 is the second axis, where the supremum is attained.
    let ratio = largest / loss.constants().l_vv[(0, 0)].0;
    assert_close(ratio, 0.917_152_335_667_274_4, "tanh(pi/2)");
    assert_close(loss.gradient_bound().0 / 1.3, 0.917_152_335_667_274_4, "tanh(pi/2)");
    assert!(ratio > 0.9, "the control of Lemma A.1: 0.9 L is no bound");
}

#[test]
fn bn_regression_and_problem_j_constants_are_attained() {
    let c = vec![0.5, -0.2, 0.9];
    let (loss, length) = (BnRegression::new(c.clone()), norm_sq(&[0.5, -0.2, 0.9]).sqrt());
    let constants = loss.constants(RADIUS);
    let theta = [steepest_angle(&c), vec![RADIUS]].concat();
    assert_close(block_norm(&loss, &[0], &theta, W, W), 2.0 * RADIUS * length / 3.0_f64.sqrt(), "2 K |c|/sqrt(3)");
    assert_close(constants.l_vv[(0, 0)].0, 2.0 * RADIUS * length / 3.0_f64.sqrt(), "constant");
    let theta = loss.theta_0(1e-3);
    assert_close(block_norm(&loss, &[0], &theta, W, Part::G), length, "|c|");
    assert_close(constants.l_vg[0].0, length, "|c|");
    assert_close(block_norm(&loss, &[0], &theta, Part::G, Part::G), constants.l_gg.0, "1");

    // |c + s xi| is largest, sqrt(3), where xi_1 = 1: example 0 among others.
    let (loss, b) = (ProblemJ::default(), [1.5, 0.5, 0.5, 0.5]);
    let constants = loss.sample_constants(RADIUS);
    let theta = [steepest_angle(&b), vec![RADIUS]].concat();
    assert_close(block_norm(&loss, &[0], &theta, W, W), 2.0 * RADIUS, "2 K |c + s xi|/sqrt(3)");
    assert_close(constants.l_vv[(0, 0)].0, 2.0 * RADIUS, "constant");
    assert_close(constants.l_vg[0].0, 3.0_f64.sqrt(), "constant");
    let mean = dense_hessian(&loss, Target::Mean, &[steepest_angle(&[1.0, 0.0, 0.0, 0.0]), vec![RADIUS]].concat());
    let norm = pure::spectral_norm(mean.block(loss.parameters(), W, W)).expect("finite");
    assert_close(norm, loss.constants(RADIUS).l_vv[(0, 0)].0, "mean loss");
}

#[test]
fn helix_constants_are_attained() {
    for a in [1.0, 0.5, 0.25, 0.05] {
        let loss = HelixValley::catalogue(a);
        let constants = loss.constants();
        assert_close(block_norm(&loss, &[0], &[-1.0, 0.0, 0.0], Part::G, Part::G), constants.l_gg.0, "k + 2aA");
        assert_close(constants.l_gg.0, 2.0, "k + 2aA");
        let v = steepest_angle(&[1.0, 0.0]);
        assert_close(block_norm(&loss, &[0], &[v[0], v[1], 0.0], W, W), constants.l_vv[(0, 0)].0, "2 k/sqrt(3)");
        assert_close(block_norm(&loss, &[0], &[1.0, 0.0, 0.0], W, Part::G), constants.l_vg[0].0, "k");
    }
    let (loss, l) = (TIndexedHelix::for_steps(4), 8.0);
    let constants = loss.constants();
    let g = l * libm::atanh((1.0_f64 / 3.0).sqrt());
    let theta = [Scalar::cos(g), Scalar::sin(g), g];
    assert_close(block_norm(&loss, &[0], &theta, Part::G, Part::G), constants.l_gg.0, "k + 0.77 s/l");
    assert!(constants.l_gg.0 <= 1.0 + 0.5 / l, "the catalogue's bound 1 + s/l");
    assert_close(block_norm(&loss, &[0], &theta, W, Part::G), constants.l_vg[0].0, "k");
}

struct NeverExceeded;

impl Visitor for NeverExceeded {
    fn visit<L: Formula>(&mut self, name: &str, loss: &L, constants: &Smoothness<Exact>) {
        let found = sampled_constants(loss, &Sampling::new(400, RADIUS), &Seed::new(21).child(name));
        let (found, exact) = (found.values(), constants.values());
        assert_eq!(found.l_vv.dim(), exact.l_vv.dim(), "{name}");
        let pairs = found.l_vv.iter().zip(&exact.l_vv).chain(found.l_vg.iter().zip(&exact.l_vg));
        for (x, l) in pairs.chain([(&found.l_gg, &exact.l_gg)]) {
            assert!(*x <= l + TOLERANCE * l.max(1.0), "{name}: {x} {l}");
            // In two or three dimensions 400 points come near every supremum; in ten they need not.
            assert!(*x >= 0.5 * l, "{name}: {x} {l}");
        }
        // And at points that are not of norm 1, after normalisation.
        let mut generator = Seed::new(22).generator(name);
        for k in 0..20 {
            let theta = loss.parameters().theta_unit(&point(loss, &mut generator));
            let norm = block_norm(loss, &minibatch(loss, k), &theta, W, W);
            assert!(norm <= exact.l_vv[(0, 0)] * (1.0 + TOLERANCE), "{name}");
        }
    }
}

#[test]
fn constants_are_never_exceeded() {
    visit_all(&mut NeverExceeded);
}

#[test]
fn sampling_gives_the_same_bits_on_one_thread_and_on_three() {
    let run = |threads: usize, functions: Functions, dense_up_to: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        let sampling = Sampling { n_points: 97, domain: Domain::Box(RADIUS), functions, dense_up_to };
        let found = pool.install(|| sampled_constants(&ProblemJ::default(), &sampling, &Seed::new(8))).values();
        [found.l_vv[(0, 0)], found.l_vg[0], found.l_gg]
    };
    for functions in [Functions::Samples, Functions::Mean] {
        let (one, three) = (run(1, functions, 100), run(3, functions, 100));
        assert_eq!(one.map(f64::to_bits), three.map(f64::to_bits));
        // The iterative path sees the same points; its norms agree to the residual asked for, 1e-10.
        let by_products = run(2, functions, 0);
        assert!(one.iter().zip(by_products).all(|(x, y)| (x - y).abs() <= 1e-9 * x), "{one:?} {by_products:?}");
    }
    assert_ne!(run(1, Functions::Samples, 100), run(1, Functions::Mean, 100), "F_z is rougher than L");
}

#[test]
fn plain_sampling_falls_short_in_ten_dimensions() {
    // The catalogue's 0.83 of the truth, from 100 points: some 0.05 up or down by chance.
    let found = sampled_constants(&Rayleigh::equally_spaced(10), &Sampling::new(100, 0.0), &Seed::new(1));
    let share = found.l_vv[(0, 0)].0 / 2.0;
    assert!((0.7..0.95).contains(&share), "{share}");
}

/// Not a number on half of the sphere.
struct Broken {
    layout: Parameters,
    z: Minibatches,
}

impl Formula for Broken {
    fn layout(&self) -> &Parameters {
        &self.layout
    }
    fn distribution(&self) -> &Minibatches {
        &self.z
    }
    fn value<S: Scalar>(&self, _z: &[usize], w: &[S]) -> S {
        let x = w[0] / (w[0] * w[0] + w[1] * w[1]).sqrt();
        x * x.sqrt()
    }
}

#[test]
fn a_point_that_is_not_a_number_is_not_forgotten() {
    let loss = Broken { layout: Parameters::new([("w", 2)], 0), z: Minibatches::full(1) };
    let found = sampled_constants(&loss, &Sampling::new(64, 0.0), &Seed::new(1));
    assert!(found.l_vv[(0, 0)].0.is_nan());
    let hessian = dense_hessian(&loss, &[0], &[-1.0, 0.5]);
    assert!(hessian.asymmetry.is_nan());
    assert!(dense_hessian(&loss, &[0], &[1.0, 0.5]).asymmetry <= TOLERANCE);
}
