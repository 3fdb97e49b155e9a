//! Hessian-vector products and spectral norms: Euler's identities, another crate's dual numbers, dense decompositions.

use crate::common::{Visitor, minibatch, point, visit_all};
use ndarray::Array2;
use num_dual::{DualNum, HyperDual64};
use rand::RngExt;
use ratecheck::curvature::{
    BlockOperator, Exact, HessianProduct, Operator, Part, Smoothness, SpectralOptions, Target, block_norms,
    dense_hessian, hessian_vector_product, spectral_norm,
};
use ratecheck::data::{Target as Labels, teacher};
use ratecheck::linalg::pure;
use ratecheck::loss::closed::{BnRegression, HelixValley, ProblemJ, Rayleigh, TIndexedHelix};
use ratecheck::loss::{Arithmetics, Formula, Further, Loss, Minibatches, Over, Setting, Workspace};
use ratecheck::network::{Activation, Architecture, Epsilon, Lp, Network, Normalisation, Objective};
use ratecheck::parameters::{Parameters, dot, norm_sq};
use ratecheck::random::Seed;
use ratecheck::scalar::{Dual, Scalar};
use rayon::prelude::*;

const U: f64 = f64::EPSILON / 2.0;

/// Euler's identities, which scale invariance implies: Hess_ii w_i = -grad_{w_i}, Hess_ij w_j = 0, Hess_gi w_i = 0.
struct Euler;

impl Visitor for Euler {
    fn visit<L: Formula>(&mut self, name: &str, loss: &L, constants: &Smoothness<Exact>) {
        let layout = loss.parameters().clone();
        let n = layout.len();
        let mut generator = Seed::new(31).generator(name);
        let (mut grad, mut product, mut work) = (vec![0.0; n], vec![0.0; n], HessianProduct::new(n));
        let largest = constants.values().l_vv.iter().fold(1.0_f64, |m, &l| m.max(l));
        for k in 0..30 {
            let (theta, z) = (point(loss, &mut generator), minibatch(loss, k));
            loss.sample_gradient(&z, &theta, &mut grad, &mut Workspace::default());
            for i in 0..layout.n_blocks() {
                let mut direction = vec![0.0; n];
                direction[layout.block(i)].copy_from_slice(&theta[layout.block(i)]);
                hessian_vector_product(loss, &z, &theta, &direction, &mut product, &mut work);
                for p in 0..n {
                    let expected = if layout.block(i).contains(&p) { -grad[p] } else { 0.0 };
                    // Some 100 roundings of terms up to L ||w_i|| / min ||w_j||^2, norms in [1/2, 5].
                    let tolerance = 100.0 * U * largest * 20.0;
                    assert!((product[p] - expected).abs() <= tolerance, "{name}: {} {expected}", product[p]);
                }
            }
        }
    }
}

#[test]
fn euler_identities_hold() {
    visit_all(&mut Euler);
}

/// The Hessian of a function of hyper-dual numbers of the crate `num-dual`.
fn independent_hessian(f: impl Fn(&[HyperDual64]) -> HyperDual64, theta: &[f64]) -> Array2<f64> {
    let n = theta.len();
    Array2::from_shape_fn((n, n), |(i, j)| {
        let share = |a: usize, b: usize| if a == b { 1.0 } else { 0.0 };
        let lifted: Vec<HyperDual64> =
            (0..n).map(|k| HyperDual64::new(theta[k], share(k, i), share(k, j), 0.0)).collect();
        f(&lifted).eps1eps2
    })
}

fn assert_same_hessian(loss: &dyn Loss, f: impl Fn(&[HyperDual64]) -> HyperDual64, name: &str) {
    let mut generator = Seed::new(32).generator(name);
    for k in 0..10 {
        let theta = point(loss, &mut generator);
        let z = minibatch(loss, k);
        let (ours, theirs) = (dense_hessian(loss, &z, &theta), independent_hessian(&f, &theta));
        let scale = theirs.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
        // Two ways of adding up some 100 terms, of which the largest exceed the result by 1/||w||^4 <= 16.
        let tolerance = 100.0 * 16.0 * U * scale;
        assert!(ours.asymmetry <= tolerance, "{name}: {}", ours.asymmetry);
        let different = ours.matrix.iter().zip(&theirs).filter(|(x, y)| !((*x - *y).abs() <= tolerance)).count();
        assert_eq!(different, 0, "{name}: {} {theirs}", ours.matrix);
    }
}

