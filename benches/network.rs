//! Gradients, Hessian-vector products and steps, beside multiply-adds in registers and a 256^3 matrix product in the
//! same run.
//!
//! Throughput counts the floating-point operations of the matrix products alone (2 per multiply-add): `Gelem/s` reads
//! as GFLOP/s. At the end the shares of the speed of `peak/multiply-adds` are printed, which are of `f64` in the widest
//! registers. `ratecheck bench` measures the same work in turns with the limits of the processor, which is fairer on a
//! busy machine, and a sweep.
#![allow(missing_docs, clippy::print_stdout)]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use criterion::{Criterion, Throughput, criterion_group};
use ndarray::Array2;
use rand::RngExt;
use ratecheck::curvature::{block_norms, dense_hessian};
use ratecheck::data::Dataset;
use ratecheck::descent::{Lockstep, Plan, Precision, Schedule, StepRule, Stepper, run_in_lockstep};
use ratecheck::loss::closed::ProblemJ;
use ratecheck::loss::{Minibatches, Over, Setting, Workspace};
use ratecheck::machine::Unit;
use ratecheck::network::{Activation, Architecture, Convolutions, Image, Network, Normalisation, Objective};
use ratecheck::random::Seed;
use ratecheck::rates::log_spaced;
use ratecheck::scalar::{Dual, Matrix, MatrixMut, Store, matmul};

fn network(widths: &[usize], examples: usize, objective: Objective) -> (Network, Vec<f64>) {
    let mut generator = Seed::new(1).generator("bench");
    let inputs: Vec<f64> = (0..widths[0] * examples).map(|_| generator.random_range(-1.7..1.7)).collect();
    let outputs = widths[widths.len() - 1];
    let labels = (0..examples)
        .map(|_| match objective {
            Objective::Logistic => f64::from(generator.random_range(0..2)) * 2.0 - 1.0,
            _ => generator.random_range(0..outputs as u64) as f64,
        })
        .collect();
    let data = Dataset::new(inputs, examples, widths[0], labels).expect("finite data");
    let architecture = Architecture {
        widths: widths.to_vec(),
        normalisation: Normalisation::SmoothedBatchNorm { epsilon: 0.1 },
        activation: Activation::Tanh,
        objective,
        weight_decay: 0.01,
    };
    let network = Network::new(architecture, data, Minibatches::full(examples)).expect("a sound network");
    let theta = network.initialise(&mut generator);
    (network, theta)
}

/// Multiply-adds of the matrix products of one gradient, times 2: forward, dL/dW,
/// and dL/dx behind every layer but the first.
fn gradient_flops(widths: &[usize], batch: usize) -> u64 {
    let products = |w: &[usize]| (w[0] * w[1]) as u64;
    let all: u64 = widths.windows(2).map(products).sum();
    2 * batch as u64 * (3 * all - products(&widths[..2]))
}

/// The same of a Hessian-vector product. Behind the first layer, whose inputs are constants, every product of the
/// gradient has two more for the derivative; dL/dW itself is not wanted.
fn product_flops(widths: &[usize], batch: usize) -> u64 {
    let products = |w: &[usize]| (w[0] * w[1]) as u64;
    let all: u64 = widths.windows(2).map(products).sum();
    2 * batch as u64 * (8 * all - 5 * products(&widths[..2]))
}

fn peak(c: &mut Criterion) {
    let a = Array2::from_shape_fn((256, 256), |(i, j)| ((i * 31 + j * 17) % 64) as f64);
    let b = a.t().to_owned();
    let mut out = Array2::zeros((256, 256));
    ndarray::linalg::general_mat_mul(1.0, &a, &b, 0.0, &mut out);
    assert_eq!(out, a.dot(&b), "entries are small whole numbers: the product is exact");
    let mut group = c.benchmark_group("peak");
    let units = Unit::all();
    let chains = move || units[units.len() - 1].multiply_adds(10_000, -0.999_999_7, 1.000_003);
    group.throughput(Throughput::Elements(2 * chains().multiply_adds));
    group.bench_function("multiply-adds", |bench| bench.iter(&chains));
    group.throughput(Throughput::Elements(2 * 256 * 256 * 256));
    group.bench_function("matmul-256", |bench| {
        bench.iter(|| ndarray::linalg::general_mat_mul(1.0, black_box(&a), black_box(&b), 0.0, &mut out));
    });
    group.finish();
}

