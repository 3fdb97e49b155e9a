//! What is measured.

use std::hint::black_box;

use ndarray::Array2;
use ndarray::linalg::general_mat_mul;
use rand::RngExt;
use ratecheck::data::{Dataset, Target, teacher};
use ratecheck::descent::{Lockstep, Schedule, ScheduleError, StepRule, Stepper};
use ratecheck::loss::closed::ProblemJ;
use ratecheck::loss::{Loss, Minibatches, Over, Setting, Workspace};
use ratecheck::network::{Activation, Architecture, Network, NetworkError, Normalisation, Objective};
use ratecheck::random::Seed;
use ratecheck::scalar::{Dual, Matrix, MatrixMut, Scalar, Store, matmul};
use rayon::ThreadPool;
use rayon::prelude::*;

use super::counted::Counted;
use super::limits::Numbers;
use super::times_over;

/// A piece of work that can be repeated.
pub struct Work<'a> {
    /// What it is done on.
    pub group: &'static str,
    /// What it is.
    pub name: String,
    /// How many threads do it.
    pub threads: usize,
    /// In which numbers.
    pub numbers: Numbers,
    /// What it needs at the least: on all threads together, or on each, where each does the same.
    pub counted: Counted,
    /// Does it so many times; the seconds that this took.
    pub run: Box<dyn FnMut(u32) -> f64 + 'a>,
}

impl<'a> Work<'a> {
    /// Work of `f64` on the present thread.
    fn new(group: &'static str, name: &str, counted: Counted, once: impl FnMut() + 'a) -> Self {
        let run = times_over(once);
        Self { group, name: name.to_owned(), threads: 1, numbers: Numbers::Double, counted, run }
    }
}

/// The losses that the work is done on, with a start for each.
pub struct Subjects {
    /// 8-16-16-1, tanh, smoothed BN with epsilon = 0.1, logistic, lambda = 0.01, on 256 examples of a teacher.
    pub small: Network,
    /// The same under minibatches of 32, drawn without replacement.
    pub small_sgd: Network,
    /// 64-128-128-10, cross-entropy, on 256 examples.
    pub large: Network,
    problem_j: ProblemJ,
    start: Vec<f64>,
    large_start: Vec<f64>,
}

/// The widths of the small network.
const SMALL: [usize; 4] = [8, 16, 16, 1];
/// The widths of the large network.
const LARGE: [usize; 4] = [64, 128, 128, 10];
/// N.
const EXAMPLES: usize = 256;
/// B.
const BATCH: usize = 32;

impl Subjects {
    /// Makes them; always the same.
    ///
    /// # Errors
    /// Never, as far as the engine keeps its promises.
    pub fn new() -> Result<Self, NetworkError> {
        let seed = Seed::new(1).child("bench");
        let data = |features: usize, target: Target, name: &str| {
            teacher(EXAMPLES, features, target, 0.05, &mut seed.generator(name)).standardised()
        };
        let network = |widths: &[usize], objective: Objective, data: Dataset| {
            let architecture = Architecture {
                widths: widths.to_vec(),
                normalisation: Normalisation::SmoothedBatchNorm { epsilon: 0.1 },
                activation: Activation::Tanh,
                objective,
                weight_decay: 0.01,
            };
            Network::new(architecture, data, Minibatches::full(EXAMPLES))
        };
        let small = network(&SMALL, Objective::Logistic, data(SMALL[0], Target::Binary, "small"))?;
        let large = network(&LARGE, Objective::CrossEntropy, data(LARGE[0], Target::Classes(LARGE[3]), "large"))?;
        Ok(Self {
            small_sgd: small.with_minibatches(minibatches()),
            start: small.initialise(&mut seed.generator("small/start")),
            large_start: large.initialise(&mut seed.generator("large/start")),
            small,
            large,
            problem_j: ProblemJ::new(4, 0.5, 0.5),
        })
    }

    /// The yardstick and the engine's own products, then gradients, Hessian-vector products and steps; what is shared
    /// between threads, on all of the pool.
    ///
    /// # Errors
    /// Never: the learning rates are constants.
    pub fn work<'a>(&'a self, pool: &'a ThreadPool) -> Result<Vec<Work<'a>>, ScheduleError> {
        let eta = Schedule::new(0.1, 0.5)?;
        let mut all = vec![product(), own_product::<f64>(None), own_product::<f32>(None)];
        if pool.current_num_threads() > 1 {
            all.push(own_product::<f64>(Some(pool)));
        }
        let small = "8-16-16-1, 32 examples";
        all.extend(derivatives(small, &self.small, &self.start, &SMALL, BATCH));
        let step_of_one = Counted::gradient(&SMALL, BATCH);
        all.push(step(small, "SGD step, 32 drawn of 256", &self.small_sgd, &self.start, eta, step_of_one));
        all.push(eight_steps(small, &self.small_sgd, &self.start, eta));
        let full = "8-16-16-1, 256 examples";
        all.extend(derivatives(full, &self.small, &self.start, &SMALL, EXAMPLES));
        let whole = Counted::gradient(&SMALL, EXAMPLES);
        all.push(step(full, "gradient-descent step", &self.small, &self.start, eta, whole));
        all.extend(derivatives("64-128-128-10, 256 examples", &self.large, &self.large_start, &LARGE, EXAMPLES));
        let start = vec![0.5; self.problem_j.parameters().len()];
        all.push(step("problem J, d = 4", "SGD step", &self.problem_j, &start, eta, Counted::problem_j(4)));
        Ok(all)
    }
}

