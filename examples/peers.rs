//! What `benches/jax.py` and `benches/bootstrap.py` time in turns with JAX and NumPy: the networks 8-16-16-1 and
//! 64-128-128-10 with smoothed batch normalisation, and the bootstrap of a slope over runs.
//!
//! ```sh
//! cargo run --release --example peers -- numbers          # as JSON: data, starts, and what they must get from them
//! RAYON_NUM_THREADS=1 cargo run --release --example peers -- time gradient-large 200
//! python benches/jax.py                                   # JAX beside it
//! ```
//!
//! `time` prints the seconds of every repetition, a line each.

use std::error::Error;
use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use rand::RngExt as _;
use ratecheck::curvature::block_norms;
use ratecheck::data::{Dataset, Target, teacher};
use ratecheck::descent::{Lockstep, Schedule, StepRule, Stepper};
use ratecheck::loss::{Minibatches, Over as _, Setting as _, Workspace};
use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
use ratecheck::random::{Generator, Seed, normals};
use ratecheck::rates::{Bootstrap, Summary, Window, bootstrap_slope, log_spaced};
use ratecheck::scalar::Dual;
use rayon::prelude::*;
use serde_json::json;

const EXAMPLES: usize = 256;
const BATCH: usize = 32;
const EPSILON: f64 = 0.1;
const DECAY: f64 = 0.01;
/// The exponents alpha of 0.5 (t+1)^-alpha; the rate of g is 0.1 (t+1)^-1/2.
const ALPHAS: [f64; 5] = [0.0, 0.125, 0.25, 0.375, 0.5];
/// The sweep: seeds for each alpha, and steps.
const SEEDS: usize = 64;
const STEPS: usize = 500;
/// Steps of gradient descent in one repetition, and steps that are compared.
const DESCENT: usize = 500;
const COMPARED: usize = 20;
/// Of the bootstrap.
const RUNS: usize = 64;
const HORIZONS: usize = 40;
const RESAMPLES: usize = 10_000;

/// A network under minibatches of all examples, with a start.
struct Subject {
    network: Network,
    theta: Vec<f64>,
    batch: usize,
    direction: Vec<f64>,
}

impl Subject {
    fn new(widths: &[usize], objective: Objective, target: Target, batch: usize) -> Result<Self, Box<dyn Error>> {
        let seed = Seed::new(1).child("peers");
        let data = teacher(EXAMPLES, widths[0], target, 0.05, &mut seed.generator("data")).standardised();
        let architecture = Architecture {
            widths: widths.to_vec(),
            normalisation: Normalisation::SmoothedBatchNorm { epsilon: EPSILON },
            activation: Activation::Tanh,
            objective,
            weight_decay: DECAY,
        };
        let network = Network::new(architecture, data, Minibatches::full(EXAMPLES))?;
        let theta = network.initialise(&mut seed.generator("start"));
        let mut generator = seed.generator("direction");
        let direction = theta.iter().map(|_| generator.random_range(-1.0..1.0)).collect();
        Ok(Self { network, theta, batch, direction })
    }

    fn small() -> Result<Self, Box<dyn Error>> {
        Self::new(&[8, 16, 16, 1], Objective::Logistic, Target::Binary, BATCH)
    }

    fn large() -> Result<Self, Box<dyn Error>> {
        Self::new(&[64, 128, 128, 10], Objective::CrossEntropy, Target::Classes(10), EXAMPLES)
    }

