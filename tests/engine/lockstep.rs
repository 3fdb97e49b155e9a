//! Runs in lockstep have the bits of runs alone.

use ratecheck::data::Dataset;
use ratecheck::descent::{Lockstep, Plan, Schedule, StepRule, Stepper, WeightDecay, run, run_in_lockstep, run_many};
use ratecheck::loss::closed::{Linear, NoisyRayleigh, ProblemJ};
use ratecheck::loss::{Formula, Loss, Minibatches, Over, Workspace};
use ratecheck::network::{Activation, Architecture, Epsilon, Lp, Network, Normalisation, Objective};
use ratecheck::parameters::Parameters;
use ratecheck::random::{Generator, Seed, normals};
use ratecheck::scalar::{Eight, Scalar};

const N: usize = 19;

fn network(normalisation: Normalisation, activation: Activation, objective: Objective, z: Minibatches) -> Network {
    let mut generator = Seed::new(3).generator("tests/lockstep");
    let labels = (0..N).map(|i| match objective {
        Objective::Logistic => [-1.0, 1.0][i % 2],
        Objective::CrossEntropy | Objective::Squared => (i % 4) as f64,
    });
    let data = Dataset::new(normals(5 * N, 1.0, &mut generator), N, 5, labels.collect()).unwrap();
    let outputs = if objective == Objective::Logistic { 1 } else { 4 };
    let architecture =
        Architecture { widths: vec![5, 6, 4, outputs], normalisation, activation, objective, weight_decay: 0.02 };
    Network::new(architecture, data, z).unwrap()
}

/// For comparisons in which NaN equals itself.
fn bits(numbers: &[f64]) -> Vec<u64> {
    numbers.iter().map(|x| x.to_bits()).collect()
}

fn subsets() -> Minibatches {
    Minibatches::subsets(N, 11).unwrap()
}

fn kinds() -> impl Iterator<Item = (Normalisation, Activation, Objective)> {
    let normalisations = [
        Normalisation::SmoothedBatchNorm { epsilon: 0.1 },
        Normalisation::BatchNorm,
        Normalisation::ConstantEpsilonBatchNorm { epsilon: 0.1 },
        Normalisation::LpBatchNorm { p: Lp::One },
        Normalisation::LpBatchNorm { p: Lp::Four },
        Normalisation::LayerNorm { epsilon: Epsilon::Smoothed(0.1) },
        Normalisation::GroupNorm { groups: 2, epsilon: Epsilon::Smoothed(0.1) },
        Normalisation::LayerNorm { epsilon: Epsilon::Constant(0.1) },
        Normalisation::GroupNorm { groups: 2, epsilon: Epsilon::Constant(0.1) },
        Normalisation::WeightNorm,
        Normalisation::None,
    ];
    let activations = [
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Softplus,
        Activation::Relu,
        Activation::LeakyRelu { slope: 0.1 },
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Silu,
    ];
    let objectives = [Objective::Logistic, Objective::CrossEntropy, Objective::Squared];
    normalisations
        .into_iter()
        .flat_map(move |n| activations.into_iter().flat_map(move |a| objectives.into_iter().map(move |o| (n, a, o))))
        .filter(|(n, _, o)| {
            let one_output = *o == Objective::Logistic;
            !(one_output && matches!(n, Normalisation::GroupNorm { .. }))
        })
}

#[test]
fn a_gradient_over_eight_is_eight_gradients() {
    for (normalisation, activation, objective) in kinds() {
        let network = network(normalisation, activation, objective, subsets());
        let thetas: Vec<Vec<f64>> = (0..8).map(|r| network.initialise(&mut Seed::new(r).generator("start"))).collect();
        let what = format!("{normalisation:?} {activation:?} {objective:?}");
        eight_gradients(&network, &thetas, [N, 11], &what);
    }
}

/// Compares the gradient over eight at these points with that of each, for minibatches of so many of the examples.
fn eight_gradients(loss: &dyn Loss, thetas: &[Vec<f64>], [n_examples, batch]: [usize; 2], what: &str) {
    let zs: Vec<Vec<usize>> = (0..8).map(|r| (0..batch).map(|b| (5 * b + 3 * r) % n_examples).collect()).collect();
    let z: Vec<usize> = (0..8 * batch).map(|at| zs[at % 8][at / 8]).collect();
    let n = thetas[0].len();
    let theta: Vec<Eight> = (0..n).map(|k| Eight(std::array::from_fn(|r| thetas[r][k]))).collect();
    let (mut gradients, mut work) = (vec![Eight::ZERO; n], Workspace::default());
    let eight = loss.lockstep().expect("goes in lockstep");
    let values = eight.sample_gradient(&z, &theta, &mut gradients, &mut work);
    let losses = eight.sample_loss(&z, &theta);
    for r in 0..8 {
        let mut gradient = vec![0.0; n];
        let value = loss.sample_gradient(&zs[r], &thetas[r], &mut gradient, &mut Workspace::default());
        let of_run: Vec<f64> = gradients.iter().map(|x| x.0[r]).collect();
        assert_eq!(bits(&of_run), bits(&gradient), "{what}, run {r}");
        assert_eq!(values.0[r].to_bits(), value.to_bits(), "{what}, run {r}");
        assert_eq!(losses.0[r].to_bits(), loss.sample_loss(&zs[r], &thetas[r]).to_bits(), "{what}, run {r}");
    }
}