fn networks(c: &mut Criterion) {
    let cases: [(&str, &[usize], usize, Objective); 3] = [
        ("8-16-16-1/batch-32", &[8, 16, 16, 1], 32, Objective::Logistic),
        ("8-16-16-1/batch-256", &[8, 16, 16, 1], 256, Objective::Logistic),
        ("64-128-128-10/batch-256", &[64, 128, 128, 10], 256, Objective::CrossEntropy),
    ];
    for (name, widths, batch, objective) in cases {
        let (network, theta) = network(widths, batch, objective);
        let z: Vec<usize> = (0..batch).collect();
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(gradient_flops(widths, batch)));
        let mut grad = vec![0.0; theta.len()];
        let mut work = Workspace::default();
        group.bench_function("gradient", |bench| {
            bench.iter(|| network.sample_gradient(&z, black_box(&theta), &mut grad, &mut work));
        });
        // Above 100 % of the product, which is one of f64, where networks are large.
        let (single, mut rounded): (Vec<f32>, Vec<f32>) = theta.iter().map(|&x| (x as f32, 0.0)).unzip();
        let mut single_work = Workspace::default();
        group.bench_function("gradient in single precision", |bench| {
            bench.iter(|| network.sample_gradient(&z, black_box(&single), &mut rounded, &mut single_work));
        });
        let lifted: Vec<Dual<f64>> = theta.iter().enumerate().map(|(i, &x)| Dual::new(x, (i % 3) as f64)).collect();
        let mut product = lifted.clone();
        let mut work = Workspace::derivatives_alone();
        group.throughput(Throughput::Elements(product_flops(widths, batch)));
        group.bench_function("hessian-vector product", |bench| {
            bench.iter(|| network.sample_gradient(&z, black_box(&lifted), &mut product, &mut work));
        });
        group.finish();
    }
}

/// The network of appendix D in single precision, beside a product of its own precision: an eighth of the paper's
/// width, 32x32 images, 100 of them. `benches/pytorch.py` sets its step beside PyTorch's.
fn filters(c: &mut Criterion) {
    const N: usize = 256;
    let a: Vec<f32> = (0..N * N).map(|i| (i % 61) as f32 - 30.0).collect();
    let mut product = vec![0.0_f32; N * N];
    let view = |data| Matrix { data, rows: N, columns: N, row_step: N, column_step: 1, plane_step: None };
    let mut group = c.benchmark_group("vgg/batch-100");
    group.sample_size(20);
    group.throughput(Throughput::Elements(2 * (N * N * N) as u64));
    group.bench_function("matmul-256 in single precision", |bench| {
        bench.iter(|| {
            let c = MatrixMut { data: &mut product, rows: N, columns: N, row_step: N, plane_step: N * N };
            matmul::<f32>(&[[view(black_box(&a)), view(&a)]], c, Store::Replace);
        });
    });
    let (batch, image) = (100, Image { channels: 3, height: 32, width: 32 });
    let (filters, dense) = Convolutions::vgg(image, 1.0 / 8.0);
    let inputs = image.channels * image.height * image.width;
    // The inputs of a row, the rows and the positions of every layer.
    let (mut shapes, mut channels, mut positions) = (Vec::new(), image.channels, image.height * image.width);
    for layer in &filters.layers {
        shapes.push(9 * channels * layer.filters * positions);
        channels = layer.filters;
        positions /= if layer.pooled { 4 } else { 1 };
    }
    shapes.extend([channels * positions * dense, dense * 10]);
    let flops = 2 * batch * (3 * shapes.iter().sum::<usize>() - shapes[0]);
    let mut generator = Seed::new(1).generator("bench filters");
    let images = (0..inputs * batch).map(|_| generator.random_range(-1.7..1.7)).collect();
    let labels = (0..batch).map(|_| generator.random_range(0..10_u64) as f64).collect();
    let data = Dataset::new(images, batch, inputs, labels).expect("finite data");
    let architecture = Architecture {
        widths: vec![inputs, dense, 10],
        normalisation: Normalisation::BatchNorm,
        activation: Activation::Relu,
        objective: Objective::CrossEntropy,
        weight_decay: 0.0,
    };
    let network =
        Network::convolutional(architecture, filters, data, Minibatches::full(batch)).expect("a sound network");
    let theta = network.initialise(&mut generator);
    let eta = Schedule::constant(0.01).expect("a valid rate");
    let mut stepper = Stepper::new(&network, &theta, StepRule::Gradient, eta, eta, Seed::new(2).generator("step"))
        .evaluating_in(Precision::Single);
    group.throughput(Throughput::Elements(flops as u64));
    group.bench_function("step in single precision", |bench| bench.iter(|| stepper.step().expect("finite")));
    group.finish();
}

