//! What is measured in this process: steps and derivatives of networks, runs, and threads.

use std::hint::black_box;
use std::time::Instant;

use rand::RngExt;
use ratecheck::data::{Target, teacher};
use ratecheck::descent::{Lockstep, Schedule, StepRule, Stepper};
use ratecheck::loss::{Minibatches, Over, Workspace};
use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
use ratecheck::random::Seed;
use ratecheck::scalar::Dual;

use super::super::counted::Counted;
use super::super::limits::everywhere;
use super::super::{Subjects, Times, in_turns};
use super::{Along, Cost, Curve, ScalingError, best, climb};

/// Units of every hidden layer, and features: some hundred parameters to a million, two or three sizes a decade.
pub(super) const WIDTHS: [usize; 9] = [6, 10, 20, 40, 64, 128, 256, 448, 700];
/// B and N of them.
const BATCH: usize = 128;
const EXAMPLES: usize = 256;
/// The batches.
const BATCHES: [f64; 10] = [8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0];
/// T.
const RUNS: [f64; 9] = [1e2, 3e2, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6];
/// Steps of the runs along threads, and how often they are made.
const CREW: usize = 50;
const TURNS: usize = 500;

/// The network n-n-n-1 of [`WIDTHS`] on so many examples, with a start.
fn network(width: usize, examples: usize) -> Result<(Network, Vec<f64>), ScalingError> {
    let seed = Seed::new(1).child(&format!("scaling/{width}"));
    let data = teacher(examples, width, Target::Binary, 0.05, &mut seed.generator("data")).standardised();
    let architecture = Architecture {
        widths: vec![width, width, width, 1],
        normalisation: Normalisation::SmoothedBatchNorm { epsilon: 0.1 },
        activation: Activation::Tanh,
        objective: Objective::Logistic,
        weight_decay: 0.01,
    };
    let network = Network::new(architecture, data, Minibatches::full(examples))?;
    let theta = network.initialise(&mut seed.generator("start"));
    Ok((network, theta))
}

/// As often as it fills some tenths of a millisecond, judged by a first time.
fn inner(mut once: impl FnMut()) -> f64 {
    once();
    let first = Instant::now();
    once();
    (3e-4 / first.elapsed().as_secs_f64().max(1e-9)).ceil().max(1.0)
}

fn timed(most: f64, mut once: impl FnMut()) -> f64 {
    let times = inner(&mut once);
    best(most, || (0..times as u64).for_each(|_| once())) / times
}

fn step(stepper: &mut Stepper<'_>) {
    black_box(stepper.step().expect("scale-invariant descent does not diverge"));
}

/// A step of SGD and a Hessian-vector product against the number of parameters.
pub(super) fn parameters(most: f64) -> Result<Vec<Curve>, ScalingError> {
    let eta = Schedule::new(0.1, 0.5)?;
    let mut sizes = Vec::new();
    for width in WIDTHS {
        sizes.push(network(width, 2)?.1.len() as f64);
    }
    let width_of = |size: f64| WIDTHS[sizes.iter().position(|&known| known == size).unwrap_or(0)];
    let steps = climb(&sizes, most, |size| {
        let (network, theta) = network(width_of(size), EXAMPLES)?;
        let drawn = Minibatches::subsets(EXAMPLES, BATCH).map_err(|error| ScalingError::Work(error.to_string()))?;
        let network = network.with_minibatches(drawn);
        let z = Seed::new(1).generator("scaling/z");
        let mut stepper = Stepper::new(&network, &theta, StepRule::Gradient, eta, eta, z);
        Ok::<_, ScalingError>(timed(most, || step(&mut stepper)))
    })?;
    let products = climb(&sizes, most, |size| {
        let (network, theta) = network(width_of(size), EXAMPLES)?;
        let mut generator = Seed::new(1).generator("scaling/direction");
        let lifted: Vec<Dual<f64>> = theta.iter().map(|&x| Dual::new(x, generator.random_range(-1.0..1.0))).collect();
        let z: Vec<usize> = (0..BATCH).collect();
        let (mut grad, mut work) = (lifted.clone(), Workspace::derivatives_alone());
        Ok::<_, ScalingError>(timed(most, || {
            black_box(network.sample_gradient(&z, black_box(&lifted), &mut grad, &mut work));
        }))
    })?;
    let curve = |name: &str, found: &[[f64; 2]]| Curve::new(Along::Parameters, Cost::Seconds, name, found, &sizes);
    Ok(vec![curve("SGD step", &steps), curve("Hessian-vector product", &products)])
}

