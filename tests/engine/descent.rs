//! Steps and runs against what the paper says of one step, against brute force, and against themselves bit for bit.

use ratecheck::descent::{
    Divergence, LossSource, NotFinite, Plan, Record, Schedule, StepRule, Stepper, Trace, run, run_many,
};
use ratecheck::loss::{Formula, Loss, Minibatches, Over, Workspace};
use ratecheck::parameters::{Parameters, norm_sq};
use ratecheck::random::{Generator, Seed};
use ratecheck::scalar::Scalar;

/// A loss given by its value alone.
struct Given<F> {
    layout: Parameters,
    z: Minibatches,
    value: F,
}

/// What `Given` holds: functions cannot be generic over the scalar, types can.
trait Value: Send + Sync {
    fn of<S: Scalar>(&self, z: &[usize], theta: &[S]) -> S;
}

impl<F: Value> Formula for Given<F> {
    fn layout(&self) -> &Parameters {
        &self.layout
    }
    fn distribution(&self) -> &Minibatches {
        &self.z
    }
    fn value<S: Scalar>(&self, z: &[usize], theta: &[S]) -> S {
        self.value.of(z, theta)
    }
}

/// w'Aw/w'w with A = diag(0, 1, .., d-1)/(d-1), summed over two blocks of R^5 or over one of R^10.
struct Rayleigh(usize);

impl Value for Rayleigh {
    fn of<S: Scalar>(&self, _z: &[usize], theta: &[S]) -> S {
        let mut total = S::ZERO;
        for w in theta.chunks_exact(self.0) {
            let (mut above, mut below) = (S::ZERO, S::ZERO);
            for (i, &x) in w.iter().enumerate() {
                above += (x * x).scale(i as f64 / (self.0 - 1) as f64);
                below += x * x;
            }
            total += above / below;
        }
        total
    }
}

fn rayleigh() -> Given<Rayleigh> {
    Given { layout: Parameters::new([("w", 10)], 0), z: Minibatches::full(1), value: Rayleigh(10) }
}

fn two_blocks() -> Given<Rayleigh> {
    Given { layout: Parameters::new([("u", 5), ("w", 5)], 0), z: Minibatches::full(1), value: Rayleigh(5) }
}

/// One neuron with batch normalisation on whitened inputs: g^2/2 - g c_z'v, the mean of c_z over z.
struct Neuron(Vec<[f64; 4]>);

impl Value for Neuron {
    fn of<S: Scalar>(&self, z: &[usize], theta: &[S]) -> S {
        let (w, g) = (&theta[..4], theta[4]);
        let (mut along, mut below) = (S::ZERO, S::ZERO);
        for (i, &x) in w.iter().enumerate() {
            let c: f64 = z.iter().map(|&example| self.0[example][i]).sum();
            along += x.scale(c / z.len() as f64);
            below += x * x;
        }
        (g * g).scale(0.5) - g * along / below.sqrt()
    }
}

const TARGETS: [[f64; 4]; 3] = [[1.0, 0.5, 0.0, -0.25], [0.75, -0.5, 0.5, 0.0], [1.25, 0.0, -0.5, 0.25]];

fn neuron(z: Minibatches) -> Given<Neuron> {
    Given { layout: Parameters::new([("w", 4)], 1), z, value: Neuron(TARGETS.to_vec()) }
}

fn noisy() -> Given<Neuron> {
    neuron(Minibatches::partition(vec![2, 0, 1], 1).expect("three minibatches of one"))
}

/// w^2/2 on one number, not scale invariant: w_{t+1} = (1 - eta) w_t.
struct Quadratic;

impl Value for Quadratic {
    fn of<S: Scalar>(&self, _z: &[usize], theta: &[S]) -> S {
        (theta[0] * theta[0]).scale(0.5)
    }
}

const W_0: [f64; 10] = [0.8, -0.3, 0.5, 0.1, -0.7, 0.4, 0.2, -0.6, 0.3, 0.9];
const THETA_0: [f64; 5] = [0.3, -0.8, 0.4, 0.6, 0.7];