#[test]
fn hessians_agree_with_another_crates_dual_numbers() {
    let diagonal = [-1.0, 0.5, 2.0];
    let rayleigh = |w: &[HyperDual64]| {
        let form: HyperDual64 = w.iter().zip(diagonal).map(|(x, a)| *x * *x * a).sum();
        let norm_sq: HyperDual64 = w.iter().map(|x| *x * *x).sum();
        form / norm_sq
    };
    assert_same_hessian(&Rayleigh::new(diagonal.to_vec()), rayleigh, "rayleigh");

    let c = [0.5, -0.2, 0.9];
    let regression = |theta: &[HyperDual64]| {
        let (w, g) = (&theta[..3], theta[3]);
        let norm = w.iter().map(|x| *x * *x).sum::<HyperDual64>().sqrt();
        let fit = w.iter().zip(c).map(|(x, c)| *x * c).sum::<HyperDual64>() / norm;
        g * g * 0.5 - g * fit + 0.5 * c.iter().map(|c| c * c).sum::<f64>()
    };
    assert_same_hessian(&BnRegression::new(c.to_vec()), regression, "bn regression");

    let valley = |theta: &[HyperDual64]| {
        let norm = (theta[0] * theta[0] + theta[1] * theta[1]).sqrt();
        -(theta[0] * theta[2].cos() + theta[1] * theta[2].sin()) / norm + 1.0
    };
    let a = 0.25;
    let helix = |theta: &[HyperDual64]| (theta[2] * theta[2] + 1.0).powf(-a) * 2.0 + valley(theta);
    assert_same_hessian(&HelixValley::catalogue(a), helix, "helix valley");
    let ramp = |theta: &[HyperDual64]| (-(theta[2] / 8.0).tanh() + 1.0) * 4.0 + valley(theta);
    assert_same_hessian(&TIndexedHelix::for_steps(4), ramp, "T-indexed helix");
}

#[test]
fn blocks_and_means_are_what_they_are_called() {
    let (bilinear, problem) = (crate::common::bilinear(), ProblemJ::default());
    let mut generator = Seed::new(33).generator("blocks");
    let theta = point(&bilinear, &mut generator);
    let dense = dense_hessian(&bilinear, &[0], &theta);
    let block = dense.block(bilinear.parameters(), Part::Block(0), Part::Block(1));
    let mut operator = BlockOperator::new(&bilinear, &[0], &theta, Part::Block(0), Part::Block(1));
    assert_eq!(operator.shape(), (2, 3));
    let (x, y) = ([0.3, -0.7, 0.2], [1.1, 0.4]);
    let (mut bx, mut bty) = ([0.0; 2], [0.0; 3]);
    operator.apply(&x, &mut bx);
    operator.apply_transpose(&y, &mut bty);
    // Sums of three products of numbers below 20.
    assert!(block.dot(&ndarray::aview1(&x)).iter().zip(&bx).all(|(a, b)| (a - b).abs() <= 1e3 * U));
    assert!((dot(&y, &bx) - dot(&x, &bty)).abs() <= 1e3 * U);
    let empty = dense.block(bilinear.parameters(), Part::G, Part::Block(0));
    assert_eq!(empty.dim(), (0, 2));

    let theta = point(&problem, &mut generator);
    let mean = dense_hessian(&problem, Target::Mean, &theta).matrix;
    let mut sum = Array2::<f64>::zeros((5, 5));
    for z in problem.minibatches().finite().expect("finite") {
        sum += &dense_hessian(&problem, z, &theta).matrix;
    }
    assert!((sum / 32.0 - mean).iter().all(|d| d.abs() <= 32.0 * 100.0 * U));
}

#[test]
fn products_nest_into_third_derivatives() {
    // d/dt Hess(theta + t e) d, by duals inside and by central differences outside.
    let loss = HelixValley::catalogue(0.5);
    let (theta, step, d) = ([0.8, -0.5, 0.4], [0.3, 0.2, -1.0], [1.0, -0.5, 0.25]);
    let lifted: Vec<Dual<f64>> = theta.iter().zip(step).map(|(&x, e)| Dual::new(x, e)).collect();
    let direction = d.map(|d| Dual::new(d, 0.0));
    let mut out = [Dual::new(0.0, 0.0); 3];
    hessian_vector_product(&loss, &[0], &lifted, &direction, &mut out, &mut HessianProduct::new(3));
    let h = 2.0_f64.powi(-17);
    let at = |t: f64| {
        let moved: Vec<f64> = theta.iter().zip(step).map(|(x, e)| x + t * e).collect();
        let mut out = [0.0; 3];
        hessian_vector_product(&loss, &[0], &moved, &d, &mut out, &mut HessianProduct::new(3));
        out
    };
    let (low, high) = (at(-h), at(h));
    for k in 0..3 {
        let quotient = (high[k] - low[k]) / (2.0 * h);
        // Truncation h^2/6 times a fifth derivative (below 200 here), roundoff 100 u / h.
        assert!((out[k].du - quotient).abs() <= h * h / 6.0 * 200.0 + 100.0 * U / h, "{:?} {quotient}", out[k]);
    }
}

