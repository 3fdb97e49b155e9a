//! The closed forms: gradients, symmetries and the quantities the catalogue states for them.

use crate::common::{Visitor, minibatch, point, visit_all};
use ratecheck::curvature::{Exact, Smoothness, dense_hessian};
use ratecheck::loss::closed::{Circle, HelixValley, ProblemJ, TIndexedHelix, TanhCircle};
use ratecheck::loss::{Formula, Loss, Minibatches, Over, Setting, Workspace};
use ratecheck::parameters::{Parameters, dot, norm_sq};
use ratecheck::random::Seed;
use ratecheck::scalar::{Dual, Scalar};

const U: f64 = f64::EPSILON / 2.0;

/// The same loss without its hand-written gradient.
struct ForwardMode<'a, L>(&'a L);

impl<L: Formula> Formula for ForwardMode<'_, L> {
    fn layout(&self) -> &Parameters {
        self.0.layout()
    }
    fn distribution(&self) -> &Minibatches {
        self.0.distribution()
    }
    fn value<S: Scalar>(&self, z: &[usize], theta: &[S]) -> S {
        self.0.value(z, theta)
    }
}

/// The third derivative along axis i.
fn third_derivative(loss: &impl Formula, z: &[usize], theta: &[f64], i: usize) -> f64 {
    let lifted: Vec<Dual<Dual<Dual<f64>>>> = theta
        .iter()
        .enumerate()
        .map(|(k, &x)| {
            let e = if k == i { 1.0 } else { 0.0 };
            let inner = Dual::new(Dual::new(x, e), Dual::new(e, 0.0));
            Dual::new(inner, Dual::new(Dual::new(e, 0.0), Dual::ZERO))
        })
        .collect();
    loss.value(z, &lifted).du.du.du
}

struct Gradients {
    losses: usize,
}

impl Visitor for Gradients {
    fn visit<L: Formula>(&mut self, name: &str, loss: &L, _constants: &Smoothness<Exact>) {
        let mut generator = Seed::new(3).generator(name);
        let n = loss.parameters().len();
        let (mut grad, mut forward) = (vec![0.0; n], vec![0.0; n]);
        for k in 0..40 {
            let (theta, z) = (point(loss, &mut generator), minibatch(loss, k));
            let value = loss.sample_gradient(&z, &theta, &mut grad, &mut Workspace::default());
            let expected = loss.sample_loss(&z, &theta);
            // Two evaluations of the same formula, each with some 50 roundings of numbers below 8.
            assert!((value - expected).abs() <= 400.0 * U * expected.abs().max(1.0), "{name}: value");
            ForwardMode(loss).sample_gradient(&z, &theta, &mut forward, &mut Workspace::default());
            let scale = norm_sq(&forward).sqrt().max(1.0);
            for i in 0..n {
                // As above; ||w|| >= 1/2 multiplies errors by 4 at most.
                assert!((grad[i] - forward[i]).abs() <= 1600.0 * U * scale, "{name}: {grad:?} {forward:?}");

                let h = 2.0_f64.powi(-17);
                let at = |shift: f64| {
                    let mut moved = theta.clone();
                    moved[i] += shift;
                    (moved[i], loss.sample_loss(&z, &moved), third_derivative(loss, &z, &moved, i).abs())
                };
                let (low, centre, high) = (at(-h), at(0.0), at(h));
                let quotient = (high.1 - low.1) / (high.0 - low.0);
                // Truncation h^2/6 |F'''|, with half as much again for its change within +-h; roundoff of the two
                // values (50 u each, relative to the largest intermediate, below 4 max(1, |F|)) over 2h.
                let truncation = 1.5 * h * h / 6.0 * low.2.max(centre.2).max(high.2);
                let roundoff = 200.0 * U * centre.1.abs().max(1.0) / h;
                // The kink of the tanh circle's second derivative is no obstacle:
                // points within h of it do not occur here.
                assert!((grad[i] - quotient).abs() <= truncation + roundoff, "{name}: {} {quotient}", grad[i]);
            }
        }
        self.losses += 1;
    }
}

