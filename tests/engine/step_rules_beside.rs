//! Weight decay beside step rules, rules with a divisor, and rates that grow, against their definitions.

use ratecheck::descent::{Plan, Schedule, Step, StepRule, Stepper, WeightDecay, run};
use ratecheck::loss::closed::ProblemJ;
use ratecheck::parameters::norm_sq;
use ratecheck::random::Seed;

/// Of problem J: four weights, then g.
const D: usize = 4;
const LAMBDA: f64 = 0.05;
const COUPLED: WeightDecay = WeightDecay::Coupled { lambda: LAMBDA };
const DECOUPLED: WeightDecay = WeightDecay::Decoupled { lambda: LAMBDA };

fn constant(eta: f64) -> Schedule {
    Schedule::constant(eta).expect("a valid rate")
}

fn stepper(loss: &ProblemJ, rule: StepRule, decay: WeightDecay, eta_w: Schedule) -> Stepper<'_> {
    Stepper::new(loss, &loss.theta_0(), rule, eta_w, constant(0.5), Seed::new(3).generator("z")).decaying(decay)
}

/// 30 steps of eta_w = 0.3: w before each, the gradient there, and w at the end; with what `also` sees after each.
fn path(rule: StepRule, decay: WeightDecay, mut also: impl FnMut(&Stepper<'_>)) -> (Vec<[f64; D]>, Vec<[f64; D]>) {
    let loss = ProblemJ::default();
    let mut stepper = stepper(&loss, rule, decay, constant(ETA));
    let block = |x: &[f64]| std::array::from_fn(|k| x[k]);
    let (mut points, mut gradients) = (vec![block(stepper.theta())], Vec::new());
    for _ in 0..30 {
        stepper.step().expect("finite");
        also(&stepper);
        gradients.push(block(stepper.gradient()));
        points.push(block(stepper.theta()));
    }
    (points, gradients)
}

const ETA: f64 = 0.3;

/// The definitions, three lines each, bit for bit: the same few operations in the same order.
#[test]
fn rules_with_a_divisor_are_their_recursions() {
    let b_0 = 0.75;
    let mut divisors = Vec::new();
    let (w, grad) = path(StepRule::WnGrad { b_0 }, WeightDecay::None, |s| divisors.push(s.divisor(0)));
    let mut b = b_0;
    for t in 0..30 {
        b += norm_sq(&grad[t]) / b;
        let expected: [f64; D] = std::array::from_fn(|k| w[t][k] - ETA / b * grad[t][k]);
        assert_eq!((w[t + 1], divisors[t]), (expected, Some(b)), "WNGrad, step {t}");
    }
    divisors.clear();
    let (w, grad) = path(StepRule::AdaGradNorm { b_0 }, WeightDecay::None, |s| divisors.push(s.divisor(0)));
    let mut b_sq = b_0 * b_0;
    for t in 0..30 {
        b_sq += norm_sq(&grad[t]);
        let expected: [f64; D] = std::array::from_fn(|k| w[t][k] - ETA / b_sq.sqrt() * grad[t][k]);
        assert_eq!((w[t + 1], divisors[t]), (expected, Some(b_sq.sqrt())), "AdaGrad-norm, step {t}");
    }
    // A b so large that no gradient counts beside it is a smaller rate: 2^60 swallows what is below 2^7.
    let b_0 = 2.0_f64.powi(60);
    let loss = ProblemJ::default();
    let mut plain = stepper(&loss, StepRule::Gradient, WeightDecay::None, constant(ETA));
    let mut divided = stepper(&loss, StepRule::WnGrad { b_0 }, WeightDecay::None, constant(ETA * b_0));
    for _ in 0..30 {
        assert_eq!(plain.step(), divided.step().map(|step| Step { eta_w: ETA, ..step }));
        assert_eq!(plain.theta(), divided.theta());
    }
}

/// With a coupled decay everything that a rule makes of gradients it makes of grad + lambda w.
#[test]
fn decays_are_where_they_are_said_to_be() {
    let b = 0.8;
    for (decay, coupled) in [(COUPLED, true), (DECOUPLED, false)] {
        let given = |w: &[[f64; D]], d: &[[f64; D]], t: usize, k: usize| {
            if coupled { d[t][k] + LAMBDA * w[t][k] } else { d[t][k] }
        };
        let rest = |w: &[[f64; D]], t: usize, k: usize| if coupled { 0.0 } else { LAMBDA * w[t][k] };
        // 100 roundings of numbers below 4, as in the tests of the plain rules.
        let close = |x: f64, y: f64, what: &str| assert!((x - y).abs() <= 100.0 * f64::EPSILON, "{what}: {x} {y}");
        let (w, d) = path(StepRule::HeavyBall { b }, decay, |_| ());
        for t in 0..30 {
            for k in 0..D {
                let m: f64 = (0..=t).map(|j| b.powi((t - j) as i32) * given(&w, &d, j, k)).sum();
                close(w[t + 1][k], w[t][k] - ETA * (m + rest(&w, t, k)), "heavy ball");
            }
        }
        let (w, d) = path(StepRule::Sign, decay, |_| ());
        for t in 0..30 {
            for k in 0..D {
                let along = given(&w, &d, t, k);
                let sign = f64::from(i8::from(along > 0.0) - i8::from(along < 0.0));
                let step = sign + rest(&w, t, k);
                close(w[t + 1][k], w[t][k] - ETA * step, "signs");
            }
        }
        let (w, d) = path(StepRule::AdaGradNorm { b_0: 1.0 }, decay, |_| ());
        for t in 0..30 {
            let sq = |j: usize| (0..D).map(|k| given(&w, &d, j, k).powi(2)).sum::<f64>();
            let divisor = (1.0 + (0..=t).map(sq).sum::<f64>()).sqrt();
            for k in 0..D {
                let step = given(&w, &d, t, k) / divisor + rest(&w, t, k);
                close(w[t + 1][k], w[t][k] - ETA * step, "AdaGrad-norm");
            }
        }
    }
    // The rule that decays by itself is the plain one with a coupled decay, bit for bit.
    let by_itself = path(StepRule::Decay { lambda: LAMBDA }, WeightDecay::None, |_| ());
    assert_eq!(by_itself, path(StepRule::Gradient, COUPLED, |_| ()));
}

/// Coupled and decoupled decay are one rule where a step is its rate times the gradient, and no other.
#[test]
fn decays_agree_where_theory_says_so_alone() {
    let apart = |rule| {
        let ends = [COUPLED, DECOUPLED].map(|decay| path(rule, decay, |_| ()).0[30]);
        (0..D).map(|k| (ends[0][k] - ends[1][k]).powi(2)).sum::<f64>().sqrt()
    };
    // Two or three roundings of numbers below 4 a step, 1e-15, that grow by at most 1 + eta L < 3 a step at L < 6 and
    // |w| > 1/2 (30 steps of decay leave 0.63 of it): on this path by far less than 3^30, and 1e-11 is what is allowed.
    for rule in [StepRule::Gradient, StepRule::Projected, StepRule::Adaptive] {
        assert!(apart(rule) <= 1e-11, "{rule}: {:e}", apart(rule));
    }
    // One step sets them apart by about eta lambda |w| = 0.015 times what the rule makes of lambda w.
    for rule in [
        StepRule::HeavyBall { b: 0.8 },
        StepRule::Ema { b: 0.8 },
        StepRule::Nesterov { b: 0.8 },
        StepRule::Adam { b_1: 0.8, b_2: 0.9 },
        StepRule::Sign,
        StepRule::WnGrad { b_0: 1.0 },
        StepRule::AdaGradNorm { b_0: 1.0 },
    ] {
        assert!(apart(rule) >= 1e-4, "{rule}: {:e}", apart(rule));
    }
}

/// Theorem 2.5 with decay: v and G of the adaptive rule are w/||w|| and ||w||^2 of the plain one.
#[test]
fn the_adaptive_rule_decays_as_w_does() {
    let loss = ProblemJ::default();
    let mut plain = stepper(&loss, StepRule::Gradient, COUPLED, constant(ETA));
    let mut adaptive = stepper(&loss, StepRule::Adaptive, COUPLED, constant(ETA));
    for t in 0..30 {
        let (n, g) = (plain.w_norm_sq()[0], adaptive.w_norm_sq()[0]);
        // As above.
        assert!((g / n - 1.0).abs() <= 1e-11, "{t}: {n} {g}");
        for k in 0..D {
            assert!((plain.theta()[k] / n.sqrt() - adaptive.theta()[k]).abs() <= 1e-11);
        }
        plain.step().expect("finite");
        adaptive.step().expect("finite");
    }
}

/// The angle that is recorded is that of the step, decays and divisors included.
#[test]
fn angles_know_of_decays_and_divisors() {
    let loss = ProblemJ::default();
    let rules = [
        (StepRule::WnGrad { b_0: 0.5 }, WeightDecay::None),
        (StepRule::AdaGradNorm { b_0: 0.5 }, COUPLED),
        (StepRule::WnGrad { b_0: 0.5 }, DECOUPLED),
        (StepRule::HeavyBall { b: 0.8 }, DECOUPLED),
        (StepRule::Adaptive, DECOUPLED),
        (StepRule::Gradient, COUPLED),
    ];
    for (rule, decay) in rules {
        let plan = Plan::new(rule, constant(ETA), constant(0.5), 6, 0..6).decaying(decay);
        let trace = run(&loss, &loss.theta_0(), &plan, Seed::new(3).generator("z"));
        let mut stepper = plan.stepper(&loss, &loss.theta_0(), Seed::new(3).generator("z"));
        for record in &trace.records[..6] {
            assert_eq!(record.effective_lr[0], stepper.effective_lr(0, ETA));
            let unit = |s: &Stepper<'_>| {
                let norm = norm_sq(&s.theta()[..D]).sqrt();
                s.theta()[..D].iter().map(|x| x / norm).collect::<Vec<_>>()
            };
            let before = unit(&stepper);
            stepper.step().expect("finite");
            let after = unit(&stepper);
            let of = |sign: f64| (0..D).map(|k| (after[k] + sign * before[k]).powi(2)).sum::<f64>().sqrt();
            // As for the plain rules: unit vectors are off by a few u each.
            let angle = 2.0 * libm::atan2(of(-1.0), of(1.0));
            assert!(
                (record.angular_update[0] - angle).abs() <= 10.0 * f64::EPSILON,
                "{rule}, {decay}: {record:?} {angle}"
            );
        }
        let last = trace.records[6].effective_lr[0];
        let b = stepper.divisor(0).unwrap_or(1.0);
        // Two divisions in either order.
        assert!((last * b * stepper.w_norm_sq()[0] / ETA - 1.0).abs() <= 4.0 * f64::EPSILON, "{rule}");
    }
}