/// The dense Hessian shares passes among directions, skips what they do not change and copies half of itself; against
/// the plain way, column by column.
struct ColumnByColumn;

fn assert_columns(name: &str, loss: &dyn Loss, target: Target<'_>, theta: &[f64]) {
    let n = theta.len();
    let dense = dense_hessian(loss, target, theta);
    let (mut direction, mut product, mut work) = (vec![0.0; n], vec![0.0; n], HessianProduct::new(n));
    let scale = dense.matrix.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
    // Some 100 roundings in either way, of terms that may exceed the largest entry 16 times.
    let tolerance = 2.0 * 100.0 * 16.0 * U * scale;
    assert!(dense.asymmetry <= tolerance, "{name}: {}", dense.asymmetry);
    for j in 0..n {
        direction[j] = 1.0;
        hessian_vector_product(loss, target, theta, &direction, &mut product, &mut work);
        direction[j] = 0.0;
        for i in 0..n {
            let difference = (product[i] - dense.matrix[(i, j)]).abs();
            assert!(difference <= tolerance, "{name} ({i}, {j}): {} {}", product[i], dense.matrix[(i, j)]);
        }
    }
}

impl Visitor for ColumnByColumn {
    fn visit<L: Formula>(&mut self, name: &str, loss: &L, _constants: &Smoothness<Exact>) {
        let mut generator = Seed::new(35).generator(name);
        for k in 0..3 {
            let theta = point(loss, &mut generator);
            assert_columns(name, loss, Target::from(&minibatch(loss, k)), &theta);
            assert_columns(name, loss, Target::Mean, &theta);
        }
    }
}

#[test]
fn dense_hessians_are_their_products_with_unit_vectors() {
    visit_all(&mut ColumnByColumn);
    // Layers of 1, 3 and 9 units: directions share passes across rows of a matrix,
    // and the last of a layer have one of their own.
    for (k, normalisation) in [
        Normalisation::SmoothedBatchNorm { epsilon: 0.1 },
        Normalisation::BatchNorm,
        Normalisation::LpBatchNorm { p: Lp::Four },
        Normalisation::LpBatchNorm { p: Lp::Infinity },
        Normalisation::LayerNorm { epsilon: Epsilon::Smoothed(0.1) },
        Normalisation::GroupNorm { groups: 3, epsilon: Epsilon::Smoothed(0.1) },
        Normalisation::WeightNorm,
        Normalisation::None,
    ]
    .into_iter()
    .enumerate()
    {
        for (widths, activation) in [(vec![5, 9, 3, 3], Activation::Tanh), (vec![5, 3, 9], Activation::Softplus)] {
            let classes = widths[widths.len() - 1];
            let data = teacher(14, 5, Labels::Classes(classes), 0.1, &mut Seed::new(36).generator("data"));
            let (objective, weight_decay) = (Objective::CrossEntropy, 0.01);
            let architecture = Architecture { widths, normalisation, activation, objective, weight_decay };
            let z = Minibatches::partition((0..14).collect(), 7).expect("7 divides 14");
            let network = Network::new(architecture, data, z).expect("a sound network");
            let mut generator = Seed::new(37).generator("theta");
            let theta = network.parameters().theta_unit(&point(&network, &mut generator));
            let name = format!("network {k}, {activation:?}");
            assert_columns(&name, &network, Target::from(&minibatch(&network, k)), &theta);
            assert_columns(&name, &network, Target::Mean, &theta);
            assert_columns(&format!("around {name}"), &Around(&network), Target::Mean, &theta);
        }
    }
}

/// A loss around a network that passes its gradient on, and does not know that parameters have stages.
struct Around<'a>(&'a Network);

impl Setting for Around<'_> {
    fn parameters(&self) -> &Parameters {
        self.0.parameters()
    }
    fn minibatches(&self) -> &Minibatches {
        self.0.minibatches()
    }
}
impl<S: Scalar> Over<S> for Around<'_>
where
    Network: Over<S>,
{
    fn sample_loss(&self, z: &[usize], theta: &[S]) -> S {
        self.0.sample_loss(z, theta)
    }
    fn sample_gradient(&self, z: &[usize], theta: &[S], grad: &mut [S], work: &mut Workspace<S>) -> S {
        self.0.sample_gradient(z, theta, grad, work)
    }
}
impl Arithmetics for Around<'_> {
    fn encloses(&self) -> bool {
        self.0.encloses()
    }
}
impl Loss for Around<'_> {
    fn further(&self) -> Further<'_> {
        Further::Formula(self)
    }
}