#[test]
fn gradients_match_forward_mode_and_central_differences() {
    let mut visitor = Gradients { losses: 0 };
    visit_all(&mut visitor);
    assert_eq!(visitor.losses, 15);
}

struct ScaleInvariance;

impl Visitor for ScaleInvariance {
    fn visit<L: Formula>(&mut self, name: &str, loss: &L, _constants: &Smoothness<Exact>) {
        let mut generator = Seed::new(4).generator(name);
        let layout = loss.parameters().clone();
        let mut grad = vec![0.0; layout.len()];
        for k in 0..20 {
            let (theta, z) = (point(loss, &mut generator), minibatch(loss, k));
            let value = loss.sample_gradient(&z, &theta, &mut grad, &mut Workspace::default());
            for block in layout.blocks() {
                // Multiplying by a power of two changes no rounding: bitwise equality (Definition 2.1).
                let mut scaled = theta.clone();
                scaled[block.range.clone()].iter_mut().for_each(|x| *x *= 4.0);
                assert_eq!(loss.sample_loss(&z, &scaled), loss.sample_loss(&z, &theta), "{name}");
                let mut shrunk = vec![0.0; layout.len()];
                assert_eq!(loss.sample_gradient(&z, &scaled, &mut shrunk, &mut Workspace::default()), value);
                block.range.clone().for_each(|p| assert_eq!(4.0 * shrunk[p], grad[p], "{name}: Lemma 2.2"));
                // Lemma 2.4 (1), with the catalogue's tolerance (claim 6); sums of up to ten terms of size |w||grad|,
                // where |grad| can be small by cancellation of terms up to 4.
                let w = &theta[block.range.clone()];
                let product = dot(w, &grad[block.range.clone()]);
                assert!(product.abs() <= 64.0 * U * norm_sq(w).sqrt() * 4.0, "{name}: {product:e}");
            }
        }
    }
}

#[test]
fn blocks_are_scale_invariant() {
    visit_all(&mut ScaleInvariance);
}

#[test]
fn problem_j_has_its_stated_mean_and_noise() {
    let loss = ProblemJ::default();
    let mut generator = Seed::new(5).generator("problem J");
    let (mut grad, mut scratch) = ([0.0; 5], [0.0; 5]);
    for _ in 0..20 {
        let theta = point(&loss, &mut generator);
        let mean = loss.mean_gradient(&theta, &mut grad, &mut scratch, &mut Workspace::default()).expect("finite");
        let r = norm_sq(&theta[..4]).sqrt();
        let (g, v_1) = (theta[4], theta[0] / r);
        // 32 terms of size 8 at most, each with some 20 roundings.
        let tolerance = 32.0 * 20.0 * U * 8.0;
        // The closed form of the mean is the mean over the data set.
        let (mut sum, mut sums) = (0.0, [0.0; 5]);
        for z in loss.minibatches().finite().expect("finite") {
            sum += loss.sample_gradient(z, &theta, &mut scratch, &mut Workspace::default()) / 32.0;
            sums.iter_mut().zip(&scratch).for_each(|(total, x)| *total += x / 32.0);
        }
        assert!((mean - sum).abs() <= tolerance);
        assert!(grad.iter().zip(&sums).all(|(x, y)| (x - y).abs() <= tolerance));
        assert!((mean - (0.5 * g * g - g * v_1)).abs() <= tolerance);
        assert!((grad[4] - (g - v_1)).abs() <= tolerance);
        for k in 0..4 {
            let expected = -(g / r) * (f64::from(u8::from(k == 0)) - v_1 * theta[k] / r);
            assert!((grad[k] - expected).abs() <= tolerance, "{k}");
        }
    }

    // At both minimisers: q and the variance of grad_g, exact sums over the data set in binary fractions.
    for (v_1, g) in [(1.0, 1.0), (-1.0, -1.0)] {
        let theta = [v_1, 0.0, 0.0, 0.0, g];
        let (mut q, mut variance, mut cross) = (0.0, 0.0, 0.0);
        for z in loss.minibatches().finite().expect("finite") {
            loss.sample_gradient(z, &theta, &mut grad, &mut Workspace::default());
            q += norm_sq(&grad[..4]) / 32.0;
            variance += grad[4] * grad[4] / 32.0; // grad_g L = 0 here
            cross += (grad[1] * grad[2] + grad[1] * grad[3] + grad[2] * grad[3]) / 32.0;
            assert_eq!(grad[0], 0.0, "along v");
        }
        assert_eq!((q, variance), (0.75, 0.5));
        assert_eq!(cross, 0.0, "the signs of xi are independent, not one sign repeated");
        assert_eq!((Exact(q), Exact(variance)), (loss.noise_v(), loss.noise_g_sq()));
        assert_eq!(loss.mean_gradient(&theta, &mut grad, &mut scratch, &mut Workspace::default()), Some(-0.5));
        assert_eq!(grad, [0.0; 5]);
    }

    // A minibatch of several examples has the mean of their losses.
    let theta = [0.3, -0.4, 0.5, 0.6, 0.7];
    let mean = (loss.sample_loss(&[3], &theta) + loss.sample_loss(&[22], &theta)) / 2.0;
    assert!((loss.sample_loss(&[3, 22], &theta) - mean).abs() <= 50.0 * U);
}