/// A loss, starts for eleven runs, and its name.
type Started = (Box<dyn Loss>, Vec<Vec<f64>>, &'static str);

/// The stochastic losses in closed form.
fn closed_forms() -> [Started; 2] {
    let starts = |d: usize| (0..11).map(|k| normals(d, 1.0, &mut Seed::new(k).generator("start"))).collect();
    [
        (Box::new(ProblemJ::new(3, 0.5, 0.25)), starts(4), "problem J"),
        (Box::new(NoisyRayleigh::new([0.0, 1.0, 3.0], 0.5)), starts(3), "noisy Rayleigh"),
    ]
}

/// One example, and the mean of several.
#[test]
fn the_same_of_losses_in_closed_form() {
    for (loss, thetas, name) in closed_forms() {
        for batch in [1, 3] {
            eight_gradients(&*loss, &thetas[..8], [loss.minibatches().n_examples(), batch], name);
        }
    }
    // A formula goes in lockstep if it says so.
    assert!(Linear::new(vec![1.0, 2.0]).lockstep().is_none());
}

#[test]
fn l_infinity_batch_normalisation_goes_alone() {
    let normalisation = Normalisation::LpBatchNorm { p: Lp::Infinity };
    assert!(network(normalisation, Activation::Tanh, Objective::Logistic, subsets()).lockstep().is_none());
}

fn plan(k: u64, rule: StepRule, n_steps: u64) -> Plan {
    let eta_w = Schedule::new(0.3 + k as f64, [0.0, 0.25, 0.5][k as usize % 3]).unwrap();
    let eta_w = eta_w.growing([1.0, 1.01][k as usize % 2]).unwrap();
    Plan::new(rule, eta_w, Schedule::constant(0.1).unwrap(), n_steps, [0, 3, 17])
}

fn runs(network: &Network, n_runs: u64, n_steps: u64) -> Vec<(Vec<f64>, Plan, Generator)> {
    (0..n_runs)
        .map(|k| {
            let seed = Seed::new(40 + k);
            let theta_0 = network.initialise(&mut seed.generator("start"));
            (theta_0, plan(k, StepRule::Gradient, n_steps), seed.generator("z"))
        })
        .collect()
}

/// Every rule that goes in lockstep, and every decay that goes with it.
fn rules() -> Vec<(StepRule, WeightDecay)> {
    let lambda = 0.01;
    let decays = [WeightDecay::None, WeightDecay::Coupled { lambda }, WeightDecay::Decoupled { lambda }];
    let several = [StepRule::Gradient, StepRule::Projected, StepRule::Adaptive];
    let pairs = several.into_iter().flat_map(|rule| decays.map(|decay| (rule, decay)));
    pairs.chain([(StepRule::Decay { lambda: 0.02 }, WeightDecay::None)]).collect()
}

/// Compares runs in lockstep with each alone. Debug tells all numbers apart, and NaN equals itself.
fn together_as_alone(loss: &dyn Loss, runs: &[(Vec<f64>, Plan, Generator)], what: &str) {
    let one = |(theta, plan, z): &(Vec<f64>, Plan, Generator)| run(loss, theta, plan, z.clone());
    let alone: Vec<_> = runs.iter().map(one).collect();
    assert_eq!(format!("{:?}", run_in_lockstep(loss, runs)), format!("{alone:?}"), "{what}");
}

/// Whole runs with all they record, in numbers that fill the eight places and that do not.
#[test]
fn whole_runs_are_the_same_together_and_alone() {
    let partition = Minibatches::partition((0..18).collect(), 6).unwrap();
    for z in [subsets(), partition, Minibatches::full(N)] {
        let smoothed = Normalisation::SmoothedBatchNorm { epsilon: 0.1 };
        let network = network(smoothed, Activation::Tanh, Objective::CrossEntropy, z);
        for (rule, decay) in rules() {
            let mut runs = runs(&network, 11, 30);
            runs.iter_mut().zip(0..).for_each(|(run, k)| run.1 = plan(k, rule, 30).decaying(decay).estimating_by(3));
            together_as_alone(&network, &runs, &format!("{rule}, {decay}, on the horizons"));
            runs.iter_mut().for_each(|run| run.1 = run.1.clone().every_step());
            together_as_alone(&network, &runs, &format!("{rule}, {decay}, in every step"));
        }
    }
}

/// The same of losses in closed form, where one run overflows and one is not a number while the others go on.
#[test]
fn whole_runs_of_closed_forms_are_the_same_together_and_alone() {
    for (loss, thetas, name) in closed_forms() {
        for (rule, decay) in rules() {
            let of_run =
                |(k, theta): (u64, Vec<f64>)| (theta, plan(k, rule, 60).decaying(decay), Seed::new(k).generator("z"));
            let mut runs: Vec<_> = (0..).zip(thetas.clone()).map(of_run).collect();
            together_as_alone(&*loss, &runs, &format!("{name}, {rule}, {decay}, on the horizons"));
            runs[1].0.iter_mut().for_each(|x| *x *= 1e160);
            runs[2].0[0] = f64::NAN;
            runs.iter_mut().for_each(|run| run.1 = run.1.clone().every_step());
            together_as_alone(&*loss, &runs, &format!("{name}, {rule}, {decay}, in every step"));
            assert!(run_in_lockstep(&*loss, &runs)[2].divergence.is_some());
            // Nothing is left to go on with.
            runs.iter_mut().for_each(|run| run.0[0] = f64::NAN);
            together_as_alone(&*loss, &runs, &format!("{name}, {rule}, {decay}, none of which goes on"));
        }
    }
}

/// w_1^2/||w||^2, and not a number on the last of nine examples.
struct Patchy {
    layout: Parameters,
    z: Minibatches,
}

impl Formula for Patchy {
    fn layout(&self) -> &Parameters {
        &self.layout
    }
    fn distribution(&self) -> &Minibatches {
        &self.z
    }
    fn value<S: Scalar>(&self, z: &[usize], w: &[S]) -> S {
        self.gradient(z, w, &mut [S::ZERO; 2], &mut Workspace::default())
    }
    fn gradient<S: Scalar>(&self, z: &[usize], w: &[S], grad: &mut [S], _: &mut Workspace<S>) -> S {
        let n = w[0].square() + w[1].square();
        let share = w[0].square() / n;
        (grad[0], grad[1]) = ((w[0] - share * w[0]).scale(2.0) / n, (share * w[1]).scale(-2.0) / n);
        share + S::of_runs(|r| if z[r] == 8 { f64::NAN } else { 0.0 })
    }
    fn in_lockstep(&self) -> Option<&dyn Over<Eight>> {
        Some(self)
    }
}

/// L is not a number, and F_z is one until the last example is drawn: runs end where they draw it, or where L is looked
/// at.
#[test]
fn a_mean_that_is_not_finite_ends_runs_where_it_is_looked_at() {
    let z = Minibatches::partition((0..9).collect(), 1).unwrap();
    let loss = Patchy { layout: Parameters::new([("w", 2)], 0), z };
    let of_run = |k: u64| {
        let Plan { eta_w, eta_g, .. } = plan(k, StepRule::Gradient, 0);
        let plan = Plan::new(StepRule::Gradient, eta_w, eta_g, 9, [2, 5]);
        (normals(2, 1.0, &mut Seed::new(k).generator("start")), plan, Seed::new(k).generator("z"))
    };
    let mut runs: Vec<_> = (0..11).map(of_run).collect();
    together_as_alone(&loss, &runs, "on the horizons");
    let ends: Vec<_> = run_in_lockstep(&loss, &runs).iter().map(|trace| trace.divergence.unwrap().step).collect();
    assert!(ends.contains(&2) && ends.iter().any(|&t| t < 2), "{ends:?}");
    runs.iter_mut().for_each(|run| run.1 = run.1.clone().every_step());
    together_as_alone(&loss, &runs, "in every step");
}

/// Many runs go in lockstep where that takes less time: on one thread sixteen do, on sixteen none; by a rule that
/// remembers they never do.
#[test]
fn many_runs_are_the_same_on_any_number_of_threads() {
    let smoothed = Normalisation::SmoothedBatchNorm { epsilon: 0.1 };
    let network = network(smoothed, Activation::Tanh, Objective::CrossEntropy, subsets());
    assert!(network.gains_in_lockstep());
    let starts: Vec<_> = runs(&network, 16, 0).into_iter().map(|(theta_0, ..)| theta_0).collect();
    let (seed, eta) = (Seed::new(7), Schedule::constant(0.5).unwrap());
    for rule in [StepRule::Gradient, StepRule::Projected, StepRule::HeavyBall { b: 0.5 }] {
        let plan = Plan::new(rule, eta, eta, 30, [0, 3, 17]);
        let one = |(k, theta_0): (usize, &Vec<f64>)| run(&network, theta_0, &plan, seed.generator(&format!("run-{k}")));
        let alone: Vec<_> = starts.iter().enumerate().map(one).collect();
        for threads in [1, 16] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| run_many(&network, &starts, &plan, &seed)), alone, "{rule}, {threads} threads");
        }
    }
}

