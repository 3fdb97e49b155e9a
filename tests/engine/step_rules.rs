//! The step rules beside the plain ones, against their definitions and against each other.

use ratecheck::descent::{Schedule, StepRule, Stepper};
use ratecheck::loss::{Over, Workspace, closed::ProblemJ};
use ratecheck::parameters::norm_sq;
use ratecheck::random::Seed;

/// Of problem J: four weights, then g.
const D: usize = 4;

fn constant(eta: f64) -> Schedule {
    Schedule::constant(eta).expect("a valid rate")
}

fn stepper(loss: &ProblemJ, rule: StepRule, eta_w: f64) -> Stepper<'_> {
    Stepper::new(loss, &loss.theta_0(), rule, constant(eta_w), constant(0.5), Seed::new(3).generator("z"))
        .keeping_theta_before()
}

/// 30 steps: w before each, the gradient there, and w at the end.
fn path(rule: StepRule, eta_w: f64) -> (Vec<[f64; D]>, Vec<[f64; D]>) {
    let loss = ProblemJ::default();
    let mut stepper = stepper(&loss, rule, eta_w);
    let block = |x: &[f64]| std::array::from_fn(|k| x[k]);
    let (mut points, mut gradients) = (vec![block(stepper.theta())], Vec::new());
    for _ in 0..30 {
        stepper.step().expect("finite");
        gradients.push(block(stepper.gradient()));
        points.push(block(stepper.theta()));
    }
    (points, gradients)
}

/// Every step moves w by -eta times the direction that `expected` makes of the gradients so far and of w, to 100
/// roundings: a sum of at most 30 gradients and a few operations more, on numbers below 4.
fn moves_against(rule: StepRule, expected: impl Fn(&[[f64; D]], [f64; D], usize) -> f64) {
    let eta = 0.3;
    let (points, gradients) = path(rule, eta);
    for t in 0..30 {
        for k in 0..D {
            let wanted = points[t][k] - eta * expected(&gradients[..=t], points[t], k);
            let error = (points[t + 1][k] - wanted).abs();
            assert!(error <= 100.0 * f64::EPSILON, "{rule:?}, step {t}: {error:e}");
        }
    }
}

/// sum over j of b^(t-j) d_j, the latest gradient last.
fn discounted(b: f64, gradients: &[[f64; D]], of: impl Fn(&[f64; D]) -> f64) -> f64 {
    gradients.iter().rev().enumerate().map(|(age, d)| b.powi(age as i32) * of(d)).sum()
}

#[test]
fn rules_move_against_what_they_say() {
    let b = 0.8;
    moves_against(StepRule::HeavyBall { b }, |d, _, k| discounted(b, d, |d| d[k]));
    moves_against(StepRule::Ema { b }, |d, _, k| (1.0 - b) * discounted(b, d, |d| d[k]));
    moves_against(StepRule::Nesterov { b }, |d, _, k| d[d.len() - 1][k] + b * discounted(b, d, |d| d[k]));
    moves_against(StepRule::Adam { b_1: 0.8, b_2: 0.9 }, |d, _, k| {
        let n = d.len() as i32;
        let mean = 0.2 * discounted(0.8, d, |d| d[k]) / (1.0 - 0.8_f64.powi(n));
        let square = 0.1 * discounted(0.9, d, |d| d[k] * d[k]) / (1.0 - 0.9_f64.powi(n));
        mean / (square.sqrt() + 1e-8)
    });
    moves_against(StepRule::Sign, |d, _, k| {
        let d = d[d.len() - 1][k];
        f64::from(i8::from(d > 0.0) - i8::from(d < 0.0))
    });
    moves_against(StepRule::Decay { lambda: 0.05 }, |d, w, k| d[d.len() - 1][k] + 0.05 * w[k]);
}

#[test]
fn without_memory_momentum_is_gradient_descent_bit_for_bit() {
    let plain = path(StepRule::Gradient, 0.3);
    for rule in [StepRule::HeavyBall { b: 0.0 }, StepRule::Ema { b: 0.0 }, StepRule::Decay { lambda: 0.0 }] {
        assert_eq!(path(rule, 0.3), plain, "{rule:?}");
    }
}