#[test]
fn a_restart_forgets_every_divisor() {
    let loss = ProblemJ::default();
    for rule in [StepRule::WnGrad { b_0: 0.5 }, StepRule::AdaGradNorm { b_0: 0.5 }] {
        let begin = || stepper(&loss, rule, COUPLED, constant(ETA));
        let (mut fresh, mut again) = (begin(), begin());
        (0..9).for_each(|z| assert!(again.step_with(&[z]).is_ok()));
        again.restart(&loss.theta_0(), 0);
        assert_eq!(again.divisor(0), Some(0.5));
        for z in 0..9 {
            assert_eq!(fresh.step_with(&[z]), again.step_with(&[z]));
        }
        assert_eq!((fresh.theta(), fresh.divisor(0)), (again.theta(), again.divisor(0)));
        assert_eq!(fresh.divisor(1), None, "g has none");
    }
    assert_eq!(stepper(&loss, StepRule::Sign, COUPLED, constant(ETA)).divisor(0), None);
    // A divisor that overflows leaves nothing that could go on.
    let mut stuck = stepper(&loss, StepRule::WnGrad { b_0: f64::MIN_POSITIVE / 8.0 }, WeightDecay::None, constant(ETA));
    assert!(stuck.step().is_err());
}

/// Li & Arora 2019, in bits: with rho = 1 - eta lambda = 1/2, u_t = 2^t w_t under the rate (eta/rho) (rho^-2)^t.
#[test]
fn a_decay_is_a_rate_that_grows() {
    let loss = ProblemJ::default();
    for decay in [WeightDecay::Decoupled { lambda: 1.0 }, WeightDecay::Coupled { lambda: 1.0 }] {
        let mut decayed = stepper(&loss, StepRule::Gradient, decay, constant(0.5));
        let mut grown =
            stepper(&loss, StepRule::Gradient, WeightDecay::None, constant(1.0).growing(4.0).expect("valid"));
        for t in 0..100 {
            decayed.step().expect("finite");
            grown.step().expect("finite");
            for k in 0..D {
                let (u, w) = (grown.theta()[k], 2.0_f64.powi(t + 1) * decayed.theta()[k]);
                // A coupled decay rounds grad + w before it is halved: not the same operations.
                if matches!(decay, WeightDecay::Decoupled { .. }) {
                    assert_eq!(u, w, "step {t}");
                } else if t < 10 {
                    assert!((u - w).abs() <= 1e-11 * 2.0_f64.powi(t), "step {t}: {u} {w}");
                }
            }
        }
    }
    // Heavy ball keeps its b: with a the root, m_0 = -(1 - a) u_0/(eta a) is the step from u_{-1} = a u_0.
    let (b, eta, lambda) = (0.5, 0.3, 0.1);
    let sum: f64 = 1.0 + b - eta * lambda;
    let a = (sum + (sum * sum - 4.0 * b).sqrt()) / 2.0;
    let rule = StepRule::HeavyBall { b };
    let mut decayed = stepper(&loss, rule, WeightDecay::Coupled { lambda }, constant(eta));
    let rate = constant(eta / a).growing(a.powi(-2)).expect("valid");
    let m_0: Vec<f64> = loss.theta_0().iter().map(|w| -(1.0 - a) / (eta * a) * w).collect();
    let mut grown = stepper(&loss, rule, WeightDecay::None, rate).with_momentum(&m_0);
    for t in 1..=20 {
        decayed.step().expect("finite");
        grown.step().expect("finite");
        for k in 0..D {
            let w = a.powi(t) * grown.theta()[k];
            // Some 20 roundings of numbers below 8 a step, and what the path makes of them: measured 1e-14.
            assert!((w - decayed.theta()[k]).abs() <= 1e-12, "step {t}: {w} {}", decayed.theta()[k]);
        }
    }
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    for rule in [
        StepRule::HeavyBall { b: 1.0 },
        StepRule::Ema { b: -0.1 },
        StepRule::Nesterov { b: f64::NAN },
        StepRule::Adam { b_1: 0.9, b_2: 1.0 },
        StepRule::Decay { lambda: f64::INFINITY },
        StepRule::WnGrad { b_0: 0.0 },
        StepRule::AdaGradNorm { b_0: f64::NAN },
    ] {
        assert!(rule.validated().is_err(), "{rule}");
    }
    assert!(WeightDecay::Decoupled { lambda: -1.0 }.validated().is_err());
    let said = WeightDecay::Coupled { lambda: -1.0 }.validated().map_err(|error| error.to_string());
    assert_eq!(said, Err("the weight decay lambda = -1 is not finite and at least 0".to_owned()));
    assert_eq!(WeightDecay::default().validated(), Ok(WeightDecay::None));
    let said = StepRule::WnGrad { b_0: -2.0 }.validated().map_err(|error| error.to_string());
    assert_eq!(said, Err("b_0 = -2 is not positive and finite".to_owned()));
}

#[test]
#[should_panic(expected = "the rule decays by itself")]
fn two_decays_are_refused() {
    stepper(&ProblemJ::default(), StepRule::Decay { lambda: 0.1 }, COUPLED, constant(ETA));
}