/// 32 of 256, without replacement.
fn minibatches() -> Minibatches {
    Minibatches::subsets(EXAMPLES, BATCH).expect("32 of 256")
}

/// What eight SGD steps of the small network in lockstep need.
pub fn lockstep_step() -> Counted {
    Counted::gradient(&SMALL, BATCH) * Lockstep::RUNS as u64
}

/// The products' group.
const PRODUCTS: &str = "product of 256 x 256 matrices";
/// Rows and columns.
const N: usize = 256;

/// ndarray's product: what a good library gets out of the machine.
fn product() -> Work<'static> {
    let a = Array2::from_shape_fn((N, N), |(i, j)| ((i * 31 + j * 17) % 64) as f64);
    let b = a.t().to_owned();
    let mut out = Array2::zeros((N, N));
    let run = move || general_mat_mul(1.0, black_box(&a), black_box(&b), 0.0, &mut out);
    Work::new(PRODUCTS, "by ndarray", Counted::square(N as u64, 8), run)
}

/// The engine's product of `f64` or `f32`, by one thread; or by all of a pool, each of which has its part of the rows.
fn own_product<S: Scalar<Base = S>>(pool: Option<&ThreadPool>) -> Work<'_> {
    let threads = pool.map_or(1, ThreadPool::current_num_threads);
    let numbers = || (0..N * N).map(|i| S::from_f64((i % 61) as f64 - 30.0)).collect::<Vec<S>>();
    let (a, b, mut out) = (numbers(), numbers(), numbers());
    let of_rows = |a: &[S], b: &[S], out: &mut [S]| {
        let rows = out.len() / N;
        let view = |data, rows| Matrix { data, rows, columns: N, row_step: N, column_step: 1, plane_step: None };
        let c = MatrixMut { data: out, rows, columns: N, row_step: N, plane_step: N * rows };
        matmul::<S>(&[[view(a, rows), view(b, N)]], c, Store::Replace);
    };
    let run: Box<dyn FnMut(u32) -> f64> = match pool {
        None => times_over(move || of_rows(black_box(&a), black_box(&b), &mut out)),
        Some(pool) => {
            let part = N * N.div_ceil(threads);
            Box::new(move |times| {
                pool.install(|| {
                    times_over(|| {
                        let parts = out.par_chunks_mut(part).zip(a.par_chunks(part));
                        parts.for_each(|(out, a)| of_rows(black_box(a), black_box(&b), out));
                    })(times)
                })
            })
        }
    };
    let single = size_of::<S>() == size_of::<f32>();
    Work {
        group: PRODUCTS,
        name: match (single, threads) {
            (true, _) => "by the engine, single".to_owned(),
            (false, 1) => "by the engine".to_owned(),
            (false, _) => format!("by the engine, on {threads} threads"),
        },
        threads,
        numbers: if single { Numbers::Single } else { Numbers::Double },
        counted: Counted::square(N as u64, size_of::<S>() as u64),
        run,
    }
}

/// A gradient and a Hessian-vector product on the first so many examples.
fn derivatives<'a>(
    group: &'static str,
    network: &'a Network,
    theta: &'a [f64],
    widths: &[usize],
    batch: usize,
) -> [Work<'a>; 2] {
    let z: Vec<usize> = (0..batch).collect();
    let (mut grad, mut work) = (vec![0.0; theta.len()], Workspace::default());
    let examples = z.clone();
    let gradient = move || {
        black_box(network.sample_gradient(&examples, black_box(theta), &mut grad, &mut work));
    };
    let mut generator = Seed::new(1).generator("bench/direction");
    let lifted: Vec<Dual<f64>> = theta.iter().map(|&x| Dual::new(x, generator.random_range(-1.0..1.0))).collect();
    let (mut lifted_grad, mut lifted_work) = (lifted.clone(), Workspace::derivatives_alone());
    let product = move || {
        black_box(network.sample_gradient(&z, black_box(&lifted), &mut lifted_grad, &mut lifted_work));
    };
    [
        Work::new(group, "gradient", Counted::gradient(widths, batch), gradient),
        Work::new(group, "Hessian-vector product", Counted::hessian_vector_product(widths, batch), product),
    ]
}

/// Steps of one long run: drawing and gathering the minibatch, the gradient, the norms, the move.
fn step<'a>(
    group: &'static str,
    name: &str,
    loss: &'a dyn Loss,
    start: &[f64],
    eta: Schedule,
    counted: Counted,
) -> Work<'a> {
    let mut stepper = Stepper::new(loss, start, StepRule::Gradient, eta, eta, Seed::new(1).generator("bench/z"));
    let run = move || {
        black_box(stepper.step().expect("scale-invariant descent does not diverge"));
    };
    Work::new(group, name, counted, run)
}

/// A step each of eight long runs.
fn eight_steps<'a>(group: &'static str, network: &'a Network, start: &[f64], eta: Schedule) -> Work<'a> {
    let stepper = |run| Stepper::new(network, start, StepRule::Gradient, eta, eta, Seed::new(run).generator("bench/z"));
    let mut together = Lockstep::new(network, (0..Lockstep::RUNS as u64).map(stepper).collect());
    let run = move || assert!(black_box(together.step()).iter().all(Result::is_ok), "as of one run");
    Work::new(group, "eight SGD steps in lockstep", lockstep_step(), run)
}