#[test]
fn the_tanh_circle_has_the_stated_slope_on_both_half_planes() {
    let l = 1.3;
    let loss = TanhCircle::new(l);
    let mut grad = [0.0; 2];
    for k in -314..=314 {
        let theta = f64::from(k) * 0.01;
        let w = [Scalar::cos(theta), Scalar::sin(theta)];
        loss.sample_gradient(&[0], &w, &mut grad, &mut Workspace::default());
        let slope = -w[1] * grad[0] + w[0] * grad[1];
        let half = std::f64::consts::FRAC_PI_2;
        let mirrored = if theta > half {
            2.0 * half - theta
        } else if theta < -half {
            -2.0 * half - theta
        } else {
            theta
        };
        assert!((slope - l * libm::tanh(mirrored)).abs() <= 64.0 * U, "{theta}: {slope}");
    }
    // Continuous across the second axis: the integral of f' over the two quarter turns.
    let right = loss.sample_loss(&[0], &[1e-9, 1.0]);
    let left = loss.sample_loss(&[0], &[-1e-9, 1.0]);
    assert!((left - right - 2e-9 * l * libm::tanh(std::f64::consts::FRAC_PI_2)).abs() <= 64.0 * U, "{right} {left}");
    let top = 2.0 * l * libm::log(libm::cosh(std::f64::consts::FRAC_PI_2));
    assert!((loss.sample_loss(&[0], &[-3.0, 0.0]) - top).abs() <= 64.0 * U);
}

#[test]
fn the_rounded_tanh_circle_is_twice_continuously_differentiable() {
    let (l, delta, half) = (1.3, 0.1, std::f64::consts::FRAC_PI_2);
    let loss = TanhCircle::rounded(l, delta);
    let at = |theta: f64| {
        let w = [Scalar::cos(theta), Scalar::sin(theta)];
        let mut grad = [0.0; 2];
        let value = loss.sample_gradient(&[0], &w, &mut grad, &mut Workspace::default());
        let hessian = dense_hessian(&loss, &[0], &w).matrix;
        let tangent = [-w[1], w[0]];
        let bend: f64 = (0..2).map(|i| (0..2).map(|j| tangent[i] * hessian[(i, j)] * tangent[j]).sum::<f64>()).sum();
        (value, tangent[0] * grad[0] + tangent[1] * grad[1], bend)
    };
    // |f'''| is at most L (s/delta + 2) < 3.2 L: f'' moves by no more than that, also over the second axis.
    let (h, n) = (1e-3, 6284);
    let mut last = at(0.0);
    for k in 1..=n {
        let theta = h * f64::from(k);
        let (value, slope, bend) = at(theta);
        // d2/dtheta2 of F on the circle is f''; f' and f are their integrals, by the trapezoidal rule: h^3 |f'''|/12 a
        // step.
        assert!((bend - last.2).abs() <= 3.2 * l * h, "{theta}: f'' jumps by {}", bend - last.2);
        assert!((slope - last.1 - 0.5 * h * (bend + last.2)).abs() <= 4.0 * l * h * h, "{theta}");
        assert!((value - last.0 - 0.5 * h * (slope + last.1)).abs() <= 4.0 * l * h * h * h, "{theta}");
        let norm = 0.5 * bend.abs() + (0.25 * bend * bend + slope * slope).sqrt();
        assert!(norm <= l * (1.0 + 64.0 * U), "{theta}: {norm}");
        last = (value, slope, bend);
    }
    let (_, steepest, bend) = at(half);
    assert!((steepest - loss.gradient_bound().0).abs() <= 64.0 * U && bend.abs() <= 256.0 * U * l / delta, "{bend}");
    assert!(loss.gradient_bound().0 > l * (libm::tanh(half) - 0.2 * delta));
}