fn constant(eta: f64) -> Schedule {
    Schedule::constant(eta).expect("a valid rate")
}

fn decaying(eta: f64, alpha: f64) -> Schedule {
    Schedule::new(eta, alpha).expect("a valid schedule")
}

fn draws() -> Generator {
    Seed::new(5).generator("descent")
}

fn stepper<'a>(loss: &'a dyn Loss, theta_0: &[f64], rule: StepRule, eta_w: f64) -> Stepper<'a> {
    Stepper::new(loss, theta_0, rule, constant(eta_w), constant(0.5), draws()).keeping_theta_before()
}

fn bits(x: &[f64]) -> Vec<u64> {
    x.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn gradient_steps_obey_pythagoras() {
    // n' - n - eta^2 q = -2 eta <w, grad> + rounding. A component of grad is a difference of two terms of size at most
    // 2|w_i|/n, each off by about 2d + 4 roundings, so |<w, grad>| <= 2(2d + 4) * 2 u = 96 u for d = 10; and summing n'
    // and n costs d u n' each. With eta <= n: 2 * 96 u n + 2d u n' < 240 u n' < 3e-14 n'.
    for eta_w in [1e-2, 0.3, 1.0] {
        for loss in [rayleigh(), two_blocks()] {
            let mut stepper = stepper(&loss, &W_0, StepRule::Gradient, eta_w);
            for _ in 0..50 {
                let n = stepper.w_norm_sq().to_vec();
                stepper.step().expect("finite");
                for i in 0..n.len() {
                    let after = norm_sq(&stepper.theta()[loss.layout.block(i)]);
                    assert_eq!(after.to_bits(), stepper.w_norm_sq()[i].to_bits());
                    let expected = n[i] + eta_w * eta_w * stepper.gradient_norm_sq()[i];
                    assert!((after - expected).abs() <= 1e-13 * after, "{after} {expected}");
                }
            }
        }
    }
}

#[test]
fn projected_steps_keep_every_norm() {
    let loss = two_blocks();
    let mut stepper = stepper(&loss, &W_0, StepRule::Projected, 0.7);
    let n_0 = stepper.w_norm_sq().to_vec();
    for _ in 0..100 {
        stepper.step().expect("finite");
        for (i, n) in n_0.iter().enumerate() {
            // A norm of 5 entries is off by 4u at most, the factor by 4u, the entries by u, all twice in the square.
            let kept = norm_sq(&stepper.theta()[loss.layout.block(i)]);
            assert!((kept - n).abs() <= 20.0 * f64::EPSILON * n, "{kept} {n}");
        }
    }
    assert_eq!(stepper.w_norm_sq(), n_0);
    // Against the definition, one step: w - eta grad, then back to the norm it had.
    let before = stepper.theta().to_vec();
    stepper.step().expect("finite");
    assert_eq!(stepper.theta_before(), Some(&before[..]));
    for i in 0..2 {
        let block = loss.layout.block(i);
        let moved: Vec<f64> = block.clone().map(|k| before[k] - 0.7 * stepper.gradient()[k]).collect();
        let factor = (n_0[i] / norm_sq(&moved)).sqrt();
        assert_eq!(stepper.theta()[block], moved.iter().map(|x| x * factor).collect::<Vec<_>>());
    }
}

#[test]
fn the_adaptive_form_makes_the_same_step() {
    // Theorem 2.5. One step at a time: over many, rounding grows as the descent itself is unstable.
    for eta_w in [1e-2, 1.0, 30.0] {
        let loss = noisy();
        let mut plain = stepper(&loss, &THETA_0, StepRule::Gradient, eta_w);
        let mut adaptive = stepper(&loss, &THETA_0, StepRule::Adaptive, eta_w);
        for t in 0..60 {
            adaptive.restart(plain.theta(), t);
            let z = [t as usize % 3];
            let (a, b) = (plain.step_with(&z).expect("finite"), adaptive.step_with(&z).expect("finite"));
            assert_eq!((a.t, b.t), (t, t));
            let close = |x: f64, y: f64| (x - y).abs() <= 1e-13 * x.abs().max(1.0);
            assert!(close(a.loss, b.loss) && close(a.grad_v_sq, b.grad_v_sq) && close(a.grad_g_sq, b.grad_g_sq));
            let unit = loss.layout.theta_unit(plain.theta());
            assert!(unit.iter().zip(adaptive.theta()).all(|(&x, &y)| close(x, y)), "{unit:?} {:?}", adaptive.theta());
            assert!((plain.w_norm_sq()[0] / adaptive.w_norm_sq()[0] - 1.0).abs() <= 1e-13);
        }
    }
}

#[test]
fn a_scaled_start_with_a_scaled_rate_is_the_same_run_bit_for_bit() {
    // (C w_0, eta) and (w_0, eta/C^2), C a power of 2: every operation scales exactly.
    let loss = noisy();
    let (eta_w, eta_g) = (decaying(3.0, 0.25), decaying(0.5, 0.5));
    let momentum = [StepRule::HeavyBall { b: 0.9 }, StepRule::Ema { b: 0.9 }, StepRule::Nesterov { b: 0.9 }];
    for rule in [StepRule::Gradient, StepRule::Projected, StepRule::Adaptive].into_iter().chain(momentum) {
        for c in [4.0, 0.5] {
            let plan = |eta_w| Plan::new(rule, eta_w, eta_g, 300, [0, 1, 10, 100]).every_step();
            let scaled: Vec<f64> = THETA_0.iter().enumerate().map(|(i, x)| if i < 4 { c * x } else { *x }).collect();
            let a = run(&loss, &scaled, &plan(eta_w), draws());
            let b = run(&loss, &THETA_0, &plan(decaying(3.0 / (c * c), 0.25)), draws());
            let factor = if rule == StepRule::Adaptive { 1.0 } else { c };
            let expected: Vec<f64> =
                b.theta.iter().enumerate().map(|(i, x)| if i < 4 { factor * x } else { *x }).collect();
            assert_eq!(bits(&a.theta), bits(&expected));
            for (x, y) in a.records.iter().zip(&b.records) {
                let rescaled = Record { w_norm_sq: vec![c * c * y.w_norm_sq[0]], ..y.clone() };
                assert_eq!(*x, rescaled);
            }
        }
    }
}

/// The run written out by hand: theta and L's gradient at every step.
fn by_hand(loss: &Given<Neuron>, eta_w: Schedule, eta_g: Schedule, n_steps: u64) -> (Vec<f64>, Vec<(f64, f64, f64)>) {
    let (mut generator, mut scratch, mut work) = (draws(), Vec::new(), Workspace::default());
    let (mut theta, mut grad) = (THETA_0.to_vec(), vec![0.0; 5]);
    let mut means = Vec::new();
    for t in 0..=n_steps {
        let (mut mean, mut value) = (vec![0.0; 5], 0.0);
        let batches: Vec<Vec<usize>> = loss.z.finite().expect("finite").map(<[usize]>::to_vec).collect();
        for z in &batches {
            value += loss.sample_gradient(z, &theta, &mut grad, &mut work) / batches.len() as f64;
            mean.iter_mut().zip(&grad).for_each(|(m, d)| *m += d / batches.len() as f64);
        }
        means.push((value, loss.layout.grad_v_norm_sq(&theta, &mean), mean[4] * mean[4]));
        let z = loss.z.draw(&mut generator, &mut scratch);
        loss.sample_gradient(z, &theta, &mut grad, &mut work);
        if t < n_steps {
            for k in 0..5 {
                theta[k] -= if k < 4 { eta_w.at(t) } else { eta_g.at(t) } * grad[k];
            }
        }
    }
    (theta, means)
}

#[test]
fn runs_and_their_sums_agree_with_brute_force() {
    let (eta_w, eta_g, n_steps) = (decaying(1.0, 0.125), decaying(0.5, 0.5), 200);
    let plan = Plan::new(StepRule::Gradient, eta_w, eta_g, n_steps, [0, 1, 7, 50]);
    assert_eq!(plan.n_steps(), n_steps);
    for (loss, plan) in [(noisy(), plan.clone().every_step()), (neuron(Minibatches::full(3)), plan.clone())] {
        let trace = run(&loss, &THETA_0, &plan, draws());
        let (theta, means) = by_hand(&loss, eta_w, eta_g, n_steps);
        assert_eq!(bits(&trace.theta), bits(&theta), "the path");
        assert_eq!(trace.records.iter().map(|r| r.t).collect::<Vec<_>>(), [0, 1, 7, 50, 200]);
        for record in &trace.records {
            // The mean is x/3 here and x * (1/3) there, and at most 200 terms are summed: relative 200 u < 1e-13 of the
            // terms, which are below 10.
            let close = |x: f64, y: f64| (x - y).abs() <= 1e-13 * y.abs().max(10.0);
            let (past, now) = means.split_at(record.t as usize);
            assert!(close(record.loss, now[0].0) && close(record.grad_v_sq, now[0].1));
            assert!(close(record.grad_g_sq, now[0].2) && record.source == LossSource::Exact);
            assert!(close(record.grad_sq(), now[0].1 + now[0].2));
            let sums = record.running.as_ref().expect("every step was looked at");
            assert!(close(sums.sum_grad_v_sq, past.iter().map(|m| m.1).sum()));
            assert!(close(sums.sum_grad_g_sq, past.iter().map(|m| m.2).sum()));
            assert_eq!(sums.sum_grad_v_sq_by_block, [sums.sum_grad_v_sq]);
            let least = past.iter().map(|m| m.1 + m.2).fold(f64::INFINITY, f64::min);
            assert!(sums.min_grad_sq == least || close(sums.min_grad_sq, least), "{} {least}", sums.min_grad_sq);
            assert_eq!(record.effective_lr[0], eta_w.at(record.t) / record.w_norm_sq[0]);
        }
    }
    // Looking at L never changes the path, and without looking at every step there are no sums to misread.
    let (seldom, often) = (run(&noisy(), &THETA_0, &plan, draws()), plan.every_step());
    assert_eq!(bits(&seldom.theta), bits(&run(&noisy(), &THETA_0, &often, draws()).theta));
    assert!(seldom.records.iter().all(|record| record.running.is_none()));
}

#[test]
fn angles_are_those_between_successive_directions() {
    let loss = two_blocks();
    let plain = [(StepRule::Gradient, 3.0), (StepRule::Projected, 0.1), (StepRule::Adaptive, 1e-5)];
    let others =
        [(StepRule::Nesterov { b: 0.9 }, 0.1), (StepRule::Adam { b_1: 0.9, b_2: 0.99 }, 0.1), (StepRule::Sign, 0.1)];
    for (rule, eta_w) in plain.into_iter().chain(others) {
        let plan = Plan::new(rule, constant(eta_w), constant(1.0), 5, 0..5);
        let trace = run(&loss, &W_0, &plan, draws());
        let mut stepper = stepper(&loss, &W_0, rule, eta_w);
        for record in &trace.records[..5] {
            let before = loss.layout.theta_unit(stepper.theta());
            stepper.step().expect("finite");
            let after = loss.layout.theta_unit(stepper.theta());
            for i in 0..2 {
                // 2 atan(|a - b|/|a + b|) of unit vectors that are each off by a few u, hence an absolute error of 10u.
                let of = |sign: f64| {
                    let parts = loss.layout.block(i).map(|k| after[k] + sign * before[k]);
                    parts.map(|x| x * x).sum::<f64>().sqrt()
                };
                let angle = 2.0 * libm::atan2(of(-1.0), of(1.0));
                assert!((record.angular_update[i] - angle).abs() <= 10.0 * f64::EPSILON, "{record:?} {angle}");
            }
        }
    }
}

#[test]
fn divergence_is_seen_in_its_step_and_the_run_stops() {
    let quadratic = |layout| Given { layout, z: Minibatches::full(1), value: Quadratic };
    let (as_g, as_block) = (quadratic(Parameters::new::<&str>([], 1)), quadratic(Parameters::new([("w", 1)], 0)));
    let plan = Plan::new(StepRule::Gradient, constant(3.0), constant(3.0), 10_000, [100, 256, 511, 512, 1000]);
    // eta = 3: theta_t = (-2)^t, and theta_512^2 = 2^1024 is the first square beyond the largest double:
    // step 511 makes it.
    let diverged = Divergence { step: 511, what: NotFinite::Parameters };
    let trace = run(&as_g, &[1.0], &plan, draws());
    assert_eq!((trace.divergence, trace.records.len(), trace.theta[0]), (Some(diverged), 3, 2.0_f64.powi(512)));
    assert_eq!((trace.records[2].t, trace.records[2].loss), (511, 0.5 * 2.0_f64.powi(1022)));
    // In a block, ||grad_v||^2 = w^2 grad^2 = w^4 is what overflows first, at 2^256.
    let trace = run(&as_block, &[1.0], &plan, draws());
    assert_eq!(trace.divergence, Some(Divergence { step: 256, what: NotFinite::Gradient }));
    assert_eq!((trace.records.len(), trace.theta[0]), (1, 2.0_f64.powi(256)));
    // Once is for ever, until a new start.
    let mut stepper = Stepper::new(&as_g, &[1.0], StepRule::Gradient, constant(3.0), constant(3.0), draws());
    assert_eq!(stepper.divergence(), None);
    assert_eq!((0..600).find_map(|_| stepper.step().err()), Some(diverged));
    assert_eq!(stepper.divergence(), Some(diverged));
    assert_eq!(diverged.to_string(), "diverged in step 511: the next theta is not finite");
    assert_eq!((stepper.step(), stepper.step_with(&[0]), stepper.t()), (Err(diverged), Err(diverged), 511));
    stepper.restart(&[1.0], 0);
    assert_eq!(stepper.step().map(|step| step.loss), Ok(0.5));
    // eta = 1 makes w zero: a step, but nothing to project.
    for (rule, expected) in [(StepRule::Gradient, None), (StepRule::Projected, Some(0)), (StepRule::Adaptive, Some(0))]
    {
        let plan = Plan::new(rule, constant(1.0), constant(1.0), 1, []);
        let expected = expected.map(|step| Divergence { step, what: NotFinite::Parameters });
        assert_eq!(run(&as_block, &[1.0], &plan, draws()).divergence, expected);
    }
}

/// The first coordinate as it is, except that it is not a number, or its derivative, where `from` says.
struct Trap {
    from: f64,
    value_too: bool,
}

impl Value for Trap {
    fn of<S: Scalar>(&self, z: &[usize], theta: &[S]) -> S {
        let x = theta[0];
        if x.value() >= self.from || (z == [1] && self.from == 0.0) {
            // sqrt has an infinite slope at 0, and 0 * infinity is not a number.
            return if self.value_too { x.scale(f64::NAN) } else { x.scale(0.0).sqrt() };
        }
        -x
    }
}

#[test]
fn what_is_not_a_number_is_never_hidden() {
    let layout = || Parameters::new::<&str>([], 1);
    for (value_too, what) in [(true, NotFinite::Loss), (false, NotFinite::Gradient)] {
        let loss = Given { layout: layout(), z: Minibatches::full(1), value: Trap { from: 3.0, value_too } };
        // g_t = t, and the trap is at 3; whether a record or a step looks.
        for n_steps in [3, 100] {
            let plan = Plan::new(StepRule::Gradient, constant(1.0), constant(1.0), n_steps, [2, 3]);
            let trace = run(&loss, &[0.0], &plan, draws());
            assert_eq!(trace.divergence, Some(Divergence { step: 3, what }));
            assert_eq!((trace.records.len(), &trace.theta[..]), (1, &[3.0][..]));
        }
        // L is a mean with one bad minibatch that the path may never meet: the record meets it.
        let z = Minibatches::partition(vec![0, 1], 1).expect("two of one");
        let mixed = Given { layout: layout(), z, value: Trap { from: 0.0, value_too } };
        let plan = Plan::new(StepRule::Gradient, constant(1.0), constant(1.0), 0, []);
        assert_eq!(run(&mixed, &[-9.0], &plan, draws()).divergence, Some(Divergence { step: 0, what }));
    }
    let start =
        run(&rayleigh(), &[f64::NAN; 10], &Plan::new(StepRule::Gradient, constant(1.0), constant(1.0), 5, []), draws());
    assert_eq!(start.divergence, Some(Divergence { step: 0, what: NotFinite::Loss }));
}

#[test]
fn subsets_give_flagged_estimates_that_do_not_touch_the_path() {
    let loss = neuron(Minibatches::subsets(3, 2).expect("two of three"));
    let plan = Plan::new(StepRule::Gradient, constant(0.5), decaying(0.5, 0.5), 50, [10, 20]);
    let (few, many) = (plan.clone().estimating_by(2), plan.estimating_by(4000));
    let (a, b) = (run(&loss, &THETA_0, &few, draws()), run(&loss, &THETA_0, &many, draws()));
    assert_eq!(bits(&a.theta), bits(&b.theta));
    assert_eq!(a.records[0].source, LossSource::Estimated { minibatches: 2 });
    assert_eq!(b.records[0].source, LossSource::Estimated { minibatches: 4000 });
    // F_z is linear in the mean target of z, and every example is as likely: L is the loss of the mean target.
    let mut exact = Stepper::new(&loss, &THETA_0, StepRule::Gradient, constant(0.5), decaying(0.5, 0.5), draws());
    for _ in 0..10 {
        exact.step().expect("finite");
    }
    let mut grad = vec![0.0; 5];
    let mean = loss.sample_gradient(&[0, 1, 2], exact.theta(), &mut grad, &mut Workspace::default());
    // |F_z - L| <= |g| max|c_z - c| < 1, so 4000 of them average to within 0.1 except with probability 2 exp(-20). So
    // do their gradients, a number (by g) and vectors (by v) that are as close to their means (Hoeffding's and
    // Pinelis's inequality).
    let record = &b.records[0];
    assert!((record.loss - mean).abs() < 0.1, "{} {mean}", record.loss);
    let (grad_v, grad_g) = (loss.layout.grad_v_norm_sq(exact.theta(), &grad).sqrt(), grad[4].abs());
    assert!(grad_v > 0.15 && (record.grad_v_sq.sqrt() - grad_v).abs() < 0.1, "{} {grad_v}", record.grad_v_sq);
    assert!((record.grad_g_sq.sqrt() - grad_g).abs() < 0.1, "{} {grad_g}", record.grad_g_sq);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let loss = noisy();
    let plan = Plan::new(StepRule::Gradient, decaying(1.0, 0.375), decaying(0.5, 0.5), 200, [10, 100]).every_step();
    let starts: Vec<Vec<f64>> = (0..7).map(|k| THETA_0.iter().map(|x| x + 0.01 * f64::from(k)).collect()).collect();
    let seed = Seed::new(11).child("threads");
    let with = |n_threads| -> Vec<Trace> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("a thread pool");
        pool.install(|| run_many(&loss, &starts, &plan, &seed))
    };
    let one = with(1);
    for n_threads in [2, 5] {
        assert_eq!(with(n_threads), one);
    }
    assert_eq!(one[3], run(&loss, &starts[3], &plan, seed.generator("run-3")));
    assert_ne!(one[0].theta, run(&loss, &starts[0], &plan, seed.generator("run-1")).theta, "each has its own draws");
}