#[test]
fn block_norms_of_many_points_are_the_same_bits_for_any_number_of_threads() {
    let data = teacher(16, 4, Labels::Binary, 0.1, &mut Seed::new(38).generator("data"));
    let architecture = Architecture {
        widths: vec![4, 5, 1],
        normalisation: Normalisation::SmoothedBatchNorm { epsilon: 0.1 },
        activation: Activation::Tanh,
        objective: Objective::Logistic,
        weight_decay: 0.0,
    };
    let network = Network::new(architecture, data, Minibatches::full(16)).expect("a sound network");
    let mut generator = Seed::new(39).generator("points");
    let points: Vec<Vec<f64>> = (0..40).map(|_| point(&network, &mut generator)).collect();
    let z = minibatch(&network, 0);
    let one: Vec<_> = points.iter().map(|theta| block_norms(&network, &z, theta).values()).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("a thread pool");
    let three: Vec<_> =
        pool.install(|| points.par_iter().map(|theta| block_norms(&network, &z, theta).values()).collect());
    assert_eq!(one, three);
}

fn random(rows: usize, columns: usize) -> Array2<f64> {
    let mut generator = Seed::new(34).generator(&format!("{rows} x {columns}"));
    Array2::from_shape_simple_fn((rows, columns), || generator.random_range(-1.0..1.0))
}

#[test]
fn lanczos_agrees_with_dense_decompositions() {
    let options = SpectralOptions { dense_below: 0, ..SpectralOptions::default() };
    for (rows, columns) in [(1, 40), (40, 1), (2, 3), (60, 60), (120, 45), (45, 120)] {
        let a = random(rows, columns);
        let expected = pure::svd(a.view()).expect("finite").s[0];
        for dense_below in [0, 200] {
            let options = SpectralOptions { dense_below, ..options };
            let found = spectral_norm(&mut a.view(), &options, &Seed::new(1));
            assert!(found.converged && found.residual <= options.tolerance * found.value, "{found:?}");
            // A Rayleigh quotient's error is the square of the residual over the gap, far below rounding here; rounding
            // of sums of up to 120 terms.
            assert!((found.value - expected).abs() <= 240.0 * U * expected, "{found:?} {expected}");
        }
    }
    // A largest singular value of multiplicity 50, and the zero operator.
    let found = spectral_norm(&mut Array2::<f64>::eye(50).view(), &options, &Seed::new(1));
    assert!(found.converged && (found.value - 1.0).abs() <= 100.0 * U, "{found:?}");
    let found = spectral_norm(&mut Array2::<f64>::zeros((30, 20)).view(), &options, &Seed::new(1));
    assert!(found.converged && found.value == 0.0, "{found:?}");
    // Rank one: the space is exhausted after two steps.
    let column = random(30, 1);
    let found = spectral_norm(&mut column.dot(&random(1, 20)).view(), &options, &Seed::new(1));
    let expected = norm_sq(&column.column(0).to_vec()).sqrt() * norm_sq(&random(1, 20).row(0).to_vec()).sqrt();
    assert!(found.converged && (found.value - expected).abs() <= 100.0 * U * expected, "{found:?}");
}

#[test]
fn a_budget_that_is_too_small_is_admitted() {
    let a = random(150, 100);
    let s = pure::svd(a.view()).expect("finite").s;
    for max_evaluations in [4, 8, 12] {
        let options = SpectralOptions { dense_below: 24, max_evaluations, ..SpectralOptions::default() };
        let found = spectral_norm(&mut a.view(), &options, &Seed::new(1));
        assert!(!found.converged && found.evaluations <= max_evaluations, "{found:?}");
        assert!(found.residual > options.tolerance * found.value, "{found:?}");
        // What is claimed all the same: a value below the norm, and a singular value within residual/sqrt(2).
        let rounding = 1e3 * U * s[0];
        assert!(found.value <= s[0] + rounding, "{found:?}");
        let nearest = s.iter().map(|s| (s - found.value).abs()).fold(f64::INFINITY, f64::min);
        assert!(nearest <= found.residual / std::f64::consts::SQRT_2 + rounding, "{found:?} {nearest}");
    }
}

#[test]
fn a_spectral_norm_depends_on_its_seed_alone_and_admits_nan() {
    let options = SpectralOptions { dense_below: 0, max_evaluations: 8, ..SpectralOptions::default() };
    let (a, mut bad) = (random(60, 50), random(60, 50));
    let run = |seed| spectral_norm(&mut a.view(), &options, &Seed::new(seed));
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    bad[(3, 4)] = f64::NAN;
    for dense_below in [0, 100] {
        let options = SpectralOptions { dense_below, ..SpectralOptions::default() };
        let found = spectral_norm(&mut bad.view(), &options, &Seed::new(1));
        assert!(found.value.is_nan() && !found.converged, "{found:?}");
    }
}