#[test]
fn the_circle_stays_accurate_next_to_its_minimum() {
    // (1 - cos x)^2 = x^4/4 (1 - x^2/6 + ..); for x = 1e-6 the correction is below u.
    let loss = Circle::new(4);
    let mut grad = [0.0; 2];
    let value = loss.sample_gradient(&[0], &[1.0, 1e-6], &mut grad, &mut Workspace::default());
    // tan x = 1e-6: x^4 differs by a relative 4/3 1e-12.
    assert!((value / 2.5e-25 - 1.0).abs() <= 2e-12, "{value:e}");
    assert!((grad[1] / 1e-18 - 1.0).abs() <= 4e-12, "{grad:?}");
}

/// min over t < T of ||grad L(V; g)||^2 under gradient descent.
fn least_gradient(loss: &dyn Loss, mut theta: Vec<f64>, eta_w: f64, eta_g: f64, n_steps: usize) -> f64 {
    let layout = loss.parameters();
    let mut grad = vec![0.0; theta.len()];
    let mut work = Workspace::default();
    let mut least = f64::INFINITY;
    for _ in 0..n_steps {
        loss.sample_gradient(&[0], &theta, &mut grad, &mut work);
        least = least.min(layout.grad_v_norm_sq(&theta, &grad) + norm_sq(&grad[layout.g()]));
        for (k, partial) in grad.iter().enumerate() {
            theta[k] -= if layout.g().contains(&k) { eta_g } else { eta_w } * partial;
        }
    }
    least
}

#[test]
fn the_indexed_helix_keeps_its_gradient_at_one_over_root_2t() {
    for n_steps in [1_000, 10_000] {
        let loss = TIndexedHelix::for_steps(n_steps);
        let eta_g = 1.0 / loss.constants().l_gg.0;
        let least = least_gradient(&loss, loss.theta_0(), 1.0, eta_g, n_steps as usize);
        // In the valley's steady state (e + eta_g) x = eta_g |h'| for grad_v = x, so ||grad||^2 >= h'^2/2; g passes an
        // eighth of the ramp at most, where |h'| >= s sech^2(1/8) = 0.984 s. The start adds nothing:
        // grad_v = 0, grad_g = s there.
        let ratio = (n_steps as f64 * least).sqrt();
        let upper = std::f64::consts::FRAC_1_SQRT_2;
        assert!((0.984 * upper..=upper).contains(&ratio), "{ratio}");
    }
}

#[test]
fn the_helix_valley_has_the_catalogue_start_and_rate() {
    // a = 1: T^{-3/4}. The catalogue's fit begins at T = 1e4; from there the power law holds to a hundredth.
    let loss = HelixValley::catalogue(1.0);
    let eta_g = 1.0 / loss.constants().l_gg.0;
    let run = |n_steps| least_gradient(&loss, loss.theta_0(), 1.0, eta_g, n_steps);
    let slope = 0.5 * (run(100_000) / run(10_000)).log10();
    assert!((slope + 0.75).abs() <= 0.01, "{slope}");
}