/// What a step returns, and where it ends, on blocks whose norms grow; from a step other than the first, too.
#[test]
fn a_step_together_returns_what_a_step_alone_does() {
    let smoothed = Normalisation::SmoothedBatchNorm { epsilon: 0.1 };
    let network = network(smoothed, Activation::Softplus, Objective::Logistic, subsets());
    let started = || -> Vec<Stepper<'_>> {
        let begin = |(theta_0, plan, z): (Vec<f64>, Plan, Generator)| {
            let mut stepper = Stepper::new(&network, &theta_0, plan.rule, plan.eta_w, plan.eta_g, z);
            (0..3).for_each(|_| assert!(stepper.step().is_ok()));
            stepper
        };
        runs(&network, 5, 0).into_iter().map(begin).collect()
    };
    let mut alone = started();
    let mut together = Lockstep::new(&network, started());
    for _ in 0..20 {
        let expected: Vec<_> = alone.iter_mut().map(Stepper::step).collect();
        assert_eq!(together.step(), expected);
    }
    for (a, b) in together.settled().iter().zip(&alone) {
        assert_eq!((a.t(), a.theta(), a.w_norm_sq()), (b.t(), b.theta(), b.w_norm_sq()));
    }
}

/// Rules that remember or rescale would make other steps than their steppers alone, so they are not let in; nor are two
/// rules, or two decays, at a time.
#[test]
fn one_rule_without_memory_goes_in_lockstep() {
    let network = network(Normalisation::WeightNorm, Activation::Tanh, Objective::Logistic, subsets());
    let (theta_0, plan, z) = runs(&network, 1, 0).remove(0);
    let refused = |rules: &[(StepRule, WeightDecay)]| {
        let stepper = |&(rule, decay): &(StepRule, WeightDecay)| {
            let plan = Plan::new(rule, plan.eta_w, plan.eta_g, 0, []).decaying(decay);
            plan.stepper(&network, &theta_0, z.clone())
        };
        let steppers: Vec<_> = rules.iter().map(stepper).collect();
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = Lockstep::new(&network, steppers);
        }))
        .is_err()
    };
    let (none, lambda) = (WeightDecay::None, 0.1);
    for rule in [
        StepRule::WnGrad { b_0: 1.0 },
        StepRule::AdaGradNorm { b_0: 1.0 },
        StepRule::HeavyBall { b: 0.5 },
        StepRule::Nesterov { b: 0.5 },
        StepRule::Adam { b_1: 0.9, b_2: 0.99 },
        StepRule::Sign,
    ] {
        assert!(!rule.goes_in_lockstep() && refused(&[(rule, none)]), "{rule}");
    }
    for one in rules() {
        assert!(!refused(&[one, one]));
        assert!(refused(&[one, (StepRule::Gradient, WeightDecay::Coupled { lambda })]));
    }
}