/// Steps of one long run each: minibatch, gradient, norms, move.
fn steps(c: &mut Criterion) {
    let widths = [8, 16, 16, 1];
    let (full, theta) = network(&widths, 256, Objective::Logistic);
    let sgd = full.with_minibatches(Minibatches::subsets(256, 32).expect("32 of 256"));
    let eta = Schedule::new(0.1, 0.5).expect("a valid rate");
    for (name, loss, batch) in [("8-16-16-1/batch-32", &sgd, 32), ("8-16-16-1/batch-256", &full, 256)] {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(gradient_flops(&widths, batch)));
        let mut stepper = Stepper::new(loss, &theta, StepRule::Gradient, eta, eta, Seed::new(2).generator("step"));
        group.bench_function("step", |bench| bench.iter(|| stepper.step().expect("finite")));
        group.finish();
    }
    let mut group = c.benchmark_group("8-16-16-1/batch-32");
    group.throughput(Throughput::Elements(8 * gradient_flops(&widths, 32)));
    let stepper = |k| Stepper::new(&sgd, &theta, StepRule::Gradient, eta, eta, Seed::new(k).generator("step"));
    let mut together = Lockstep::new(&sgd, (0..8).map(stepper).collect());
    group.bench_function("step of eight runs", |bench| {
        bench.iter(|| assert!(together.step().iter().all(Result::is_ok)));
    });
    // A sweep's worth of it: starts, steps, and L at forty horizons, each time from sixteen fresh minibatches.
    const STEPS: u64 = 1000;
    let plan = Plan::new(StepRule::Gradient, eta, eta, STEPS, log_spaced(1, STEPS, 40));
    let runs: Vec<_> = (0..8).map(|k| (theta.clone(), plan.clone(), Seed::new(k).generator("sweep"))).collect();
    group.throughput(Throughput::Elements(8 * STEPS * gradient_flops(&widths, 32)));
    group.sample_size(20);
    group.bench_function("sweep of eight runs", |bench| bench.iter(|| run_in_lockstep(&sgd, black_box(&runs))));
    group.finish();
    let problem = ProblemJ::new(4, 0.5, 0.5);
    let start = vec![0.5; problem.parameters().len()];
    let mut stepper = Stepper::new(&problem, &start, StepRule::Gradient, eta, eta, Seed::new(2).generator("step"));
    c.bench_function("problem-j/step", |bench| bench.iter(|| stepper.step().expect("finite")));
}

/// See [`curvature`].
const BUDGET: u64 = 300_000_000;

/// All norms of the blocks of one Hessian, on one core. The budget is the time in which the 256^3 product does 3e8
/// operations (10 ms at 30 GFLOP/s), so that the share of it that is used is `peak/matmul-256` over this throughput.
fn curvature(c: &mut Criterion) {
    let (network, theta) = network(&[8, 16, 16, 1], 32, Objective::Logistic);
    let theta = network.parameters().theta_unit(&theta);
    let z: Vec<usize> = (0..32).collect();
    let norms = block_norms(&network, &z, &theta);
    assert_eq!(norms.l_vv.len(), 33 * 33);
    let mut group = c.benchmark_group("8-16-16-1/batch-32");
    group.throughput(Throughput::Elements(BUDGET));
    group.bench_function("dense hessian", |bench| bench.iter(|| dense_hessian(&network, &z, black_box(&theta))));
    group.bench_function("block norms", |bench| bench.iter(|| block_norms(&network, &z, black_box(&theta))));
    group.finish();
}

criterion_group!(benches, peak, networks, filters, steps, curvature);

fn main() {
    let begin = SystemTime::now();
    benches();
    Criterion::default().configure_from_args().final_summary();
    shares(begin);
}

/// Prints what Criterion has measured since `begin` relative to multiply-adds in registers; nothing where it did not
/// measure those.
fn shares(begin: SystemTime) {
    let home = std::env::var_os("CRITERION_HOME").map(PathBuf::from);
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let mut found: Vec<(String, f64, f64)> = Vec::new();
    collect(&home.unwrap_or_else(|| target.join("criterion")), begin, &mut found);
    let speed = |of: &str| found.iter().find(|(name, ..)| name == of).map(|(_, ops, ns)| ops / ns);
    let (Some(peak), product) = (speed("peak/multiply-adds"), speed("peak/matmul-256")) else {
        return;
    };
    println!("Shares of {peak:.1} GFLOP/s, the speed of multiply-adds in registers, by medians:");
    found.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, ops, ns) in found {
        if ops != BUDGET as f64 {
            println!("  {name:50} {:6.1} %", 100.0 * ops / ns / peak);
        } else if let Some(product) = product {
            println!("  {name:50} {:6.1} ms where the product runs at 30 GFLOP/s", 10.0 * product * ns / ops);
        }
    }
}

/// (name, operations, nanoseconds) of every benchmark below a folder that was measured since `begin` and counts
/// operations.
fn collect(folder: &Path, begin: SystemTime, found: &mut Vec<(String, f64, f64)>) {
    let read = |name: &str| -> Option<serde_json::Value> {
        let path = folder.join(name);
        let fresh = path.metadata().and_then(|m| m.modified()).is_ok_and(|at| at >= begin);
        fresh.then(|| serde_json::from_slice(&std::fs::read(path).ok()?).ok())?
    };
    if folder.ends_with("new")
        && let (Some(about), Some(estimates)) = (read("benchmark.json"), read("estimates.json"))
        && let Some(ops) = about["throughput"]["Elements"].as_f64()
        && let Some(ns) = estimates["median"]["point_estimate"].as_f64()
    {
        found.push((about["full_id"].as_str().unwrap_or_default().to_owned(), ops, ns));
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            collect(&entry.path(), begin, found);
        }
    }
}