#[test]
fn nesterov_visits_the_points_of_its_original_form() {
    // y = x - eta b m; m <- b m + grad(y); x <- x - eta m: y is what the rule stores.
    let (loss, eta, b) = (ProblemJ::default(), 0.01, 0.7);
    let mut rule = stepper(&loss, StepRule::Nesterov { b }, eta);
    let (mut x, mut g, mut m) = (loss.theta_0()[..D].to_vec(), loss.theta_0()[D], vec![0.0; D]);
    let (mut y, mut grad, mut work) = (vec![0.0; D + 1], vec![0.0; D + 1], Workspace::default());
    for t in 0..30 {
        for k in 0..D {
            y[k] = x[k] - eta * b * m[k];
        }
        y[D] = g;
        // L < 6 here (2 K b/sqrt(3) with K = sqrt(3) + 1/2 and b = sqrt(3); |w| stays above 1), so that errors of 1e-15
        // a step grow by at most 1 + eta L/(1-b) = 1.2 a step: 30 * 1e-15 * 1.2^30 < 1e-11.
        let gap: Vec<f64> = y.iter().zip(rule.theta()).map(|(a, b)| a - b).collect();
        assert!(norm_sq(&gap).sqrt() < 1e-11, "{t}: {gap:?}");
        let z = [t * 7 % 32];
        loss.sample_gradient(&z, &y, &mut grad, &mut work);
        for k in 0..D {
            m[k] = b * m[k] + grad[k];
            x[k] -= eta * m[k];
        }
        g -= 0.5 * grad[D];
        rule.step_with(&z).expect("finite");
    }
}

#[test]
fn a_restart_forgets_and_a_given_momentum_is_used() {
    let loss = ProblemJ::default();
    for rule in [StepRule::HeavyBall { b: 0.9 }, StepRule::Nesterov { b: 0.9 }, StepRule::Adam { b_1: 0.9, b_2: 0.99 }]
    {
        let mut fresh = stepper(&loss, rule, 0.3);
        let mut again = stepper(&loss, rule, 0.3);
        (0..9).for_each(|z| assert!(again.step_with(&[z]).is_ok()));
        again.restart(&loss.theta_0(), 0);
        for z in 0..9 {
            fresh.step_with(&[z]).expect("finite");
            again.step_with(&[z]).expect("finite");
        }
        assert_eq!(fresh.theta(), again.theta());
        assert_eq!(fresh.momentum()[D], 0.0, "g has none");
    }
    // The first step from m_0 = w_0 with b = 1/2 is that from 0, and -eta w_0/2 more: exact up to two roundings of
    // numbers below 2.
    let rule = StepRule::HeavyBall { b: 0.5 };
    let (mut plain, mut pushed) = (stepper(&loss, rule, 1.0), stepper(&loss, rule, 1.0).with_momentum(&loss.theta_0()));
    plain.step_with(&[5]).expect("finite");
    pushed.step_with(&[5]).expect("finite");
    for k in 0..D {
        let expected = plain.theta()[k] - 0.5 * loss.theta_0()[k];
        assert!((pushed.theta()[k] - expected).abs() <= 2.0 * f64::EPSILON);
    }
    assert!(stepper(&loss, StepRule::Sign, 1.0).momentum().is_empty());
}

#[test]
fn rates_may_change_at_every_step() {
    let loss = ProblemJ::default();
    let mut stepper = stepper(&loss, StepRule::Gradient, 1.0);
    for (z, eta) in [0.5, 4.0, 0.125].into_iter().enumerate() {
        stepper.set_rates(constant(eta), constant(0.25));
        let before = stepper.theta().to_vec();
        let step = stepper.step_with(&[z]).expect("finite");
        assert_eq!((step.eta_w, step.eta_g), (eta, 0.25));
        for k in 0..=D {
            let rate = if k < D { eta } else { 0.25 };
            assert_eq!(stepper.theta()[k], before[k] - rate * stepper.gradient()[k]);
        }
    }
}