/// A gradient of two networks against the minibatch.
pub(super) fn batch(most: f64) -> Result<Vec<Curve>, ScalingError> {
    let largest = BATCHES[BATCHES.len() - 1] as usize;
    let mut curves = Vec::new();
    for (name, width) in [("16-16-16-1", 16), ("128-128-128-1", 128)] {
        let (network, theta) = network(width, largest)?;
        let (mut grad, mut work) = (vec![0.0; theta.len()], Workspace::default());
        let found = climb(&BATCHES, most, |size| {
            let z: Vec<usize> = (0..size as usize).collect();
            Ok::<_, ScalingError>(timed(most, || {
                black_box(network.sample_gradient(&z, black_box(&theta), &mut grad, &mut work));
            }))
        })?;
        curves.push(Curve::new(Along::Batch, Cost::Seconds, name, &found, &BATCHES));
    }
    Ok(curves)
}

/// A run of the small network against T.
pub(super) fn steps(most: f64) -> Result<Curve, ScalingError> {
    let subjects = Subjects::new()?;
    let network = &subjects.small_sgd;
    let (eta_w, eta_g) = (Schedule::new(0.5, 0.25)?, Schedule::new(0.1, 0.5)?);
    let start = network.initialise(&mut Seed::new(1).generator("scaling/start"));
    let found = climb(&RUNS, most, |steps| {
        let run = || {
            let z = Seed::new(1).generator("scaling/z");
            let mut stepper = Stepper::new(network, &start, StepRule::Gradient, eta_w, eta_g, z);
            (0..steps as u64).for_each(|_| step(&mut stepper));
        };
        Ok::<_, ScalingError>(best(most, run))
    })?;
    Ok(Curve::new(Along::Steps, Cost::Seconds, "a run of 8-16-16-1", &found, &RUNS))
}

/// What a step of a run takes when one thread, two, four, .., and all of them step eight runs each in lockstep: cells of
/// a sweep share nothing but the machine. In turns, and in pieces of some milliseconds, some of which meet no other work.
pub(super) fn threads(all: usize, most: f64) -> Result<Curve, ScalingError> {
    let subjects = Subjects::new()?;
    let network = &subjects.small_sgd;
    let (eta_w, eta_g) = (Schedule::new(0.5, 0.25)?, Schedule::new(0.1, 0.5)?);
    let start = network.initialise(&mut Seed::new(1).generator("scaling/start"));
    let crew = || {
        let draws = |run| Seed::new(run).generator("scaling/z");
        let stepper = |run| Stepper::new(network, &start, StepRule::Gradient, eta_w, eta_g, draws(run));
        let mut together = Lockstep::new(network, (0..Lockstep::RUNS as u64).map(stepper).collect());
        for _ in 0..CREW {
            assert!(black_box(together.step()).iter().all(Result::is_ok), "as of one run");
        }
        together.settled()[0].theta()[0]
    };
    let mut counts: Vec<usize> = std::iter::successors(Some(1), |n| Some(2 * n)).take_while(|&n| n < all).collect();
    counts.push(all);
    let mut pools = Vec::new();
    for &n in &counts {
        let started = rayon::ThreadPoolBuilder::new().num_threads(n).build();
        pools.push(started.map_err(|error| ScalingError::Work(error.to_string()))?);
    }
    let mut work: Vec<_> = pools.iter().map(|pool| everywhere(Some(pool), Counted::default(), crew)).collect();
    let times = in_turns(&mut work, if most < 1.0 { 2 } else { TURNS });
    let step = |(&n, times): (&usize, &Times)| [n as f64, times.best / (n * Lockstep::RUNS * CREW) as f64];
    let found: Vec<[f64; 2]> = counts.iter().zip(&times).map(step).collect();
    Ok(Curve::new(Along::Threads, Cost::Seconds, "a step of a run of 8-16-16-1", &found, &[]))
}
