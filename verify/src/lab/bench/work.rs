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
use ratecheck::scalar::Dual;

/// A piece of work that can be repeated.
pub struct Work<'a> {
    /// What it is.
    pub name: &'static str,
    /// Floating-point operations in products of matrices, if it has any.
    pub operations: Option<u64>,
    /// Does it once.
    pub run: Box<dyn FnMut() + 'a>,
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

    /// The yardstick, then gradients, Hessian-vector products and steps.
    ///
    /// # Errors
    /// Never: the learning rates are constants.
    pub fn work(&self) -> Result<Vec<Work<'_>>, ScheduleError> {
        let (small, large) = ((&self.small, &self.start), (&self.large, &self.large_start));
        let mut all = vec![product()];
        for (gradient, hvp, (network, theta), widths, batch) in [
            ("8-16-16-1, batch 32: gradient", "8-16-16-1, batch 32: Hessian-vector product", small, SMALL, BATCH),
            ("8-16-16-1, batch 256: gradient", "8-16-16-1, batch 256: Hessian-vector product", small, SMALL, EXAMPLES),
            (
                "64-128-128-10, batch 256: gradient",
                "64-128-128-10, batch 256: Hessian-vector product",
                large,
                LARGE,
                EXAMPLES,
            ),
        ] {
            all.push(self::gradient(gradient, network, theta, batch, gradient_operations(&widths, batch)));
            all.push(hessian_vector_product(hvp, network, theta, batch, hvp_operations(&widths, batch)));
        }
        let eta = Schedule::new(0.1, 0.5)?;
        let operations = Some(gradient_operations(&SMALL, BATCH));
        all.push(step("8-16-16-1, batch 32 of 256: SGD step", &self.small_sgd, &self.start, eta, operations));
        all.push(eight_steps(
            "8-16-16-1, batch 32 of 256: eight SGD steps in lockstep",
            &self.small_sgd,
            &self.start,
            eta,
        ));
        let operations = Some(gradient_operations(&SMALL, EXAMPLES));
        all.push(step("8-16-16-1, N = 256: gradient-descent step", &self.small, &self.start, eta, operations));
        let start = vec![0.5; self.problem_j.parameters().len()];
        all.push(step("problem J, d = 4: SGD step", &self.problem_j, &start, eta, None));
        Ok(all)
    }
}

/// 32 of 256, without replacement.
fn minibatches() -> Minibatches {
    Minibatches::subsets(EXAMPLES, BATCH).expect("32 of 256")
}

/// Operations of the products of one SGD step of the small network.
pub fn step_operations() -> u64 {
    gradient_operations(&SMALL, BATCH)
}

/// Forward and dL/dW in every layer, dL/dx in every layer but the first.
fn gradient_operations(widths: &[usize], batch: usize) -> u64 {
    operations(widths, batch, [2, 3])
}

/// Twice as many with derivatives of one factor, three times with both: in the first layer the inputs are constants.
/// The value of dL/dW is left out, since the product does not need it.
fn hvp_operations(widths: &[usize], batch: usize) -> u64 {
    operations(widths, batch, [3, 8])
}

/// 2 operations a multiply-add, with so many products in the first layer and in every later one.
fn operations(widths: &[usize], batch: usize, [first, later]: [u64; 2]) -> u64 {
    let of_layer = |(l, w): (usize, &[usize])| if l == 0 { first } else { later } * (w[0] * w[1]) as u64;
    2 * batch as u64 * widths.windows(2).enumerate().map(of_layer).sum::<u64>()
}

/// ndarray's product of two 256 x 256 matrices: what the machine can do, as far as a good library gets it out.
fn product() -> Work<'static> {
    let n = 256;
    let a = Array2::from_shape_fn((n, n), |(i, j)| ((i * 31 + j * 17) % 64) as f64);
    let b = a.t().to_owned();
    let mut out = Array2::zeros((n, n));
    Work {
        name: "product of two 256 x 256 matrices",
        operations: Some(2 * n.pow(3) as u64),
        run: Box::new(move || general_mat_mul(1.0, black_box(&a), black_box(&b), 0.0, &mut out)),
    }
}

fn gradient<'a>(name: &'static str, network: &'a Network, theta: &'a [f64], batch: usize, operations: u64) -> Work<'a> {
    let z: Vec<usize> = (0..batch).collect();
    let (mut grad, mut work) = (vec![0.0; theta.len()], Workspace::default());
    let run = move || {
        black_box(network.sample_gradient(&z, black_box(theta), &mut grad, &mut work));
    };
    Work { name, operations: Some(operations), run: Box::new(run) }
}

fn hessian_vector_product<'a>(
    name: &'static str,
    network: &'a Network,
    theta: &'a [f64],
    batch: usize,
    operations: u64,
) -> Work<'a> {
    let z: Vec<usize> = (0..batch).collect();
    let mut generator = Seed::new(1).generator("bench/direction");
    let lifted: Vec<Dual<f64>> = theta.iter().map(|&x| Dual::new(x, generator.random_range(-1.0..1.0))).collect();
    let (mut grad, mut work) = (lifted.clone(), Workspace::derivatives_alone());
    let run = move || {
        black_box(network.sample_gradient(&z, black_box(&lifted), &mut grad, &mut work));
    };
    Work { name, operations: Some(operations), run: Box::new(run) }
}

/// Steps of one long run: drawing and gathering the minibatch, the gradient, the norms, the move.
fn step<'a>(name: &'static str, loss: &'a dyn Loss, start: &[f64], eta: Schedule, operations: Option<u64>) -> Work<'a> {
    let mut stepper = Stepper::new(loss, start, StepRule::Gradient, eta, eta, Seed::new(1).generator("bench/z"));
    let run = move || {
        black_box(stepper.step().expect("scale-invariant descent does not diverge"));
    };
    Work { name, operations, run: Box::new(run) }
}

/// A step each of eight long runs.
fn eight_steps<'a>(name: &'static str, network: &'a Network, start: &[f64], eta: Schedule) -> Work<'a> {
    let stepper = |run| Stepper::new(network, start, StepRule::Gradient, eta, eta, Seed::new(run).generator("bench/z"));
    let mut together = Lockstep::new(network, (0..8).map(stepper).collect());
    let run = move || assert!(black_box(together.step()).iter().all(Result::is_ok), "as of one run");
    Work { name, operations: Some(8 * step_operations()), run: Box::new(run) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_those_of_the_products_by_hand() {
        // 2 * 32 * (2 * 8 * 16 + 3 * (16 * 16 + 16)): 69 thousand.
        assert_eq!(gradient_operations(&SMALL, BATCH), 68_608);
        assert_eq!(hvp_operations(&[3, 5], 7), 3 * 2 * 7 * 15);
        assert_eq!(gradient_operations(&[1, 1, 1], 1), 2 * (2 + 3));
    }
}