/// A run that diverges stops; the others do not notice.
#[test]
fn a_divergence_stays_in_its_run() {
    // The second run overflows in its gradient where nothing normalises, the last in its parameters.
    let rates = [0.01, 1e4, 0.02, 1e200];
    for (normalisation, survive) in
        [(Normalisation::None, [true, false, true, false]), (Normalisation::WeightNorm, [true, true, true, false])]
    {
        let network = network(normalisation, Activation::Softplus, Objective::Squared, subsets());
        let stepper = |k: usize| {
            let seed = Seed::new(k as u64);
            let (theta_0, z) = (network.initialise(&mut seed.generator("start")), seed.generator("z"));
            let eta_w = Schedule::constant(rates[k]).unwrap();
            let eta_g = if survive[k] { Schedule::constant(0.01).unwrap() } else { eta_w };
            Stepper::new(&network, &theta_0, StepRule::Gradient, eta_w, eta_g, z)
        };
        let mut together = Lockstep::new(&network, (0..4).map(stepper).collect());
        let mut alone: Vec<_> = (0..4).map(stepper).collect();
        for _ in 0..300 {
            let expected: Vec<_> = alone.iter_mut().map(Stepper::step).collect();
            assert_eq!(together.step(), expected);
        }
        assert_eq!(alone.iter().map(|s| s.divergence().is_none()).collect::<Vec<_>>(), survive);
        for (a, b) in together.settled().iter().zip(&alone) {
            assert_eq!((a.t(), bits(a.theta()), bits(a.gradient())), (b.t(), bits(b.theta()), bits(b.gradient())));
            let norms = |s: &Stepper<'_>| (bits(s.w_norm_sq()), bits(s.gradient_norm_sq()));
            assert_eq!(norms(a), norms(b));
        }
    }
}