    /// The gradient on the first examples, again and again.
    fn gradient(&self) -> impl FnMut() -> f64 + '_ {
        let z: Vec<usize> = (0..self.batch).collect();
        let (mut grad, mut work) = (vec![0.0; self.theta.len()], Workspace::default());
        move || {
            self.network.sample_gradient(&z, black_box(&self.theta), &mut grad, &mut work);
            grad[0]
        }
    }

    /// theta with the derivative in the direction.
    fn lifted(&self) -> Vec<Dual<f64>> {
        self.theta.iter().zip(&self.direction).map(|(&x, &d)| Dual::new(x, d)).collect()
    }

    /// The Hessian-vector product there, again and again.
    fn product(&self) -> impl FnMut() -> f64 + '_ {
        let z: Vec<usize> = (0..self.batch).collect();
        let (lifted, mut grad, mut work) = (self.lifted(), self.lifted(), Workspace::derivatives_alone());
        move || {
            self.network.sample_gradient(&z, black_box(&lifted), &mut grad, &mut work);
            grad[0].du
        }
    }

    /// Everything that the other side needs, and must find.
    fn numbers(&self) -> Result<serde_json::Value, Box<dyn Error>> {
        let data: &Dataset = self.network.data();
        let z: Vec<usize> = (0..self.batch).collect();
        let mut grad = vec![0.0; self.theta.len()];
        let loss = self.network.sample_gradient(&z, &self.theta, &mut grad, &mut Workspace::default());
        let mut product = self.lifted();
        self.network.sample_gradient(&z, &self.lifted(), &mut product, &mut Workspace::derivatives_alone());
        // A few steps of SGD with minibatches that both sides know.
        let mut generator = Seed::new(1).generator("peers/compared");
        let drawn: Vec<Vec<usize>> = (0..COMPARED)
            .map(|_| (0..BATCH).map(|_| generator.random_range(0..EXAMPLES as u32) as usize).collect())
            .collect();
        let network = self.network.with_minibatches(Minibatches::subsets(EXAMPLES, BATCH)?);
        let mut stepper = stepper(&network, &self.theta, ALPHAS[2], Seed::new(1).generator("unused"))?;
        for z in &drawn {
            stepper.step_with(z)?;
        }
        Ok(json!({
            "widths": self.network.architecture().widths,
            "epsilon": EPSILON,
            "decay": DECAY,
            // Feature by feature.
            "inputs": data.inputs(),
            "labels": data.labels(),
            "theta": self.theta,
            "batch": self.batch,
            "loss": loss,
            "gradient": grad,
            "direction": self.direction,
            "product": product.iter().map(|entry| entry.du).collect::<Vec<_>>(),
            "alpha": ALPHAS[2],
            "drawn": drawn,
            "after": stepper.theta(),
        }))
    }
}

/// SGD with the sweep's learning rates.
fn stepper<'a>(
    network: &'a Network,
    theta: &[f64],
    alpha: f64,
    draws: Generator,
) -> Result<Stepper<'a>, Box<dyn Error>> {
    let (eta_w, eta_g) = (Schedule::new(0.5, alpha)?, Schedule::new(0.1, 0.5)?);
    Ok(Stepper::new(network, theta, StepRule::Gradient, eta_w, eta_g, draws))
}

/// The sweep's steps, on the threads of the pool; the sum of theta at the end.
fn sweep(network: &Network, theta: &[f64]) -> Result<f64, Box<dyn Error>> {
    let runs: Vec<usize> = (0..SEEDS * ALPHAS.len()).collect();
    let draws = |k: usize| Seed::new(2).generator(&format!("sweep/{k}"));
    let mut steppers = Vec::new();
    for &k in &runs {
        steppers.push(stepper(network, theta, ALPHAS[k / SEEDS], draws(k))?);
    }
    let mut crews = Vec::new();
    while !steppers.is_empty() {
        let rest = steppers.split_off(Lockstep::RUNS.min(steppers.len()));
        crews.push(Lockstep::new(network, std::mem::replace(&mut steppers, rest)));
    }
    let follow = |crew: &mut Lockstep<'_>| {
        for _ in 0..STEPS {
            black_box(crew.step());
        }
        crew.settled().iter().map(|stepper| stepper.theta().iter().sum::<f64>()).sum::<f64>()
    };
    Ok(crews.par_iter_mut().map(follow).sum())
}

/// Squares that fall as T^(-1/2) with noise, and their times.
fn records() -> (Vec<f64>, Vec<f64>) {
    let t: Vec<f64> = log_spaced(100, 1_000_000, HORIZONS).into_iter().map(|t| t as f64).collect();
    let noise = normals(RUNS * HORIZONS, 0.3, &mut Seed::new(1).generator("noise"));
    let values = noise.iter().enumerate().map(|(k, z)| (z - 0.5 * t[k % HORIZONS].ln()).exp()).collect();
    (t, values)
}

fn bootstrap(t: &[f64], values: &[f64], seed: u64) -> Result<[f64; 3], Box<dyn Error>> {
    let request =
        Bootstrap { window: Window::new(1.0, 1e9), summary: Summary::RootMean, level: 0.95, n_resamples: RESAMPLES };
    let found = bootstrap_slope(t, values, &request, &mut Seed::new(seed).generator("bootstrap"))?;
    Ok([found.slope, found.low, found.high])
}

fn numbers() -> Result<String, Box<dyn Error>> {
    let (small, large) = (Subject::small()?, Subject::large()?);
    let unit = small.network.parameters().theta_unit(&small.theta);
    let norms = block_norms(&small.network, &(0..BATCH).collect::<Vec<_>>()[..], &unit);
    let (t, values) = records();
    Ok(serde_json::to_string(&json!({
        "small": small.numbers()?,
        "large": large.numbers()?,
        "theta_unit": unit,
        "l_vv": norms.l_vv.iter().map(|norm| norm.0).collect::<Vec<_>>(),
        "l_vg": norms.l_vg.iter().map(|norm| norm.0).collect::<Vec<_>>(),
        "l_gg": norms.l_gg.0,
        "alphas": ALPHAS,
        "seeds": SEEDS,
        "steps": STEPS,
        "descent": DESCENT,
        "t": t,
        "values": values,
        "resamples": RESAMPLES,
        "slope": bootstrap(&t, &values, 1)?,
    }))?)
}

/// Times a closure, in seconds for each of `inner` times that one repetition does it.
fn timed<R>(repetitions: usize, inner: usize, mut once: impl FnMut() -> R) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    // The first makes buffers and starts threads.
    for repetition in 0..=repetitions {
        let begin = Instant::now();
        for _ in 0..inner {
            black_box(once());
        }
        let seconds = begin.elapsed().as_secs_f64() / inner as f64;
        if repetition > 0 {
            writeln!(out, "{seconds:e}")?;
        }
    }
    Ok(())
}

fn time(what: &str, repetitions: usize) -> Result<(), Box<dyn Error>> {
    let (small, large) = (Subject::small()?, Subject::large()?);
    match what {
        "sweep" => {
            let network = small.network.with_minibatches(Minibatches::subsets(EXAMPLES, BATCH)?);
            timed(repetitions, 1, || sweep(&network, &small.theta).map_err(|error| error.to_string()))
        }
        "descent" => {
            let mut run = stepper(&small.network, &small.theta, 0.5, Seed::new(1).generator("descent"))?;
            timed(repetitions, 1, || (0..DESCENT).map(|_| run.step().map_or(f64::NAN, |step| step.loss)).sum::<f64>())
        }
        "gradient-small" => timed(repetitions, 200, small.gradient()),
        "gradient-large" => timed(repetitions, 5, large.gradient()),
        "product-small" => timed(repetitions, 200, small.product()),
        "product-large" => timed(repetitions, 5, large.product()),
        "block-norms" => {
            let unit = small.network.parameters().theta_unit(&small.theta);
            let z: Vec<usize> = (0..BATCH).collect();
            timed(repetitions, 1, || block_norms(&small.network, &z[..], &unit).l_gg)
        }
        "bootstrap" => {
            let (t, values) = records();
            timed(repetitions, 1, || bootstrap(&t, &values, 1).map_err(|error| error.to_string()))
        }
        _ => Err(format!("nothing is called {what}").into()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["numbers"] => Ok(writeln!(std::io::stdout().lock(), "{}", numbers()?)?),
        ["time", what, repetitions] => time(what, repetitions.parse()?),
        _ => Err("peers numbers, or peers time WHAT REPETITIONS".into()),
    }
}
